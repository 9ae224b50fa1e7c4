// The documentation's links and its size.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { test } from "node:test";

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

test("docs/README.md names jobs, each with a link to its answer", () => {
  const rows = prose(join("docs", "README.md")).match(/^\| (?!To do this|-).*$/gm) ?? [];
  assert.ok(rows.length >= 20, `${rows.length} jobs`);
  assert.deepEqual(
    rows.filter((row) => !row.includes("](")),
    [],
  );
});

test("the README has at most 180 lines", () => {
  assert.ok(readFileSync("README.md", "utf8").trimEnd().split("\n").length <= 180);
});
