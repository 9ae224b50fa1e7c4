import { checkPort, type Data, invalid, optionsOf } from "./arguments.js";
import { ApiError, ProtocolError, ShorelineError, TimeoutError } from "./errors.js";
import type { Cursor, ManagedProcessInfo, OutputHolder, ProcessInfo, SignalName } from "./generated/types.js";
import type { CallOptions, FollowOptions, ProcessAddress } from "./options.js";
import { type FollowIterator, joined, LineJoiner, type OutputEvent } from "./output.js";
import type { Sandbox } from "./sandbox.js";
import { pause } from "./socket.js";
import { after } from "./timer.js";

/** What a process is known by, and how far its output was read: plain data, for another isolate. */
export interface ProcessJSON extends Partial<ProcessInfo> {
  /** The process id inside the sandbox. */
  pid: number;
  /** The sandbox. */
  sandboxId: string;
  /** Where `output()` goes on. */
  cursor?: Cursor | undefined;
}

/** How something is waited for. */
export interface WaitOptions extends CallOptions {
  /** Seconds until it is given up. Default: never. */
  timeout?: number | undefined;
}

/** Between two looks at a process, ms, where its exit cannot be followed: a quick end is seen quickly, a late one costs little. */
const FIRST_LOOK_MS = 20;
const LAST_LOOK_MS = 1000;
/** How many looks in a row may fail. */
const FAILURES = 10;

/** How output is followed that is not taken line by line. */
const AS_BYTES = { pieces: true, transport: "auto" } as const;

/** A process that was started: what the server said of it then, and what can be done with it. */
export class Process implements ProcessInfo, AsyncDisposable {
  declare readonly handle?: number;
  declare readonly pid: number;
  declare readonly status: ProcessInfo["status"];
  declare readonly exitCode: number | null;
  declare readonly signal: number | null;
  declare readonly oomKilled: boolean;
  declare readonly reason?: NonNullable<ProcessInfo["reason"]>;
  declare readonly stdinWritable: boolean;
  declare readonly command: string;
  declare readonly args: string[];
  declare readonly startedAt: Date;
  declare readonly endedAt?: Date;
  declare readonly outputOpen?: boolean;
  declare readonly outputHolders?: OutputHolder[];
  declare readonly managed?: ManagedProcessInfo;
  /** The id of the server's trace of the request that started it, where the server sent one. */
  declare readonly traceId?: string;
  readonly #sandbox: Sandbox;
  #info: ProcessInfo | ProcessJSON;
  readonly #after: Cursor | undefined;
  #output: FollowIterator | undefined;
  #stdout: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #stderr: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #stdin: WritableStream<Data> | undefined;

  private constructor(sandbox: Sandbox, info: ProcessInfo | ProcessJSON) {
    const { cursor, ...known } = info as ProcessJSON;
    delete (known as Partial<ProcessJSON>).sandboxId;
    Object.assign(this, known);
    this.#sandbox = sandbox;
    this.#info = known;
    this.#after = cursor;
  }

  /** @internal */
  static of(sandbox: Sandbox, info: ProcessInfo | ProcessJSON): Process {
    return new Process(sandbox, info);
  }

