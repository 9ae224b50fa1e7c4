// What is printed. What comes from a server may try to write to the terminal beyond its place: everything but the
// output of commands passes `printable` here.
import type { EventIterator } from "shoreline";
import stringWidth from "string-width";
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

/**
 * Writes events, at most so many, each to its stream; those of no stream to `otherwise`. Returns whether anything was
 * written.
 */
export async function writeAll(
  events: EventIterator,
  otherwise: NodeJS.WriteStream,
  count = Infinity,
): Promise<boolean> {
  let written = false;
  const streams = { stdout: process.stdout, stderr: process.stderr };
  for await (const all of events.batches()) {
    const batch = all.slice(0, count);
    count -= batch.length;
    // Lines of one stream go out together: a write costs more than a line.
    for (let from = 0, to = 0; from < batch.length; from = to) {
      const stream = batch[from]?.stream;
      while (to < batch.length && batch[to]?.stream === stream) to++;
      const bytes = Buffer.concat(batch.slice(from, to).map((event) => event.bytes));
      await write(stream ? streams[stream] : otherwise, bytes);
      written = true;
    }
    if (count === 0) break;
  }
  return written;
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

/** Rows under a head: in columns on a terminal, by tabs elsewhere, as scripts have them from the official program. */
export function printTable(head: string[], rows: string[][]): void {
  const lines = [head, ...rows.map((row) => row.map((cell) => printable(cell)))];
  if (!process.stdout.isTTY) {
    for (const line of lines) process.stdout.write(`${line.join("\t")}\n`);
    return;
  }
  const widths = head.map((_, i) => Math.max(...lines.map((line) => stringWidth(line[i] ?? ""))));
  for (const [row, line] of lines.entries()) {
    const cells = line.map((cell, i) => cell + " ".repeat((widths[i] ?? 0) - stringWidth(cell)));
    const text = cells.join("  ").trimEnd();
    process.stdout.write(row === 0 && coloured(process.stdout) ? `\u001b[1m${text}\u001b[0m\n` : `${text}\n`);
  }
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
