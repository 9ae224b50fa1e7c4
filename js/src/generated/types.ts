// Made by `cargo xtask types` from Rust; never edited.

/**
 * Addresses, limits and retries of a client. In Node, Bun and Deno, absent options are read
 * from the environment: `TENSORLAKE_API_URL`, `TENSORLAKE_API_KEY`,
 * `TENSORLAKE_SANDBOX_PROXY_URL`, `TENSORLAKE_SANDBOX_API_URL`, `TENSORLAKE_ORGANIZATION_ID`,
 * `TENSORLAKE_PROJECT_ID`, `INDEXIFY_NAMESPACE`.
 */
export type ConnectionOptions = {
/**
 * The API's address. Default: `https://api.tensorlake.ai`.
 */
apiUrl?: string | undefined,
/**
 * The lifecycle API's address. Default: derived from `apiUrl`.
 */
sandboxApiUrl?: string | undefined,
/**
 * The sandbox proxy's address, for servers that do not report one.
 */
proxyUrl?: string | undefined,
/**
 * The namespace on a self-hosted server. Default: `default`.
 */
namespace?: string | undefined,
/**
 * Sent as `X-Forwarded-Organization-Id` if `projectId` is set too.
 */
organizationId?: string | undefined,
/**
 * Sent as `X-Forwarded-Project-Id` if `organizationId` is set too.
 */
projectId?: string | undefined,
/**
 * Retries of an idempotent request. Default: 3.
 */
maxRetries?: number | undefined,
/**
 * Seconds until the head of the answer to a stream or a short request. Then the call rejects with
 * `connect_timeout`. Default: 60.
 */
connectTimeout?: number | undefined,
/**
 * Seconds without a byte, keep-alives included, after which a connection counts as broken. Default: 45.
 */
idleTimeout?: number | undefined,
/**
 * Seconds until the head of the answer to a request that can take long, such as creating a
 * sandbox or writing to stdin. Default: 300.
 */
requestTimeout?: number | undefined, };

/**
 * Properties of a sandbox to create.
 */
export type CreateOptions = {
/**
 * A name (a-z, 0-9, `-`; at most 63). Named sandboxes can be suspended; others are ephemeral.
 */
name?: string | undefined,
/**
 * The image. Default: the server's. Local servers have no images and reject this option with `unsupported`.
 */
image?: string | undefined,
/**
 * Variables of every command in the sandbox. A command's own `env` takes precedence. Rejects with
 * `not_supported_by_server` if the server ignores this option; local servers do not.
 */
env?: { readonly [name: string]: string | undefined } | undefined,
/**
 * CPUs, for example 0.5. Default: the server's.
 */
cpus?: number | undefined,
/**
 * Memory in MB. Default: the server's.
 */
memoryMb?: number | undefined,
/**
 * Disk in MB. Default: the server's.
 */
diskMb?: number | undefined,
/**
 * Lifetime in seconds. Then a named sandbox is suspended and an ephemeral one is terminated. Default: the
 * server's.
 */
timeoutSecs?: number | undefined,
/**
 * Program to run when the sandbox starts, and its arguments.
 */
entrypoint?: ReadonlyArray<string> | undefined,
/**
 * Names of secrets of the project that become environment variables.
 */
secretNames?: ReadonlyArray<string> | undefined,
/**
 * Whether the sandbox can reach the internet. Default: true.
 */
allowInternetAccess?: boolean | undefined,
/**
 * Hosts, addresses or CIDR ranges that the sandbox can reach.
 */
allowOut?: ReadonlyArray<string> | undefined,
/**
 * Hosts, addresses or CIDR ranges that the sandbox cannot reach.
 */
denyOut?: ReadonlyArray<string> | undefined,
/**
 * Id of a snapshot to restore.
 */
snapshotId?: string | undefined,
/**
 * Ports in the sandbox that the proxy exposes. 9501 is reserved.
 */
exposedPorts?: ReadonlyArray<number> | undefined,
/**
 * Whether exposed ports can be reached without a key. Default: false.
 */
allowUnauthenticatedAccess?: boolean | undefined,
/**
 * Whether a request to the suspended sandbox resumes it. Only a named sandbox can have `false`. Local servers always
 * resume, and reject `false` with `unsupported`. Default: true.
 */
autoResume?: boolean | undefined,
/**
 * Whether to wait until the sandbox runs. Default: true. With `false` the call resolves as soon as the server has
 * reported the sandbox's address.
 */
wait?: boolean | undefined,
/**
 * Seconds until the sandbox must run. Then the call rejects with `start_timeout`. Default: 300.
 */
startupTimeout?: number | undefined, };

