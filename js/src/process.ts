import { checkPort, type Data } from "./arguments.js";
import { AbortError, ApiError, ProtocolError, ShorelineError } from "./errors.js";
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

/** What a process is known by, and how far its output was read: plain data, for another isolate. */
export interface ProcessJSON extends Partial<ProcessInfo> {
  /** The process id inside the sandbox. */
  pid: number;
  /** The sandbox. */
  sandboxId: string;
  /** Where `output()` goes on. */
  cursor?: Cursor | undefined;
}

/** What of a process is followed. */
export const BOTH = 0;
export const STDOUT = 1;
export const STDERR = 2;
export const EXIT = 3;

/** What a handle needs of its sandbox. */
export interface ProcessCalls {
  readonly sandboxId: string;
  getProcess(process: ProcessAddress, options?: CallOptions): Promise<ProcessInfo>;
  killProcess(process: ProcessAddress, options?: CallOptions): Promise<void>;
  sendSignal(process: ProcessAddress, signal: SignalName | number, options?: CallOptions): Promise<unknown>;
  writeStdin(process: ProcessAddress, data: Data, options?: CallOptions): Promise<void>;
  closeStdin(process: ProcessAddress, options?: CallOptions): Promise<void>;
  run(command: string, options: { args: string[]; signal: AbortSignal; check: true }): PromiseLike<unknown>;
  open(which: number, process: ProcessAddress, options?: FollowOptions): Promise<BatchSource>;
}

/** Between two looks at a process, ms, where its exit cannot be followed: a quick end is seen quickly, a late one costs little. */
const FIRST_LOOK_MS = 20;
const LAST_LOOK_MS = 1000;
/** How many looks in a row may fail. */
const FAILURES = 10;

/** How output is followed that is not taken line by line. */
const AS_BYTES = { pieces: true, transport: "auto" } as const;

/**
 * A command in a sandbox: what `startProcess` resolves to ({@link Process}), and what `run` returns beside the promise of
 * its result ({@link RunningCommand}). A command that is run has no `pid` until it has started: methods wait for that,
 * and reject as the run does if it does not start.
 */
export abstract class ProcessHandle implements AsyncDisposable, AsyncIterable<OutputEvent> {
  /** The process id inside the sandbox; undefined until it is known. */
  declare readonly pid: number | undefined;
  /** The last known state: `running`, or how it ended; undefined until it has started. */
  declare readonly status: ProcessStatus | undefined;
  /** The exit code; null while it runs, and when a signal ended it. */
  declare readonly exitCode: number | null;
  /** The number of the signal that ended it; null while it runs, and when it returned. */
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

  /** @internal What calls name the process by, once it has started. */
  protected abstract address(): Promise<ProcessAddress>;

  /** @internal Takes what is newly known. */
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
   * Both streams as events, from the start, or from where `toJSON` was in another isolate. They last for as long as
   * something that the process started holds its output open; `until: "exit"` ends them with the process.
   */
  output(options?: FollowOptions): FollowIterator {
    const cursor = options?.after ?? this.#after;
    const from = cursor && { after: cursor };
    this.#output = this.#follow(BOTH, { ...options, ...from });
    return this.#output;
  }

  /** Both streams as whole lines, from the start to the end of the process. */
  abstract [Symbol.asyncIterator](): EventIterator;

