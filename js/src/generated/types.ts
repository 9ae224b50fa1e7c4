// Made by `cargo xtask types` from Rust; never edited.

/**
 * Where the sandboxes are and how to reach them. On Node, Bun and Deno what is absent is read
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
 * The lifecycle API's address, where it does not follow from `apiUrl`.
 */
sandboxApiUrl?: string | undefined,
/**
 * The sandbox proxy's address, where the server does not say one.
 */
proxyUrl?: string | undefined,
/**
 * The namespace on a self-hosted server. Default: `default`.
 */
namespace?: string | undefined,
/**
 * Sent as `X-Forwarded-Organization-Id`, when `projectId` is given too.
 */
organizationId?: string | undefined,
/**
 * Sent as `X-Forwarded-Project-Id`, when `organizationId` is given too.
 */
projectId?: string | undefined,
/**
 * How often a request that is safe to repeat is repeated. Default: 3.
 */
maxRetries?: number | undefined,
/**
 * Seconds until a server must have begun its answer to a stream or a quick request. Default: 60.
 */
connectTimeout?: number | undefined,
/**
 * Seconds of silence after which a connection counts as broken. Default: 45.
 */
idleTimeout?: number | undefined,
/**
 * Seconds until a server must have begun its answer to a request that may take long, such
 * as creating a sandbox or writing to stdin. Default: 300.
 */
requestTimeout?: number | undefined, };

/**
 * A new sandbox.
 */
export type CreateOptions = {
/**
 * A name (a-z, 0-9, `-`; at most 63). Named sandboxes can be suspended; others are ephemeral.
 */
name?: string | undefined,
/**
 * The image. Default: the server's. Local servers have no other, and reject with `unsupported`.
 */
image?: string | undefined,
/**
 * Variables of every command in the sandbox. A command's own `env` takes precedence. Rejects with
 * `not_supported_by_server` if the server ignores this option; local servers do not.
 */
env?: { readonly [name: string]: string | undefined } | undefined,
/**
 * Processors, for example 0.5. Default: the server's.
 */
cpus?: number | undefined,
/**
 * Memory, MB. Default: the server's.
 */
memoryMb?: number | undefined,
/**
 * Disk, MB. Default: the server's.
 */
diskMb?: number | undefined,
/**
 * Seconds after which a named sandbox is suspended and an ephemeral one terminated.
 */
timeoutSecs?: number | undefined,
/**
 * The program that runs at the start, and its arguments.
 */
entrypoint?: ReadonlyArray<string> | undefined,
/**
 * Names of secrets to put into the environment.
 */
secretNames?: ReadonlyArray<string> | undefined,
/**
 * Whether the internet can be reached from inside. Default: true.
 */
allowInternetAccess?: boolean | undefined,
/**
 * Hosts, addresses or CIDR ranges that can be reached.
 */
allowOut?: ReadonlyArray<string> | undefined,
/**
 * Hosts, addresses or CIDR ranges that cannot be reached.
 */
denyOut?: ReadonlyArray<string> | undefined,
/**
 * A snapshot to restore.
 */
snapshotId?: string | undefined,
/**
 * Ports inside that the proxy makes reachable. 9501 is reserved.
 */
exposedPorts?: ReadonlyArray<number> | undefined,
/**
 * Whether exposed ports need no key.
 */
allowUnauthenticatedAccess?: boolean | undefined,
/**
 * Whether a request to the sandbox resumes it when it is suspended. Only a named sandbox can have `false`. Local
 * servers resume always, and reject `false` with `unsupported`. Default: true.
 */
autoResume?: boolean | undefined,
/**
 * Whether to wait until it runs. Default: true. Otherwise the call resolves once the server has said where the
 * sandbox is.
 */
wait?: boolean | undefined,
/**
 * Seconds to wait until the sandbox runs. Default: 300.
 */
startupTimeout?: number | undefined, };

/**
 * Which sandboxes to list.
 */
export type ListOptions = {
/**
 * Only those in this state, for example `running`.
 */
status?: "pending" | "running" | "snapshotting" | "suspending" | "suspended" | "terminated" | "timeout" | "failed" | (string & {}) | undefined,
/**
 * How many the server is asked for at a time; all pages are read in any case.
 */
limit?: number | undefined, };

/**
 * What to change of a sandbox; what is absent stays.
 */
