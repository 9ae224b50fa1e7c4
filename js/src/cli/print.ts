// What is printed. What comes from a server may try to write to the terminal beyond its place.
import type { EventIterator } from "shoreline";
import stringWidth from "string-width";

/** Text whose control characters are shown, not obeyed; those in `except` are left. */
export function clean(text: string, except = ""): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (char) =>
    except.includes(char) ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Writes bytes, and waits while the stream is full; one whose reader has gone takes nothing. */
function write(stream: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      resolve();
    };
    if (stream.write(bytes, done)) done();
  });
}

/** Writes events, at most so many, each to its stream; those of no stream to `otherwise`. */
export async function writeAll(
  events: EventIterator,
  otherwise: NodeJS.WriteStream,
  count = Infinity,
): Promise<void> {
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
    }
    if (count === 0) return;
  }
}

/** Writes a line of the result. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Says something that is not the result. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

/** Rows under a head: in columns on a terminal, by tabs elsewhere, as scripts have them from the official program. */
export function printTable(head: string[], rows: string[][]): void {
  const lines = [head, ...rows.map((row) => row.map((cell) => clean(cell)))];
  if (!process.stdout.isTTY) {
    for (const line of lines) print(line.join("\t"));
    return;
  }
  const widths = head.map((_, i) => Math.max(...lines.map((line) => stringWidth(line[i] ?? ""))));
  for (const [row, line] of lines.entries()) {
    const cells = line.map((cell, i) => cell + " ".repeat((widths[i] ?? 0) - stringWidth(cell)));
    const text = cells.join("  ").trimEnd();
    print(row === 0 && coloured(process.stdout) ? `\u001b[1m${text}\u001b[0m` : text);
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
  if (seconds > 5 * 86_400) return date.toLocaleDateString();
  const [size, unit] = units.find(([size]) => seconds >= size) ?? [1, "sec"];
  const count = Math.floor(seconds / size);
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
}
