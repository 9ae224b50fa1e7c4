// What the shim itself checks of a call's arguments: only what it, or the glue, would trip over. The
// values are the core's to judge.
import { UsageError } from "./errors.js";
import { host } from "./host.js";

/** The error for a wrong argument. */
export function invalid(message: string): UsageError {
  return new UsageError({ code: "invalid_argument", message });
}

/** Names of options, each with the names in the object that it takes, or null. */
export interface OptionNames {
  readonly [name: string]: OptionNames | null;
}

/**
 * Checks a call's options; `undefined` and `null` count as no options. Options that are neither in `own` (names separated
 * by spaces) nor in a table are refused. Without `own`, names are not checked.
 */
export function optionsOf<T extends object>(
  options: T | null | undefined,
  own?: string,
  ...tables: OptionNames[]
): T | Record<string, never> {
  if (options === undefined || options === null) return {};
  // An array would be taken for arguments, as other clients have them in this place.
  if (typeof options !== "object" || Array.isArray(options)) {
    throw invalid('options must be an object, for example { args: ["-l"] }');
  }
  const { signal } = options as { signal?: unknown };
  if (signal instanceof AbortSignal) host.listenedTo?.(signal);
  if (own !== undefined) {
    const names = own.split(" ").map((name): [string, null] => [name, null]);
    checkNames(options, Object.assign(Object.fromEntries(names), ...tables) as OptionNames, "");
  }
  return options;
}

/** Refuses unknown options, which would be ignored silently. */
function checkNames(options: object, known: OptionNames, path: string): void {
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    if (value === undefined) continue;
    if (!Object.hasOwn(known, name)) {
      const near = nearest(name, Object.keys(known));
      throw invalid(
        `there is no option \`${path}${name}\`: ${near ? `did you mean \`${path}${near}\`?` : `the options here are ${Object.keys(known).join(", ")}`}`,
      );
    }
    const inside = known[name];
    if (inside && typeof value === "object" && value && !Array.isArray(value))
      checkNames(value, inside, `${path}${name}.`);
  }
}

/** Names that other programs have. */
const ELSEWHERE = new Map([
  ["cwd", "workingDir"],
  ["dir", "workingDir"],
]);

/** The name that begins like this one for more than half of it. */
export function nearest(name: string, known: string[]): string | undefined {
  const plain = (text: string) => text.replace(/[_-]/g, "").toLowerCase();
  const given = plain(ELSEWHERE.get(name) ?? name);
  const like = (other: string) => {
    let length = 0;
    while (length < given.length && plain(other)[length] === given[length]) length++;
    return length;
  };
  const [best] = known.sort((a, b) => like(b) - like(a));
  return best !== undefined && like(best) > Math.max(2, given.length / 2) ? best : undefined;
}

/** Refuses a handler that could not be called later. */
export function checkHandler(name: string, handler: unknown): void {
  if (handler !== undefined && typeof handler !== "function") throw invalid(`\`${name}\` must be a function`);
}

/** Whether what a handler has returned is awaited. */
export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | undefined | null)?.then === "function";
}

/** Refuses what is not the number of a port. */
export function checkPort(port: unknown): void {
  if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65_535)
    throw invalid("a port must be an integer from 1 to 65535");
}

const encoder = new TextEncoder();

/** What can be sent as bytes. */
export type Data = string | ArrayBuffer | ArrayBufferView;

/** Text in UTF-8, or the bytes that a buffer or a view of one has. */
export function bytesOf(data: Data): Uint8Array {
  if (typeof data === "string") return encoder.encode(data);
  try {
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    // By its tag, since a buffer may be of another realm.
    if (Object.prototype.toString.call(data) === "[object ArrayBuffer]") return new Uint8Array(data);
  } catch {
    throw invalid("the data's buffer is detached: it was transferred away");
  }
  throw invalid("data must be a string, a Uint8Array, an ArrayBuffer or a view of one");
}