export type UpdateOptions = {
/**
 * A name. An ephemeral sandbox that gets one can be suspended.
 */
name?: string | undefined,
/**
 * Whether exposed ports need no key.
 */
allowUnauthenticatedAccess?: boolean | undefined,
/**
 * Ports inside that the proxy makes reachable, instead of those before. 9501 is reserved.
 */
exposedPorts?: ReadonlyArray<number> | undefined,
/**
 * What can be reached from inside, instead of all rules before. `null` removes every restriction.
 */
network?: NetworkRules | null | undefined,
/**
 * Whether a request to the sandbox resumes it when it is suspended.
 */
autoResume?: boolean | undefined,
/**
 * Processors. Local servers reject a change of these three with `unsupported`. Where a server changes them while
 * the sandbox runs, `info()` shows the new ones once they are in force.
 */
cpus?: number | undefined,
/**
 * Memory, MB.
 */
memoryMb?: number | undefined,
/**
 * Disk, MB.
 */
diskMb?: number | undefined, };

/**
 * What a sandbox can reach.
 */
export type NetworkRules = {
/**
 * Whether the internet can be reached from inside. Default: true.
 */
allowInternetAccess?: boolean | undefined,
/**
 * Hosts, addresses or CIDR ranges that can be reached.
 */
allowOut?: ReadonlyArray<string> | undefined,
/**
 * Hosts, addresses or CIDR ranges that cannot be reached.
 */
denyOut?: ReadonlyArray<string> | undefined, };

/**
 * A snapshot to take.
 */
export type SnapshotOptions = {
/**
 * `filesystem`: the files. `memory`: memory and running processes too. Default: the server's.
 */
snapshotType?: "memory" | "filesystem" | undefined, };

/**
 * How a sandbox is copied.
 */
export type CopyOptions = {
/**
 * How many copies, at least 1. Default: 1.
 */
times?: number | undefined, };

/**
 * How a sandbox is suspended or resumed.
 */
export type TurnOptions = {
/**
 * Whether to wait until that is done. Default: true.
 */
wait?: boolean | undefined,
/**
 * Seconds to wait for it. Default: 300.
 */
timeout?: number | undefined, };

/**
 * A process to start.
 */
export type StartOptions = {
/**
 * Arguments; nothing is expanded, there is no shell.
 */
args?: ReadonlyArray<string> | undefined,
/**
 * Variables added to the sandbox's environment. Those that are undefined are left out: `process.env` fits.
 */
env?: { readonly [name: string]: string | undefined } | undefined,
/**
 * The directory to start in. Default: the sandbox's.
 */
workingDir?: string | undefined,
/**
 * Who it runs as. Default: the sandbox's user.
 */
user?: ProcessUser | undefined,
/**
 * `closed` (the default) is an empty input; `pipe` takes `writeStdin`.
 */
stdinMode?: "closed" | "pipe" | undefined,
/**
 * `capture` (the default) or `discard`.
 */
stdoutMode?: "capture" | "discard" | undefined,
/**
 * `capture` (the default) or `discard`.
 */
stderrMode?: "capture" | "discard" | undefined,
/**
 * Makes it a managed process, addressable by this name. No `/`, not only digits.
 */
name?: string | undefined,
/**
 * Makes it a managed process that is started again.
 */
restart?: RestartPolicy | undefined,
/**
 * Makes it a managed process whose health is watched.
 */
healthCheck?: HealthCheck | undefined, };

/**
 * A command to run to its end.
 */
export type RunOptions = {
/**
 * Arguments; nothing is expanded, there is no shell.
 */
args?: ReadonlyArray<string> | undefined,
/**
 * Variables added to the sandbox's environment. Those that are undefined are left out: `process.env` fits.
 */
env?: { readonly [name: string]: string | undefined } | undefined,
/**
 * The directory to start in. Default: the sandbox's.
 */
workingDir?: string | undefined,
/**
 * Who it runs as. Default: the sandbox's user.
 */
user?: ProcessUser | undefined,
/**
 * Seconds after which the command is killed, which the result tells as `timedOut`. Default: none.
 */
timeout?: number | undefined,
/**
 * Bytes of each stream that the result keeps: the first and the last half; `truncated` tells
 * what is missing. Default: everything, up to 256 MiB; more is an error (`output_too_large`).
 */
maxOutputBytes?: number | undefined,
/**
 * Whether an abort ends the command or leaves it running. Default: `kill`. The same applies to output that
 * the client cannot take: `line_too_long`, `output_too_large` and `malformed_event`.
 */
onAbort?: "kill" | "detach" | undefined,
/**
 * How a broken connection is resumed.
 */
reconnect?: Reconnect | undefined,
/**
 * Seconds without a byte, keep-alives included, after which the client reconnects.
 * Default: the sandbox's, 45.
 */
idleTimeout?: number | undefined,
/**
 * The longest line, in bytes. Default: 16 MiB.
 */
maxLineBytes?: number | undefined,
/**
 * What happens to a longer one: an error (`line_too_long`), or the line cut to the limit. Default: `error`.
 */
longLine?: "error" | "cut" | undefined,
/**
 * Whether an unfinished line, such as a prompt, is delivered as it grows, where the server sends
 * it: as events with `partial`, of which only the last is without. Default: `true` for `onStdout`
 * and `onStderr`; `false` where the command is iterated, each event is a whole line. The result
 * is the same.
 */
pieces?: boolean | undefined,
/**
 * How the command is sent and its output is fetched, as of a follow. A command whose arguments and variables
 * are larger than 64 KB goes by `fetch`. Default: `fetch`.
 */
transport?: "fetch" | "websocket" | "auto" | undefined, };

