// The linter for words: what the project does not write, in documentation, comments, names and messages.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { read, root, StepError } from "./steps.mjs";

/** Each with what to write instead. A space in a pattern also matches where a comment continues in the next line. */
const WORDS = [
  [/leash/, "a cancellation token"],
  [/\bpatience\b/, "a timeout"],
  [/\bheeds?\b/, "honors"],
  [/\bwhoever\b/, "the caller, the client, the user …"],
  [/\b(?:take|takes|taken|took) (?:it )?up again\b/, "resume, reconnect"],
  [/\b(?:go|goes|gone|going|went) on with\b/, "continue"],
  [/\bhears? of\b/, "is notified of, receives"],
  [/\btells? of\b/, "reports"],
  [/\b(?:come|comes|came) of\b/, "results from; the result, the outcome"],
  [/\b(?:come|comes|came) along\b/, "is included, is sent too"],
  [/\b(?:left|leave|leaves) (?:\w+ )?alone\b/, "not changed, not touched"],
  [/\bin silence\b/, "silently"],
  [/\bmade up(?! of)\b/, "guessed"],
  [/\bis as good as\b/, "has the same effect as"],
  [/\b(?:is|are) no (?:text|list|number|file|files|terminal|bytes|news)\b/, "is not a …"],
  [/\b(?:let|lets) in\b/, "admits, authorizes"],
  [/\bwhat(?:ever)? (?:becomes|became) of\b/, "what happens to"],
  [/\b(?:can|could|cannot|may) be had\b/, "is available"],
  [/\bknows? of\b(?! no)/, "knows"],
  [
    /(?:\/\/\/|\/\*\*|^ *\*) (?:What it has|What it is|What|When|How|Why|Where|Who|Whose|Which)\.(?=\s|$)/m,
    "a sentence",
  ],
  [
    /\((?:protocol|design|findings),? (?:sections? )?\d/,
    "a citation that leads somewhere: a page of docs/, an RFC, a man page",
  ],
];

const CHECKED = /\.(?:md|rs|ts|tsx|mjs|js|py|html|css|toml|yaml|yml|sh)$/;
/** This file, and what is generated from sources that are checked. */
const GENERATED = [
  "scripts/words.mjs",
  "js/src/generated/",
  "docs/reference/",
  "docs/errors.md",
  "docs/official-sdk.md",
];
/** Whether the words of a file are checked. */
const isChecked = (path) => CHECKED.test(path) && !GENERATED.some((except) => path.startsWith(except));

const GAP = String.raw`(?: |\s*\n\s*(?:\/\/[\/!]?|\*|#|\|)?\s*)`;
const patterns = WORDS.map(([{ source, flags }, better]) => [
  new RegExp(source.replaceAll(" ", GAP), `gi${flags}`),
  better,
]);

/** Fails where a file of the repository has one of these words. */
export async function checkWords() {
  const files = (await read("git", ["ls-files"])).split("\n");
  const problems = [];
  for (const path of files.filter(isChecked)) {
    const text = readFileSync(join(root, path), "utf8");
    for (const [pattern, better] of patterns)
      for (const { 0: found, index } of text.matchAll(pattern)) {
        const line = text.slice(0, index).split("\n").length;
        problems.push(`${path}:${line}: "${found.replace(/\s+/g, " ")}": write ${better}`);
      }
  }
  if (problems.length > 0) throw new StepError(`words:\n${problems.join("\n")}`);
}
