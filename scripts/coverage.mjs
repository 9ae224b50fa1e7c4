// `npm run coverage`: which lines the tests run, as a report in target/coverage. Names of directories of tests
// (`npm run coverage -- relay cli`) select some. Rust is measured too where cargo-llvm-cov is installed.
import { join } from "node:path";
import { rmSync } from "node:fs";
import { compileTests, pack } from "./package.mjs";
import { setup } from "./setup.mjs";
import { bin, read, run, say, StepError } from "./steps.mjs";

/** Tests that import the package in Node. */
const PARTS = ["shim/", "runtimes/node/", "cli/", "local/", "relay/", "trees/", "opentelemetry/"];
const OUT = join("target", "coverage");

/** The TypeScript of the package, by the source maps of its bundles. */
async function shim(parts) {
  const files = [];
  for (const part of parts) files.push(...(await compileTests(part)));
  if (files.length === 0) throw new StepError(`there are no tests below ${parts.join(", ")}`);
  const c8 = [
    ...["--reports-dir", join(OUT, "shim"), "--reporter", "html", "--reporter", "text"],
    ...["--include", "**/js/src/**", "--exclude-after-remap", "--exclude-node-modules=false"],
  ];
  const tests = [process.execPath, "--test", "--test-reporter=dot", ...files];
  await run(process.execPath, [bin("c8", "bin", "c8.js"), ...c8, ...tests]);
  say(`the report is ${join(OUT, "shim", "index.html")}`);
}

/** The crates that run on this machine. */
async function rust() {
  try {
    await read("cargo", ["llvm-cov", "--version"]);
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    say("Rust is not measured: cargo-llvm-cov is not installed (cargo install cargo-llvm-cov)");
    return;
  }
  await run("cargo", ["llvm-cov", "--locked", "--html", "--output-dir", join(OUT, "rust")]);
  say(`the report is ${join(OUT, "rust", "html", "index.html")}`);
}

try {
  await setup();
  await pack();
  rmSync(OUT, { recursive: true, force: true });
  const named = process.argv.slice(2).map((name) => `${name}/`);
  await shim(named.length > 0 ? named : PARTS);
  if (named.length === 0) await rust();
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
