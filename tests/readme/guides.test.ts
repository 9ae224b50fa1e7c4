// The documentation's links, its size, and its words.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { test } from "node:test";

const GENERATED = new Set(["errors.md", "official-sdk.md"]);
const guides = readdirSync("docs")
  .filter((name) => name.endsWith(".md"))
  .map((name) => join("docs", name));
const documents = [
  ...readdirSync(".").filter((name) => name.endsWith(".md")),
  ...guides,
  join("examples", "README.md"),
];

/** The text of a document without its code. */
function prose(path: string): string {
  return readFileSync(path, "utf8")
    .replace(/^```[^]*?^```$/gm, "")
    .replace(/``?[^`\n]*``?/g, "");
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchors(path: string): Set<string> {
  const text = readFileSync(path, "utf8").replace(/^```[^]*?^```$/gm, "");
  const headings = Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading = ""]) => heading);
  const ids = Array.from(text.matchAll(/<a id="([^"]+)">/g), ([, id = ""]) => id);
  const made = headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
  return new Set([...made, ...ids]);
}

for (const path of documents)
  test(`${path}: its links lead somewhere`, () => {
    const broken: string[] = [];
    for (const [, target = ""] of prose(path).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const linked = file === "" ? path : normalize(join(dirname(path), file));
      const isThere = existsSync(linked);
      if (!isThere || (anchor !== undefined && !anchors(linked).has(anchor))) broken.push(target);
    }
    assert.deepEqual(broken, []);
  });

test("every guide is two clicks from the README", () => {
  const index = prose(join("docs", "README.md"));
  const missing = guides.filter(
    (path) => !index.includes(`](${basename(path)}`) && basename(path) !== "README.md",
  );
  assert.deepEqual(missing, []);
  assert.ok(prose("README.md").includes("](docs/README.md)"));
});

test("the README has at most 180 lines", () => {
  assert.ok(readFileSync("README.md", "utf8").trimEnd().split("\n").length <= 180);
});

/** Words that the project does not write, each with what to write instead. */
const WORDS: [RegExp, string][] = [
  [/\bleash/i, "cancellation token"],
  [/\btaken up again\b/i, "resumed"],
  [/\b(?:gone|goes) on with\b/i, "continues"],
  [/\bhears? of\b/i, "is notified of"],
  [/\bpatience\b/i, "timeout"],
  [/\bheeds?\b/i, "honors"],
  [/\bleft alone\b/i, "not changed"],
  [/\b(?:come|comes|came) along\b/i, "is included"],
  [/\bwhoever\b/i, "the caller, the client"],
  [/\bin silence\b/i, "silently"],
  [/\bmade up\b/i, "guessed"],
  [/\bis no (?:text|list|number|file)\b/i, "is not a …"],
];

for (const path of ["README.md", ...guides].filter((path) => !GENERATED.has(basename(path))))
  test(`${path}: its words are plain`, () => {
    const text = prose(path);
    const found = WORDS.filter(([word]) => word.test(text)).map(
      ([word, better]) => `${String(word)}: write ${better}`,
    );
    assert.deepEqual(found, []);
  });
