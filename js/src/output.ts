import { call } from "./core.js";
import type { Cursor } from "./generated/types.js";

/** Which stream a line was written to. */
export type Stream = "stdout" | "stderr";

/** A batch as the core hands it over: text, columns of numbers, raw bytes by event. */
type RawBatch = [string, Uint8Array<ArrayBuffer>, [number, Uint8Array<ArrayBuffer>][]];

/** Events of output as columns. */
export interface Batch {
  /** All events' text. */
  text: string;
  times: Float64Array;
  /** Where each event's text ends. */
  ends: Uint32Array;
  flags: Uint8Array;
  /** The bytes of events that are not UTF-8, with the events' indices. */
  raw: RawBatch[2];
}

/** The bytes of an event in the columns: a time, an end and flags. */
const COLUMNS_BYTES = 8 + 4 + 1;

const STREAM = 3;
const TERMINATED = 4;
const RAW = 8;
const TRUNCATED = 16;
const PIECE = 32;
const NEWLINE = Uint8Array.of(0x0a);
const encoder = new TextEncoder();

/**
 * One line of output or, with `pieces`, a part of one. Events can be compared, spread and cloned: everything but the
 * getters `timestamp` and `bytes` is an own property. If the output is not UTF-8, `bytes` is an own property too.
 */
export class OutputEvent {
  /** The line without its terminator. */
  readonly line: string;
  /** The line with its newline. An unfinished last line has none, if the server reports that. */
  readonly text: string;
  /** The stream. Undefined if the server does not send it, as when a single stream is followed. */
  readonly stream: Stream | undefined;
  /** When the server read the line, in ms since the epoch. Undefined if unknown. */
  readonly timeMs: number | undefined;
  /** Whether the line was cut at the limit (`longLine: "cut"`). */
  readonly truncated: boolean;
  /**
   * Whether this is a part of a line that is not finished (`pieces`). More of the line follows in other events of the
   * same stream. The last of these events is not partial; it may be empty.
   */
  readonly partial: boolean;

  /** @internal */
  constructor(text: string, flags: number, time: number, bytes?: () => Uint8Array<ArrayBuffer>) {
    this.line = flags & TERMINATED ? text.slice(0, -1) : text;
    this.text = text;
    this.stream = streams[flags & STREAM];
    this.timeMs = Number.isNaN(time) ? undefined : time;
    this.truncated = (flags & TRUNCATED) !== 0;
    this.partial = (flags & PIECE) !== 0;
    if (bytes) Object.defineProperty(this, "bytes", { get: bytes, enumerable: true });
  }

  /** @internal The beginning of a line and more of it as one event. */
  static joined(before: OutputEvent, part: OutputEvent): OutputEvent {
    const flags =
      streams.indexOf(part.stream) |
      (part.text === part.line ? 0 : TERMINATED) |
      (part.truncated ? TRUNCATED : 0) |
      (part.partial ? PIECE : 0);
    const isRaw = Object.hasOwn(before, "bytes") || Object.hasOwn(part, "bytes");
    const bytes = isRaw ? joined([before.bytes, part.bytes]) : undefined;
    return new OutputEvent(before.text + part.text, flags, part.timeMs ?? NaN, bytes && (() => bytes));
  }

  // A Date for each event would take as long as all the rest of it.
  /** `timeMs` as a Date, made when it is read. */
  get timestamp(): Date | undefined {
    return this.timeMs === undefined ? undefined : new Date(this.timeMs);
  }

  /** The exact bytes, terminator included; text in UTF-8 where the server offers no bytes. Made when they are read. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return encoder.encode(this.text);
  }

  /** The same as a plain object. */
  toJSON(): Pick<OutputEvent, "line" | "text"> &
    Partial<Pick<OutputEvent, "stream" | "timestamp" | "partial">> {
    const { line, text, stream, timestamp, partial } = this;
    return {
      line,
      text,
      ...(stream && { stream }),
      ...(timestamp && { timestamp }),
      ...(partial && { partial }),
    };
  }

  /** What `console.log` shows on Node, Bun and Deno. */
  [Symbol.for("nodejs.util.inspect.custom")](): object {
    return this.toJSON();
  }
}