/**
 * A terminal to open.
 */
export type CreatePtyOptions = {
/**
 * What runs in it, for example `bash`.
 */
command: string,
/**
 * Arguments; nothing is expanded.
 */
args?: ReadonlyArray<string> | undefined,
/**
 * Variables added to the sandbox's environment. Those that are undefined are left out: `process.env` fits.
 */
env?: { readonly [name: string]: string | undefined } | undefined,
/**
 * The directory to start in. Default: the sandbox's.
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
 * How output is followed.
 */
export type FollowOptions = {
/**
 * How a broken connection is resumed.
 */
reconnect?: Reconnect | undefined,
/**
 * Seconds without a byte, keep-alives included, after which the client reconnects. Default: the sandbox's, 45.
 */
idleTimeout?: number | undefined,
/**
 * The longest line, in bytes. Default: 16 MiB.
 */
maxLineBytes?: number | undefined,
/**
 * What happens to a longer one: an error (`line_too_long`), or the line cut to the limit with
 * `event.truncated`. Default: `error`.
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
 * Where it ends: with the output (`eof`), which lasts for as long as something that the process started
 * holds it open; or with the process (`exit`), where the server marks that. Default: `eof`.
 */
until?: "eof" | "exit" | undefined,
/**
 * Whether an unfinished line, such as a prompt, is delivered as it grows, where the server sends
 * it: as events with `partial`, of which only the last is without. Default: `false`, each event
 * is a whole line.
 */
pieces?: boolean | undefined,
/**
 * Continue after what another follower of the same stream had; see `cursor()`.
 */
after?: Cursor | undefined, };

/**
 * How often and how fast a broken stream reconnects.
 */
export type Reconnect = {
/**
 * Tries in a row without a new event before it is given up; keep-alives do not count as events. Default:
 * 10. 0 = never try. Raise it for a quiet process behind a proxy that ends long connections.
 */
maxAttempts?: number | undefined,
/**
 * The longest wait between two tries, ms; waits double from 100 ms, with jitter. Default: 5000.
 */
maxDelayMs?: number | undefined, };

/**
 * How far a stream has been followed.
 */
export type Cursor = {
/**
 * The number of the last event, where the server numbers them.
 */
lastId?: string | undefined,
/**
 * Events delivered of stdout (or of no stream) and of stderr.
 */
counts?: ReadonlyArray<number> | undefined,
/**
 * Bytes delivered of the unfinished lines of stdout (or of no stream) and of stderr. Absent
 * where there are none.
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
 * Who a process runs as: a name, a uid, `uid:gid`, or the same as an object.
 */
export type ProcessUser = string | ProcessUserParts;

/**
 * Who a process runs as, by parts.
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
 * The process.
 */
pid: number,
/**
 * The lines.
 */
lines: Array<string>,
/**
 * How many.
 */
lineCount: number, };

/**
 * Whether the sandbox works.
 */
export type HealthResponse = {
/**
 * Whether it does.
 */
healthy: boolean, };

/**
 * What runs inside the sandbox to serve it.
 */
export type DaemonInfo = {
/**
 * Its version.
 */
version: string,
/**
 * For how long it has run, in seconds.
 */
uptimeSecs: number,
/**
 * Processes that run.
 */
runningProcesses: number,
/**
 * Processes that it knows.
 */
totalProcesses: number,
/**
 * What keeps sandboxes apart; the local server says it.
 */
isolation?: string | undefined,
/**
 * What holds them to their resources; the local server says it.
 */
limits?: string | undefined,
/**
 * What this sandbox's limits hold for; the local server says it.
 */
enforced?: EnforcedLimits | undefined,
/**
 * Whether one side of a tunnel can end while the other goes on; the local server says it.
 */
tunnelHalfClose?: boolean | undefined,
/**
 * How many outputs can share a WebSocket (`transport`); the local server says it.
 */
channels?: number | undefined, };

/**
 * What a signal's sender is told.
 */
export type SendSignalResponse = {
/**
 * Whether it was sent.
 */
success: boolean, };

/**
 * What a sandbox has.
 */
export type Resources = {
/**
 * Processors.
 */
cpus: number,
/**
 * Memory, MB.
 */
memoryMb: number,
/**
 * Disk, MB.
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
 * What a sandbox can reach.
 */
export type NetworkPolicy = {
/**
 * Whether the internet can be reached.
 */
allowInternetAccess: boolean,
/**
 * What can be.
 */
allowOut: Array<string>,
/**
 * What cannot be.
 */
denyOut: Array<string>, };

/**
 * A sandbox.
 */
export type SandboxInfo = {
/**
 * Its id.
 */
sandboxId: string,
/**
 * Its name; ephemeral sandboxes have none.
 */
name?: string | undefined,
/**
 * Its namespace.
 */
namespace?: string | undefined,
/**
 * Its state, in lower case. A newer server may have other words.
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
 * What the limits on `resources` hold for; the local server says it.
 */
enforced?: EnforcedLimits | undefined,
/**
 * When it was made.
 */
createdAt?: Date | undefined,
/**
 * When it ended.
 */
terminatedAt?: Date | undefined,
/**
 * Its time limit in seconds.
 */
timeoutSecs?: number | undefined,
/**
 * What ran at its start.
 */
entrypoint?: Array<string> | undefined,
/**
 * Why it waits.
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
 * What it can reach.
 */
network?: NetworkPolicy | undefined,
/**
 * Ports that the proxy makes reachable.
 */
exposedPorts?: Array<number> | undefined,
/**
 * Whether these need no key.
 */
allowUnauthenticatedAccess?: boolean | undefined,
/**
 * Where its proxy is.
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
 * The sandbox that it was taken of.
 */
sandboxId?: string | undefined,
/**
 * Its namespace.
 */
namespace?: string | undefined,
/**
 * Its state, in lower case: `in_progress`, `local_ready`, `completed`, `failed`, `deleting`, or what a newer
 * server says. A sandbox can be made of it from `local_ready` on.
 */
status: string,
/**
 * What it holds: `memory` or `filesystem`.
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
 * Where it is stored.
 */
snapshotUri?: string | undefined,
/**
 * Its size, in bytes.
 */
sizeBytes?: number | undefined,
/**
 * The size of the disk that it holds, in bytes.
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
 * Its state, for example `running`, or `failed` where it could not be made.
 */
status: string,
/**
 * Its name.
 */
name?: string | undefined,
/**
 * Why it is in that state.
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
 * The copies, also those that could not be made.
 */
sandboxes: Array<SandboxCopy>, };

/**
 * A new terminal's session, as `connectPty` takes it.
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
 * A terminal's session.
 */
export type PtyInfo = {
/**
 * Its id.
 */
sessionId: string,
/**
 * The process in it.
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
 * How many rows it has.
 */
rows: number,
/**
 * How many columns.
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
 * The exit code. `null` before, for a signal, and if the server lost it.
 */
exitCode: number | null,
/**
 * The number of the signal that ended it, where the server says so; the local server does. Else `null`.
 */
signal: number | null,
/**
 * Whether it goes on.
 */
isAlive: boolean,
/**
 * Whether the memory limit ended it.
 */
oomKilled: boolean, };

/**
 * Something in a directory.
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
 * Whether it is a symbolic link, where the server says so; the local server does.
 */
isLink?: boolean | undefined,
/**
 * The permission bits, where the server says them; the local server does.
 */
mode?: number | undefined,
/**
 * How many bytes; absent for a directory.
 */
size?: number | undefined,
/**
 * When it was last changed.
 */
modifiedAt?: Date | undefined, };

/**
 * What is in a directory.
 */
export type ListDirectoryResponse = {
/**
 * The directory, as it was asked for.
 */
path: string,
/**
 * Directories first, then by name.
 */
entries: Array<DirectoryEntry>, };

/** The name of a classic signal of Linux. */
export type SignalName = "SIGHUP" | "SIGINT" | "SIGQUIT" | "SIGILL" | "SIGTRAP" | "SIGABRT" | "SIGBUS" | "SIGFPE" | "SIGKILL" | "SIGUSR1" | "SIGSEGV" | "SIGUSR2" | "SIGPIPE" | "SIGALRM" | "SIGTERM" | "SIGSTKFLT" | "SIGCHLD" | "SIGCONT" | "SIGSTOP" | "SIGTSTP" | "SIGTTIN" | "SIGTTOU" | "SIGURG" | "SIGXCPU" | "SIGXFSZ" | "SIGVTALRM" | "SIGPROF" | "SIGWINCH" | "SIGIO" | "SIGPWR" | "SIGSYS";
