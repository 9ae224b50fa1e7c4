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
import { dirname, join, relative } from "node:path";
import { ARTIFACTS, checkNotices } from "./notices.mjs";
import { bin, filesBelow, read, root, run, StepError } from "./steps.mjs";

/** Where the packed packages are installed; the tests run from there. */
const PACKED = join(root, "target", "packed");
export const INSTALLED = join(PACKED, "node_modules", "shoreline");
export const TARBALL = join("target", "packed", "shoreline.tgz");
/** The package of this machine's local server. */
const PLATFORM = `local-${process.platform}-${process.arch}`;
const PLATFORM_INSTALLED = join(PACKED, "node_modules", "@shoreline", PLATFORM);
const PLATFORM_TARBALL = join("target", "packed", `${PLATFORM}.tgz`);

/** Packs, and unpacks to where an import of "shoreline" finds it. */
export async function pack() {
  rmSync(PACKED, { recursive: true, force: true });
  await packOne(".", TARBALL, INSTALLED);
  const folder = join("packages", PLATFORM);
  if (hasPlatform()) {
    await packOne(`./${folder}`, PLATFORM_TARBALL, PLATFORM_INSTALLED);
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
  oldestNode();
  linksInside();
  await checkNotices(ARTIFACTS.core, readFileSync(join(INSTALLED, "pkg", "core", "LICENSES"), "utf8"));
  if (hasPlatform()) {
    const text = (name) => readFileSync(join(PLATFORM_INSTALLED, name), "utf8");
    await checkNotices(ARTIFACTS.server, text(join("bin", "LICENSES")));
    if (text("LICENSE") !== readFileSync(join(root, "LICENSE"), "utf8"))
      throw new StepError(`packages/${PLATFORM}/LICENSE must be a copy of LICENSE`);
  }
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

/** What links of the packed README and guides may lead to, though only the repository has it. */
const REPOSITORY_ONLY = /^(ARCHITECTURE|CONTRIBUTING)\.md$|^(bench|tests|js|crates|scripts)\//;

/** A link of a packed page leads to a packed file, so that it works in `node_modules`. */
function linksInside() {
  for (const path of filesBelow(relative(root, INSTALLED)).filter((path) => path.endsWith(".md")))
    for (const [, target] of readFileSync(path, "utf8").matchAll(/\]\((?![a-z]+:|#)([^)\s#]+)/g)) {
      const linked = join(dirname(path), target);
      if (!existsSync(linked) && !REPOSITORY_ONLY.test(relative(INSTALLED, linked)))
        throw new StepError(`${relative(INSTALLED, path)} links to ${target}, which is not in the package`);
    }
}

/** The contract suite runs in the oldest Node that `engines` allows. */
function oldestNode() {
  const manifest = (...path) => JSON.parse(readFileSync(join(root, ...path, "package.json"), "utf8"));
  const { engines } = manifest();
  const tested = manifest("tests", "runtimes").dependencies.node20;
  if (!`${tested}`.endsWith(`@${engines.node.slice(">=".length)}.0`))
    throw new StepError(`engines.node is ${engines.node}, but tests/runtimes has ${tested}`);
}

/** A server of another version would be found out by users only. */
function sameVersions() {
  const text = (...path) => readFileSync(join(root, ...path), "utf8");
  const { version, optionalDependencies } = JSON.parse(text("package.json"));
  const found = [["Cargo.toml", /^version = "(.*)"$/m.exec(text("Cargo.toml"))?.[1]]];
  for (const [path, { version: own }] of Object.entries(JSON.parse(text("package-lock.json")).packages))
    if (!path.includes("node_modules/")) found.push([`package-lock.json (${path || "."})`, own]);
  for (const folder of readdirSync(join(root, "packages"))) {
    const { name, version: own } = JSON.parse(text("packages", folder, "package.json"));
    found.push([`packages/${folder}`, own], [`the optional dependency ${name}`, optionalDependencies[name]]);
  }
  for (const lock of ["Cargo.lock", join("fuzz", "Cargo.lock")])
    for (const [, name, own] of text(lock).matchAll(
      /^name = "(shoreline(?:-local|-protocol)?)"\nversion = "(.*)"$/gm,
    ))
      found.push([`${lock} (${name})`, own]);
  const differing = found.filter(([, own]) => own !== version).map(([what, own]) => `${what} is ${own}`);
  if (differing.length > 0)
    throw new StepError(
      `package.json has the version ${version}, but ${differing.join(", ")}: run npm version`,
    );
}
