// Programs that the tests need beside Node and Rust: those that are there, else Debian's.
import { existsSync } from "node:fs";
import { read, run, say, StepError } from "./steps.mjs";

/** The last installation: packages are installed one after the other, each once. */
let last = Promise.resolve();

/** The names of packages that would be installed, while that is only planned. */
let planned;
let isDeclined = false;

/** The packages that would be installed for these needs, functions of this file. */
export async function plan(needs) {
  if (!canInstall()) return [];
  planned = new Set();
  try {
    for (const need of needs) await need();
    return [...planned];
  } finally {
    planned = undefined;
  }
}

/** From now on nothing is installed. */
export function decline() {
  isDeclined = true;
}

const canInstall = () => process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");

/** Makes sure that a program is there; gives why it is not. */
async function installed(path, name) {
  return existsSync(path) ? undefined : install(name, `there is no ${path}: install ${name}`, path);
}

/** Installs a package; gives why not, which is `needed` where nothing can be installed. */
function install(name, needed, path) {
  if (planned) {
    planned.add(name);
    return undefined;
  }
  last = last.then(() => (path && existsSync(path) ? undefined : installNow(name, needed)));
  return last;
}

let updated;

async function installNow(name, needed) {
  if (isDeclined || !canInstall()) return needed;
  say(`installing Debian's ${name}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  try {
    updated ??= run("apt-get", ["-qq", "update"], { env });
    await updated;
    // A new machine may be installing updates by itself.
    const patient = ["-o", "DPkg::Lock::Timeout=300"];
    await run("apt-get", ["-qq", ...patient, "install", "-y", "--no-install-recommends", name], { env });
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    return `${name} could not be installed: ${error.message}`;
  }
  return undefined;
}

/** A Chromium: the one that CHROMIUM names, or the system's. */
export function chromium() {
  return browser("CHROMIUM", "chromium");
}

/** A Firefox: the one that FIREFOX names, or the system's. */
export function firefox() {
  return browser("FIREFOX", "firefox-esr");
}

/** A WebKitGTK with its driver: the one that WEBKIT_DRIVER names, or the system's; and a display for it. */
export async function webkit() {
  const missing = await browser("WEBKIT_DRIVER", "webkit2gtk-driver", "/usr/bin/WebKitWebDriver");
  return missing ?? installed("/usr/bin/Xvfb", "xvfb");
}

/** A WebKitGTK, and what a program in Python needs to show its pages. */
export async function webkitWindow() {
  return (
    (await webkit()) ??
    (await installed("/usr/lib/python3/dist-packages/gi/__init__.py", "python3-gi")) ??
    installed("/usr/share/doc/gir1.2-webkit2-4.1", "gir1.2-webkit2-4.1")
  );
}

async function browser(variable, name, path = `/usr/bin/${name}`) {
  const named = process.env[variable];
  if (named) return existsSync(named) ? undefined : `${variable} names no file: ${named}`;
  return installed(path, name);
}

/** What isolates local sandboxes. */
export function bubblewrap() {
  return installed("/usr/bin/bwrap", "bubblewrap");
}

/** Other tools than GNU's for a sandbox, statically linked. */
export function busybox() {
  return installed("/bin/busybox", "busybox-static");
}

/** What searches in a sandbox are compared with. */
export function ripgrep() {
  return installed("/usr/bin/rg", "ripgrep");
}

/** Shells whose completions are tested; bash is everywhere. */
export async function shells() {
  return (await installed("/usr/bin/zsh", "zsh")) ?? installed("/usr/bin/fish", "fish");
}

/** What runs another kernel, with a root of its own. */
export async function virtualMachine() {
  const missing = await busybox();
  if (missing) return missing;
  for (const [path, name] of [
    ["/usr/bin/qemu-system-x86_64", "qemu-system-x86"],
    ["/usr/bin/cpio", "cpio"],
    ["/usr/bin/strip", "binutils"],
  ]) {
    const missing = await installed(path, name);
    if (missing) return missing;
  }
  return undefined;
}

export function curl() {
  return installed("/usr/bin/curl", "curl");
}

/** A Python that can make virtual environments, and its version: the first on the path, or Debian's. */
export async function python() {
  const needed = "needs Python 3.11 or later with venv";
  const found = (await pythonAt("python3")) ?? (await pythonAt("/usr/bin/python3"));
  if (found) return found;
  const missing = await install("python3-venv", needed);
  return (await pythonAt("/usr/bin/python3")) ?? { missing: missing ?? needed };
}

async function pythonAt(command) {
  const text = "import ensurepip, sys, venv; print(*sys.version_info[:3], sep='.')";
  const version = await read(command, ["-c", text]).catch((error) => {
    if (error instanceof StepError) return "";
    throw error;
  });
  return /^3\.(1[1-9]|[2-9]\d)\./.test(version) ? { command, version } : undefined;
}
