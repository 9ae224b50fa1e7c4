// What start, build and test share: running commands, and doing a step only when its inputs changed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** A step that failed, with a sentence for people. */
export class StepError extends Error {}

export function say(text) {
  process.stderr.write(`shoreline: ${text}\n`);
}

/** Runs a command in the project's root; its output goes to stderr. */
export function run(command, args, { env, input } = {}) {
  const done = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: [input === undefined ? "ignore" : "pipe", 2, 2],
    input,
  });
  if (done.error?.code === "ENOENT") throw new StepError(`needs ${command}, which is not installed`);
  if (done.error) throw done.error;
  if (done.status !== 0) throw new StepError(`${command} ${args.join(" ")} failed (${done.signal ?? done.status})`);
}

/** Runs a command and gives its standard output. */
export function read(command, args, { env } = {}) {
  const done = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", 2],
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (done.error?.code === "ENOENT") throw new StepError(`needs ${command}, which is not installed`);
  if (done.error) throw done.error;
  if (done.status !== 0) throw new StepError(`${command} ${args.join(" ")} failed (${done.signal ?? done.status})`);
  return done.stdout;
}

/** Every file below the given paths, sorted. */
export function filesBelow(...paths) {
  const found = [];
  const visit = (path) => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort()) if (name !== "node_modules") visit(join(path, name));
    } else {
      found.push(path);
    }
  };
  for (const path of paths) visit(join(root, path));
  return found;
}

function digest(paths, extra) {
  const hash = createHash("sha256").update(extra);
  for (const path of filesBelow(...paths)) {
    hash.update(`\0${relative(root, path)}\0`).update(readFileSync(path));
  }
  return hash.digest("hex");
}

/**
 * Does `work` unless inputs and outputs are as they were after it last succeeded.
 */
export async function step(name, { inputs, outputs, extra = "", title }, work) {
  const stamp = join(root, "target", "stamps", name);
  const both = () => `${digest(inputs, extra)} ${digest(outputs, "")}`;
  const last = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
  if (outputs.every((path) => existsSync(join(root, path))) && last === both()) return false;
  say(title);
  const began = Date.now();
  await work();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, both());
  say(`${title}: done in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  return true;
}
