// Positions in an output as short strings, which a model gets and gives back.
import type { Cursor } from "../generated/types.js";
import { Refusal } from "./failure.js";

const COUNTS = /^c(\d{1,15}(?:\.\d{1,15}){0,3})(?::([\x21-\x7e]{1,200}))?$/;

/** `c` and the counts: `c12.3`, with unfinished lines `c12.3.0.5`; then the id of the last event, `c12.3:15`. */
export function encodeCursor({ counts = [], unfinished, lastId }: Cursor): string {
  const numbers = [counts[0] ?? 0, counts[1] ?? 0, ...(unfinished ?? [])];
  return `c${numbers.join(".")}${lastId === undefined ? "" : `:${lastId}`}`;
}

export function decodeCursor(text: string): Cursor {
  const [, numbers, lastId] = COUNTS.exec(text) ?? [];
  if (numbers === undefined)
    throw new Refusal(
      "invalid_input",
      "cursor must be one that an earlier result had. Without it the output is read from its start.",
    );
  const all = numbers.split(".").map(Number);
  const [counts, unfinished] = [all.slice(0, 2), all.slice(2)];
  return {
    counts,
    ...(unfinished.length > 0 && { unfinished }),
    ...(lastId !== undefined && { lastId }),
  };
}
