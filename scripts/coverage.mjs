// `npm run coverage`: which lines the tests run, as a report in target/coverage. Names of directories of tests
// (`npm run coverage -- relay cli`) select some; `rust` is Rust alone. Rust needs cargo-llvm-cov.
import { basename, join } from "node:path";
import { readdirSync, renameSync, rmSync } from "node:fs";
import { compileTests, pack } from "./package.mjs";
import { setup } from "./setup.mjs";
import { bin, read, root, run, say, StepError } from "./steps.mjs";

/** Tests that import the package in Node. */
const PARTS = ["shim/", "runtimes/node/", "cli/", "local/", "relay/", "trees/", "opentelemetry/", "agents/"];
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

/** Where tests of the server, and with them their agents, run. */
const CRATE = join(root, "crates", "local");

/** The crates that run on this machine. */
async function rust() {
  try {
    await read("cargo", ["llvm-cov", "--version"]);
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    say("Rust is not measured: cargo install --locked cargo-llvm-cov, and rustup component add llvm-tools");
    return;
  }
  // Without their names, the report leaves out the members of the workspace. Tests of the server's environment fail, since
  // instrumented programs set a variable of their own.
  const crates = ["-p", "shoreline-protocol", "-p", "shoreline-excerpt", "-p", "shoreline-local"];
  await run("cargo", ["llvm-cov", "--locked", ...crates, "--ignore-run-fail", "--no-report"]);
  // Agents have no variables of the server, so their counters have the default name and place. Isolated ones leave none.
  for (const name of readdirSync(CRATE).filter((name) => /^default_.*\.profraw$/.test(name)))
    renameSync(join(CRATE, name), join(root, "target", "llvm-cov-target", `${basename(root)}-${name}`));
  await run("cargo", ["llvm-cov", "report", ...crates, "--html", "--output-dir", join(OUT, "rust")]);
  await run("cargo", ["llvm-cov", "report", ...crates]);
  say(`the report is ${join(OUT, "rust", "html", "index.html")}`);
}

try {
  await setup();
  await pack();
  rmSync(OUT, { recursive: true, force: true });
  const named = process.argv.slice(2);
  const parts = named.filter((name) => name !== "rust").map((name) => `${name}/`);
  if (named.length === 0 || parts.length > 0) await shim(parts.length > 0 ? parts : PARTS);
  if (named.length === 0 || named.includes("rust")) await rust();
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
