/** How a command ended and what it wrote. */
export type CommandResult = CommandEnd & CommandOutput;

/** The result of a command that returned 0, as `check` guarantees it. */
export interface SuccessfulResult extends CommandOutput {
  /** The exit code: 0. */
  readonly exitCode: 0;
  /** No signal ended it. */
  readonly signal: null;
}

/**
 * How a command ended: it returned, or a signal ended it. Both are null where the server reports only that the memory
 * limit ended it.
 */
export type CommandEnd =
  | {
      /** What the command returned, 0 to 255; null when a signal ended it. */
      readonly exitCode: number;
      /** The number of the signal that ended it, for example 9; null when it returned. */
      readonly signal: null;
    }
  | {
      /** Null, since a signal ended it. */
      readonly exitCode: null;
      /** The number of the signal; null if it is unknown. */
      readonly signal: number | null;
    };

/** What a command wrote, and what else is known of its run. */
export interface CommandOutput {
  /** Standard output: its lines joined by `\n`, without a final newline. */
  readonly stdout: string;
  /** Standard error: its lines joined by `\n`, without a final newline. */
  readonly stderr: string;
  /**
   * Standard output, byte for byte where the server offers it, final newline included. Not enumerable: JSON, spread and
   * `structuredClone` have the text only.
   */
  readonly stdoutBytes: Uint8Array<ArrayBuffer>;
  /** Standard error, as `stdoutBytes`. */
  readonly stderrBytes: Uint8Array<ArrayBuffer>;
  /** Whether the time limit ended it; undefined where the server does not say. */
  readonly timedOut: boolean | undefined;
  /** Whether the memory limit ended it. */
  readonly oomKilled: boolean;
  /**
   * Whether something that the command started still held its output open when it ended. What that writes later is
   * not in the result: follow the output by `pid`.
   */
  readonly outputOpen: boolean;
  /** The process id inside the sandbox; undefined where the server does not say. */
  readonly pid: number | undefined;
  /** The server's stable number for the process, which is no address; undefined where it has none. */
  readonly handle: number | undefined;
  /** Milliseconds from the call to the reported end. */
  readonly durationMs: number;
  /** What `maxOutputBytes` left out; undefined when nothing. */
  readonly truncated: Truncation | undefined;
  /** The id of the server's trace of the request, where the server sent one. */
  readonly traceId?: string | undefined;
}

/** What a limit left out, by stream. */
export interface Truncation {
  /** Of standard output; absent where nothing is missing. */
  readonly stdout?: TruncatedStream;
  /** Of standard error; absent where nothing is missing. */
  readonly stderr?: TruncatedStream;
}

/** What a limit left out of one stream. */
export interface TruncatedStream {
  /** Bytes that are missing, as they were written where that is known. */
  readonly droppedBytes: number;
  /** Line ends among them. */
  readonly droppedLines: number;
  /** Where they are missing: an index into the result's `stdout` or `stderr`, as `slice` takes it. */
  readonly at: number;
}

/** As the core hands a stream over: text with terminators, parts with exact bytes, what is missing. */
type RawStream = [string, [number, number, Uint8Array][], [number, number, number] | undefined];

/** As the core hands a result over. */
export interface RawResult {
  exitCode: number | null;
  signal: number | null;
  timedOut?: boolean;
  oomKilled: boolean;
  outputOpen: boolean;
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

function bytes([whole, spans]: RawStream): Uint8Array<ArrayBuffer> {
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
  const result = {
    ...(plain as CommandEnd & typeof plain),
    timedOut: raw.timedOut,
    pid: raw.pid,
    handle: raw.handle,
    stdout: text(stdout),
    stderr: text(stderr),
    truncated: truncation(raw),
  };
  // Made when they are asked for: most callers want the text only, in JSON too.
  return Object.defineProperties(result, {
    stdoutBytes: { get: () => bytes(stdout) },
    stderrBytes: { get: () => bytes(stderr) },
  }) as CommandResult;
}
