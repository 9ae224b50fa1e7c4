// What each entry of the package costs: bytes to download, and time until it works.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { ADAPTERS } from "./bundles.mjs";
import { INSTALLED } from "./package.mjs";
import { read, root, StepError } from "./steps.mjs";

/** The most that a browser may have to download before its first call, gzip; ARCHITECTURE.md says where the bytes are. */
const BUDGET = 122 * 1024;
/** The most that the adapter of a framework may have, gzip. */
const ADAPTER_BUDGET = 6 * 1024;
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
    "tree/index.js",
    "agents/index.js",
    ...ADAPTERS.map((name) => `agents/${name}.js`),
    "opentelemetry/index.js",
    "console/index.js",
  ];
  const wasm = readFileSync(join(INSTALLED, "pkg", "core", "shoreline_bg.wasm"));
  const sizes = { "the wasm": sizesOf(wasm) };
  for (const entry of entries) {
    const name = entry.replace(/^entry\/|(\/index)?\.js$/g, "");
    const { start, later, hasModule } = await bundled(join(INSTALLED, "pkg", entry));
    sizes[name] = sum(hasModule ? [...start, wasm] : start);
    if (later.length > 0) sizes[`${name}, on first use`] = sum(later);
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
  for (const name of ADAPTERS)
    if (sizes[`agents/${name}`].gzip > ADAPTER_BUDGET)
      throw new StepError(`agents/${name} is over the budget of ${ADAPTER_BUDGET} bytes (gzip)`);
  const { gzip } = sizes.browser;
  if (gzip > BUDGET)
    throw new StepError(
      `what a browser downloads at first is ${gzip} bytes (gzip), over the budget of ${BUDGET}`,
    );
}

/**
 * An entry as a bundler makes it: the files that are loaded with it, those that are loaded on first use, and whether the
 * module's file goes along.
 */
async function bundled(entry) {
  const { build } = await import("esbuild");
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["node:*", "ws", "@opentelemetry/api", "shoreline", "*.wasm", "*.wasm?module"],
    metafile: true,
    write: false,
    outdir: root,
    absWorkingDir: root,
    logLevel: "warning",
  });
  const { outputs } = metafile;
  const start = new Set();
  const load = (path) => {
    if (start.has(path)) return;
    start.add(path);
    for (const { kind, external, path: other } of outputs[path].imports)
      if (kind === "import-statement" && !external) load(other);
  };
  load(Object.keys(outputs).find((path) => outputs[path].entryPoint));
  const atStart = ({ path }) => start.has(relative(root, path));
  const imports = Object.values(outputs).flatMap((output) => output.imports);
  const named = outputFiles.some(({ text }) => text.includes("shoreline_bg.wasm"));
  const carriesIt = entry.endsWith("slim.js") || entry.endsWith("inline.js");
  return {
    start: outputFiles.filter(atStart).map(({ contents }) => contents),
    later: outputFiles.filter((file) => !atStart(file)).map(({ contents }) => contents),
    hasModule: (named && !carriesIt) || imports.some(({ path }) => path.includes(".wasm")),
  };
}

/** The sizes of files that are compressed one by one. */
function sum(files) {
  const all = files.map(sizesOf);
  const total = (kind) => all.reduce((bytes, sizes) => bytes + sizes[kind], 0);
  return { raw: total("raw"), gzip: total("gzip"), brotli: total("brotli") };
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
