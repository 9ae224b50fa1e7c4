// The README's table of runtimes, which says what the contract suite has passed in.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, say, StepError } from "./steps.mjs";

const MAJOR = /\d+/;
const MINOR = /\d+\.\d+/;
const PLACES = ["", "-worker", "-service-worker"];

/** What a row says, which tests it stands for, and how much of their versions is shown. */
const rows = [
  ["Node", "`node`", ["node20", "node22", "node24", "node26"], MAJOR],
  ["Bun", "`bun`", ["bun"], MINOR],
  ["Deno", "`deno`", ["deno"], MINOR],
  ["Cloudflare Workers (workerd)", "`workerd`", ["workerd"], MINOR],
  ["Vercel's edge runtime", "`edge-light`", ["edge"], MINOR],
  ["Chromium: page, web worker, service worker", "`browser`", PLACES.map((at) => `chromium${at}`), MAJOR],
  ["Firefox: page, web worker, service worker", "`browser`", PLACES.map((at) => `firefox${at}`), MAJOR],
  [
    "WebKitGTK, Safari's engine: page, web worker, service worker",
    "`browser`",
    PLACES.map((at) => `webkit${at}`),
    MINOR,
  ],
];
const BLOCK = /(<!-- runtimes: `npm run test:runtime -- --update` -->\n)[^]*?(<!-- \/runtimes -->)/;

const record = (name) => join(root, "target", "tested", name);

/** Forgets what a runtime was tested in, until it has passed again. */
export function forget(name) {
  rmSync(record(name), { force: true });
}

/** Notes what a runtime was tested in, by the line that its tests print. */
export function note(name, output) {
  const [, version] = /^tested in (.+)$/m.exec(output) ?? [];
  if (version === undefined) throw new StepError(`the tests of ${name} do not say what they ran in`);
  mkdirSync(join(root, "target", "tested"), { recursive: true });
  writeFileSync(record(name), version);
}

/** Checks that the README has what was tested last, or writes it there; gives what is missing for that. */
export function table() {
  const missing = rows.flatMap(([, , names]) => names).filter((name) => !existsSync(record(name)));
  if (missing.length > 0) return `have not passed, or have not run: ${missing.join(", ")}`;
  const lines = rows.map(([title, condition, names, shown]) => {
    const versions = names.map((name) => shown.exec(readFileSync(record(name), "utf8"))?.[0] ?? "?");
    return `| ${title} | ${[...new Set(versions)].join(", ")} | ${condition} |\n`;
  });
  const made = ["| Runtime | Tested in | `exports` |\n|---|---|---|\n", ...lines].join("");
  const path = join(root, "README.md");
  const readme = readFileSync(path, "utf8");
  if (!BLOCK.test(readme)) throw new StepError("README.md has no place for the table of runtimes");
  const next = readme.replace(BLOCK, (_, begin, end) => begin + made + end);
  if (process.argv.includes("--update")) writeFileSync(path, next);
  else if (unpinned(next) !== unpinned(readme)) {
    throw new StepError(`README.md does not say what was tested: run it with --update to have\n${made}`);
  } else if (next !== readme) say("browsers are newer than README.md says");
  return undefined;
}

/** Browsers come from the system, and change without us. */
function unpinned(text) {
  return text.replace(/^(\| (?:Chromium|Firefox|WebKitGTK).* \| )[\d.]+/gm, "$1");
}
