// The replacement of text in a file.
import { Refusal } from "./failure.js";
import { count } from "./text.js";

export interface Replaced {
  text: string;
  replacements: number;
  /** The line at which the first of them begins. */
  line: number;
}

/** Replaces text that must be there once, or wherever it is. */
export function replaced(
  path: string,
  bytes: Uint8Array,
  before: string,
  after: string,
  all: boolean,
): Replaced {
  const text = decoded(path, bytes);
  if (before === after)
    throw new Refusal("invalid_input", "Nothing was changed: old_text and new_text are the same.");
  const parts = text.split(before);
  const replacements = parts.length - 1;
  if (replacements === 0)
    throw new Refusal("no_match", `${path} does not contain old_text. ${hint(text, before)}`);
  if (replacements > 1 && !all) {
    const lines = placesOf(text, before, 5).join(", ");
    throw new Refusal(
      "too_many_matches",
      `${path} contains old_text ${count(replacements, "time")}, in lines ${lines}${replacements > 5 ? " and more" : ""}. Add lines around it until it is there once, or set replace_all.`,
    );
  }
  const [line = 1] = placesOf(text, before, 1);
  return { text: parts.join(after), replacements, line };
}

function decoded(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refusal("binary_file", `${path} is not text in UTF-8: change it with run_command.`);
  }
}

/** The numbers of the lines at which a text begins. */
function placesOf(text: string, part: string, most: number): number[] {
  const lines: number[] = [];
  let line = 1;
  for (let at = 0, from = text.indexOf(part); from !== -1 && lines.length < most;) {
    for (; at < from; at++) if (text.charCodeAt(at) === 10) line++;
    lines.push(line);
    from = text.indexOf(part, from + part.length);
  }
  return lines;
}

/** What may be wrong: models change line ends, indents and other white space. */
function hint(text: string, before: string): string {
  if (text.includes(before.replace(/\r?\n/g, "\r\n")))
    return "The file's lines end with \\r\\n: use these in old_text and new_text.";
  const first = before
    .split("\n")
    .find((line) => line.trim() !== "")
    ?.trim();
  const at = first === undefined ? -1 : text.split("\n").findIndex((line) => line.trim() === first);
  const near =
    at === -1 ? "" : `Line ${at + 1} is like the first line of it, but for white space or what follows. `;
  return `${near}Read the file again with read_file, and copy the text exactly.`;
}
