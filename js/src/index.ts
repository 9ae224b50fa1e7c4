/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Sandboxes, their processes, files and terminals, in every runtime.
 *
 * @module shoreline
 */

export type {} from "./platform.js";
export {
  AbortError,
  ApiError,
  CommandError,
  ConnectionError,
  CoreError,
  type ErrorCode,
  type ErrorFields,
  type PartialResult,
  ProtocolError,
  ShorelineError,
  TimeoutError,
  UsageError,
} from "./errors.js";
export type {
  Cursor,
  DirectoryEntry,
  DaemonInfo,
  EnforcedLimits,
  HealthCheck,
  HealthCheckInfo,
  HealthResponse,
  ListDirectoryResponse,
  ManagedProcessExit,
  ManagedProcessInfo,
  NetworkPolicy,
  OutputHolder,
  OutputResponse,
  ProcessInfo,
  ProcessUser,
  ProcessUserParts,
  PtyInfo,
  Reconnect,
  Resources,
  RestartPolicy,
  RestartPolicyInfo,
  SandboxInfo,
  SendSignalResponse,
} from "./generated/types.js";
export type { Data } from "./arguments.js";
export type { FileContent, Progress, TransferOptions } from "./files.js";
export { OutputMode, ProcessStatus, SandboxStatus, StdinMode } from "./names.js";
export type { EventSourceConstructor } from "./event-source.js";
export type { SocketConstructor } from "./host.js";
export type { CallOptions, ClientOptions } from "./options.js";
export type { EventIterator, FollowIterator, OutputEvent, Stream } from "./output.js";
export { type PtyDataHandler } from "./outlet.js";
export { type CreatePtyOptions, Pty, type PtyConnectionOptions, type PtyExit } from "./pty.js";
export { Process, type ProcessJSON, type WaitOptions } from "./process.js";
export type { CommandResult, TruncatedStream, Truncation } from "./result.js";
export type { ReconnectInfo, RunningCommand, RunOptions } from "./run.js";
export {
  type ConnectOptions,
  type CreateOptions,
  type FollowOptions,
  type ListOptions,
  type ProcessAddress,
  Sandbox,
  type StartProcessOptions,
  type SuspendResumeOptions,
  type UpdateOptions,
} from "./sandbox.js";
export { Tunnel, type TunnelOptions } from "./tunnel.js";