/**
 * Options of a list of sandboxes.
 */
export type ListOptions = {
/**
 * Lists only sandboxes with this status, for example `running`. Default: all.
 */
status?: "pending" | "running" | "snapshotting" | "suspending" | "suspended" | "terminated" | "timeout" | "failed" | (string & {}) | undefined,
/**
 * Sandboxes per page. All pages are read in any case. Default: the server's.
 */
limit?: number | undefined, };

/**
 * Changes of a sandbox. Absent options are not changed.
 */
export type UpdateOptions = {
/**
 * A name. An ephemeral sandbox that gets one can be suspended.
 */
name?: string | undefined,
/**
 * Whether exposed ports can be reached without a key. Default: false.
 */
allowUnauthenticatedAccess?: boolean | undefined,
/**
 * Ports in the sandbox that the proxy exposes. Replaces the previous ones. 9501 is reserved.
 */
exposedPorts?: ReadonlyArray<number> | undefined,
/**
 * Rules of the network. Replaces all previous rules. `null` removes every restriction.
 */
network?: NetworkRules | null | undefined,
/**
 * Whether a request to the suspended sandbox resumes it.
 */
autoResume?: boolean | undefined,
/**
 * Lifetime in seconds, counted from now; 0: no limit. A client that repeats the call keeps a sandbox that ends soon
 * after the client. Only local servers change it; others reject with `not_supported_by_server` or `unsupported`.
 */
timeoutSecs?: number | undefined,
/**
 * CPUs. Local servers reject a change of CPUs, memory and disk with `unsupported`. If a server changes them while
 * the sandbox runs, `info()` shows the new values once they are in force.
 */
cpus?: number | undefined,
/**
 * Memory in MB.
 */
memoryMb?: number | undefined,
/**
 * Disk in MB.
 */
diskMb?: number | undefined, };

/**
 * Rules of a sandbox's network.
 */
export type NetworkRules = {
/**
 * Whether the sandbox can reach the internet. Default: true.
 */
allowInternetAccess?: boolean | undefined,
/**
 * Hosts, addresses or CIDR ranges that the sandbox can reach.
 */
allowOut?: ReadonlyArray<string> | undefined,
/**
 * Hosts, addresses or CIDR ranges that the sandbox cannot reach.
 */
denyOut?: ReadonlyArray<string> | undefined, };

/**
 * Options of a snapshot.
 */
export type SnapshotOptions = {
/**
 * `filesystem` contains the files, `memory` also the memory and running processes. Default: the server's.
 */
snapshotType?: "memory" | "filesystem" | undefined, };

/**
 * Options of a copy of a sandbox.
 */
export type CopyOptions = {
/**
 * Number of copies, at least 1. Default: 1.
 */
times?: number | undefined, };

/**
 * Options of suspending and resuming a sandbox.
 */
export type TurnOptions = {
/**
 * Whether to wait until the sandbox is suspended or runs. Default: true.
 */
wait?: boolean | undefined,
/**
 * Seconds to wait at most. Default: 300.
 */
timeout?: number | undefined, };

/**
 * Options of starting a process.
 */
