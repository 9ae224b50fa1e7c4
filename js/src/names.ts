// Words of the API under the names that the official SDK has for them. The words themselves do as well.
import type { ProcessInfo, SandboxInfo, StartOptions } from "./generated/types.js";

/** What a process has for standard input. */
export const StdinMode = {
  /** Nothing, as from `/dev/null`. */
  CLOSED: "closed",
  /** What `writeStdin` sends, until `closeStdin`. */
  PIPE: "pipe",
} as const;

/** What a process has for standard input. */
export type StdinMode = NonNullable<StartOptions["stdinMode"]>;

/** Where a process's output goes. */
export const OutputMode = {
  /** The server keeps it; it can be read and followed. */
  CAPTURE: "capture",
  /** It is lost. */
  DISCARD: "discard",
} as const;

/** Where a process's output goes. */
export type OutputMode = NonNullable<StartOptions["stdoutMode"]>;

/** What a process is doing, or how it ended. */
export const ProcessStatus = {
  /** It has not ended. */
  RUNNING: "running",
  /** It returned an exit code. */
  EXITED: "exited",
  /** A signal ended it. */
  SIGNALED: "signaled",
  /** The memory limit ended it. */
  OOM_KILLED: "oom_killed",
} as const;

/** What a process is doing, or how it ended. */
export type ProcessStatus = ProcessInfo["status"];

/** What a sandbox is doing. A newer server may have other words. */
export const SandboxStatus = {
  /** It is on its way to `running`. */
  PENDING: "pending",
  /** Commands can be run. */
  RUNNING: "running",
  /** A snapshot of it is taken. */
  SNAPSHOTTING: "snapshotting",
  /** It is on its way to `suspended`. */
  SUSPENDING: "suspending",
  /** Everything in it is stopped where it is, until `resume`. */
  SUSPENDED: "suspended",
  /** It has ended, for good. */
  TERMINATED: "terminated",
  /** It did not come up in time. */
  TIMEOUT: "timeout",
  /** It could not be made. */
  FAILED: "failed",
} as const;

/** What a sandbox is doing. A newer server may have other words. */
export type SandboxStatus = SandboxInfo["status"];
