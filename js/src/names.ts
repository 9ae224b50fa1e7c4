// Words of the API under the names that the official SDK has for them. The words themselves do as well.

/** What a process has for standard input. */
export const StdinMode = { CLOSED: "closed", PIPE: "pipe" } as const;

/** What becomes of a process's output. */
export const OutputMode = { CAPTURE: "capture", DISCARD: "discard" } as const;

/** What a process is doing, or how it ended. */
export const ProcessStatus = {
  RUNNING: "running",
  EXITED: "exited",
  SIGNALED: "signaled",
  OOM_KILLED: "oom_killed",
} as const;

/** What a sandbox is doing. A newer server may have other words. */
export const SandboxStatus = {
  PENDING: "pending",
  RUNNING: "running",
  SNAPSHOTTING: "snapshotting",
  SUSPENDING: "suspending",
  SUSPENDED: "suspended",
  TERMINATED: "terminated",
  TIMEOUT: "timeout",
} as const;