/** An event of a batch. */
export function eventOf(batch: Batch, index: number): OutputEvent {
  const { ends } = batch;
  const text = batch.text.slice(index === 0 ? 0 : ends[index - 1], ends[index]);
  const flags = batch.flags[index] as number;
  const bytes = flags & RAW ? rawBytes(batch.raw, index, flags) : undefined;
  return new OutputEvent(text, flags, batch.times[index] as number, bytes);
}

/** Where the events of one stream end that begin at an index. */
function endOfRun({ flags }: Batch, from: number): number {
  const stream = (flags[from] as number) & STREAM;
  let to = from + 1;
  while (to < flags.length && ((flags[to] as number) & STREAM) === stream) to++;
  return to;
}

/** Events of one stream. */
function chunkOf(batch: Batch, from: number, to: number): OutputChunk {
  const { text, ends, flags } = batch;
  const stream = streams[(flags[from] as number) & STREAM];
  const begin = from === 0 ? 0 : ends[from - 1];
  if (!flags.subarray(from, to).some((flag) => flag & RAW))
    return { stream, bytes: encoder.encode(text.slice(begin, ends[to - 1])) };
  const parts = Array.from({ length: to - from }, (_, i) => eventOf(batch, from + i).bytes);
  return { stream, bytes: joined(parts) };
}

function rawBytes(all: Batch["raw"], index: number, flags: number): () => Uint8Array<ArrayBuffer> {
  return () => {
    const raw = all.find(([at]) => at === index)?.[1] ?? new Uint8Array();
    return flags & TERMINATED ? joined([raw, NEWLINE]) : raw;
  };
}

const streams: readonly (Stream | undefined)[] = [undefined, "stdout", "stderr"];

/** Output of one stream. */
export interface OutputChunk {
  /** The stream. Undefined if the server does not send it, as when a single stream is followed. */
  stream: Stream | undefined;
  /** The exact bytes, line ends included. */
  bytes: Uint8Array<ArrayBuffer>;
}

/** Joins the parts of lines that come in pieces. */
export class LineJoiner {
  readonly #begun = new Map<Stream | undefined, OutputEvent>();

  /** The line up to and including this part; the event itself where it is a whole line. */
  join(part: OutputEvent): OutputEvent {
    const before = this.#begun.get(part.stream);
    const line = before ? OutputEvent.joined(before, part) : part;
    if (part.partial) this.#begun.set(part.stream, line);
    else if (before) this.#begun.delete(part.stream);
    return line;
  }
}

/** A source of batches in the core, with its errors as classes. */
export interface BatchSource {
  next(): Promise<Batch | undefined>;
  close(): void | Promise<void>;
  /** How far it is once so many events of the last batch are taken. */
  cursor?(taken: number): Cursor;
}

/** The next batch of a stream in the core; undefined at its end. */
export async function nextBatch(stream: { next(): Promise<unknown> }): Promise<Batch | undefined> {
  const batch = await call<RawBatch | undefined>(() => stream.next());
  if (batch === undefined) return undefined;
  const [text, { buffer, length }, raw] = batch;
  const count = length / COLUMNS_BYTES;
  const times = new Float64Array(buffer, 0, count);
  const ends = new Uint32Array(buffer, times.byteLength, count);
  const flags = new Uint8Array(buffer, times.byteLength + ends.byteLength, count);
  return { text, times, ends, flags, raw };
}

/**
 * Iterates over events. `next()` on a batch that still has events settles at once; calls of `next()`
 * that overlap are served in order; `return()` closes the connection.
 */
export class EventIterator implements AsyncIterableIterator<OutputEvent, undefined, void> {
  readonly #open: () => Promise<BatchSource>;
  #source: Promise<BatchSource> | undefined;
  /** @internal */
  protected opened: BatchSource | undefined;
  #batch: Batch | undefined;
  #index = 0;
  #length = 0;
  /** Calls of `next` that wait, and the last of them. */
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();
  #done = false;
  /** Ends the waiting for a source that is being opened. */
  #leave = noop;

  /** @internal */
  constructor(open: () => Promise<BatchSource>) {
    this.#open = open;
  }

