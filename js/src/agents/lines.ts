// Lines of a file as it streams in: only what is returned is kept.
import { Refusal } from "./failure.js";

const NEWLINE = 0x0a;

/** Lines of a file. */
export interface Lines {
  content: string;
  /** The number of the last line, of those that were read; where nothing was taken, how many there are. */
  last: number;
  /** Whether there are lines after these. */
  more: boolean;
  /** Whether the last line was cut. */
  isCut: boolean;
}

/** Reads lines from `first` on, at most so many and so many bytes. Leaves the rest of the stream unread. */
export async function readLines(
  stream: ReadableStream<Uint8Array>,
  first: number,
  maxLines: number,
  maxBytes: number,
): Promise<Lines> {
  const taken: Uint8Array[] = [];
  let size = 0;
  /** The line that the next byte belongs to, and whether it has one already. */
  let line = 1;
  let begun = false;
  const reader = stream.getReader();
  const done = (more: boolean, isCut: boolean): Lines => {
    const last = begun ? line : line - 1;
    return { content: decoded(taken), last: Math.min(last, first + maxLines - 1), more, isCut };
  };
  try {
    for (;;) {
      const { value, done: over } = await reader.read();
      if (over) return done(false, false);
      for (let at = 0; at < value.length;) {
        if (line >= first + maxLines) return done(true, false);
        const end = value.indexOf(NEWLINE, at);
        const next = end === -1 ? value.length : end + 1;
        if (line >= first) {
          const part = value.subarray(at, next);
          if (size + part.length > maxBytes) return whole(taken, part, maxBytes - size, line, begun);
          taken.push(part);
          size += part.length;
        }
        begun = end === -1;
        if (!begun) line++;
        at = next;
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** What was taken, without a line that does not fit; a single line is cut. */
function whole(taken: Uint8Array[], part: Uint8Array, left: number, line: number, begun: boolean): Lines {
  const end = begun ? taken.findLastIndex((each) => each.at(-1) === NEWLINE) : taken.length - 1;
  if (end >= 0)
    return { content: decoded(taken.slice(0, end + 1)), last: line - 1, more: true, isCut: false };
  return { content: decoded([...taken, part.subarray(0, left)], true), last: line, more: true, isCut: true };
}

/** Text of these bytes. A character that was cut at the end is left out. */
function decoded(parts: Uint8Array[], isCut = false): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    const text = parts.map((part) => decoder.decode(part, { stream: true })).join("");
    if (!isCut) decoder.decode();
    if (!text.includes("\0")) return text;
  } catch {
    // Not UTF-8.
  }
  throw new Refusal(
    "binary_file",
    "The file is not text in UTF-8. Look at it with run_command, for example with file or xxd.",
  );
}
