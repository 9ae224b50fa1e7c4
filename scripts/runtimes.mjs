// The runtimes that the package is tested in beside the Node that runs the tests, as npm has them, and the
// bundlers.
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium, firefox, webkit } from "./debian.mjs";
import { root, run, step } from "./steps.mjs";

const SOURCE = join("tests", "runtimes");
/** Above the packed package, so that its tests find what is installed here. */
const INSTALLED = join("target", "node_modules");
const installed = (...path) => join(root, INSTALLED, ...path);

let installing;

/** Installs them, once; gives what is missing for that. */
export function install() {
  return (installing ??= installNow());
}

async function installNow() {
  if (`${process.platform}-${process.arch}` !== "linux-x64") return "needs Linux on x86-64";
  const names = ["package.json", "package-lock.json"];
  const inputs = names.map((name) => join(SOURCE, name));
  const outputs = [join(INSTALLED, ".package-lock.json")];
  const title = "installing other runtimes and bundlers (1.5 gigabytes, once)";
  await step("runtimes", { inputs, outputs, title }, () => {
    mkdirSync(join(root, "target"), { recursive: true });
    for (const name of names) copyFileSync(join(root, SOURCE, name), join(root, "target", name));
    // Their install scripts only look for, or fetch, what is a package of its own here.
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    return run("npm", ["ci", "--prefix", "target", ...quiet]);
  });
  return undefined;
}

/** What Deno is allowed; the README says the same. */
const DENO = ["--allow-net", "--allow-read", "--allow-env"];

const program = (name, command, args = []) => ({
  part: "runtimes/process/",
  env: { SHORELINE_RUNTIME: JSON.stringify({ name, command, args }) },
});
const node = (major) => program("Node", installed(`node${major}`, "bin", "node"));

/** What drives others may ask for a later Node than the oldest that the package runs on. */
export const NODE = installed("node24", "bin", "node");

const inChromium = (place) => ({
  part: "runtimes/chromium/",
  here: true,
  needs: chromium,
  env: { SHORELINE_IN: place },
});
const inFirefox = (place) => ({
  part: "runtimes/firefox/",
  command: NODE,
  needs: firefox,
  env: { SHORELINE_IN: place },
});
const inWebKit = (place) => ({
  part: "runtimes/webkit/",
  command: NODE,
  needs: webkit,
  env: { SHORELINE_IN: place },
});

/** By name: the tests that are run, and what they need; `here` are those that need nothing of npm's. */
export const runtimes = {
  node: { part: "runtimes/node/", here: true },
  chromium: inChromium("page"),
  "chromium-worker": inChromium("worker"),
  "chromium-service-worker": inChromium("service-worker"),
  node20: node(20),
  node22: node(22),
  node24: node(24),
  node26: node(26),
  bun: program("Bun", installed("@oven", "bun-linux-x64", "bin", "bun")),
  deno: program("Deno", installed("@deno", "linux-x64-glibc", "deno"), ["run", "--no-prompt", ...DENO]),
  workerd: { part: "runtimes/workerd/", command: NODE },
  edge: { part: "runtimes/edge/", command: NODE },
  firefox: inFirefox("page"),
  "firefox-worker": inFirefox("worker"),
  "firefox-service-worker": inFirefox("service-worker"),
  webkit: inWebKit("page"),
  "webkit-worker": inWebKit("worker"),
  "webkit-service-worker": inWebKit("service-worker"),
};
