// The agent frameworks that the adapters of `shoreline/agents` are compiled against and run with.
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bin, root, run, step } from "./steps.mjs";

const SOURCE = join("tests", "adapters");
const WORK = join("target", "adapters");
const INSTALLED = join(WORK, "node_modules");

/** Some frameworks need a later Node than the oldest that the package runs on. */
export const NODE = join(root, INSTALLED, "node", "bin", "node");

let installing;

/** Installs them, once; gives what is missing for that. */
export function installFrameworks() {
  return (installing ??= installNow());
}

async function installNow() {
  if (`${process.platform}-${process.arch}` !== "linux-x64") return "needs Linux on x86-64";
  const names = ["package.json", "package-lock.json"];
  const inputs = names.map((name) => join(SOURCE, name));
  const outputs = [join(INSTALLED, ".package-lock.json")];
  const title = "installing agent frameworks (0.3 gigabytes, once)";
  await step("adapters", { inputs, outputs, title }, () => {
    mkdirSync(join(root, WORK), { recursive: true });
    for (const name of names) copyFileSync(join(root, SOURCE, name), join(root, WORK, name));
    // Optional packages are programs of 200 MB for other machines, which the tests do not start.
    const options = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    return run("npm", ["ci", "--prefix", WORK, ...options]);
  });
  return undefined;
}

/** The compiler finds the frameworks above a copy of the tests. Types of frameworks are not checked themselves. */
const SETTINGS = {
  extends: "../../../tests/tsconfig.json",
  compilerOptions: { rootDir: "../../..", skipLibCheck: true, typeRoots: ["../../../node_modules/@types"] },
  include: ["."],
  exclude: [],
};

/** Compiles the tests against the types of the frameworks. */
export async function checkTypes() {
  const copy = join(WORK, "tests");
  rmSync(join(root, copy), { recursive: true, force: true });
  cpSync(join(root, SOURCE), join(root, copy), { recursive: true });
  writeFileSync(join(root, copy, "tsconfig.json"), JSON.stringify(SETTINGS));
  await run(process.execPath, [bin("typescript", "bin", "tsc"), "-p", copy]);
}

/** Puts the frameworks where the compiled tests find them. */
export function linkFrameworks() {
  const link = join(root, "target", "packed", "tests", "adapters", "node_modules");
  if (!existsSync(link)) symlinkSync(join(root, INSTALLED), link);
}
