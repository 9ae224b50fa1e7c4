// Whether a process still runs, though its pid may be another's by now.
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";

/** What only one process of this machine has: its pid, and when it was started. */
export interface ProcessId {
  pid: number;
  /** The boot and the clock ticks since then; missing where the system has no procfs. */
  started?: string | undefined;
}

/** The one that has the pid now. */
export function processId(pid: number): ProcessId {
  return { pid, started: startOf(pid) };
}

/** Whether that process runs. */
export function isRunning({ pid, started }: ProcessId): boolean {
  if (existsSync("/proc/self/stat")) return started !== undefined && startOf(pid) === started;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** When a process was started; nothing if there is none, or if it has ended and waits for its parent. */
function startOf(pid: number): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // Behind the name, which can hold anything: the state is field 3, the start is field 22 (proc_pid_stat(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : `${boot} ${fields[19]}`;
  } catch {
    return undefined;
  }
}
