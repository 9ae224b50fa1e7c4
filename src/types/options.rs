//! Options of callers. One declaration makes the table that the core reads by and the TypeScript type.

use super::shape::{Field, Kind, Shape, names};
use super::values::{
    Count, FollowTransport, FollowUntil, HealthType, List, OnAbort, OnLongLine, OutputMode,
    ProcessName, RestartWhen, RunTransport, SandboxName, SandboxStatus, Seconds, SnapshotType,
    StdinMode, Variables,
};
use alloc::string::String;
use js_sys::Object;

macro_rules! options {
    ($($(#[$attr:meta])* pub struct $name:ident { $($(#[$field_attr:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$attr])*
            #[derive(Debug)]
            #[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename_all = "camelCase", optional_fields))]
            pub struct $name {
                $($(#[$field_attr])* pub $field: Option<$type>,)*
            }

            impl $name {
                /// Its members.
                pub const FIELDS: &[Field] =
                    &[$(Field { name: stringify!($field), kind: <$type as Shape>::KIND },)*];
            }

            impl Shape for $name {
                const KIND: Kind = Kind::Object(Self::FIELDS);
            }
        )*
    };
}

options! {
    /// Addresses, limits and retries of a client. In Node, Bun and Deno, absent options are read
    /// from the environment: `TENSORLAKE_API_URL`, `TENSORLAKE_API_KEY`,
    /// `TENSORLAKE_SANDBOX_PROXY_URL`, `TENSORLAKE_SANDBOX_API_URL`, `TENSORLAKE_ORGANIZATION_ID`,
    /// `TENSORLAKE_PROJECT_ID`, `INDEXIFY_NAMESPACE`.
    pub struct ConnectionOptions {
        /// The API's address. Default: `https://api.tensorlake.ai`.
        api_url: String,
        /// The lifecycle API's address. Default: derived from `apiUrl`.
        sandbox_api_url: String,
        /// The sandbox proxy's address, for servers that do not report one.
        proxy_url: String,
        /// The namespace on a self-hosted server. Default: `default`.
        namespace: String,
        /// Sent as `X-Forwarded-Organization-Id` if `projectId` is set too.
        organization_id: String,
        /// Sent as `X-Forwarded-Project-Id` if `organizationId` is set too.
        project_id: String,
        /// Retries of an idempotent request. Default: 3.
        max_retries: u32,
        /// Seconds until the head of the answer to a stream or a short request. Then the call rejects with
        /// `connect_timeout`. Default: 60.
        connect_timeout: Seconds,
        /// Seconds without a byte, keep-alives included, after which a connection counts as broken. Default: 45.
        idle_timeout: Seconds,
        /// Seconds until the head of the answer to a request that can take long, such as creating a
        /// sandbox or writing to stdin. Default: 300.
        request_timeout: Seconds,
    }

    /// Properties of a sandbox to create.
    pub struct CreateOptions {
        /// A name (a-z, 0-9, `-`; at most 63). Named sandboxes can be suspended; others are ephemeral.
        name: SandboxName,
        /// The image. Default: the server's. Local servers have no images and reject this option with `unsupported`.
        image: String,
        /// Variables of every command in the sandbox. A command's own `env` takes precedence. Rejects with
        /// `not_supported_by_server` if the server ignores this option; local servers do not.
        env: Variables,
        /// CPUs, for example 0.5. Default: the server's.
        cpus: f64,
        /// Memory in MB. Default: the server's.
        memory_mb: u32,
        /// Disk in MB. Default: the server's.
        disk_mb: u32,
        /// Lifetime in seconds. Then a named sandbox is suspended and an ephemeral one is terminated. Default: the
        /// server's.
        timeout_secs: u32,
        /// Program to run when the sandbox starts, and its arguments.
        entrypoint: List<String>,
        /// Names of secrets of the project that become environment variables.
        secret_names: List<String>,
        /// Whether the sandbox can reach the internet. Default: true.
        allow_internet_access: bool,
        /// Hosts, addresses or CIDR ranges that the sandbox can reach.
        allow_out: List<String>,
        /// Hosts, addresses or CIDR ranges that the sandbox cannot reach.
        deny_out: List<String>,
        /// Id of a snapshot to restore.
        snapshot_id: String,
        /// Ports in the sandbox that the proxy exposes. 9501 is reserved.
        exposed_ports: List<u16>,
        /// Whether exposed ports can be reached without a key. Default: false.
        allow_unauthenticated_access: bool,
        /// Whether a request to the suspended sandbox resumes it. Only a named sandbox can have `false`. Local servers always
        /// resume, and reject `false` with `unsupported`. Default: true.
        auto_resume: bool,
        /// Whether to wait until the sandbox runs. Default: true. With `false` the call resolves as soon as the server has
        /// reported the sandbox's address.
        wait: bool,
        /// Seconds until the sandbox must run. Then the call rejects with `start_timeout`. Default: 300.
        startup_timeout: Seconds,
    }

    /// Changes of a sandbox. Absent options are not changed.
    pub struct UpdateOptions {
        /// A name. An ephemeral sandbox that gets one can be suspended.
        name: SandboxName,
        /// Whether exposed ports can be reached without a key. Default: false.
        allow_unauthenticated_access: bool,
        /// Ports in the sandbox that the proxy exposes. Replaces the previous ones. 9501 is reserved.
        exposed_ports: List<u16>,
        /// Rules of the network. Replaces all previous rules. `null` removes every restriction.
        #[cfg_attr(feature = "ts", ts(optional, type = "NetworkRules | null"))]
        network: NetworkRules,
        /// Whether a request to the suspended sandbox resumes it.
        auto_resume: bool,
        /// Lifetime in seconds, counted from now; 0: no limit. A client that repeats the call keeps a sandbox that ends soon
        /// after the client. Only local servers change it; others reject with `not_supported_by_server` or `unsupported`.
        timeout_secs: u32,
        /// CPUs. Local servers reject a change of CPUs, memory and disk with `unsupported`. If a server changes them while
        /// the sandbox runs, `info()` shows the new values once they are in force.
        cpus: f64,
        /// Memory in MB.
        memory_mb: u32,
        /// Disk in MB.
        disk_mb: u32,
    }

    /// Rules of a sandbox's network.
    pub struct NetworkRules {
        /// Whether the sandbox can reach the internet. Default: true.
        allow_internet_access: bool,
        /// Hosts, addresses or CIDR ranges that the sandbox can reach.
        allow_out: List<String>,
        /// Hosts, addresses or CIDR ranges that the sandbox cannot reach.
        deny_out: List<String>,
    }

    /// Options of a snapshot.
    pub struct SnapshotOptions {
        /// `filesystem` contains the files, `memory` also the memory and running processes. Default: the server's.
        snapshot_type: SnapshotType,
    }

    /// Options of a copy of a sandbox.
    pub struct CopyOptions {
        /// Number of copies, at least 1. Default: 1.
        times: u32,
    }

    /// Options of suspending and resuming a sandbox.
    pub struct TurnOptions {
        /// Whether to wait until the sandbox is suspended or runs. Default: true.
        wait: bool,
        /// Seconds to wait at most. Default: 300.
        timeout: Seconds,
    }

    /// Options of a list of sandboxes.
    pub struct ListOptions {
        /// Lists only sandboxes with this status, for example `running`. Default: all.
        status: SandboxStatus,
        /// Sandboxes per page. All pages are read in any case. Default: the server's.
        limit: u32,
    }

    /// How often and how fast a broken stream reconnects.
    pub struct Reconnect {
        /// Attempts in a row without a new event, after which the stream fails. Keep-alives do not count as events. 0
        /// disables reconnecting. Raise it for a quiet process behind a proxy that ends long connections. Default: 10.
        max_attempts: u32,
        /// Longest delay between two attempts, in ms. Delays double from 100 ms, with jitter. Default: 5000.
        max_delay_ms: u32,
    }

    /// Options of following output.
    pub struct FollowOptions {
        /// Attempts and delays of reconnecting.
        reconnect: Reconnect,
        /// Seconds without a byte, keep-alives included, after which the client reconnects. Default: the sandbox's, 45.
        idle_timeout: Seconds,
        /// Longest line, in bytes. Default: 16 MiB.
        max_line_bytes: u32,
        /// What happens to a longer line. `error`: the iteration throws `line_too_long`. `cut`: the line is cut at the limit
        /// and has `event.truncated`. Default: `error`.
        long_line: OnLongLine,
        /// How the output is fetched. `websocket`: all outputs of a sandbox share one WebSocket, which is for pages:
        /// a browser has six connections to a host, in all its tabs. It needs a server with channels, such as the
        /// local one. `eventsource` is for pages whose proxy drops streams of `fetch`: it sends no headers, so the
        /// address must need no key. `auto`: `websocket` in browsers where the server has channels, else `fetch`,
        /// or `eventsource` where `fetch` cannot stream. Default: `fetch`.
        transport: FollowTransport,
        /// When the iteration ends. `eof`: when no process holds the output open any more. `exit`: with the process, if the
        /// server marks that. Default: `eof`.
        until: FollowUntil,
        /// Whether an unfinished line, such as a prompt, is delivered as it grows, if the server sends it: as events with
        /// `partial`. The last event of the line is not partial. Default: `false`, each event is a whole line.
        pieces: bool,
        /// Position to continue after, from `cursor()` of another follow of the same stream. Default: the start.
        after: Cursor,
    }

    /// Position in a process's output.
    pub struct Cursor {
        /// Id of the last event, if the server sends ids.
        last_id: String,
        /// Delivered events of stdout (or of no stream) and of stderr.
        counts: List<Count>,
        /// Delivered bytes of the unfinished lines of stdout (or of no stream) and of stderr. Absent
        /// if no line is unfinished.
        unfinished: List<Count>,
    }

    /// User and group of a process.
    pub struct ProcessUserParts {
        /// The user's name.
        name: String,
        /// The user's numeric id.
        uid: u32,
        /// The group's numeric id.
        gid: u32,
    }

    /// Options of starting a process.
    pub struct StartOptions {
        /// Arguments, passed unchanged: no shell expands them.
        args: List<String>,
        /// Variables added to the sandbox's environment. Undefined values are ignored, so that `process.env` can be passed.
        env: Variables,
        /// Working directory. Default: the sandbox's.
        working_dir: String,
        /// User to run as. Default: the sandbox's user.
        user: ProcessUser,
        /// `closed`: the input is empty. `pipe`: `writeStdin` writes to it. Default: `closed`.
        stdin_mode: StdinMode,
        /// `capture` or `discard`. Default: `capture`.
        stdout_mode: OutputMode,
        /// `capture` or `discard`. Default: `capture`.
        stderr_mode: OutputMode,
        /// Makes it a managed process with this name, by which calls can address it. No `/`, not only digits.
        name: ProcessName,
        /// Makes it a managed process that the server restarts.
        restart: RestartPolicy,
        /// Makes it a managed process whose health the server checks.
        health_check: HealthCheck,
    }

    /// Options of opening a terminal.
    pub struct CreatePtyOptions {
        /// Program to run, for example `bash`.
        #[cfg_attr(feature = "ts", ts(optional = false, type = "string"))]
        command: String,
        /// Arguments, passed unchanged: no shell expands them.
        args: List<String>,
        /// Variables added to the sandbox's environment. Undefined values are ignored, so that `process.env` can be passed.
        env: Variables,
        /// Working directory. Default: the sandbox's.
        working_dir: String,
        /// Rows, from 1 to 500. Default: 24.
        rows: u16,
        /// Columns, from 1 to 1000. Default: 80.
        cols: u16,
    }

    /// Options of running a command.
    pub struct RunOptions {
        /// Arguments, passed unchanged: no shell expands them.
        args: List<String>,
        /// Variables added to the sandbox's environment. Undefined values are ignored, so that `process.env` can be passed.
        env: Variables,
        /// Working directory. Default: the sandbox's.
        working_dir: String,
        /// User to run as. Default: the sandbox's user.
        user: ProcessUser,
        /// Seconds after which the command is killed. The result then has `timedOut`. Default: none.
        timeout: Seconds,
        /// Bytes of each stream that the result keeps: half from the start and half from the end. `truncated` says what is
        /// missing. Default: everything, up to 256 MiB; more rejects with `output_too_large`.
        max_output_bytes: u32,
        /// Whether an abort kills the command or leaves it running. Default: `kill`. Applies also when the client rejects
        /// the output: `line_too_long`, `output_too_large` and `malformed_event`.
        on_abort: OnAbort,
        /// Attempts and delays of reconnecting.
        reconnect: Reconnect,
        /// Seconds without a byte, keep-alives included, after which the client reconnects.
        /// Default: the sandbox's, 45.
        idle_timeout: Seconds,
        /// Longest line, in bytes. Default: 16 MiB.
        max_line_bytes: u32,
        /// What happens to a longer line. `error`: the call rejects with `line_too_long`. `cut`: the line is cut at the limit.
        /// Default: `error`.
        long_line: OnLongLine,
        /// Whether an unfinished line, such as a prompt, is delivered as it grows, if the server sends it: as events with
        /// `partial`. The last event of the line is not partial. Default: `true` for `onStdout` and `onStderr`, `false` for
        /// an iteration, where each event is a whole line. The result is the same.
        pieces: bool,
        /// Transport of the command and its output, as for a follow. A command with more than 64 KB of arguments and
        /// variables is sent by `fetch`. Default: `fetch`.
        transport: RunTransport,
    }
}

/// The members of options, as the shim numbers them.
const TABLES: [&[Field]; 11] = [
    ConnectionOptions::FIELDS,
    CreateOptions::FIELDS,
    ListOptions::FIELDS,
    UpdateOptions::FIELDS,
    SnapshotOptions::FIELDS,
    CopyOptions::FIELDS,
    TurnOptions::FIELDS,
    StartOptions::FIELDS,
    RunOptions::FIELDS,
    FollowOptions::FIELDS,
    CreatePtyOptions::FIELDS,
];

/// The names of the options of a table; see [`names`].
pub(crate) fn option_names(table: usize) -> Object {
    names(TABLES.get(table).copied().unwrap_or_default())
}

/// A duration in ms.
type Millis = u32;

macro_rules! settings {
    ($($(#[$attr:meta])* $name:ident as $info:ident {
        { $($(#[$required_attr:meta])* $required:ident: $required_type:ty,)* }
        { $($(#[$field_attr:meta])* $field:ident: $presence:ident<$type:ty> $(= $default:tt)?,)* }
    })*) => { $(
        $(#[$attr])*
        #[derive(Debug)]
        #[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename_all = "camelCase", optional_fields))]
        pub struct $name {
            $($(#[$required_attr])* pub $required: $required_type,)*
            $(
                $(#[$field_attr])*
                $(#[doc = concat!(" Default: `", stringify!($default), "`.")])?
                pub $field: Option<$type>,
            )*
        }

        impl Shape for $name {
            const KIND: Kind = Kind::Object(&[
                $(Field {
                    name: stringify!($required),
                    kind: <$required_type as Shape>::KIND,
                },)*
                $(Field { name: stringify!($field), kind: <$type as Shape>::KIND },)*
            ]);
        }
    )* };
}

shoreline_protocol::process_settings!(settings);

/// User of a process: a name, a uid, `uid:gid`, or the same as an object.
#[derive(Debug)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(untagged))]
pub enum ProcessUser {
    /// `"alice"`, `"1000"`, `"1000:1000"`.
    Text(String),
    /// By parts.
    Parts(ProcessUserParts),
}

impl Shape for ProcessUser {
    const KIND: Kind = Kind::TextOr(&ProcessUserParts::KIND);
}
