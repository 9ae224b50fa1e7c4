// Starts the server's program and waits until it says where it is.
import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { resolve } from "node:path";
import process from "node:process";
import { platformPackage, serverBinary, VARIABLE } from "./binary.js";
import { LocalServerError } from "./error.js";
import type { Ready } from "./ready.js";
import { after } from "../timer.js";

/** What is kept of standard error, in characters. */
const TAIL = 4096;

export interface LaunchOptions {
  /** The program; where there is none, the one for this machine. */
  binary?: string | undefined;
  /** Seconds until the server must be ready. */
  startupTimeout?: number | undefined;
  /** Makes it outlive this process: the file that it then says to what it has to say. */
  log?: number | undefined;
}

/** Starts a server, which ends with this process unless it is a lasting one. */
export async function launched(
  args: string[],
  { binary = serverBinary(), startupTimeout = 30, log }: LaunchOptions,
): Promise<{ child: ChildProcess; ready: Ready }> {
  if (binary === undefined) throw noProgram();
  const child = launch(
    binary,
    ["--port", "0", "--json", ...(log === undefined ? ["--until-stdin-closes"] : []), ...args],
    log,
  );
  try {
    const ready = await untilReady(child, binary, startupTimeout * 1000);
    release(child);
    return { child, ready };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

function launch(binary: string, args: string[], log: number | undefined): ChildProcess {
  try {
    // Not in this process's group: Ctrl-C in a terminal reaches this process alone, which decides.
    if (log === undefined) return spawn(binary, args, { stdio: "pipe", detached: true });
    const stdio: StdioOptions = ["ignore", "pipe", log];
    // It keeps no directory in use, and makes a key of its own, which nobody can guess from a proof of it.
    const { TMPDIR } = process.env;
    const env = { ...process.env, SHORELINE_LOCAL_API_KEY: undefined, TMPDIR: TMPDIR && resolve(TMPDIR) };
    return spawn(binary.includes("/") ? resolve(binary) : binary, args, {
      stdio,
      detached: true,
      cwd: "/",
      env,
    });
  } catch (cause) {
    // Node throws some failures and emits others.
    throw cannotStart(cause as NodeJS.ErrnoException, binary);
  }
}

/** Waits for the one line that says where the server is. */
function untilReady(child: ChildProcess, binary: string, ms: number): Promise<Ready> {
  return new Promise((resolve, reject) => {
    let said = "";
    let line = "";
    const fail = (error: LocalServerError) => {
      cancel();
      reject(error);
    };
    const cancel = after(ms, () => {
      fail(
        new LocalServerError("start_timeout", `the local server was not ready after ${ms / 1000} s`, said),
      );
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-TAIL);
    });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      if (line.includes("\n")) return;
      line += text;
      if (!line.includes("\n")) return;
      const ready = readyLine(line);
      if (!ready) {
        fail(new LocalServerError("unavailable", `${binary} does not speak as a local server does`, said));
        return;
      }
      cancel();
      resolve(ready);
    });
    // A failed write to a server that has ended is ignored: `close` reports its end.
    child.stdin?.on("error", () => undefined);
    child.on("error", (cause: NodeJS.ErrnoException) => {
      fail(cannotStart(cause, binary));
    });
    child.on("close", (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      fail(new LocalServerError("unavailable", `the local server ended before it was ready (${how})`, said));
    });
  });
}

function readyLine(line: string): Ready | undefined {
  try {
    const { url, apiKey, isolation = "none" } = JSON.parse(line) as Partial<Ready>;
    return typeof url === "string" && typeof apiKey === "string" ? { url, apiKey, isolation } : undefined;
  } catch {
    return undefined;
  }
}

function noProgram(): LocalServerError {
  const message = `there is no local server for this machine: ${platformPackage()} is not installed. Where there is such a package, install without \`--omit=optional\`; else name a program by \`binary\` or ${VARIABLE}`;
  return new LocalServerError("missing_capability", message);
}

function cannotStart(cause: NodeJS.ErrnoException, binary: string): LocalServerError {
  const platform = `${process.platform}-${process.arch}`;
  const why =
    cause.code === "ENOENT"
      ? `there is no ${binary}`
      : `${binary} does not run on ${platform} (${cause.message})`;
  const message = `the local server cannot be started: ${why}: name another program by \`binary\` or ${VARIABLE}`;
  return new LocalServerError("missing_capability", message, "", cause);
}

/** Lets this process end while the server runs. */
function release(child: ChildProcess): void {
  child.unref();
  for (const pipe of [child.stdin, child.stdout, child.stderr])
    (pipe as { unref?(): void } | null)?.unref?.();
}
