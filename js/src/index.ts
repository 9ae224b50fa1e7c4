export {
  AbortError,
  ApiError,
  CommandError,
  ConnectionError,
  CoreError,
  type ErrorCode,
  type PartialResult,
  ProtocolError,
  ShorelineError,
  TimeoutError,
  UsageError,
} from "./errors.js";
export type {
  Cursor,
  DaemonInfo,
  HealthCheck,
  HealthResponse,
  ManagedProcessExit,
  ManagedProcessInfo,
  NetworkPolicy,
  OutputResponse,
  ProcessInfo,
  ProcessUser,
  Reconnect,
  Resources,
  RestartPolicy,
  SandboxInfo,
  SendSignalResponse,
} from "./generated/types.js";
export type { CallOptions, ClientOptions } from "./options.js";
export { EventIterator, OutputEvent, type Stream } from "./output.js";
export { type CommandResult, type ReconnectInfo, RunningCommand, type TruncatedStream, type Truncation } from "./run.js";
export {
  type ConnectOptions,
  type CreateOptions,
  type FollowOptions,
  type ListOptions,
  type ProcessAddress,
  type RunOptions,
  Sandbox,
  type StartProcessOptions,
} from "./sandbox.js";
