// An archive's way into a sandbox and out of it, by a process there.
import { AbortError, ApiError, CommandError, ShorelineError } from "../errors.js";
import type { Process } from "../process.js";
import type { FollowIterator } from "../output.js";
import type { Sandbox } from "../sandbox.js";
import { invalid } from "../arguments.js";
import type { CommandResult } from "../result.js";
import { CLEAN, GIVE, IN_THE_WAY, NOT_FOUND, TAKE } from "./scripts.js";
import { isWellFormed } from "./entries.js";

/** What is sent in one request: servers take 2 MiB at least. */
export const CHUNK = 1024 * 1024;
/** What is kept of standard error. */
const MESSAGES = 64 * 1024;
/** How long a process may take to end after it was killed, and the removal of what it left, seconds. */
const GRACE = 30;

/** A path in a sandbox without doubled and final slashes, which does not begin with `-`. */
export function remotePath(path: unknown): string {
  if (typeof path !== "string" || path === "" || path.includes("\0") || !isWellFormed(path))
    throw invalid("a path in the sandbox must be a non-empty string without NUL");
  const plain = path.replace(/\/+/g, "/").replace(/(?<=.)\/$/, "");
  return plain.startsWith("/") ? plain : `./${plain}`;
}

/** What an archive is made for. */
export interface Receiver {
  /** Whether the path is new. */
  isNew: boolean;
  /** Whether the sandbox has GNU's tar. */
  isGnu: boolean;
}

/** Sends an archive, which is made once it is known what for. */
export async function send(
  sandbox: Sandbox,
  path: string,
  kind: "tree" | "one",
  mode: number,
  archive: (receiver: Receiver) => AsyncIterable<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const name = `.shoreline-${crypto.randomUUID()}`;
  const stage = `${path.slice(0, path.lastIndexOf("/"))}/${name}`;
  const remote = await Remote.start(sandbox, TAKE, [path, name, kind, mode.toString(8)], stage, signal);
  let isNew = true;
  try {
    const first = await remote.line();
    if (first !== undefined) {
      isNew = first.startsWith("new");
      for await (const chunk of archive({ isNew, isGnu: first.endsWith("gnu") })) await remote.write(chunk);
      await remote.endInput();
    }
    await remote.end();
  } catch (error) {
    await remote.stop();
    if (!isNew && error instanceof ShorelineError)
      error.message += `; ${path} was there before, and has what was copied up to then`;
    throw error;
  }
}

/** How an archive is received. */
export interface ReceiveOptions {
  followLinks: boolean;
  /** The patterns as GNU's tar takes them. */
  excludes: readonly string[];
  signal: AbortSignal | undefined;
  /** Told the size of the archive, where that is known. */
  onTotal?: ((bytes: number) => void) | undefined;
  /** Told at the beginning whether it is of one file or link. */
  onKind: (kind: string) => void;
  /** Told of sockets, which tar leaves out. */
  onSocket: (path: string) => void;
}

/** The archive of a path, as it is made. */
export async function* receive(
  sandbox: Sandbox,
  path: string,
  { followLinks, excludes, signal, onTotal, onKind, onSocket }: ReceiveOptions,
): AsyncGenerator<Uint8Array, void> {
  const name = `.shoreline-${crypto.randomUUID()}`;
  const args = [path, name, followLinks ? "1" : "", onTotal ? "1" : "", ...excludes];
  const remote = await Remote.start(sandbox, GIVE, args, `/tmp/${name}`, signal);
  try {
    const [, kind, spool] = /^(\w+) (.*)$/s.exec((await remote.line()) ?? "") ?? [];
    if (kind === undefined || spool === undefined) {
      await remote.end();
      return;
    }
    remote.leftover = spool;
    onKind(kind);
    await remote.write("\n\n");
    for (let line = await remote.line(); line !== "end"; line = await remote.line()) {
      if (line === undefined) {
        await remote.end();
        return;
      }
      if (line.startsWith("total ")) onTotal?.(Number(line.slice(6)));
      else if (/^\d+$/.test(line)) {
        const file = await sandbox.readFileStream(`${spool}/${line}`, signal && { signal });
        yield* pieces(file);
        await remote.write("\n");
      }
    }
    await remote.endInput();
    await remote.end();
    for (const [, name = ""] of remote.messages.matchAll(/^tar: (.*): socket ignored$/gm)) onSocket(name);
  } finally {
    await remote.stop();
  }
}

