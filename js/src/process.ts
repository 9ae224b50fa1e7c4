import { checkPort, type Data } from "./arguments.js";
import { AbortError, ApiError, ProtocolError, ShorelineError } from "./errors.js";
import type { ExcerptOptions, OutputExcerpt } from "./excerpt.js";
import type { Cursor, ManagedProcessInfo, OutputHolder, ProcessInfo, SignalName } from "./generated/types.js";
import type { ProcessStatus } from "./names.js";
import type { CallOptions, FollowOptions, ProcessAddress } from "./options.js";
import {
  type BatchSource,
  type EventIterator,
  FollowIterator,
  joined,
  LineJoiner,
  type OutputEvent,
} from "./output.js";
import { pause } from "./socket.js";
import { unlessAborted } from "./transports.js";
import { ended, limited, matcher, type WaitOptions } from "./waiting.js";

/** A process and the position in its output, as plain data for another isolate. See {@link Sandbox.process}. */
export interface ProcessJSON extends Partial<ProcessInfo> {
  /** The process id inside the sandbox. */
  pid: number;
  /** The id or name of its sandbox. */
  sandboxId: string;
  /** Where `output()` continues. */
  cursor?: Cursor | undefined;
}

/** Which stream of a process is followed. */
export const BOTH = 0;
export const STDOUT = 1;
export const STDERR = 2;
export const EXIT = 3;

/** The calls of a sandbox that a handle uses. */
export interface ProcessCalls {
  readonly sandboxId: string;
  getProcess(process: ProcessAddress, options?: CallOptions): Promise<ProcessInfo>;
  killProcess(process: ProcessAddress, options?: CallOptions): Promise<void>;
  sendSignal(process: ProcessAddress, signal: SignalName | number, options?: CallOptions): Promise<unknown>;
  writeStdin(process: ProcessAddress, data: Data, options?: CallOptions): Promise<void>;
  closeStdin(process: ProcessAddress, options?: CallOptions): Promise<void>;
  run(command: string, options: { args: string[]; signal: AbortSignal; check: true }): PromiseLike<unknown>;
  open(which: number, process: ProcessAddress, options?: FollowOptions): Promise<BatchSource>;
  excerpt(process: ProcessAddress, options?: ExcerptOptions): Promise<OutputExcerpt>;
}

/** Delay between polls of a process, ms, where its exit cannot be followed. It grows: a quick end is seen soon, a late one costs little. */
const FIRST_LOOK_MS = 20;
const LAST_LOOK_MS = 1000;
/** Polls that may fail in a row. */
const FAILURES = 10;

/** Options of a follow that is not read line by line. */
const AS_BYTES = { pieces: true, transport: "auto" } as const;

/**
 * Handle of a command in a sandbox: {@link Process} is returned by `startProcess`, {@link RunningCommand} by `run`. A
 * `RunningCommand` has no `pid` until the command has started: methods wait for the start, and reject with the error of the
 * run if it fails.
 */
export abstract class ProcessHandle implements AsyncDisposable, AsyncIterable<OutputEvent> {
  /** The process id inside the sandbox. Undefined until the command has started. */
  declare readonly pid: number | undefined;
  /** The last known state: `running`, or how the process ended. Undefined until it has started. */
  declare readonly status: ProcessStatus | undefined;
  /** The exit code. Null while the process runs, and if a signal ended it. */
  declare readonly exitCode: number | null;
  /** The number of the signal that ended the process. Null while it runs, and if it exited by itself. */
  declare readonly signal: number | null;
  /** The command. */
  declare readonly command: string;
  /** Its arguments. */
  declare readonly args: readonly string[];
  readonly #calls: ProcessCalls;
  #known: Partial<ProcessInfo> = {};
  readonly #after: Cursor | undefined;
  #output: FollowIterator | undefined;
  #stdout: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #stderr: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #stdin: WritableStream<Data> | undefined;