  /**
   * Standard output as bytes from its start, unfinished lines included where the server sends them. It is read as it
   * is taken, by a request of its own, and always the same stream.
   */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#stdout ??= bytesOf(() => this.#follow(STDOUT, AS_BYTES));
    return this.#stdout;
  }

  /** Standard error, as `stdout`. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#stderr ??= bytesOf(() => this.#follow(STDERR, AS_BYTES));
    return this.#stderr;
  }

  /**
   * Standard input of a process that was started with `stdinMode: "pipe"`. Closing the stream ends the input. Aborting
   * it, as `pipeTo` does when its source fails, leaves the input open, so that the process does not take a part of the
   * input for all of it: call `kill`, or `sandbox.closeStdin(pid)` to end the input there. A command that is run takes its
   * input as `input` instead.
   */
  get stdin(): WritableStream<Data> {
    this.#stdin ??= new WritableStream({
      write: async (data) => this.#calls.writeStdin(await this.address(), data),
      close: async () => this.#calls.closeStdin(await this.address()),
    });
    return this.#stdin;
  }

  /**
   * Waits until the process has ended, and returns its record. `status`, `exitCode` and the other properties of the handle
   * are then those of the end. The local server reports the exit on a stream of its own, which is resumed as `followOutput`
   * is; other servers are polled, every second in the end. No output is read.
   *
   * @throws {@link ShorelineError} `wait_timeout` if the process does not end within `timeout`; `not_found` if the server
   * does not know it; a connection error, such as `connection_lost`, after ten failed attempts in a row.
   */
  async wait(options?: WaitOptions): Promise<ProcessInfo> {
    const info = await limited(options, "the process did not end", (signal) => this.#ended(signal));
    // All that is known now: what the record leaves out is no longer so.
    this.#known = {};
    this.learn(info);
    return info;
  }

  /** Kills it (SIGKILL), or stops a managed one. */
  kill(options?: CallOptions): Promise<void>;
  /** Sends it a signal, by name or by number. */
  kill(signal: SignalName | number, options?: CallOptions): Promise<void>;
  async kill(first?: SignalName | number | CallOptions, options?: CallOptions): Promise<void> {
    const address = await this.address();
    if (typeof first === "object" || first === undefined)
      await this.#calls.killProcess(address, first ?? options);
    else await this.#calls.sendSignal(address, first, options);
  }

  /** Ends it, unless it is known to have ended. */
  abstract [Symbol.asyncDispose](): Promise<void>;

  /**
   * Waits for the first line of either stream, from the start of the output, that matches `pattern`. If the server
   * sends unfinished lines, a line is tested as it grows: a prompt matches before its line ends. The event is then
   * `partial` and has the line so far. To match finished lines only, end the pattern with `\n`.
   *
   * Rejects with `output_ended` if no line matches, and with `wait_timeout` if none does in time.
   *
   * @example
   * ```ts
   * await proc.waitForLine("Continue? ");
   * const { line } = await proc.waitForLine(/^listening on port \d+\n/);
   * ```
   */
  async waitForLine(pattern: string | RegExp, options?: WaitOptions): Promise<OutputEvent> {
    const matches = matcher(pattern);
    return limited(options, "the line did not come", async (signal) => {
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
   * Waits until something in the sandbox listens on a TCP port. Rejects with `output_ended` if the process ends
   * first, with `wait_timeout` if nothing does in time. The sandbox needs a shell and `grep`.
   */
  async waitForPort(port: number, options?: WaitOptions): Promise<void> {
    checkPort(port);
    await limited(options, `nothing came to listen on port ${port}`, async (signal) => {
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
        // The one that loses is ended below.
        for (const each of [listening, over]) each.then(undefined, noop);
        if (!(await Promise.race([listening, over])))
          throw ended(`process ${this.pid} ended before anything listened on port ${port}`);
      } finally {
        signal.removeEventListener("abort", stop);
        inside.abort();
      }
    });
  }

  /** What another isolate needs to go on: `sandbox.process(json)`. A command that has not started has no `pid` yet. */
  toJSON(): Partial<ProcessJSON> {
    const cursor = this.#output?.cursor() ?? this.#after;
    return {
      ...this.#known,
      sandboxId: this.#calls.sandboxId,
      ...(cursor && { cursor }),
    };
  }

  /** What calls name the process by, unless the signal aborts first. */
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
          // The record says what is wrong, unless the server has no such stream.
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

/** A process that was started: what the server said of it then, and what can be done with it. */
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

  /** @internal A name is an address; a pid may be another's by the time a managed process was started again. */
  protected override address(): Promise<ProcessAddress> {
    return Promise.resolve(this.managed?.name ?? this.pid);
  }

  /**
   * Both streams as whole lines, from the start (or from where `toJSON` was in another isolate) to the end of the process.
   * The process goes on when the loop is left.
   */
  override [Symbol.asyncIterator](): FollowIterator {
    return this.output({ until: "exit" });
  }

  /** What another isolate needs to go on: `sandbox.process(json)`. */
  override toJSON(): ProcessJSON {
    return super.toJSON() as ProcessJSON;
  }

  /** Kills it, unless it is known to have ended. */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.status === "running") await this.kill();
  }
}

/** POSIX, and Linux's own table: 0A is its LISTEN. */
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
        // Of a line that came in pieces there may be nothing left: streams of bytes take no empty chunks.
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
