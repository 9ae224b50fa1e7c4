// From a fresh clone to everything built. Every step is skipped when nothing changed.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { bundles } from "./bundles.mjs";
import { instances } from "./glue.mjs";
import { ARTIFACTS, crateNotices } from "./notices.mjs";
import { bin, read, root, run, say, sideBySide, step, StepError, watch } from "./steps.mjs";

export const WASM = "wasm32-unknown-unknown";
const RUST = ["Cargo.toml", "Cargo.lock"];
const CORE = ["src", "crates/protocol", "crates/excerpt", ...RUST];

export async function setup() {
  await checkTools();
  await npmPackages();
  // Both end with minutes of link-time optimization, for which one processor is used.
  await sideBySide(async () => {
    await core();
    await types();
    await shim();
  }, localServer);
}

async function checkTools() {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const oldest = engines.node.slice(">=".length);
  if (oldest.localeCompare(process.versions.node, undefined, { numeric: true }) > 0)
    throw new StepError(`needs Node ${oldest} or later, this is ${process.version}`);
  try {
    await read("cargo", ["--version"]);
  } catch (error) {
    if (error instanceof StepError)
      throw new StepError("needs Rust: install it with rustup (https://rustup.rs)");
    throw error;
  }
}

/** Installs the npm packages that the lock file names. */
async function npmPackages() {
  const inputs = ["package.json", "package-lock.json", ".npmrc"];
  const outputs = ["node_modules/.package-lock.json"];
  await step("npm", { inputs, outputs, title: "installing npm packages" }, () =>
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]),
  );
}

/** The compiler that can build for wasm; undefined where it is the default one. */
export async function wasmCompiler() {
  const lines = await read("sh", [join("scripts", "wasm-toolchain.sh")]);
  return /^export RUSTC='(.*)'$/m.exec(lines)?.[1];
}