export type StartOptions = {
/**
 * Arguments, passed unchanged: no shell expands them.
 */
args?: ReadonlyArray<string> | undefined,
/**
 * Variables added to the sandbox's environment. Undefined values are ignored, so that `process.env` can be passed.
 */
env?: { readonly [name: string]: string | undefined } | undefined,
/**
 * Working directory. Default: the sandbox's.
 */
workingDir?: string | undefined,
/**
 * User to run as. Default: the sandbox's user.
 */
user?: ProcessUser | undefined,
/**
 * `closed`: the input is empty. `pipe`: `writeStdin` writes to it. Default: `closed`.
 */
stdinMode?: "closed" | "pipe" | undefined,
/**
 * `capture` or `discard`. Default: `capture`.
 */
stdoutMode?: "capture" | "discard" | undefined,
/**
 * `capture` or `discard`. Default: `capture`.
 */
stderrMode?: "capture" | "discard" | undefined,
/**
 * Makes it a managed process with this name, by which calls can address it. No `/`, not only digits.
 */
name?: string | undefined,
/**
 * Makes it a managed process that the server restarts.
 */
restart?: RestartPolicy | undefined,
/**
 * Makes it a managed process whose health the server checks.
 */
healthCheck?: HealthCheck | undefined, };

/**
 * Options of running a command.
 */
export type RunOptions = {
/**
 * Arguments, passed unchanged: no shell expands them.
 */
args?: ReadonlyArray<string> | undefined,
/**
 * Variables added to the sandbox's environment. Undefined values are ignored, so that `process.env` can be passed.
 */
env?: { readonly [name: string]: string | undefined } | undefined,
/**
 * Working directory. Default: the sandbox's.
 */
workingDir?: string | undefined,
/**
 * User to run as. Default: the sandbox's user.
 */
user?: ProcessUser | undefined,
/**
 * Seconds after which the command is killed. The result then has `timedOut`. Default: none.
 */
timeout?: number | undefined,
/**
 * Bytes of each stream that the result keeps: half from the start and half from the end. `truncated` says what is
 * missing. Default: everything, up to 256 MiB; more rejects with `output_too_large`.
 */
maxOutputBytes?: number | undefined,
/**
 * Whether an abort kills the command or leaves it running. Default: `kill`. Applies also when the client rejects
 * the output: `line_too_long`, `output_too_large` and `malformed_event`.
 */
onAbort?: "kill" | "detach" | undefined,
/**
 * Attempts and delays of reconnecting.
 */
reconnect?: Reconnect | undefined,
/**
 * Seconds without a byte, keep-alives included, after which the client reconnects.
 * Default: the sandbox's, 45.
 */
idleTimeout?: number | undefined,
/**
 * Longest line, in bytes. Default: 16 MiB.
 */
maxLineBytes?: number | undefined,
/**
 * What happens to a longer line. `error`: the call rejects with `line_too_long`. `cut`: the line is cut at the limit.
 * Default: `error`.
 */
longLine?: "error" | "cut" | undefined,
/**
 * Whether an unfinished line, such as a prompt, is delivered as it grows, if the server sends it: as events with
 * `partial`. The last event of the line is not partial. Default: `true` for `onStdout` and `onStderr`, `false` for
 * an iteration, where each event is a whole line. The result is the same.
 */
pieces?: boolean | undefined,
/**
 * Transport of the command and its output, as for a follow. A command with more than 64 KB of arguments and
 * variables is sent by `fetch`. Default: `fetch`.
 */
transport?: "fetch" | "websocket" | "auto" | undefined, };

/**
 * Options of opening a terminal.
 */
