// What start, build and test share: running commands, and doing a step only when its inputs changed.
import { AsyncLocalStorage } from "node:async_hooks";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** A step that failed, with a sentence for people. */
export class StepError extends Error {}

/** The output of work that runs beside other work, as a list of texts. */
const kept = new AsyncLocalStorage();

/** Runs `work` beside other work. Shows its output, and its commands', in one piece at the end, and returns it. */
export async function together(name, work) {
  const texts = [];
  say(`${name} has begun`);
  try {
    await kept.run(texts, work);
  } finally {
    process.stdout.write(texts.join(""));
  }
  return texts.join("");
}

export function say(text) {
  show(process.stderr, `shoreline: ${text}\n`);
}

function show(stream, text) {
  const texts = kept.getStore();
  if (texts) texts.push(text);
  else stream.write(text);
}

/** Does all of these at once. If some fail, it fails when the others are over too. */
export async function sideBySide(...works) {
  const results = await Promise.allSettled(works.map((work) => work()));
  for (const { status, reason } of results) if (status === "rejected") throw reason;
}

/** How long something took, for people. */
export function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

/** The path of an npm package's command-line script. */
export function bin(...path) {
  return join("node_modules", ...path);
}

/** Runs a command in the project's root; its output goes to stderr. */
export function run(command, args, { env } = {}) {
  return spawned(command, args, env, false);
}

/** Runs a command and gives its standard output. */
export function read(command, args, { env } = {}) {
  return spawned(command, args, env, true);
}

/** Runs a command, shows its standard output and gives it, with whether it succeeded. */
export async function watch(command, args, { env } = {}) {
  let output = "";
  const onOutput = (text) => {
    output += text;
    show(process.stdout, text);
  };
  try {
    await spawned(command, args, env, true, onOutput);
    return { ok: true, output };
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    say(error.message);
    return { ok: false, output };
  }
}

/** What is built once, by CI, needs nothing that speeds up the next build or a debugger. */
const CARGO_ONCE = process.env.CI && { CARGO_INCREMENTAL: "0", CARGO_PROFILE_DEV_DEBUG: "line-tables-only" };

async function spawned(command, args, env, wantsOutput, onOutput) {
  let stopped;
  const stop = (signal) => {
    stopped = signal;
    try {
      // Not the signal itself: what a shell runs in the background ignores SIGINT.
      process.kill(-child.pid, "SIGTERM");
    } catch {
      // It has ended already.
    }
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  // Before the command starts: a signal in between would end this process and leave the command running.
  for (const signal of signals) process.on(signal, stop);
  const child = spawn(command, args, {
    cwd: root,
    // Where the build is, is known to the scripts, whatever the machine's cargo is set to.
    env: { ...process.env, CARGO_TARGET_DIR: join(root, "target"), ...CARGO_ONCE, ...env },
    stdio: kept.getStore() ? ["ignore", "pipe", "pipe"] : ["ignore", wantsOutput ? "pipe" : 2, 2],
    // A group of its own, so that a signal ends the compilers below cargo too.
    detached: true,
  });
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text) => {
    if (onOutput) onOutput(text);
    else if (wantsOutput) output += text;
    else show(process.stderr, text);
  });
  child.stderr?.setEncoding("utf8").on("data", (text) => {
    show(process.stderr, text);
  });
  const [status, signal] = await new Promise((resolve, reject) => {
    child.on("close", (...how) => resolve(how));
    child.on("error", (error) => {
      reject(error.code === "ENOENT" ? new StepError(`needs ${command}, which is not installed`) : error);
    });
  }).finally(() => {
    for (const signal of signals) process.off(signal, stop);
  });
  if (stopped) {
    process.kill(process.pid, stopped);
    // The signal ends this process; nothing may happen before it does.
    await new Promise(() => setInterval(() => {}, 1000));
  }
  if (status !== 0) throw new StepError(`${command} ${args.join(" ")} failed (${signal ?? status})`);
  return output;
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

/** Does `work` unless inputs and outputs are as they were after it last succeeded. */
export async function step(name, { inputs, outputs, extra = "", title }, work) {
  const stamp = join(root, "target", "stamps", name);
  const before = digest(inputs, extra);
  const last = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
  const there = outputs.every((path) => existsSync(join(root, path)));
  if (there && last === `${before} ${digest(outputs, "")}`) return;
  say(title);
  const began = Date.now();
  await work();
  mkdirSync(dirname(stamp), { recursive: true });
  // Inputs as they were before: what was edited meanwhile is built the next time.
  writeFileSync(stamp, `${before} ${digest(outputs, "")}`);
  say(`${title}: done in ${seconds(began)}`);
}
