/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Sandboxes, their processes, files and terminals, in every runtime.
 *
 * @module shoreline
 */

export type {} from "./platform.js";
export {
  AbortError,
  type AnyError,
  ApiError,
  CommandError,
  ConnectionError,
  CoreError,
  type ErrorCode,
  type ErrorCodes,
  type ErrorFields,
  FileSystemError,
  type FileSystemErrorCode,
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
  NetworkRules,
  OutputHolder,
  OutputResponse,
  ProcessInfo,
  ProcessUsage,
  ProcessUser,
  ProcessUserParts,
  PtyInfo,
  Reconnect,
  Resources,
  RestartPolicy,
  RestartPolicyInfo,
  SandboxCopies,
  SandboxCopy,
  SandboxInfo,
  SandboxUsage,
  SendSignalResponse,
  SignalName,
  SnapshotInfo,
  SnapshotOptions,
} from "./generated/types.js";
export type { Data } from "./arguments.js";
export type { CheckedRunOptions, Shell, ShellOptions } from "./commands.js";
export type { ShellValue } from "./shell.js";
export type { OpenShellOptions, ShellJSON, ShellRunOptions, ShellSession } from "./shell-session.js";
export type { BindOutcome, GetOrCreateOptions } from "./lifecycle.js";
export type { CommandInput } from "./input.js";
export type { GlobOptions, GrepOptions, Match, Search, SearchOptions, SearchSummary } from "./file-search.js";
export type { FileChange, FileWatcher, WatchOptions } from "./file-watch.js";
export type {
  AppendFileOptions,
  CpOptions,
  Dirent,
  FileMode,
  FileSystem,
  FileTypes,
  MkdirOptions,
  ReaddirOptions,
  ReadFileOptions,
  RmOptions,
  Stats,
  Utf8,
  WriteFileOptions,
} from "./file-system.js";
export type { FileContent, Progress, TransferOptions } from "./files.js";
export { OutputMode, ProcessStatus, SandboxStatus, StdinMode } from "./names.js";
export type { ExcerptOptions, OmittedOutput, OutputExcerpt } from "./excerpt.js";
export type { EventSourceConstructor } from "./event-source.js";
export type { SocketConstructor } from "./host.js";
export type {
  CallOptions,
  ClientOptions,
  ClientTracer,
  ConnectOptions,
  CreateOptions,
  FollowOptions,
  ListOptions,
  LogEntry,
  LogLevel,
  ProcessAddress,
  ReconnectInfo,
  StartProcessOptions,
  SuspendResumeOptions,
  Traced,
  UpdateOptions,
} from "./options.js";
export type { EventIterator, FollowIterator, OutputChunk, OutputEvent, Stream } from "./output.js";
export { type PtyDataHandler } from "./outlet.js";
export { Pty } from "./pty.js";
export type { CreatePtyOptions, PtyConnectionOptions, PtyExit } from "./pty-options.js";
export type { CreateTunnelOptions, TcpTunnel, TunnelAddress } from "./ports.js";
export { Process, ProcessHandle, type ProcessJSON } from "./process.js";
export type {
  CommandEnd,
  CommandOutput,
  CommandResult,
  SuccessfulResult,
  TruncatedStream,
  Truncation,
} from "./result.js";
export type { RunningCommand, RunOptions } from "./run.js";
export { Sandbox } from "./sandbox.js";
export type { WaitOptions } from "./waiting.js";
export { SandboxClient, type SnapshotAndWaitOptions } from "./sandbox-client.js";
export type { CheckpointOptions, CopyOptions } from "./snapshots.js";
export type { DownloadOptions, TreeProgress, TreeResult, UploadOptions } from "./trees.js";
export { Tunnel, type TunnelOptions } from "./tunnel.js";