export type CreatePtyOptions = {
/**
 * Program to run, for example `bash`.
 */
command: string,
/**
 * Arguments, passed unchanged: no shell expands them.
 */
args?: ReadonlyArray<string> | undefined,
/**
 * Variables added to the sandbox's environment. Undefined values are ignored, so that `process.env` can be passed.
 */
env?: { readonly [name: string]: string | undefined } | undefined,
/**
 * Working directory. Default: the sandbox's.
 */
workingDir?: string | undefined,
/**
 * Rows, from 1 to 500. Default: 24.
 */
rows?: number | undefined,
/**
 * Columns, from 1 to 1000. Default: 80.
 */
cols?: number | undefined, };

/**
 * Options of following output.
 */
export type FollowOptions = {
/**
 * Attempts and delays of reconnecting.
 */
reconnect?: Reconnect | undefined,
/**
 * Seconds without a byte, keep-alives included, after which the client reconnects. Default: the sandbox's, 45.
 */
idleTimeout?: number | undefined,
/**
 * Longest line, in bytes. Default: 16 MiB.
 */
maxLineBytes?: number | undefined,
/**
 * What happens to a longer line. `error`: the iteration throws `line_too_long`. `cut`: the line is cut at the limit
 * and has `event.truncated`. Default: `error`.
 */
longLine?: "error" | "cut" | undefined,
/**
 * How the output is fetched. `websocket`: all outputs of a sandbox share one WebSocket, which is for pages:
 * a browser has six connections to a host, in all its tabs. It needs a server with channels, such as the
 * local one. `eventsource` is for pages whose proxy drops streams of `fetch`: it sends no headers, so the
 * address must need no key. `auto`: `websocket` in browsers where the server has channels, else `fetch`,
 * or `eventsource` where `fetch` cannot stream. Default: `fetch`.
 */
transport?: "fetch" | "websocket" | "eventsource" | "auto" | undefined,
/**
 * When the iteration ends. `eof`: when no process holds the output open any more. `exit`: with the process, if the
 * server marks that. Default: `eof`.
 */
until?: "eof" | "exit" | undefined,
/**
 * Whether an unfinished line, such as a prompt, is delivered as it grows, if the server sends it: as events with
 * `partial`. The last event of the line is not partial. Default: `false`, each event is a whole line.
 */
pieces?: boolean | undefined,
/**
 * Position to continue after, from `cursor()` of another follow of the same stream. Default: the start.
 */
after?: Cursor | undefined, };

/**
 * How often and how fast a broken stream reconnects.
 */
export type Reconnect = {
/**
 * Attempts in a row without a new event, after which the stream fails. Keep-alives do not count as events. 0
 * disables reconnecting. Raise it for a quiet process behind a proxy that ends long connections. Default: 10.
 */
maxAttempts?: number | undefined,
/**
 * Longest delay between two attempts, in ms. Delays double from 100 ms, with jitter. Default: 5000.
 */
maxDelayMs?: number | undefined, };

/**
 * Position in a process's output.
 */
export type Cursor = {
/**
 * Id of the last event, if the server sends ids.
 */
lastId?: string | undefined,
/**
 * Delivered events of stdout (or of no stream) and of stderr.
 */
counts?: ReadonlyArray<number> | undefined,
/**
 * Delivered bytes of the unfinished lines of stdout (or of no stream) and of stderr. Absent
 * if no line is unfinished.
 */
unfinished?: ReadonlyArray<number> | undefined, };

/**
 * When a managed process is restarted. Times in ms.
 */
export type RestartPolicy = {
/**
 * When to restart.
 * Default: `on_failure`.
 */
policy?: "never" | "on_failure" | "always" | undefined,
/**
 * The highest number of restarts. Absent: no limit.
 */
maxRestarts?: number | undefined,
/**
 * The wait before the first restart. It doubles with each further restart.
 * Default: `500`.
 */
initialBackoffMs?: number | undefined,
/**
 * The longest wait before a restart.
 * Default: `30000`.
 */
maxBackoffMs?: number | undefined, };

/**
 * How the health of a managed process is checked. Times in ms.
 */
