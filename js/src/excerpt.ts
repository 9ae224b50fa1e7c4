// Output as a language model is given it: within a budget, as plain text.
import { invalid, optionsOf } from "./arguments.js";
import { call, callSync, core } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { type PartialResult, ShorelineError } from "./errors.js";
import type { Cursor, ProcessInfo } from "./generated/types.js";
import type { CallOptions, FollowOptions } from "./options.js";
import { after } from "./timer.js";

/** Options of `excerpt`. */
export interface ExcerptOptions extends CallOptions {
  /** Position to continue after: the cursor of another excerpt, or of a follow of both streams. Default: the start. */
  after?: Cursor | string | undefined;
  /** Seconds after which the call returns what has come, if the process is still running. Default: no limit. */
  yieldAfter?: number | undefined;
  /** The most bytes of text, from 1024 to 16777216. Default: 30000. */
  maxBytes?: number | undefined;
  /**
   * The most tokens of text, from 256 to 4194304, instead of `maxBytes`. They are estimated, high for most text: a token
   * for four ASCII characters or for one other character.
   */
  maxTokens?: number | undefined;
}

/** A part of a process's output, as plain text. */
export interface OutputExcerpt {
  /**
   * The text, of both streams in the order of their lines. Escape sequences are removed; carriage returns, backspaces and
   * erased text are applied as a terminal does. Lines of standard error begin with `[stderr] `. If output is omitted, a
   * line in its place says how much, and the cursor to read it.
   */
  text: string;
  /** Where the next excerpt continues: its option `after`. */
  cursor: string;
  /** Whether the call returned before the end of the process: read on after `cursor`. */
  running: boolean;
  /** The exit code. Null while the process runs, and if a signal ended it. */
  exitCode: number | null;
  /** The number of the signal that ended the process. Null while it runs, and if it exited by itself. */
  signal: number | null;
  /** What the text leaves out. Absent if it is complete. */
  omitted?: OmittedOutput;
}

/** Output that an excerpt leaves out. */
export interface OmittedOutput {
  /** Line ends in the omitted text. */
  lines: number;
  /** Bytes of the omitted text. */
  bytes: number;
  /** A cursor from which an excerpt begins with the omitted text, or with the line in which it begins. */
  after: string;
}

const DEFAULT_BYTES = 30_000;

/** What the core has read. */
type Excerpted = [text: string, cursor: string, lines?: number, bytes?: number, after?: string];

/** @internal What an excerpt is made of: the output of a process, and its record once it has ended. */
export interface ExcerptSource {
  follow(options: FollowOptions): Promise<Glue.OutputStream>;
  record(options: CallOptions): Promise<ProcessInfo>;
}

/** @internal Reads a part of a process's output. */
export async function excerptOf(
  source: ExcerptSource,
  given: ExcerptOptions | undefined,
): Promise<OutputExcerpt> {
  const options: ExcerptOptions = optionsOf(given, "after yieldAfter maxBytes maxTokens signal");
  const { yieldAfter, maxBytes, maxTokens, signal } = options;
  if (yieldAfter !== undefined && !(yieldAfter >= 0 && yieldAfter < Infinity))
    throw invalid("`yieldAfter` must be a finite number of seconds, from 0 on");
  if (maxBytes !== undefined && maxTokens !== undefined)
    throw invalid("set `maxBytes` or `maxTokens`, not both");
  const inTokens = maxTokens !== undefined;
  const budget = maxTokens ?? maxBytes ?? DEFAULT_BYTES;
  const { excerptStart } = await core();
  const from = callSync(() => excerptStart(options.after, budget, inTokens) as Cursor | undefined);
  const stream = await source.follow({
    pieces: true,
    longLine: "cut",
    until: "exit",
    transport: "auto",
    ...(from && { after: from }),
    ...(signal && { signal }),
  });
  let running = false as boolean;
  const cancel =
    yieldAfter !== undefined &&
    after(yieldAfter * 1000, () => {
      running = true;
      stream.close();
    });
  try {
    await call(() => stream.excerpt(budget, inTokens));
  } catch (error) {
    if (!running || signal?.aborted) throw withText(error, stream);
  } finally {
    if (cancel) cancel();
  }
  const [text, cursor, lines, bytes, at] = stream.excerpted() as Excerpted;
  const { exitCode = null, signal: ended = null } = running
    ? {}
    : await source.record(signal ? { signal } : {});
  return {
    text,
    cursor,
    running,
    exitCode,
    signal: ended,
    ...(lines !== undefined && { omitted: { lines, bytes, after: at } as OmittedOutput }),
  };
}

/** The error, with what was read before it. */
function withText(error: unknown, stream: Glue.OutputStream): unknown {
  const read = stream.excerpted() as Excerpted | undefined;
  if (read && ShorelineError.is(error))
    (error as { partial: PartialResult }).partial = { ...error.partial, text: read[0] };
  return error;
}