  /** @internal */
  protected constructor(calls: ProcessCalls, after?: Cursor) {
    this.#calls = calls;
    this.#after = after;
  }

  /** @internal Pid or name for calls, once the process has started. */
  protected abstract address(): Promise<ProcessAddress>;

  /** @internal Stores new facts. */
  protected learn(known: Partial<ProcessInfo>): void {
    this.#known = { ...this.#known, ...known };
    Object.assign(this, known);
  }

  /** @internal Opens a stream of its output. */
  protected async open(which: number, options?: FollowOptions): Promise<BatchSource> {
    return this.#calls.open(which, await this.address(), options);
  }

  #follow(which: number, options?: FollowOptions): FollowIterator {
    return new FollowIterator(() => this.open(which, options), options?.after);
  }

  /**
   * Follows both streams, from the start of the output or, for a handle made of JSON, from the saved position. The
   * iteration ends when no process holds the output open any more; with `until: "exit"` it ends with the process.
   *
   * @throws {@link ShorelineError} From the iteration: `stream_broken`, `output_gap` and others.
   */
  output(options?: FollowOptions): FollowIterator {
    const cursor = options?.after ?? this.#after;
    const from = cursor && { after: cursor };
    this.#output = this.#follow(BOTH, { ...options, ...from });
    return this.#output;
  }

  /**
   * Reads the output as text for a language model, within a budget: see {@link Sandbox.excerpt}.
   *
   * @throws {@link ShorelineError} As {@link Sandbox.excerpt}.
   */
  async excerpt(options?: ExcerptOptions): Promise<OutputExcerpt> {
    return this.#calls.excerpt(await this.address(), options);
  }

  /** Iterates over the lines of both streams, from the start to the end of the process. */
  abstract [Symbol.asyncIterator](): EventIterator;

  /**
   * Standard output as bytes from its start, with unfinished lines if the server sends them. Always the same stream. It is
   * read only as it is consumed, by its own request.
   */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#stdout ??= bytesOf(() => this.#follow(STDOUT, AS_BYTES));
    return this.#stdout;
  }

  /** Standard error as bytes, as `stdout`. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#stderr ??= bytesOf(() => this.#follow(STDERR, AS_BYTES));
    return this.#stderr;
  }

  /**
   * Standard input of a process that was started with `stdinMode: "pipe"`. Closing the stream ends the input. Aborting the
   * stream, as `pipeTo` does when its source fails, leaves the input open: otherwise the process would mistake a part of the
   * input for the whole. Call `kill`, or `sandbox.closeStdin(pid)` to end the input there. `run` has the option `input`
   * instead.
   */
  get stdin(): WritableStream<Data> {
    this.#stdin ??= new WritableStream({
      write: async (data) => this.#calls.writeStdin(await this.address(), data),
      close: async () => this.#calls.closeStdin(await this.address()),
    });
    return this.#stdin;
  }

  /**
   * Waits until the process has ended, updates the properties of the handle and returns the process's record. Reads no
   * output. The local server reports the exit on a stream, which resumes as `followOutput` does. Other servers are polled,
   * at first every 20 ms and finally every second.
   *
   * @throws {@link ShorelineError} `wait_timeout` if the process does not end within `timeout`; `not_found` if the server
   * does not know it; a connection error, such as `connection_lost`, after ten failed attempts in a row.
   */
  async wait(options?: WaitOptions): Promise<ProcessInfo> {
    const info = await limited(options, "the process did not end", (signal) => this.#ended(signal));
    // The record is complete: a member that it leaves out no longer applies.
    this.#known = {};
    this.learn(info);
    return info;
  }

  /** Kills the process (SIGKILL). A managed process is stopped and not restarted. */
  kill(options?: CallOptions): Promise<void>;
  /** Sends a signal, by name (`"SIGTERM"`) or by its number on Linux (1 to 31). */
  kill(signal: SignalName | number, options?: CallOptions): Promise<void>;
  async kill(first?: SignalName | number | CallOptions, options?: CallOptions): Promise<void> {
    const address = await this.address();
    if (typeof first === "object" || first === undefined)
      await this.#calls.killProcess(address, first ?? options);
    else await this.#calls.sendSignal(address, first, options);
  }

  /** Kills the process unless it is known to have ended. */
  abstract [Symbol.asyncDispose](): Promise<void>;

  /**
   * Waits for the first line of either stream, from the start of the output, that matches `pattern`. If the server sends
   * unfinished lines, a line is tested as it grows: a prompt matches before its line ends. The event is then `partial` and
   * contains the line so far. To match only finished lines, end the pattern with `\n`.
   *
   * @param pattern - A substring or a regular expression.
   * @throws {@link ShorelineError} `output_ended` if the output ends without a match, `wait_timeout` if no line matches
   * within `timeout`.
   *
   * @example
   * ```ts
   * await proc.waitForLine("Continue? ");
   * const { line } = await proc.waitForLine(/^listening on port \d+\n/);
   * ```
   */
  async waitForLine(pattern: string | RegExp, options?: WaitOptions): Promise<OutputEvent> {
    const matches = matcher(pattern);
    return limited(options, "no line matched", async (signal) => {
      await this.#started(signal);
      const lines = new LineJoiner();
      for await (const part of this.#follow(BOTH, { ...AS_BYTES, signal })) {
        const event = lines.join(part);
        if (matches(event.line) || matches(event.text)) return event;
      }
      throw ended(`the output of process ${this.pid} ended without the line`);
    });
  }

  /**
   * Waits until any process in the sandbox listens on a TCP port. The sandbox needs `sh` and `grep`.
   *
   * @param port - 1 to 65535.
   * @throws {@link ShorelineError} `output_ended` if the process ends first, `wait_timeout` if nothing listens within
   * `timeout`.
   */
  async waitForPort(port: number, options?: WaitOptions): Promise<void> {
    checkPort(port);
    await limited(options, `nothing listened on port ${port}`, async (signal) => {
      const inside = new AbortController();
      const stop = () => {
        inside.abort(signal.reason);
      };
      signal.addEventListener("abort", stop);
      try {
        const listening = this.#calls
          .run("sh", {
            args: ["-c", LISTENING, "sh", hex(port)],
            signal: inside.signal,
            check: true,
          })
          .then(() => true);
        const over = this.#ended(inside.signal).then(() => false);
        // The loser of the race is aborted below.
        for (const each of [listening, over]) each.then(undefined, noop);
        if (!(await Promise.race([listening, over])))
          throw ended(`process ${this.pid} ended before anything listened on port ${port}`);
      } finally {
        signal.removeEventListener("abort", stop);
        inside.abort();
      }
    });
  }

  /**
   * Plain data from which another isolate continues: `sandbox.process(json)`. At most 300 bytes as JSON, unless ids or names
   * are long. Without `pid` until the command has started.
   */
  toJSON(): Partial<ProcessJSON> {
    const cursor = this.#output?.cursor() ?? this.#after;
    const { pid, status, exitCode, signal, managed } = this.#known;
    return {
      sandboxId: this.#calls.sandboxId,
      ...(pid !== undefined && { pid }),
      ...(managed && { managed: { name: managed.name } as ManagedProcessInfo }),
      ...(status && { status }),
      ...(status && status !== "running" && { exitCode, signal }),
      ...(cursor && { cursor }),
    };
  }

  /** Pid or name for calls, unless the signal aborts first. */
  async #started(signal: AbortSignal): Promise<ProcessAddress> {
    let address: ProcessAddress | undefined;
    const started = this.address().then((known) => {
      address = known;
      return true;
    });
    await unlessAborted(started, signal);
    if (address !== undefined) return address;
    throw new AbortError({
      code: "aborted",
      message: "the call was aborted",
      cause: signal.reason,
    });
  }

  async #ended(signal: AbortSignal): Promise<ProcessInfo> {
    let failures = 0;
    let follows = true;
    const address = await this.#started(signal);
    // After an exit that was seen, too: a managed process may have been started again.
    for (let delay = FIRST_LOOK_MS; ; delay = Math.min(delay * 1.5, LAST_LOOK_MS)) {
      if (follows) {
        try {
          await this.#follow(EXIT, {
            until: "exit",
            transport: "auto",
            signal,
          }).next();
        } catch (error) {
          // The record reports the problem, unless the server lacks this stream.
          follows = !ApiError.is(error) && !ProtocolError.is(error);
        }
      }
      try {
        const info = await this.#calls.getProcess(address, { signal });
        if (info.status !== "running") return info;
        failures = 0;
      } catch (error) {
        // A follow has tried to reconnect already.
        if (!ShorelineError.is(error) || !error.retryable || follows || ++failures > FAILURES) throw error;
      }
      await pause(delay, signal);
    }
  }
}

