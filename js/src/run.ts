import type * as Glue from "./core/shoreline.js";
import { call, callSync } from "./core.js";
import { CommandError } from "./errors.js";
import { type BatchSource, EventIterator, OutputEvent, type RawBatch } from "./output.js";

/** How a command ended and what it wrote. */
export interface CommandResult {
  /** What the command returned; null when a signal ended it. */
  readonly exitCode: number | null;
  /** The signal that ended it; null when it returned. */
  readonly signal: number | null;
  /** Standard output: its lines joined by `\n`, without a final newline. */
  readonly stdout: string;
  /** Standard error: its lines joined by `\n`, without a final newline. */
  readonly stderr: string;
  /** Standard output, byte for byte where the server offers it, final newline included. */
  readonly stdoutBytes: Uint8Array;
  /** Standard error, byte for byte where the server offers it, final newline included. */
  readonly stderrBytes: Uint8Array;
  /** Whether the time limit ended it; undefined where the server does not say. */
  readonly timedOut: boolean | undefined;
  /** Whether the memory limit ended it. */
  readonly oomKilled: boolean;
  /** The process. */
  readonly pid: number | undefined;
  /** The server's stable number for the process. */
  readonly handle: number | undefined;
  /** Milliseconds from the call to the reported end. */
  readonly durationMs: number;
  /** What `maxOutputBytes` left out; undefined when nothing. */
  readonly truncated: Truncation | undefined;
}

/** What a limit left out, by stream. */
export interface Truncation {
  readonly stdout?: TruncatedStream;
  readonly stderr?: TruncatedStream;
}

/** What a limit left out of one stream. */
export interface TruncatedStream {
  readonly droppedBytes: number;
  readonly droppedLines: number;
  /** Where it is missing: an index into the text. */
  readonly at: number;
}

/** As the core hands a stream over: text with terminators, parts with exact bytes, what is missing. */
type RawStream = [string, [number, number, Uint8Array][], [number, number, number] | undefined];

interface RawResult {
  exitCode: number | null;
  signal: number | null;
  timedOut?: boolean;
  oomKilled: boolean;
  pid?: number;
  handle?: number;
  durationMs: number;
  stdout: RawStream;
  stderr: RawStream;
}

const encoder = new TextEncoder();

function text([whole]: RawStream): string {
  return whole.endsWith("\n") ? whole.slice(0, -1) : whole;
}

function bytes([whole, spans]: RawStream): Uint8Array {
  if (spans.length === 0) return encoder.encode(whole);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const [start, end, exact] of spans) {
    parts.push(encoder.encode(whole.slice(at, start)), exact);
    at = end;
  }
  parts.push(encoder.encode(whole.slice(at)));
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

function truncation(raw: RawResult): Truncation | undefined {
  const of = ([, , missing]: RawStream): TruncatedStream | undefined =>
    missing && { droppedBytes: missing[0], droppedLines: missing[1], at: missing[2] };
  const stdout = of(raw.stdout);
  const stderr = of(raw.stderr);
  return stdout || stderr ? { ...(stdout && { stdout }), ...(stderr && { stderr }) } : undefined;
}

/** Makes a result, or what there is of one, of what the core collected. */
export function revive(raw: RawResult): CommandResult {
  const { stdout, stderr, ...plain } = raw;
  return {
    ...plain,
    timedOut: raw.timedOut,
    pid: raw.pid,
    handle: raw.handle,
    stdout: text(stdout),
    stderr: text(stderr),
    // Made when they are asked for: most callers want the text only.
    get stdoutBytes() {
      return bytes(stdout);
    },
    get stderrBytes() {
      return bytes(stderr);
    },
    truncated: truncation(raw),
  };
}

/** What `run` takes beside the options that the core reads. */
export interface RunHandlers {
  /** Whether anything but exit code 0 is an error. Default: false, a failing command is a result. */
  check?: boolean | undefined;
  /** Called with each event of standard output as it arrives. */
  onStdout?: ((event: OutputEvent) => void) | undefined;
  /** Called with each event of standard error as it arrives. */
  onStderr?: ((event: OutputEvent) => void) | undefined;
  /** Called before a broken connection is taken up again. */
  onReconnect?: ((info: ReconnectInfo) => void) | undefined;
  /** Aborts the call; `onAbort` says what becomes of the command. */
  signal?: AbortSignal | undefined;
}

/** What is known of a connection that broke. */
export interface ReconnectInfo {
  /** How many tries in a row this makes. */
  attempt: number;
  /** How long is waited first. */
  delayMs: number;
  /** What broke it. */
  error: unknown;
}

type CoreRun = Glue.RunStream;

/**
 * A command under way: awaited, it is its result; iterated, it is its output as it arrives. The
 * result is the same in both cases.
 */
export class RunningCommand implements PromiseLike<CommandResult>, AsyncIterable<OutputEvent> {
  readonly #command: string;
  readonly #handlers: RunHandlers;
  readonly #stream: Promise<CoreRun>;
  #result: Promise<CommandResult> | undefined;
  #iterated = false;

  /** @internal */
  constructor(command: string, handlers: RunHandlers, stream: Promise<CoreRun>) {
    this.#command = command;
    this.#handlers = handlers;
    this.#stream = stream;
    // The command runs whether or not anybody waits; who does is told of a failure.
    stream.catch(() => undefined);
    if (handlers.onStdout || handlers.onStderr) this.result().catch(() => undefined);
  }

  /** The result, once the command has ended. */
  result(): Promise<CommandResult> {
    this.#result ??= this.#finish();
    return this.#result;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited for its result, which is its point.
  then<A = CommandResult, B = never>(
    fulfilled?: ((value: CommandResult) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result().then(fulfilled, rejected);
  }

  catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<CommandResult | B> {
    return this.result().catch(rejected);
  }

  finally(settled?: (() => void) | null): Promise<CommandResult> {
    return this.result().finally(settled);
  }

  /** The output as it arrives. Leaving the loop ends the command as an abort does. */
  [Symbol.asyncIterator](): EventIterator {
    if (this.#iterated || this.#result) {
      throw new TypeError("a command's output can be iterated once, and before its result is awaited");
    }
    this.#iterated = true;
    return new EventIterator(async () => {
      const stream = await this.#stream;
      const source: BatchSource = {
        next: () => stream.next() as Promise<RawBatch | undefined>,
        close: () => stream.close(),
      };
      return source;
    });
  }

  async #finish(): Promise<CommandResult> {
    const stream = await this.#stream;
    const { onStdout, onStderr, check } = this.#handlers;
    if (onStdout || onStderr) {
      for (;;) {
        const batch = await call<RawBatch | undefined>(stream.next());
        if (batch === undefined) break;
        try {
          for (let i = 0; i < batch[1].length; i++) {
            const event = new OutputEvent(batch, i);
            (event.stream === "stderr" ? onStderr : onStdout)?.(event);
          }
        } catch (error) {
          callSync(() => stream.close());
          await stream.finish().catch(() => undefined);
          throw error;
        }
      }
    }
    const result = revive(await call<RawResult>(stream.finish()));
    if (check && result.exitCode !== 0) throw new CommandError(this.#command, result);
    return result;
  }
}