export type HealthCheck = {
/**
 * What the check requires: `http`, an answer with a status of 200 to 399; `tcp`, a
 * connection.
 */
type: "http" | "tcp",
/**
 * The port inside the sandbox.
 */
port: number,
/**
 * The path that an `http` check requests. Absent: `/`.
 */
path?: string | undefined,
/**
 * The wait before the first check.
 * Default: `5000`.
 */
initialDelayMs?: number | undefined,
/**
 * The wait between checks.
 * Default: `1000`.
 */
intervalMs?: number | undefined,
/**
 * The time limit of one check.
 * Default: `500`.
 */
timeoutMs?: number | undefined,
/**
 * How many failures in a row make the process unhealthy.
 * Default: `3`.
 */
failureThreshold?: number | undefined, };

/**
 * User of a process: a name, a uid, `uid:gid`, or the same as an object.
 */
export type ProcessUser = string | ProcessUserParts;

/**
 * User and group of a process.
 */
export type ProcessUserParts = {
/**
 * The user's name.
 */
name?: string | undefined,
/**
 * The user's numeric id.
 */
uid?: number | undefined,
/**
 * The group's numeric id.
 */
gid?: number | undefined, };

/**
 * A process.
 */
export type ProcessInfo = {
/**
 * The server's stable number of the process. It is not an address.
 */
handle?: number | undefined,
/**
 * The process id inside the sandbox.
 */
pid: number,
/**
 * What the process is doing, or how it ended.
 */
status: "running" | "exited" | "signaled" | "oom_killed",
/**
 * The exit code, 0 to 255, once the status is `exited`. `null` before, and if the server lost it.
 */
exitCode: number | null,
/**
 * The number of the signal that ended the process, or `null`.
 */
signal: number | null,
/**
 * Whether the memory limit ended the process.
 */
oomKilled: boolean,
/**
 * Why the process ended, if the server says so.
 */
reason?: "exited" | "signaled" | "oom_killed" | "timed_out" | undefined,
/**
 * Whether `writeStdin` can write now.
 */
stdinWritable: boolean,
/**
 * The executable.
 */
command: string,
/**
 * The arguments.
 */
args: Array<string>,
/**
 * When the process started.
 */
startedAt: Date,
/**
 * When the process ended.
 */
endedAt?: Date | undefined,
/**
 * `true` if the process has ended and something that it started still holds its output open.
 */
outputOpen?: boolean | undefined,
/**
 * Processes that hold the output open, at most eight for each stream. The local server reports those
 * that it finds.
 */
outputHolders?: Array<OutputHolder> | undefined,
/**
 * The supervision of a managed process.
 */
managed?: ManagedProcessInfo | undefined, };

/**
 * A process that holds the output of an ended one open.
 */
export type OutputHolder = {
/**
 * The process id inside the sandbox.
 */
pid: number,
/**
 * The command line, at most 120 characters of it. The process may have changed it.
 */
command: string, };

/**
 * What the processes of a sandbox use. Local servers measure it.
 */
export type SandboxUsage = {
/**
 * When it was measured.
 */
measuredAt: Date,
/**
 * Every process inside the sandbox, started by the API or by another process. Those that have used the
 * most processor time come first.
 */
processes: Array<ProcessUsage>,
/**
 * `true` if there are more processes than the server lists (a few hundred).
 */
truncated?: boolean | undefined, };

/**
 * What one process uses.
 */
export type ProcessUsage = {
/**
 * The process id inside the sandbox.
 */
pid: number,
/**
 * The process id of its parent.
 */
parentPid: number,
/**
 * The command line, at most 120 characters of it. The process may have changed it.
 */
command: string,
/**
 * The processor time that it has used since its start, in ms. A process with two busy threads gains 2000
 * a second.
 */
cpuMs: number,
/**
 * The memory that it has in RAM, in bytes. Pages that processes share count for each of them.
 */
memoryBytes: number,
/**
 * The number of its threads.
 */
threads: number, };

/**
 * The supervision of a managed process.
 */