/** The environment in which cargo can build for wasm. */
async function wasmEnvironment() {
  const rustc = await wasmCompiler();
  const sysroot = (await read(rustc ?? "rustc", ["--print", "sysroot"])).trim();
  const cargoHome = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  // A release must not tell where it was built.
  const remap = [
    [root, "."],
    [cargoHome, "/cargo"],
    [sysroot, "/rust"],
  ].map(([from, to]) => `--remap-path-prefix=${from}=${to}`);
  // The compiler's own vectors are slower than plain code on lines this short, and larger.
  const vectors = ["-Ctarget-feature=+simd128", "-Cno-vectorize-loops", "-Cno-vectorize-slp"];
  const flags = [...remap, ...vectors];
  return { ...(rustc && { RUSTC: rustc }), CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f") };
}

export async function core() {
  const outputs = ["pkg/core"];
  const inputs = [
    ...CORE,
    "crates/xtask/Cargo.toml",
    "crates/xtask/src/main.rs",
    "scripts/setup.mjs",
    "scripts/glue.mjs",
    "scripts/notices.mjs",
  ];
  const extra = process.env.RUSTC ?? "";
  const title = "building the WebAssembly core (minutes the first time)";
  await step("core", { inputs, outputs, extra, title }, async () => {
    const raw = await rawCore("glue");
    const out = join(root, "pkg", "core");
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
    // Features are read from the module's own section.
    const optimize = [
      // 1.7 % smaller, compressed, than -Oz alone.
      ...["--flatten", "--rereloop", "-O2", "-Os"],
      "--strip-debug",
      "--strip-producers",
      "--minify-imports-and-exports-and-modules",
    ];
    const files = [join(raw, "shoreline_bg.wasm"), "-o", join("pkg", "core", "shoreline_bg.wasm")];
    const names = await read(process.execPath, [bin("binaryen", "bin", "wasm-opt"), ...optimize, ...files]);
    for (const [name, text] of Object.entries(glueOf(raw, JSON.parse(names))))
      writeFileSync(join(out, name), text);
    inline(join(out, "shoreline_bg.wasm"), out);
    writeFileSync(join(out, "LICENSES"), await crateNotices(ARTIFACTS.core));
  });
}

/** Compiles the core with the given features, and makes its glue below `target`. */
async function rawCore(name, ...features) {
  const env = await wasmEnvironment();
  // Beside the other crate type, cargo would leave link-time optimization out.
  const one = ["--crate-type", "cdylib", "--target", WASM, "--profile", "wasm", ...features];
  await run("cargo", ["rustc", "--locked", "-p", "shoreline", "--lib", ...one], { env });
  say("making the glue (builds its tool the first time)");
  const made = join("target", WASM, "wasm", "shoreline.wasm");
  const raw = join("target", name);
  await run("cargo", ["run", "--locked", "-q", "-p", "xtask", "--", "bindgen", made, raw]);
  return raw;
}

/** The glue; `names` are those that imports and exports have been given. */
function glueOf(raw, names) {
  const text = (name) => readFileSync(join(root, raw, name), "utf8");
  const { script, types } = instances(text("shoreline.js"), text("shoreline.d.ts"), names);
  return { "shoreline.js": script, "shoreline.d.ts": types };
}

/** Puts a core with the export `trap`, which panics after an await, into an unpacked package. */
export async function trappingCore(folder) {
  const raw = await rawCore("trap", "--features", "trap");
  const out = join(folder, "pkg", "core");
  copyFileSync(join(root, raw, "shoreline_bg.wasm"), join(out, "shoreline_bg.wasm"));
  writeFileSync(join(out, "real.js"), glueOf(raw)["shoreline.js"]);
  // Gives the instance to the test, which the package does not.
  const shared = "export default (died) => (globalThis.core = instance(died));\n";
  writeFileSync(join(out, "shoreline.js"), `import instance from "./real.js";\n${shared}`);
}

/** The module as text, for programs that lose the file. */
function inline(wasm, out) {
  const text = readFileSync(wasm, "base64");
  writeFileSync(join(out, "inline.js"), `export default "${text}";\n`);
  writeFileSync(join(out, "inline.d.ts"), "declare const base64: string;\nexport default base64;\n");
}

/** The types are in git. They are made again when the Rust that they are made from changes. */
async function types() {
  // There the committed ones are what is tested; see the step `types` of the tests.
  if (process.env.CI) return;
  const outputs = ["js/src/generated", "docs/errors.md"];
  await step(
    "types",
    { inputs: [...CORE, "crates/xtask"], outputs, title: "making TypeScript types from Rust" },
    () => run("cargo", ["run", "--locked", "-q", "-p", "xtask", "--", "types"]),
  );
}

async function shim() {
  const inputs = [
    "js",
    "scripts/bundles.mjs",
    "scripts/notices.mjs",
    "scripts/setup.mjs",
    "tsconfig.json",
    "tsconfig.node.json",
    "tsconfig.cli.json",
    "tsconfig.console.json",
    "pkg/core/shoreline.d.ts",
    "pkg/core/inline.d.ts",
    "package-lock.json",
  ];
  const outputs = [
    "pkg/index.d.ts",
    "pkg/entry/node.js",
    "pkg/entry/node.cjs",
    "pkg/local/index.js",
    "pkg/relay/index.js",
    "pkg/opentelemetry/index.js",
    "pkg/tree/index.js",
    "pkg/agents/index.js",
    "pkg/cli/main.js",
    "pkg/console/index.js",
  ];
  await step("shim", { inputs, outputs, title: "building the shim" }, async () => {
    // What a file that is no more has left behind would be packed.
    for (const name of readdirSync(join(root, "pkg"))) {
      if (name !== "core") rmSync(join(root, "pkg", name), { recursive: true });
    }
    // Two worlds: what runs everywhere sees no Node types.
    for (const project of [
      "tsconfig.json",
      "tsconfig.node.json",
      "tsconfig.cli.json",
      "tsconfig.console.json",
    ]) {
      await run(process.execPath, [bin("typescript", "bin", "tsc"), "-p", project]);
    }
    await bundles();
  });
}

/**
 * Links against the C library's archive. Rust's `Command` finds posix_spawn by weak references, which take
 * nothing from an archive: without these two it forks instead, which made `run true` a twelfth slower.
 */
const STATIC = [
  ...["-C", "target-feature=+crt-static"],
  ...["-C", "link-arg=-Wl,-u,gnu_get_libc_version,-u,posix_spawn_file_actions_addchdir_np"],
];

export async function localServer() {
  const inputs = ["crates/local", "crates/protocol", "scripts/notices.mjs", ...RUST];
  const folder = join("packages", `local-${process.platform}-${process.arch}`);
  const packaged = existsSync(join(root, folder))
    ? ["shoreline-local", "LICENSES"].map((name) => join(folder, "bin", name))
    : [];
  const outputs = ["target/release/shoreline-local", ...packaged];
  await step(
    "local",
    { inputs, outputs, title: "building the local server (minutes the first time)" },
    async () => {
      const release = ["--locked", "--release", "-p", "shoreline-local", "--bin", "shoreline-local"];
      const build = ["rustc", ...release, "--config", "profile.release.strip=true"];
      // Linked statically it runs on every Linux, whatever its C library.
      const { ok } = await watch("cargo", [...build, "--", ...STATIC]);
      if (!ok) {
        say(
          "it cannot be linked statically, which takes the C library's libc.a: it is for machines like this one",
        );
        await run("cargo", build);
      }
      const built = join(root, "target", "release", "shoreline-local");
      if (!existsSync(built))
        throw new StepError("cargo built no shoreline-local: is `build.target` set in its config?");
      if (packaged.length === 0) return;
      const [program, notices] = packaged.map((path) => join(root, path));
      mkdirSync(dirname(program), { recursive: true });
      // An executable that is running cannot be overwritten.
      copyFileSync(built, `${program}.new`);
      renameSync(`${program}.new`, program);
      writeFileSync(notices, await crateNotices(ARTIFACTS.server));
    },
  );
}
