// Text within a budget of UTF-8 bytes.

const encoder = new TextEncoder();

/** The bytes of a text in UTF-8. */
export const bytesOf = (text: string): number => encoder.encode(text).length;

/** The beginning of a text that has at most so many bytes, and ends with a mark where something was left out. */
export function cut(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes || bytesOf(text) <= maxBytes) return text;
  return `${head(text, maxBytes - 3)}…`;
}

/** The longest beginning of a text that has at most so many bytes. No character is cut. */
export function head(text: string, maxBytes: number): string {
  // `encodeInto` stops before a character that does not fit.
  const { read } = encoder.encodeInto(text, new Uint8Array(Math.max(0, maxBytes)));
  return text.slice(0, read);
}

/** The first of these lines that together have at most so many bytes; at least one, cut if it must be. */
export function within(lines: readonly string[], maxBytes: number): string[] {
  const fitting: string[] = [];
  let left = maxBytes;
  for (const line of lines) {
    left -= bytesOf(line) + 1;
    if (left < 0) break;
    fitting.push(line);
  }
  return fitting.length === 0 && lines[0] !== undefined ? [cut(lines[0], maxBytes)] : fitting;
}

/** A number of things, for example `1 line` or `1,234 lines`. */
export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString("en-US")} ${number === 1 ? one : many}`;