export type ManagedProcessInfo = {
/**
 * The name, or an opaque id. Only a name is an address.
 */
id: string,
/**
 * The name.
 */
name?: string | undefined,
/**
 * What the supervision is doing.
 */
status: "starting" | "running" | "backing_off" | "stopped",
/**
 * How many times the process was restarted.
 */
restartCount: number,
/**
 * The restart policy in force.
 */
restart: RestartPolicyInfo,
/**
 * The health check in force.
 */
healthCheck?: HealthCheckInfo | undefined,
/**
 * The health of the process.
 */
healthStatus: "disabled" | "starting" | "healthy" | "unhealthy",
/**
 * How many checks in a row have failed.
 */
consecutiveHealthFailures: number,
/**
 * How the process ended the last time.
 */
lastExit?: ManagedProcessExit | undefined,
/**
 * Why the last restart failed, or why the server killed the process.
 */
lastError?: string | undefined,
/**
 * When the process is restarted next.
 */
nextRestartAt?: Date | undefined, };

/**
 * When a managed process is restarted. Times in ms.
 */
export type RestartPolicyInfo = {
/**
 * When to restart.
 */
policy: string,
/**
 * The highest number of restarts. Absent: no limit.
 */
maxRestarts?: number | undefined,
/**
 * The wait before the first restart. It doubles with each further restart.
 */
initialBackoffMs: number,
/**
 * The longest wait before a restart.
 */
maxBackoffMs: number, };

/**
 * How the health of a managed process is checked. Times in ms.
 */
export type HealthCheckInfo = {
/**
 * What the check requires: `http`, an answer with a status of 200 to 399; `tcp`, a
 * connection.
 */
type: string,
/**
 * The port inside the sandbox.
 */
port: number,
/**
 * The path that an `http` check requests. Absent: `/`.
 */
path?: string | undefined,
/**
 * The wait before the first check.
 */
initialDelayMs: number,
/**
 * The wait between checks.
 */
intervalMs: number,
/**
 * The time limit of one check.
 */
timeoutMs: number,
/**
 * How many failures in a row make the process unhealthy.
 */
failureThreshold: number, };

/**
 * An earlier end of a managed process.
 */
export type ManagedProcessExit = {
/**
 * The exit code, or `null`.
 */
exitCode: number | null,
/**
 * The number of the signal that ended the process, or `null`.
 */
signal: number | null,
/**
 * Whether the memory limit ended the process.
 */
oomKilled: boolean,
/**
 * When the process ended.
 */
endedAt: Date, };

/**
 * Captured output, as lines without terminators.
 */
export type OutputResponse = {
/**
 * The process id.
 */
pid: number,
/**
 * The lines.
 */
lines: Array<string>,
/**
 * Number of lines.
 */
lineCount: number, };

/**
 * Health of a sandbox.
 */
export type HealthResponse = {
/**
 * Whether its daemon works.
 */
healthy: boolean, };

/**
 * The daemon that serves a sandbox from inside.
 */
export type DaemonInfo = {
/**
 * Its version.
 */
version: string,
/**
 * Seconds since it started.
 */
uptimeSecs: number,
/**
 * Number of running processes.
 */
runningProcesses: number,
/**
 * Number of processes that it knows, ended ones included.
 */
totalProcesses: number,
/**
 * Isolation level of the sandbox. Only from local servers.
 */
isolation?: string | undefined,
/**
 * Mechanism that enforces resource limits. Only from local servers.
 */
limits?: string | undefined,
/**
 * Scope of each resource limit of this sandbox. Only from local servers.
 */
enforced?: EnforcedLimits | undefined,
/**
 * Whether one side of a tunnel can end while the other continues. Only from local servers.
 */
tunnelHalfClose?: boolean | undefined,
/**
 * Number of outputs that can share a WebSocket (`transport`). Only from local servers.
 */
channels?: number | undefined, };

/**
 * Answer to a signal.
 */
