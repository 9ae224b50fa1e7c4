// What the contract suite is written with. It knows no runtime: a host gives it a server and reports.
import { type ClientOptions, type FollowOptions, Sandbox, ShorelineError } from "shoreline";

/** A server to test against. */
export interface Server {
  url: string;
  apiKey: string;
}

/** What a case is given: a server, and one sandbox of it that all cases share. */
export interface Context extends Server {
  sandbox: Sandbox;
}

/** One promise of the package, by name. */
export interface Case {
  name: string;
  run: (context: Context) => Promise<void>;
}

export const cases: Case[] = [];

/** Declares a case. */
export function test(name: string, run: Case["run"]): void {
  if (cases.some((other) => other.name === name))
    throw new Error(`two cases are called ${JSON.stringify(name)}`);
  cases.push({ name, run });
}

/** A case that takes longer, ms, hangs and fails by its own name. A slow, busy machine stays far below. */
const LIMIT = 240_000;

/** Runs one case. */
export async function runCase(context: Context, name: string): Promise<void> {
  const found = cases.find((one) => one.name === name);
  if (!found) throw new Error(`there is no case ${JSON.stringify(name)}`);
  await within(LIMIT, found.run(context));
}

/** The sandbox that the cases share. */
export async function prepare({ url, apiKey }: Server): Promise<Context> {
  return { url, apiKey, sandbox: await Sandbox.create({ apiUrl: url, apiKey }) };
}

/** Fails where `promise` takes longer than `ms`. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`took longer than ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Disposes of something as `await using` does, and returns it: not every engine has the symbol for that. */
export async function dispose<T extends AsyncDisposable>(resource: T): Promise<T> {
  await using held = resource;
  return held;
}

/** Fails unless both are the same; objects and arrays by what they hold, as JSON has it. */
export function equal(actual: unknown, expected: unknown, what = "value"): void {
  const [a, b] = [actual, expected].map((value) => (typeof value === "object" ? json(value) : value));
  if (!Object.is(a, b)) throw new Error(`${what}: expected ${show(b)}, got ${show(a)}`);
}

function json(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** Fails unless `condition` holds. */
export function ok(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`not so: ${what}`);
}

/** Fails unless `promise` rejects with an error of Shoreline that has this code; gives the error. */
export async function rejects<E extends ShorelineError = ShorelineError>(
  promise: PromiseLike<unknown>,
  code: ShorelineError["code"],
): Promise<E> {
  const failure = await settled(promise);
  if (!("error" in failure)) throw new Error(`expected ${code}, got ${show(failure.value)}`);
  const { error } = failure;
  if (!(error instanceof ShorelineError))
    throw new Error(`expected ${code}, got ${String(error)}`, { cause: error });
  if (error.code !== code)
    throw new Error(`expected ${code}, got ${error.code}: ${error.message}`, { cause: error });
  ok(error.message.length > 0, "an error has a message");
  return error as E;
}

async function settled(promise: PromiseLike<unknown>): Promise<{ value: unknown } | { error: unknown }> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

function show(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length} characters)` : text;
}

/** The SHA-256 of text or bytes, in hex. */
export async function sha256(data: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Reads output to its end, which is the end of the process. */
export async function ended(output: AsyncIterable<unknown>): Promise<void> {
  const events = output[Symbol.asyncIterator]();
  while (!(await events.next()).done);
}

/** A request that was sent. */
export interface Sent {
  method: string;
  url: string;
  signal: AbortSignal;
}

/** A `fetch` that notes what is sent, and sends it or lets `answer` answer. */
export function recorder(answer: typeof fetch = fetch): { fetch: typeof fetch; sent: Sent[] } {
  const sent: Sent[] = [];
  return {
    sent,
    fetch: (input, init) => {
      const { method = "GET", signal } = init ?? {};
      sent.push({ method, url: input as string, signal: signal as AbortSignal });
      return answer(input, init);
    },
  };
}

/** The cases' sandbox, with notes of what is sent. */
export async function recorded({ sandbox, apiKey }: Context): Promise<{ sandbox: Sandbox; sent: Sent[] }> {
  const { fetch, sent } = recorder();
  const { sandboxUrl } = await sandbox.info();
  ok(sandboxUrl !== undefined, "the server says where the sandbox is");
  const { sandboxId } = sandbox;
  return { sandbox: await Sandbox.connect({ sandboxId, proxyUrl: sandboxUrl, apiKey, fetch }), sent };
}

/** A sandbox of a peer that `answer` plays, with notes of what is sent. */
export async function sandboxOf(
  answer: typeof fetch,
  options: ClientOptions = {},
): Promise<{ sandbox: Sandbox; sent: Sent[] }> {
  const { fetch, sent } = recorder(answer);
  const sandboxId = "peer-under-control";
  const proxyUrl = "http://peer.invalid";
  return { sandbox: await Sandbox.connect({ sandboxId, proxyUrl, apiKey: "key", fetch, ...options }), sent };
}

/** Follows both streams of a process by a transport, whose events have to be the lines and their bytes. */
export async function givesEveryLine(sandbox: Sandbox, transport: FollowOptions["transport"]): Promise<void> {
  const { pid } = await sandbox.startProcess("sh", {
    args: ["-c", "echo out; echo err >&2; printf '\\377\\n'; printf 'n\\303\\244h'"],
  });
  const seen: [string | undefined, string, number[]][] = [];
  for await (const { stream, text, bytes } of sandbox.followOutput(pid, { transport }))
    seen.push([stream, text, Array.from(bytes.slice(0, 2))]);
  equal(
    seen.filter(([stream]) => stream === "stderr"),
    [["stderr", "err\n", [101, 114]]],
  );
  equal(
    seen.filter(([stream]) => stream === "stdout"),
    [
      ["stdout", "out\n", [111, 117]],
      ["stdout", "\ufffd\n", [255, 10]],
      ["stdout", "n\u00e4h", [110, 195]],
    ],
  );
}
