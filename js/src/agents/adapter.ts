// What the adapters of frameworks have in common: lines of shell with exact output, and errors by their codes.
import { ApiError, ShorelineError, UsageError } from "../errors.js";
import type { ProcessHandle } from "../process.js";
import type { CommandResult } from "../result.js";
import type { Sandbox } from "../sandbox.js";

/** The calls of the class `Sandbox` that a provider makes. The class is a parameter, so that an adapter has no core. */
export type SandboxClass = Pick<typeof Sandbox, "create" | "getOrCreate" | "connect">;

/** `bash`, where there is one: models write its syntax. */
const SHELL = 'exec "$(command -v bash || echo sh)" -c "$0"';

/** The arguments of `sh` that run a line of shell. */
export const lineArgs = (line: string): string[] => ["-c", SHELL, line];

/** Where and how a line of shell runs. */
export interface LineOptions {
  workingDir?: string | undefined;
  env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Kills the command. */
  signal?: AbortSignal | undefined;
  /** Seconds after which the command is killed. */
  timeout?: number | undefined;
}

/** Runs a line of shell. */
export function runLine(sandbox: Sandbox, line: string, options: LineOptions = {}): Promise<CommandResult> {
  return Promise.resolve(sandbox.run("sh", { args: lineArgs(line), ...options }));
}

/** Text of UTF-8, with a byte order mark. */
export const textOf = (bytes: Uint8Array): string =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/**
 * The end of a command as one number: the exit code, or 128 and the number of the signal, as a shell reports it.
 *
 * @throws {@link ApiError} `unsupported` if the server does not say how the command ended.
 */
export function exitCodeOf({ exitCode, signal }: { exitCode: number | null; signal: number | null }): number {
  if (exitCode !== null) return exitCode;
  if (signal !== null) return 128 + signal;
  throw new ApiError({
    code: "unsupported",
    message: "the server does not say how the command ended: look at its effects before you repeat it",
  });
}

/** The code of an error of Shoreline; undefined for other errors. */
export const codeOf = (error: unknown): string | undefined =>
  ShorelineError.is(error) ? error.code : undefined;

/** Whether an error says that a path, a process or a sandbox does not exist. */
export function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "not_found" || code === "sandbox_not_found";
}

/** Resolves to `other` if what is asked for does not exist. */
export async function unlessMissing<T, U>(promise: Promise<T>, other: U): Promise<T | U> {
  try {
    return await promise;
  } catch (error) {
    if (isMissing(error)) return other;
    throw error;
  }
}

/** Kills a process, unless it has ended. */
export async function killed(process: ProcessHandle): Promise<void> {
  try {
    await process.kill();
  } catch (error) {
    if (!isMissing(error) && codeOf(error) !== "conflict") throw error;
  }
}

/** The name of the sandbox of a session, for a session's id with any characters. */
export async function nameFor(id: string): Promise<string> {
  if (/^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$/.test(id)) return `session-${id}`;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(id)));
  return `session-${Array.from(hash.subarray(0, 20), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** The error for what a framework asks for and a sandbox cannot do. */
export const unsupported = (message: string): UsageError =>
  new UsageError({ code: "missing_capability", message });

/** The message of an error, for results that have a place for it. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
