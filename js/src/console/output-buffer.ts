// Lines of output as the console keeps them: the last so many, with what is looked for in them.
import type { OutputEvent, Stream } from "shoreline";
import { AnsiReader, TerminalLine } from "./ansi.js";
import type { Span } from "./sgr.js";

export interface Line {
  stream: Stream | undefined;
  text: string;
  spans: Span[] | undefined;
  /** When the server read it, in ms since the epoch; of a line in parts, the last. */
  timeMs: number | undefined;
}

/** A line that is not finished. */
interface Unfinished {
  number: number;
  terminal: TerminalLine;
}

/** What is kept: older lines are let go, which is said. */
const MOST_LINES = 100_000;
const MOST_CHARACTERS = 64 * 1024 * 1024;
/** What a line takes beside its characters. */
const LINE_WEIGHT = 100;
/** So many more are let go at a time, since each time moves those that stay. */
const SLACK = 10_000;

export class OutputBuffer {
  /** How many lines were let go: the number of the first that is kept. */
  dropped = 0;
  #lines: Line[] = [];
  #characters = 0;
  readonly #readers = { stdout: new AnsiReader(), stderr: new AnsiReader() };
  readonly #unfinished: Partial<Record<Stream, Unfinished | undefined>> = {};
  #pattern: RegExp | undefined;
  /** Numbers of the lines with a match, counted from the first ever. */
  #matches: number[] = [];
  #searched = 0;
  #isStderrOnly = false;

  #firstError: number | undefined;

  /** Number of the first line of standard error that is kept. */
  get firstError(): number | undefined {
    if (this.#firstError !== undefined && this.#firstError < this.dropped) {
      const at = this.#lines.findIndex(({ stream }) => stream === "stderr");
      this.#firstError = at === -1 ? undefined : this.dropped + at;
    }
    return this.#firstError;
  }

  /** How many lines there have been. */
  get end(): number {
    return this.dropped + this.#lines.length;
  }

  push(events: readonly Pick<OutputEvent, "line" | "stream" | "partial" | "timeMs">[]): void {
    for (const { line, stream, partial, timeMs } of events) {
      const name = stream ?? "stdout";
      const reader = this.#readers[name];
      const begun = this.#unfinished[name];
      const number = begun?.number ?? this.end;
      const terminal = begun?.terminal ?? (partial ? new TerminalLine(reader) : undefined);
      terminal?.write(line);
      this.#put(number, { stream, timeMs, ...(terminal?.shown() ?? reader.read(line)) });
      if (terminal) this.#unfinished[name] = partial ? { number, terminal } : undefined;
    }
    this.#letGo();
  }

  /** Adds a line, or shows another state of one. */
  #put(number: number, line: Line): void {
    const before = this.#lines[number - this.dropped];
    // It was let go while it was unfinished.
    if (number < this.dropped) return;
    this.#lines[number - this.dropped] = line;
    if (line.stream === "stderr") this.#firstError ??= number;
    this.#characters += line.text.length - (before?.text.length ?? 0);
    if (number >= this.#searched) return;
    this.#searched = number;
    while ((this.#matches.at(-1) ?? -1) >= number) this.#matches.pop();
  }

  /** The line with this number, if it is kept. */
  line(number: number): Line | undefined {
    return this.#lines[number - this.dropped];
  }

  /** What it keeps, roughly in bytes. */
  get weight(): number {
    return this.#characters + LINE_WEIGHT * this.#lines.length;
  }

  /** The text of the lines that are shown. */
  text(): Blob {
    return new Blob(this.#lines.flatMap((line) => (this.isShown(line) ? `${line.text}\n` : [])));
  }

  /** Numbers of the lines that are not finished, and can change. */
  get unfinished(): number[] {
    return Object.values(this.#unfinished).flatMap((begun) => begun?.number ?? []);
  }

  /** Shows only standard error, or both streams. */
  showStderrOnly(on: boolean): void {
    if (on === this.#isStderrOnly) return;
    this.#isStderrOnly = on;
    this.#searchAnew();
  }

  isShown({ stream }: Line): boolean {
    return !this.#isStderrOnly || stream === "stderr";
  }

  /** Looks for text, whatever its case; nothing is looked for where it is empty. */
  search(text: string): void {
    this.#pattern = text === "" ? undefined : new RegExp(text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "gi");
    this.#searchAnew();
  }

  #searchAnew(): void {
    this.#matches = [];
    this.#searched = this.dropped;
  }

  get pattern(): RegExp | undefined {
    return this.#pattern;
  }

  /** Numbers of the lines that are shown and have what is looked for, in order. */
  get matches(): readonly number[] {
    const pattern = this.#pattern;
    if (!pattern) return [];
    for (let number = Math.max(this.#searched, this.dropped); number < this.end; number++) {
      pattern.lastIndex = 0;
      const line = this.line(number);
      if (line && this.isShown(line) && pattern.test(line.text)) this.#matches.push(number);
    }
    this.#searched = this.end;
    return this.#matches;
  }

  #letGo(): void {
    let count = this.#lines.length > MOST_LINES + SLACK ? this.#lines.length - MOST_LINES : 0;
    let left = this.#characters;
    for (let i = 0; i < this.#lines.length && (i < count || left > MOST_CHARACTERS); i++) {
      left -= this.#lines[i]?.text.length ?? 0;
      count = Math.max(count, i + 1);
    }
    if (count === 0) return;
    this.#lines.splice(0, count);
    this.#characters = left;
    this.dropped += count;
    const first = this.#matches.findIndex((number) => number >= this.dropped);
    this.#matches.splice(0, first === -1 ? this.#matches.length : first);
  }
}
