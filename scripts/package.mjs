// The package as npm would publish it, and the tests compiled beside it.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { bin, filesBelow, read, root, run, StepError } from "./steps.mjs";

/** Where the packed packages are installed; the tests run from there. */
const PACKED = join(root, "target", "packed");
export const INSTALLED = join(PACKED, "node_modules", "shoreline");
export const TARBALL = join("target", "packed", "shoreline.tgz");
/** The package of this machine's local server. */
const PLATFORM = `local-${process.platform}-${process.arch}`;
const PLATFORM_TARBALL = join("target", "packed", `${PLATFORM}.tgz`);

/** Packs, and unpacks to where an import of "shoreline" finds it. */
export async function pack() {
  rmSync(PACKED, { recursive: true, force: true });
  await packOne(".", TARBALL, INSTALLED);
  const folder = join("packages", PLATFORM);
  if (hasPlatform()) {
    await packOne(`./${folder}`, PLATFORM_TARBALL, join(PACKED, "node_modules", "@shoreline", PLATFORM));
  }
  writeFileSync(join(PACKED, "package.json"), '{ "type": "module", "private": true }\n');
}

const hasPlatform = () => existsSync(join(root, "packages", PLATFORM));

async function packOne(folder, tarball, installed) {
  mkdirSync(installed, { recursive: true });
  const options = ["--json", "--loglevel=error", "--pack-destination", PACKED];
  const [{ filename }] = JSON.parse(await read("npm", ["pack", folder, ...options]));
  renameSync(join(PACKED, filename), join(root, tarball));
  await run("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"]);
}

/** A copy of the packed package below `target`; returns its folder. */
export function unpackTo(name) {
  const copy = join(root, "target", name);
  rmSync(copy, { recursive: true, force: true });
  cpSync(join(PACKED, "package.json"), join(copy, "package.json"));
  const folder = join(copy, "node_modules", "shoreline");
  cpSync(INSTALLED, folder, { recursive: true });
  return folder;
}

let compiling;

/** Compiles every test file, once, and gives those whose path has `part` in it. */
export async function compileTests(part) {
  const sources = await (compiling ??= compileAll());
  return sources
    .filter((path) => path.endsWith(".test.ts") && path.includes(part))
    .map((path) => join(PACKED, "tests", path.slice(join(root, "tests").length)).replace(/\.ts$/, ".js"));
}

async function compileAll() {
  const { build } = await import("esbuild");
  const sources = filesBelow("tests").filter((path) => /\.test\.ts$|\/inside\/[^/]*\.ts$/.test(path));
  const { warnings } = await build({
    absWorkingDir: root,
    entryPoints: sources,
    outbase: join(root, "tests"),
    outdir: join(PACKED, "tests"),
    bundle: true,
    // The package is imported by its name, as a user does.
    packages: "external",
    // But this, which browsers and workers could not find.
    alias: Object.fromEntries(
      ["eventsource", "eventsource-parser"].map((name) => [
        name,
        join(root, "node_modules", name, "dist", "index.js"),
      ]),
    ),
    format: "esm",
    target: "es2022",
    platform: "neutral",
    // `sideEffects` speaks of the package; what a test file does is its effect.
    ignoreAnnotations: true,
    logLevel: "warning",
  });
  if (warnings.length > 0) throw new StepError("compiling the tests gave warnings");
  return sources;
}

/** What npm's users would stumble over. */
export async function lintPackage() {
  sameVersions();
  for (const tarball of hasPlatform() ? [TARBALL, PLATFORM_TARBALL] : [TARBALL])
    await run(process.execPath, [bin("publint", "src", "cli.js"), "run", tarball, "--strict"]);
  await run(process.execPath, [
    bin("@arethetypeswrong", "cli", "dist", "index.js"),
    TARBALL,
    // ESM only, for runtimes that resolve `exports`.
    ...["--profile", "esm-only", "--no-definitely-typed", "--no-emoji", "--format", "ascii"],
    // What an import of it gives is the bundler's choice: a module, an address, bytes.
    ...["--exclude-entrypoints", "shoreline.wasm"],
  ]);
}

/** A server of another version would be found out by users only. */
function sameVersions() {
  const manifest = (folder) => JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
  const { version, optionalDependencies } = manifest(".");
  for (const folder of readdirSync(join(root, "packages"))) {
    const { name, version: own } = manifest(join("packages", folder));
    if (own !== version || optionalDependencies[name] !== version)
      throw new StepError(`${name} must be ${version}, in its package.json and as an optional dependency`);
  }
}