/** Handle of a process that was started by `startProcess`. Its properties are those of the last record that was read. */
export class Process extends ProcessHandle implements ProcessInfo {
  declare readonly handle?: number;
  declare readonly pid: number;
  declare readonly status: ProcessStatus;
  declare readonly oomKilled: boolean;
  declare readonly reason?: NonNullable<ProcessInfo["reason"]>;
  declare readonly stdinWritable: boolean;
  declare readonly args: string[];
  declare readonly startedAt: Date;
  declare readonly endedAt?: Date;
  declare readonly outputOpen?: boolean;
  declare readonly outputHolders?: OutputHolder[];
  declare readonly managed?: ManagedProcessInfo;
  /** The id of the server's trace of the request that started it, where the server sent one. */
  declare readonly traceId?: string;

  private constructor(calls: ProcessCalls, info: ProcessInfo | ProcessJSON) {
    const { cursor, ...known } = info as ProcessJSON;
    super(calls, cursor);
    delete (known as Partial<ProcessJSON>).sandboxId;
    this.learn(known);
  }

  /** @internal */
  static of(calls: ProcessCalls, info: ProcessInfo | ProcessJSON): Process {
    return new Process(calls, info);
  }

  /** @internal A managed process is addressed by name: a restart changes its pid, which can then be another process's. */
  protected override address(): Promise<ProcessAddress> {
    return Promise.resolve(this.managed?.name ?? this.pid);
  }