export type SendSignalResponse = {
/**
 * Whether it was sent.
 */
success: boolean, };

/**
 * CPUs, memory and disk of a sandbox.
 */
export type Resources = {
/**
 * CPUs.
 */
cpus: number,
/**
 * Memory in MB.
 */
memoryMb: number,
/**
 * Disk in MB.
 */
diskMb?: number | undefined, };

/**
 * What the limits of a sandbox hold for. Local servers report it.
 */
export type EnforcedLimits = {
/**
 * The limit on memory.
 */
memory: "sandbox" | "process" | "file" | "none",
/**
 * The limit on the number of processes and threads.
 */
processes: "sandbox" | "process" | "file" | "none",
/**
 * The limit on processors.
 */
cpus: "sandbox" | "process" | "file" | "none",
/**
 * The limit on disk space.
 */
disk: "sandbox" | "process" | "file" | "none", };

/**
 * Rules of a sandbox's network.
 */
export type NetworkPolicy = {
/**
 * Whether the sandbox can reach the internet.
 */
allowInternetAccess: boolean,
/**
 * Hosts, addresses or CIDR ranges that it can reach.
 */
allowOut: Array<string>,
/**
 * Hosts, addresses or CIDR ranges that it cannot reach.
 */
denyOut: Array<string>, };

/**
 * The record of a sandbox.
 */
export type SandboxInfo = {
/**
 * Its id.
 */
sandboxId: string,
/**
 * Its name. Absent for an ephemeral sandbox.
 */
name?: string | undefined,
/**
 * Its namespace.
 */
namespace?: string | undefined,
/**
 * Its status, in lower case. A newer server can send other values.
 */
status: "pending" | "running" | "snapshotting" | "suspending" | "suspended" | "terminated" | "timeout" | "failed" | (string & {}),
/**
 * Its image.
 */
image?: string | undefined,
/**
 * Its CPUs, memory and disk.
 */
resources?: Resources | undefined,
/**
 * Scope of each limit in `resources`. Only from local servers.
 */
enforced?: EnforcedLimits | undefined,
/**
 * When it was created.
 */
createdAt?: Date | undefined,
/**
 * When it ended.
 */
terminatedAt?: Date | undefined,
/**
 * Its lifetime in seconds.
 */
timeoutSecs?: number | undefined,
/**
 * Program that ran at its start, and its arguments.
 */
entrypoint?: Array<string> | undefined,
/**
 * Why it is pending.
 */
pendingReason?: string | undefined,
/**
 * How it ended.
 */
outcome?: string | undefined,
/**
 * Why it ended.
 */
terminationReason?: string | undefined,
/**
 * The rules of its network.
 */
network?: NetworkPolicy | undefined,
/**
 * Ports that the proxy exposes.
 */
exposedPorts?: Array<number> | undefined,
/**
 * Whether exposed ports can be reached without a key.
 */
allowUnauthenticatedAccess?: boolean | undefined,
/**
 * The address of its proxy.
 */
ingressEndpoint?: string | undefined,
/**
 * Its base address.
 */
sandboxUrl?: string | undefined,
/**
 * Sent back as `X-Tensorlake-Route-Hint`.
 */
routingHint?: string | undefined, };

/**
 * A snapshot of a sandbox.
 */
export type SnapshotInfo = {
/**
 * Its id: the `snapshotId` of `Sandbox.create`.
 */
snapshotId: string,
/**
 * The sandbox that it was taken from.
 */
sandboxId?: string | undefined,
/**
 * Its namespace.
 */
namespace?: string | undefined,
/**
 * Its state, in lower case: `in_progress`, `local_ready`, `completed`, `failed`, `deleting`, or a value of
 * a newer server. From `local_ready` on, a sandbox can be created from it.
 */
status: string,
/**
 * Its content: `memory` or `filesystem`.
 */
snapshotType?: string | undefined,
/**
 * The image of the sandbox.
 */
baseImage?: string | undefined,
/**
 * Why it failed.
 */
error?: string | undefined,
/**
 * The address of its storage.
 */
snapshotUri?: string | undefined,
/**
 * Its size, in bytes.
 */
sizeBytes?: number | undefined,
/**
 * The size of its disk, in bytes.
 */
rootfsDiskBytes?: number | undefined,
/**
 * When it was taken.
 */
createdAt?: Date | undefined, };