  /** The next event. Rejects with a {@link ShorelineError} if output is missing. */
  next(): Promise<IteratorResult<OutputEvent, undefined>> {
    if (this.#index < this.#length && this.#waiting === 0) {
      return Promise.resolve({ done: false, value: eventOf(this.#batch as Batch, this.#index++) });
    }
    this.#waiting++;
    const turn = this.#last.then(() => this.#pull());
    this.#last = turn.catch(noop);
    return turn;
  }

  /** Ends the iteration and closes the connection. A `for await` loop that is left calls it. */
  async return(): Promise<IteratorResult<OutputEvent, undefined>> {
    this.#done = true;
    this.#length = this.#index;
    const source = this.#source;
    this.#source = undefined;
    this.#leave();
    if (source && this.opened) await this.opened.close();
    else source?.then((opened) => opened.close()).catch(noop);
    return { done: true, value: undefined };
  }

  /** @internal How many events of the last batch were taken. */
  protected get taken(): number {
    return this.#index;
  }

  /** Returns itself: each event is delivered once. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The same as `return`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Iterates over batches: the buffered events, else the next ones. Faster than one promise per event. */
  batches(): AsyncGenerator<OutputEvent[], undefined, void> {
    const batches = this.#batches();
    // A generator's own waits for the batch that is being read.
    batches.return = async () => {
      await this.return();
      return { done: true, value: undefined };
    };
    return batches;
  }

  /**
   * Iterates over the output as bytes: the buffered events, else the next ones, those of one stream in a row as one chunk.
   * The fastest way to pass output on, since no event is made.
   *
   * @example
   * ```ts
   * for await (const { stream, bytes } of sandbox.followOutput(pid).chunks()) {
   *   (stream === "stderr" ? process.stderr : process.stdout).write(bytes);
   * }
   * ```
   */
  chunks(): AsyncGenerator<OutputChunk, undefined, void> {
    const chunks = this.#chunks();
    chunks.return = async () => {
      await this.return();
      return { done: true, value: undefined };
    };
    return chunks;
  }

  async *#chunks(): AsyncGenerator<OutputChunk, undefined, void> {
    try {
      while (!(await this.next()).done) {
        const batch = this.#batch as Batch;
        for (let from = this.#index - 1; from < this.#length; from = this.#index) {
          this.#index = endOfRun(batch, from);
          yield chunkOf(batch, from, this.#index);
        }
      }
    } finally {
      await this.return();
    }
  }

  async *#batches(): AsyncGenerator<OutputEvent[], undefined, void> {
    try {
      for (;;) {
        const first = await this.next();
        if (first.done) return;
        const events = [first.value];
        while (this.#index < this.#length) {
          events.push(eventOf(this.#batch as Batch, this.#index++));
        }
        yield events;
      }
    } finally {
      await this.return();
    }
  }

  async #pull(): Promise<IteratorResult<OutputEvent, undefined>> {
    try {
      while (this.#index >= this.#length && !this.#done) await this.#read();
      if (this.#done && this.#index >= this.#length) return { done: true, value: undefined };
      return { done: false, value: eventOf(this.#batch as Batch, this.#index++) };
    } finally {
      // Before the caller goes on: its next call finds the rest of the batch at hand.
      this.#waiting--;
    }
  }

  /** The source; `undefined` if the iteration is left before it has opened. */
  #opening(): Promise<BatchSource | undefined> {
    this.#source ??= this.#open();
    return new Promise((resolve, reject) => {
      this.#leave = () => {
        resolve(undefined);
      };
      this.#source?.then((source) => {
        if (!this.#done) this.opened = source;
        resolve(source);
      }, reject);
    });
  }

  async #read(): Promise<void> {
    try {
      const source = this.opened ?? (await this.#opening());
      if (!source) return;
      // An iteration that waits holds no output.
      this.#batch = undefined;
      this.#index = this.#length = 0;
      const batch = await source.next();
      if (batch === undefined || this.#done) {
        this.#done = true;
        return;
      }
      this.#batch = batch;
      this.#length = batch.ends.length;
    } catch (error) {
      const left = this.#done;
      this.#done = true;
      // Who has left the loop is not told that leaving closed the connection.
      if (!left) throw error;
    }
  }
}

/** Iterates over a process's output. The position can be saved and the iteration resumed elsewhere. */
export class FollowIterator extends EventIterator {
  readonly #after: Cursor;

  /** @internal */
  constructor(open: () => Promise<BatchSource>, after: Cursor | undefined) {
    super(open);
    this.#after = after ?? { counts: [0, 0] };
  }

  /** The position after the events that were consumed. The option `after` of another follow continues there. */
  cursor(): Cursor {
    return this.opened?.cursor?.(this.taken) ?? this.#after;
  }
}

/** All bytes in one array. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function noop(): void {}
