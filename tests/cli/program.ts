// The command line as its users have it: the packed program, in a home of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { after } from "node:test";

export const PROGRAM = join(
  process.cwd(),
  ...["target", "packed", "node_modules", "shoreline", "pkg", "cli", "main.js"],
);

/** What tests leave behind goes with it. */
export const home = mkdtempSync(join(tmpdir(), "shoreline-cli-"));

/** The environment of a new user: no key, no server. */
export const environment: Record<string, string | undefined> = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(TENSORLAKE|SHORELINE|INDEXIFY)/.test(name)),
  ),
  HOME: home,
  XDG_STATE_HOME: join(home, "state"),
  TERM: "xterm-256color",
};

export interface Ended {
  stdout: string;
  stderr: string;
  /** Standard output byte for byte. */
  bytes: Buffer;
  code: number | null;
}

/** Starts the program; without `input` its standard input is empty, and no pipe. */
export function start(args: string[], env: Record<string, string> = {}, input = false): ChildProcess {
  return spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...environment, ...env },
    stdio: [input ? "pipe" : "ignore", "pipe", "pipe"],
    cwd: home,
  });
}

/** The result of the program. */
export async function ended(child: ChildProcess): Promise<Ended> {
  const parts: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  for (const name of ["stdout", "stderr"] as const)
    child[name]?.on("data", (chunk: Buffer | string) => parts[name].push(Buffer.from(chunk)));
  const [code] = (await once(child, "close")) as [number | null];
  const bytes = Buffer.concat(parts.stdout);
  return { stdout: String(bytes), stderr: String(Buffer.concat(parts.stderr)), bytes, code };
}

/** Runs the program to its end. */
export async function shoreline(...args: string[]): Promise<Ended> {
  return ended(start(args));
}

/** The same with something piped in. */
export async function piped(input: string | Uint8Array, ...args: string[]): Promise<Ended> {
  const child = start(args, {}, true);
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  return ended(child);
}

/** Waits until a program has written this. */
export async function saying(stream: Readable | null, what: string): Promise<void> {
  let text = "";
  await new Promise<void>((resolve) => {
    stream?.on("data", (chunk: Buffer | string) => {
      text += String(chunk);
      if (text.includes(what)) resolve();
    });
  });
}

/** Lines on standard error that report the local server. */
export const LOCAL =
  /^No API key is set: using local sandboxes on this machine(; commands run as you, without isolation)?\.\n/;

after(async () => {
  await shoreline("local", "stop");
  rmSync(home, { recursive: true, force: true });
});
