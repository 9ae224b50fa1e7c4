// What is printed. What comes from a server may try to write to the terminal beyond its place: everything but the
// output of commands passes `printable` here.
import type { EventIterator, OutputChunk, OutputEvent } from "shoreline";
import { printable } from "../printable.js";

export { printable as clean };

/** Writes bytes, and waits while the stream is full; one whose reader has gone takes nothing. */
function write(stream: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      resolve();
    };
    if (stream.write(bytes, done)) done();
  });
}

/** What is written of the output. */
export interface Selection {
  /** Where every event goes. Default: each to its stream. */
  all?: NodeJS.WriteStream | undefined;
  /** What is written of an event; nothing for one that is left out. */
  shown: (event: OutputEvent) => string | Uint8Array | undefined;
  /** How many events are taken. */
  count: number;
}

/** Writes the output, each event to its stream. Returns whether anything was written. */
export async function writeAll(
  events: EventIterator,
  otherwise: NodeJS.WriteStream,
  selection?: Selection,
): Promise<boolean> {
  let written = false;
  const chunks = selection ? selected(events, selection) : events.chunks();
  for await (const { stream, bytes } of chunks) {
    if (bytes.length === 0) continue;
    const to = stream === undefined ? otherwise : process[stream];
    await write(selection?.all ?? to, bytes);
    written = true;
  }
  return written;
}

/** The chosen parts of the output: lines of one stream go out together, since a write costs more than a line. */
async function* selected(events: EventIterator, { shown, count }: Selection): AsyncGenerator<OutputChunk> {
  for await (const taken of events.batches()) {
    const batch = taken.length > count ? taken.slice(0, count) : taken;
    count -= batch.length;
    for (let from = 0, to = 0; from < batch.length; from = to) {
      const stream = batch[from]?.stream;
      while (to < batch.length && batch[to]?.stream === stream) to++;
      const parts = batch.slice(from, to).map((event) => shown(event) ?? "");
      yield { stream, bytes: Buffer.concat(parts.map((part) => Buffer.from(part))) };
    }
    if (count === 0) return;
  }
}

/** Writes one line of the result, whatever is in it. */
export function print(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}

let quiet = false;

/** Prints no more notes. */
export function beQuiet(): void {
  quiet = true;
}

/** Says in one line something that is not the result. */
export function note(line: string): void {
  if (!quiet) process.stderr.write(`${printable(line)}\n`);
}

/** Writes a value. Between strings JSON has no control characters but line ends; within, escapes are as good. */
export function printJson(value: unknown): void {
  process.stdout.write(`${printable(JSON.stringify(value, undefined, 2), "\n")}\n`);
}

/** Writes a record as the API has it: names in snake_case, times in milliseconds since the epoch. */
export function printRecord(record: unknown): void {
  printJson(wire(record));
}

function wire(value: unknown): unknown {
  if (value instanceof Date) return value.getTime();
  if (Array.isArray(value)) return value.map(wire);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      // Its names are the user's.
      name === "env" ? member : wire(member),
    ]),
  );
}

/** Writes a line with a word before it that has a colour, by its number, where colours are wanted. */
export function printMarked(before: string, mark: string, colour: number, after: string): void {
  const shown = coloured(process.stdout) ? `\u001b[${colour}m${printable(mark)}\u001b[0m` : printable(mark);
  process.stdout.write(`${printable(before)}${shown}${printable(after)}\n`);
}

/** Whether colours are wanted (no-color.org). */
export function coloured(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}

/** How long ago, as the official program says it. */
export function ago(date: Date | undefined): string {
  if (!date) return "-";
  const seconds = Math.max(0, Math.floor((Date.now() - date.getTime()) / 1000));
  const units: [number, string][] = [
    [86_400, "day"],
    [3600, "hr"],
    [60, "min"],
    [1, "sec"],
  ];
  if (seconds > 5 * 86_400) {
    // What is local time in the form of ISO 8601.
    const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString();
    return local.slice(0, 16).replace("T", " ");
  }
  const [size, unit] = units.find(([size]) => seconds >= size) ?? [1, "sec"];
  const count = Math.floor(seconds / size);
  return `${count} ${unit}${unit === "day" && count !== 1 ? "s" : ""} ago`;
}

/** A time that something took, for example `1 min 5 s`. */
export function lasted(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const [large, small, size] =
    seconds < 3600 ? ["min", "s", 60] : seconds < 86_400 ? ["h", "min", 3600] : ["d", "h", 86_400];
  const rest = Math.floor((seconds % size) / (size === 86_400 ? 3600 : size / 60));
  return `${Math.floor(seconds / size)} ${large} ${rest} ${small}`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Bytes for people. */
export function amount(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? String(Math.round(value)) : value.toFixed(1)} ${UNITS[power]}`;
}