  /** A name is an address; a pid may be another's by the time a managed process was started again. */
  get #address(): ProcessAddress {
    return this.managed?.name ?? this.pid;
  }

  /**
   * Both streams as events, from the start, or from where `toJSON` was in another isolate. They last for as long as
   * something that the process started holds its output open; `until: "exit"` ends them with the process.
   */
  output(options?: FollowOptions): FollowIterator {
    const cursor = options?.after ?? this.#after;
    const from = cursor && { after: cursor };
    this.#output = this.#sandbox.followOutput(this.#address, { ...options, ...from });
    return this.#output;
  }

  /**
   * Standard output as bytes from its start, unfinished lines included where the server sends them. It is read as it
   * is taken, and always the same stream.
   */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#stdout ??= bytesOf(() => this.#sandbox.followStdout(this.#address, AS_BYTES));
    return this.#stdout;
  }

  /** Standard error, as `stdout`. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#stderr ??= bytesOf(() => this.#sandbox.followStderr(this.#address, AS_BYTES));
    return this.#stderr;
  }

  /**
   * Standard input of a process that was started with `stdinMode: "pipe"`. Closing the stream ends the input. Aborting
   * it, as `pipeTo` does when its source fails, leaves the input open, so that the process does not take a part of the
   * input for all of it: call `kill`, or `sandbox.closeStdin(pid)` to end the input there.
   */
  get stdin(): WritableStream<Data> {
    this.#stdin ??= new WritableStream({
      write: (data) => this.#sandbox.writeStdin(this.#address, data),
      close: () => this.#sandbox.closeStdin(this.#address),
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
    const late = `process ${this.pid} did not end`;
    const info = await limited(options, late, (signal) => this.#ended(signal));
    this.#info = info;
    Object.assign(this, info);
    return info;
  }

  /** Kills it (SIGKILL), or stops a managed one. */
  kill(options?: CallOptions): Promise<void>;
  /** Sends it a signal, by name or by number. */
  kill(signal: SignalName | number, options?: CallOptions): Promise<void>;
  async kill(first?: SignalName | number | CallOptions, options?: CallOptions): Promise<void> {
    if (typeof first === "object" || first === undefined)
      await this.#sandbox.killProcess(this.#address, first ?? options);
    else await this.#sandbox.sendSignal(this.#address, first, options);
  }

  /** Kills it, unless it is known to have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.status === "running") await this.kill();
  }

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
      const lines = new LineJoiner();
      for await (const part of this.#sandbox.followOutput(this.#address, { ...AS_BYTES, signal })) {
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
        const listening = this.#sandbox
          .run("sh", { args: ["-c", LISTENING, "sh", hex(port)], signal: inside.signal, check: true })
          .then(() => true);
        const over = this.#ended(inside.signal).then(() => false);
        // The one that loses is ended below.
        for (const each of [listening, over]) each.catch(noop);
        if (!(await Promise.race([listening, over])))
          throw ended(`process ${this.pid} ended before anything listened on port ${port}`);
      } finally {
        signal.removeEventListener("abort", stop);
        inside.abort();
      }
    });
  }

  /** What another isolate needs to go on: `sandbox.process(json)`. */
  toJSON(): ProcessJSON {
    const cursor = this.#output?.cursor() ?? this.#after;
    const known = this.#info as ProcessInfo;
    return { ...known, sandboxId: this.#sandbox.sandboxId, ...(cursor && { cursor }) };
  }

  async #ended(signal: AbortSignal): Promise<ProcessInfo> {
    let failures = 0;
    let follows = true;
    // After an exit that was seen, too: a managed process may have been started again.
    for (let delay = FIRST_LOOK_MS; ; delay = Math.min(delay * 1.5, LAST_LOOK_MS)) {
      if (follows) {
        try {
          await this.#sandbox.followExit(this.#address, { signal }).next();
        } catch (error) {
          // The record says what is wrong, unless the server has no such stream.
          follows = !ApiError.is(error) && !ProtocolError.is(error);
        }
      }
      try {
        const info = await this.#sandbox.getProcess(this.#address, { signal });
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

/** POSIX, and Linux's own table: 0A is its LISTEN. */
const LISTENING = String.raw`until grep -q ":$1 [0-9A-F]*:0000 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null
do sleep 0.1 2>/dev/null || sleep 1; done`;

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}

function ended(message: string): ShorelineError {
  return new ShorelineError({ code: "output_ended", message });
}

function matcher(pattern: string | RegExp): (line: string) => boolean {
  if (typeof pattern === "string") return (line) => line.includes(pattern);
  if (!((pattern as unknown) instanceof RegExp)) throw invalid("`pattern` must be a string or a RegExp");
  // One that remembers where it was would pass over lines.
  const fresh = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
  return (line) => fresh.test(line);
}

/** Does `work` until it is done, the caller aborts or the time is over. */
async function limited<T>(
  options: WaitOptions | undefined,
  late: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, timeout }: WaitOptions = optionsOf(options, "signal timeout");
  if (timeout !== undefined && !(timeout > 0 && timeout < Infinity))
    throw invalid("`timeout` must be a finite number above 0");
  const both = new AbortController();
  const abort = () => {
    both.abort(signal?.reason);
  };
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  const over = new TimeoutError({ code: "wait_timeout", message: `${late} in time`, retryable: true });
  const cancel =
    timeout &&
    after(timeout * 1000, () => {
      both.abort(over);
    });
  try {
    return await work(both.signal);
  } catch (error) {
    throw both.signal.reason === over ? over : error;
  } finally {
    if (cancel) cancel();
    signal?.removeEventListener("abort", abort);
  }
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