  /**
   * Iterates over the lines of both streams, from the start (or from a saved position) to the end of the process. Leaving
   * the loop does not stop the process.
   */
  override [Symbol.asyncIterator](): FollowIterator {
    return this.output({ until: "exit" });
  }

  /** Plain data from which another isolate continues: `sandbox.process(json)`. */
  override toJSON(): ProcessJSON {
    return super.toJSON() as ProcessJSON;
  }

  /** Kills the process unless it is known to have ended. */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.status === "running") await this.kill();
  }
}

/** POSIX shell. In Linux's table of sockets, state 0A is LISTEN (include/net/tcp_states.h). */
const LISTENING = String.raw`until grep -q ":$1 [0-9A-F]*:0000 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null
do sleep 0.1 2>/dev/null || sleep 1; done`;

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}

/** Events as the bytes that were written. Cancelling it closes the connection. */
function bytesOf(follow: () => FollowIterator): ReadableStream<Uint8Array<ArrayBuffer>> {
  const batches = follow().batches();
  return new ReadableStream(
    {
      async pull(controller) {
        let whole = new Uint8Array();
        // The last part of a line can be empty, and byte streams take no empty chunks.
        while (whole.length === 0) {
          const { value, done } = await batches.next();
          if (done) {
            controller.close();
            return;
          }
          whole = joined(value.map((event) => event.bytes));
        }
        controller.enqueue(whole);
      },
      async cancel() {
        await batches.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

function noop(): void {}
