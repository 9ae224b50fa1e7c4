// From a fresh clone to everything built. Every step is skipped when nothing changed.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { read, root, run, StepError, say, step } from "./steps.mjs";

const TARGET = "wasm32-unknown-unknown";
const CORE = ["src", "crates/protocol", "Cargo.toml", "Cargo.lock"];

export async function setup() {
  checkTools();
  await npmPackages();
  await core();
  await types();
  await shim();
  await localServer();
}

function checkTools() {
  if (Number(process.versions.node.split(".")[0]) < 20) {
    throw new StepError(`needs Node 20 or later, this is ${process.version}`);
  }
  try {
    read("cargo", ["--version"]);
  } catch {
    throw new StepError("needs Rust: install it with rustup (https://rustup.rs)");
  }
}

/** Installs the npm packages that the lock file names. */
export async function npmPackages() {
  const inputs = ["package.json", "package-lock.json", ".npmrc"];
  const outputs = ["node_modules/.package-lock.json"];
  await step("npm", { inputs, outputs, title: "installing npm packages" }, () => {
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  });
}

/** The environment in which cargo can build for wasm. */
function wasmEnvironment() {
  const lines = read("sh", [join("scripts", "wasm-toolchain.sh")]);
  const rustc = /^export RUSTC='(.*)'$/m.exec(lines)?.[1];
  const sysroot = read(rustc ?? "rustc", ["--print", "sysroot"]).trim();
  const cargoHome = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  // A release must not tell where it was built.
  const remap = [
    [root, "."],
    [cargoHome, "/cargo"],
    [sysroot, "/rust"],
  ].map(([from, to]) => `--remap-path-prefix=${from}=${to}`);
  return { ...(rustc && { RUSTC: rustc }), CARGO_ENCODED_RUSTFLAGS: remap.join("\x1f") };
}

async function core() {
  const outputs = ["pkg/core"];
  const inputs = [...CORE, "crates/xtask/Cargo.toml", "crates/xtask/src/main.rs", "scripts/setup.mjs"];
  const extra = process.env.RUSTC ?? "";
  await step("core", { inputs, outputs, extra, title: "building the WebAssembly core (minutes the first time)" }, () => {
    const env = wasmEnvironment();
    run("cargo", ["build", "--locked", "-p", "shoreline", "--lib", "--target", TARGET, "--profile", "wasm"], { env });
    say("making the glue (builds its tool the first time)");
    const made = join("target", TARGET, "wasm", "shoreline.wasm");
    const raw = join("target", "glue");
    run("cargo", ["run", "--locked", "-q", "-p", "xtask", "--", "bindgen", made, raw]);
    rmSync(join(root, "pkg", "core"), { recursive: true, force: true });
    mkdirSync(join(root, "pkg", "core"), { recursive: true });
    // Features are read from the module's own section.
    run(process.execPath, [
      join("node_modules", "binaryen", "bin", "wasm-opt"),
      join(raw, "shoreline_bg.wasm"),
      "-Oz",
      "--strip-debug",
      "--strip-producers",
      "-o",
      join("pkg", "core", "shoreline_bg.wasm"),
    ]);
    for (const name of ["shoreline.js", "shoreline.d.ts"]) {
      writeFileSync(join(root, "pkg", "core", name), readFileSync(join(root, raw, name)));
    }
  });
}

async function types() {
  const outputs = ["js/src/generated"];
  await step("types", { inputs: [...CORE, "crates/xtask"], outputs, title: "making TypeScript types from Rust" }, () => {
    run("cargo", ["run", "--locked", "-q", "-p", "xtask", "--", "types"]);
  });
}

async function shim() {
  const inputs = ["js", "tsconfig.json", "tsconfig.node.json", "pkg/core/shoreline.d.ts", "package-lock.json"];
  await step("shim", { inputs, outputs: ["pkg/index.js"], title: "building the shim" }, () => {
    // Two worlds: what runs everywhere sees no Node types, what is Node's sees no DOM.
    for (const project of ["tsconfig.json", "tsconfig.node.json"]) {
      run(process.execPath, [join("node_modules", "typescript", "bin", "tsc"), "-p", project]);
    }
  });
}

/** The server is built by cargo's own rules of what is fresh. */
async function localServer() {
  const binary = join(root, "target", "release", "shoreline-local");
  const inputs = ["crates/local", "crates/protocol", "Cargo.toml", "Cargo.lock"];
  await step("local", { inputs, outputs: ["target/release/shoreline-local"], title: "building the local server" }, () => {
    run("cargo", ["build", "--locked", "--release", "-p", "shoreline-local"]);
    if (!existsSync(binary)) throw new StepError("cargo built no shoreline-local: is CARGO_TARGET_DIR set?");
  });
}
