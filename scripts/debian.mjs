// Programs that the tests need beside Node and Rust: those that are there, else Debian's.
import { existsSync } from "node:fs";
import { run, say, StepError } from "./steps.mjs";

/** Makes sure that a program is there; gives why it is not. */
async function installed(path, name) {
  if (existsSync(path)) return undefined;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    return `there is no ${path}: install ${name}`;
  }
  say(`installing Debian's ${name}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  try {
    await run("apt-get", ["-qq", "update"], { env });
    await run("apt-get", ["-qq", "install", "-y", "--no-install-recommends", name], { env });
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    return `${name} could not be installed: ${error.message}`;
  }
  return undefined;
}

/** A Chromium: the one that CHROMIUM names, or the system's. */
export async function chromium() {
  const named = process.env.CHROMIUM;
  if (named) return existsSync(named) ? undefined : `CHROMIUM names no file: ${named}`;
  return installed("/usr/bin/chromium", "chromium");
}

/** What isolates local sandboxes. */
export function bubblewrap() {
  return installed("/usr/bin/bwrap", "bubblewrap");
}
