// A Chromium for the tests: the one that is there, else Debian's.
import { existsSync } from "node:fs";
import { run, say, StepError } from "./steps.mjs";

/** Makes sure that there is one; gives why there is none. */
export async function chromium() {
  if (existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium")) return undefined;
  if (process.env.CHROMIUM) return `CHROMIUM names no file: ${process.env.CHROMIUM}`;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    return "there is no /usr/bin/chromium: install it, or name another in CHROMIUM";
  }
  say("installing Debian's chromium");
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  try {
    await run("apt-get", ["-qq", "update"], { env });
    await run("apt-get", ["-qq", "install", "-y", "--no-install-recommends", "chromium"], { env });
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    return `Chromium could not be installed: ${error.message}`;
  }
  return undefined;
}
