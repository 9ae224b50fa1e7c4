// `npm run bench:search`: `fs.glob` and `fs.grep` in a local sandbox beside ripgrep on the same files on this machine, by
// turns in one run. Needs `rg`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sandbox } from "../pkg/entry/node.js";
import { startLocal } from "../pkg/local/index.js";

const FILES = 100_000;
const ROUNDS = 9;

const folder = mkdtempSync(join(tmpdir(), "shoreline-bench-"));
const tree = join(folder, "tree");
const server = await startLocal();
const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
const cwd = "/tmp/tree";

/** Directories of 50 files of some KB; `needle` is in one file, and `common` in every tenth. */
function makeFiles() {
  const line = "export function value(input: number): number { return input * 2 + 1; }\n";
  for (let i = 0; i < FILES; i++) {
    const parent = join(tree, `package-${Math.floor(i / 2500)}`, "src", `part-${Math.floor(i / 50)}`);
    if (i % 50 === 0) mkdirSync(parent, { recursive: true });
    const more = (i === FILES * 0.7 ? "needle\n" : "") + (i % 10 === 0 ? "common\n" : "");
    writeFileSync(join(parent, `file-${i}.${i % 4 ? "ts" : "md"}`), line.repeat(10 + (i % 20)) + more);
  }
  writeFileSync(join(tree, ".gitignore"), "node_modules\n*.log\n/dist/\n");
}

/** Milliseconds until the first result and until the end, and how many there are. */
async function ours(search) {
  const began = performance.now();
  let [first, count] = [NaN, 0];
  for await (const result of search) if (result && count++ === 0) first = performance.now() - began;
  return { first, whole: performance.now() - began, count };
}

async function rg(...args) {
  const began = performance.now();
  const child = spawn("rg", ["--no-config", "--no-require-git", ...args, "."], {
    cwd: tree,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let [first, count] = [NaN, 0];
  child.stdout.on("data", (data) => {
    if (count === 0) first = performance.now() - began;
    for (const byte of data) if (byte === 10) count++;
  });
  await once(child, "close");
  return { first, whole: performance.now() - began, count };
}

const { fs } = sandbox;
const cases = {
  "grep, one line": [() => ours(fs.grep("needle", { cwd })), () => rg("-n", "needle")],
  "grep, a line in every tenth file": [() => ours(fs.grep("common", { cwd })), () => rg("-n", "common")],
  "grep, no case": [() => ours(fs.grep("NEEDLE", { cwd, ignoreCase: true })), () => rg("-ni", "NEEDLE")],
  "glob, one file": [
    () => ours(fs.glob(`**/file-${FILES * 0.7}.md`, { cwd })),
    () => rg("--files", "-g", `file-${FILES * 0.7}.md`),
  ],
  "glob, three quarters": [() => ours(fs.glob("**/*.ts", { cwd })), () => rg("--files", "-g", "*.ts")],
};

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const ms = (numbers) => `${median(numbers).toFixed(0)} ms`;

try {
  makeFiles();
  await sandbox.upload(tree, cwd);
  const rows = {};
  for (const [name, contenders] of Object.entries(cases)) {
    const times = [[], []];
    for (let round = 0; round <= ROUNDS; round++) {
      const took = [await contenders[0](), await contenders[1]()];
      if (took[0].count !== took[1].count) throw new Error(`${name}: ${took[0].count} and ${took[1].count}`);
      // The first one is not timed.
      if (round > 0) took.forEach((each, i) => times[i].push(each));
    }
    const [here, there] = times;
    const pick = (list, part) => list.map((each) => each[part]);
    const extra = median(here.map(({ first }, i) => first - there[i].first));
    rows[name] = {
      results: here[0].count,
      "first hit": ms(pick(here, "first")),
      "rg's": ms(pick(there, "first")),
      "more than rg": `${extra.toFixed(0)} ms`,
      "goal, 100 ms": extra <= 100 ? "met" : "NOT met",
      all: ms(pick(here, "whole")),
      "all, rg": ms(pick(there, "whole")),
      ratio: median(here.map(({ whole }, i) => whole / there[i].whole)).toFixed(2),
    };
  }
  console.table(rows);
} finally {
  await sandbox.terminate();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
