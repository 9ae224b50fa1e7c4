// A line for a shell. The shell reads its values from variables, so that no value is ever read as code.
import { invalid } from "./arguments.js";

/** A value in a line for a shell. Text or a number is one word; an array is one word for each of its items. */
export type ShellValue = string | number | readonly (string | number)[];

/** Text in which every quote is closed. */
const CLOSED = /^(?:[^'"\\]|\\[^]|'[^']*'|"(?:[^"\\]|\\[^])*")*$/;

/** The arguments of `sh` for the parts of a template and its values. */
export function shellArgs({ raw }: TemplateStringsArray, values: readonly ShellValue[]): string[] {
  const words: string[] = [];
  const parts = raw.map((part) => part.replace(/\\(`|\$\{)/g, "$1"));
  let line = parts[0] ?? "";
  for (const [i, value] of values.entries()) {
    // In an open quote the quotes around the variable would end it.
    if (!CLOSED.test(line))
      throw invalid("`sh` quotes values itself: leave out the quotes around `${…}`, and put text beside it");
    const each: readonly unknown[] = Array.isArray(value) ? value : [value];
    const named = each.map((word) => {
      if (typeof word !== "string" && typeof word !== "number")
        throw invalid("a value in `sh` must be a string, a number, or an array of these");
      return `"$_${words.push(String(word))}"`;
    });
    line += named.join(" ") + (parts[i + 1] ?? "");
  }
  const variables = words.map((_, i) => `_${i + 1}=\${${i + 1}}`).join(" ");
  return ["-c", `${variables}\n${line}`, "sh", ...words];
}