async function* pieces(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(noop);
  }
}

/** A script that runs in a sandbox. */
class Remote {
  readonly #sandbox: Sandbox;
  readonly #process: Process;
  readonly #events: FollowIterator;
  /** What it leaves if it is killed. */
  leftover: string;
  readonly #signal: { signal: AbortSignal } | undefined;
  /** What it wrote to standard error. */
  messages = "";
  #ended = false;

  private constructor(sandbox: Sandbox, process: Process, leftover: string, signal: AbortSignal | undefined) {
    this.#sandbox = sandbox;
    this.#process = process;
    this.leftover = leftover;
    this.#signal = signal && { signal };
    this.#events = process.output({ until: "exit", ...this.#signal });
  }

  static async start(
    sandbox: Sandbox,
    script: string,
    args: string[],
    leftover: string,
    signal: AbortSignal | undefined,
  ): Promise<Remote> {
    stopIfAborted(signal);
    // Not with the signal: a process that started all the same would wait for its input for good.
    const process = await sandbox.startProcess("sh", {
      args: ["-c", script, "sh", ...args],
      stdinMode: "pipe",
    });
    return new Remote(sandbox, process, leftover, signal);
  }

  /** The next line of standard output; undefined at the end. */
  async line(): Promise<string | undefined> {
    for (let next = await this.#events.next(); !next.done; next = await this.#events.next()) {
      const { stream, line, text } = next.value;
      if (stream !== "stderr") return line;
      if (this.messages.length < MESSAGES) this.messages += text;
    }
    return undefined;
  }

  async write(data: string | Uint8Array<ArrayBuffer>): Promise<void> {
    stopIfAborted(this.#signal?.signal);
    await this.#sent(this.#sandbox.writeStdin(this.#process.pid, data, this.#signal));
  }

  async endInput(): Promise<void> {
    await this.#sent(this.#sandbox.closeStdin(this.#process.pid, this.#signal));
  }

  /** A process that has ended takes no input: how it ended says why. */
  async #sent(request: Promise<void>): Promise<void> {
    try {
      await request;
    } catch (error) {
      if (error instanceof ApiError) await this.end();
      throw error;
    }
  }

  /** Waits for its end, which is an error unless it returned 0. */
  async end(): Promise<void> {
    while ((await this.line()) !== undefined);
    const { exitCode, signal, oomKilled } = await this.#process.wait(this.#signal);
    this.#ended = true;
    const messages = this.messages.replace(/^tar: Exiting with failure status.*\n/gm, "");
    const last = messages.trimEnd().split("\n").at(-1) ?? "";
    if (exitCode === NOT_FOUND) throw new ApiError({ code: "not_found", message: last });
    if (exitCode === IN_THE_WAY) throw invalid(last);
    if (exitCode === 0) return;
    const how = exitCode === null ? { exitCode, signal } : { exitCode, signal: null };
    const result: CommandResult = {
      ...how,
      stdout: "",
      stderr: messages.trimEnd(),
      stdoutBytes: new Uint8Array(),
      stderrBytes: new TextEncoder().encode(messages),
      timedOut: undefined,
      oomKilled,
      outputOpen: false,
      pid: this.#process.pid,
      handle: this.#process.handle,
      durationMs: Number(this.#process.endedAt) - Number(this.#process.startedAt),
      truncated: undefined,
    };
    throw new CommandError("tar in the sandbox", result);
  }

  /** Ends it, and removes what it would have removed. */
  async stop(): Promise<void> {
    await this.#events.return();
    if (this.#ended) return;
    this.#ended = true;
    await this.#process.kill().catch(noop);
    await this.#process.wait({ timeout: GRACE }).catch(noop);
    await this.#sandbox
      .run("sh", { args: ["-c", CLEAN, "sh", this.leftover], timeout: GRACE })
      .then(noop, noop);
  }
}

/** Fails if the caller has aborted the call. */
export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new AbortError({ code: "aborted", message: "the call was aborted", cause: signal.reason });
}

function noop(): void {}
