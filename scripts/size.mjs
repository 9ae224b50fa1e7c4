// What each entry of the package costs: bytes to download, and time until it works.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { INSTALLED } from "./package.mjs";
import { read, root, StepError } from "./steps.mjs";

/** The most that a browser may have to download, gzip; ARCHITECTURE.md says where the bytes are. */
const BUDGET = 107 * 1024;
const SNAPSHOT = join(root, "tests", "package", "size.json");
/** Compilers differ a little. */
const TOLERANCE = 1.01;

/** Measures what each entry makes a program download; fails where it is more than it was, or than it may be. */
export async function size() {
  const names = readdirSync(join(INSTALLED, "pkg", "entry")).filter((name) => name.endsWith(".js"));
  const entries = [
    ...names.map((name) => `entry/${name}`),
    "local/index.js",
    "relay/index.js",
    "console/index.js",
  ];
  const wasm = readFileSync(join(INSTALLED, "pkg", "core", "shoreline_bg.wasm"));
  const sizes = { "the wasm": sizesOf(wasm) };
  for (const entry of entries) {
    const [script, hasModule] = await bundled(join(INSTALLED, "pkg", entry));
    const js = sizesOf(script);
    const sum = ([kind, bytes]) => [kind, bytes + (hasModule ? sizes["the wasm"][kind] : 0)];
    sizes[entry.replace(/^entry\/|(\/index)?\.js$/g, "")] = Object.fromEntries(Object.entries(js).map(sum));
  }
  console.table(sizes);
  if (process.argv.includes("--update")) writeFileSync(SNAPSHOT, `${JSON.stringify(sizes, undefined, 2)}\n`);
  const last = JSON.parse(readFileSync(SNAPSHOT, "utf8"));
  const update = "if that is meant, run `npm test -- size --update` and commit tests/package/size.json";
  for (const [name, { gzip }] of Object.entries(sizes)) {
    const before = last[name]?.gzip;
    if (before === undefined) throw new StepError(`${name} was not measured before: ${update}`);
    if (gzip > before * TOLERANCE)
      throw new StepError(`${name} is ${gzip} bytes (gzip) and was ${before}: ${update}`);
  }
  const { gzip } = sizes.browser;
  if (gzip > BUDGET)
    throw new StepError(`what a browser downloads is ${gzip} bytes (gzip), over the budget of ${BUDGET}`);
}

/** An entry as a bundler makes it, and whether the module's file goes along. */
async function bundled(entry) {
  const { build } = await import("esbuild");
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["node:*", "ws", "shoreline", "*.wasm", "*.wasm?module"],
    metafile: true,
    write: false,
    logLevel: "warning",
  });
  const [{ contents, text }] = outputFiles;
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  const hasModule =
    text.includes("shoreline_bg.wasm") && !entry.endsWith("slim.js") && !entry.endsWith("inline.js");
  return [contents, hasModule || imports.some(({ path }) => path.includes(".wasm"))];
}

function sizesOf(bytes) {
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
  return {
    raw: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes, quality).length,
  };
}

/** What Node may take, ms: for the import, and from then to the end of the first call that needs the core. */
const LIMITS = { import: 20, "first call": 20 };
/** Where Node itself takes no longer to begin, ms; a machine that is slower may be slower in both. */
const NODE = 60;
const PROCESSES = 15;
/** How many are started until one is not disturbed by other work on the machine. */
const TRIES = 100;

/** Measures a start in processes of their own; the best of them, since the machine's other work only adds. */
export async function startUp() {
  const program = `
    const began = performance.now();
    const { Sandbox } = await import(${JSON.stringify(join(INSTALLED, "pkg", "entry", "node.js"))});
    const imported = performance.now();
    await Sandbox.connect({ sandboxId: "a", proxyUrl: "http://a.invalid", apiKey: "key" });
    const called = performance.now();
    console.log(JSON.stringify({ Node: began, import: imported - began, "first call": called - imported }));`;
  const all = [];
  const rows = () => {
    const best = (what) => Math.min(...all.map((one) => one[what]));
    const slower = Math.max(1, best("Node") / NODE);
    return Object.entries(LIMITS).map(([what, ms]) => ({ what, ms: best(what), limit: ms * slower }));
  };
  const over = () => rows().filter(({ ms, limit }) => ms > limit);
  while (all.length < PROCESSES || (all.length < TRIES && over().length > 0))
    all.push(JSON.parse(await read(process.execPath, ["--input-type=module", "--eval", program])));
  console.table(rows());
  for (const { what, ms, limit } of over())
    throw new StepError(`the ${what} takes ${ms.toFixed(1)} ms, more than ${limit.toFixed(1)}`);
}