/**
 * A copy of a sandbox.
 */
export type SandboxCopy = {
/**
 * Its id.
 */
sandboxId: string,
/**
 * Its status, for example `running`, or `failed` if it could not be created.
 */
status: string,
/**
 * Its name.
 */
name?: string | undefined,
/**
 * Why it has that status.
 */
reason?: string | undefined,
/**
 * Its base address.
 */
sandboxUrl?: string | undefined, };

/**
 * The copies of a sandbox.
 */
export type SandboxCopies = {
/**
 * The sandbox that was copied.
 */
sourceSandboxId: string,
/**
 * The copies, failed ones included.
 */
sandboxes: Array<SandboxCopy>, };

/**
 * Id and secret of a terminal session, the arguments of `connectPty`.
 */
export type PtySessionInfo = {
/**
 * Its id.
 */
sessionId: string,
/**
 * Secret that authorizes attaching to the session.
 */
token: string, };

/**
 * A terminal session.
 */
export type PtyInfo = {
/**
 * Its id.
 */
sessionId: string,
/**
 * Its process id.
 */
pid: number,
/**
 * The command.
 */
command: string,
/**
 * Its arguments.
 */
args: Array<string>,
/**
 * Rows.
 */
rows: number,
/**
 * Columns.
 */
cols: number,
/**
 * When it was opened.
 */
createdAt: Date,
/**
 * When it ended.
 */
endedAt?: Date | undefined,
/**
 * The exit code. `null` while it runs, if a signal ended it, and if the server lost it.
 */
exitCode: number | null,
/**
 * The number of the signal that ended it. `null` if none did or if the server does not report signals; local servers do.
 */
signal: number | null,
/**
 * Whether its process runs.
 */
isAlive: boolean,
/**
 * Whether the memory limit ended it.
 */
oomKilled: boolean, };

/**
 * An entry of a directory.
 */
export type DirectoryEntry = {
/**
 * Its name.
 */
name: string,
/**
 * Whether it is a directory.
 */
isDir: boolean,
/**
 * Whether it is a symbolic link. Absent if the server does not report it; local servers do.
 */
isLink?: boolean | undefined,
/**
 * The permission bits. Absent if the server does not report them; local servers do.
 */
mode?: number | undefined,
/**
 * Size in bytes. Absent for a directory.
 */
size?: number | undefined,
/**
 * When its content was last modified.
 */
modifiedAt?: Date | undefined, };

/**
 * The content of a directory.
 */
export type ListDirectoryResponse = {
/**
 * The path of the request.
 */
path: string,
/**
 * Directories first, then by name.
 */
entries: Array<DirectoryEntry>, };

/** The name of a classic signal of Linux. */
export type SignalName = "SIGHUP" | "SIGINT" | "SIGQUIT" | "SIGILL" | "SIGTRAP" | "SIGABRT" | "SIGBUS" | "SIGFPE" | "SIGKILL" | "SIGUSR1" | "SIGSEGV" | "SIGUSR2" | "SIGPIPE" | "SIGALRM" | "SIGTERM" | "SIGSTKFLT" | "SIGCHLD" | "SIGCONT" | "SIGSTOP" | "SIGTSTP" | "SIGTTIN" | "SIGTTOU" | "SIGURG" | "SIGXCPU" | "SIGXFSZ" | "SIGVTALRM" | "SIGPROF" | "SIGWINCH" | "SIGIO" | "SIGPWR" | "SIGSYS";
