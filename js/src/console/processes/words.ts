// What is shown of processes in words.
import type { ProcessInfo } from "shoreline";
import { SIGNALS } from "../../generated/signals.js";
import { printable } from "../../printable.js";
import { ago, lasting } from "../parts.js";

const ENDS = new Set<string>(["exited", "signaled", "oom_killed"]);

/** The script, where a shell runs one: that is what somebody typed. */
export function scriptOf({ command, args }: ProcessInfo): string | undefined {
  return command === "sh" && args[0] === "-c" && args.length === 2 ? args[1] : undefined;
}

/** What is shown of a process in one line. */
export function commandOf(process: ProcessInfo): string {
  const { command, args, managed } = process;
  const line = scriptOf(process) ?? [command, ...args].join(" ");
  return printable(managed?.name ? `${managed.name}: ${line}` : line);
}

export function statusOf(process: ProcessInfo): string {
  return process.outputOpen ? `${endOf(process)}, output open` : endOf(process);
}

function endOf({ status, exitCode, signal, managed }: ProcessInfo): string {
  if (managed?.status === "backing_off") return "starts again soon";
  if (status === "exited") return `exit code ${exitCode ?? "unknown"}`;
  if (status === "signaled") return `ended by ${SIGNALS[(signal ?? 0) - 1] ?? `signal ${signal ?? ""}`}`;
  return status === "oom_killed" ? "out of memory" : printable(status);
}

export function stateOf({ status, exitCode }: ProcessInfo): string {
  if (status === "running") return "running";
  if (status === "exited" && exitCode === 0) return "good";
  return ENDS.has(status) ? "bad" : "";
}

/** How long it runs, or how long it took and when it ended. */
export function timesOf({ startedAt, endedAt, status }: ProcessInfo): string {
  if (status === "running") return `for ${lasting(Date.now() - startedAt.getTime())}`;
  if (!endedAt) return `started ${ago(startedAt)}`;
  return `took ${lasting(endedAt.getTime() - startedAt.getTime())} · ${ago(endedAt)}`;
}
