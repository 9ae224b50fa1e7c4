//! What callers give. One declaration makes what the core reads and what TypeScript knows.

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
    /// Where the sandboxes are and how to reach them. On Node, Bun and Deno what is absent is read
    /// from the environment: `TENSORLAKE_API_URL`, `TENSORLAKE_API_KEY`,
    /// `TENSORLAKE_SANDBOX_PROXY_URL`, `TENSORLAKE_SANDBOX_API_URL`, `TENSORLAKE_ORGANIZATION_ID`,
    /// `TENSORLAKE_PROJECT_ID`, `INDEXIFY_NAMESPACE`.
    pub struct ConnectionOptions {
        /// The API's address. Default: `https://api.tensorlake.ai`.
        api_url: String,
        /// The lifecycle API's address, where it does not follow from `apiUrl`.
        sandbox_api_url: String,
        /// The sandbox proxy's address, where the server does not say one.
        proxy_url: String,
        /// The namespace on a self-hosted server. Default: `default`.
        namespace: String,
        /// Sent as `X-Forwarded-Organization-Id`, when `projectId` is given too.
        organization_id: String,
        /// Sent as `X-Forwarded-Project-Id`, when `organizationId` is given too.
        project_id: String,
        /// How often a request that is safe to repeat is repeated. Default: 3.
        max_retries: u32,
        /// Seconds until a server must have begun its answer to a stream or a quick request. Default: 60.
        connect_timeout: Seconds,
        /// Seconds of silence after which a connection counts as broken. Default: 45.
        idle_timeout: Seconds,
        /// Seconds until a server must have begun its answer to a request that may take long, such
        /// as creating a sandbox or writing to stdin. Default: 300.
        request_timeout: Seconds,
    }

    /// A new sandbox.
    pub struct CreateOptions {
        /// A name (a-z, 0-9, `-`; at most 63). Named sandboxes can be suspended; others are ephemeral.
        name: SandboxName,
        /// The image. Default: the server's. Local servers have no other, and reject with `unsupported`.
        image: String,
        /// Variables of every command in the sandbox. A command's own `env` takes precedence. Rejects with
        /// `not_supported_by_server` if the server ignores this option; local servers do not.
        env: Variables,
        /// Processors, for example 0.5. Default: the server's.
        cpus: f64,
        /// Memory, MB. Default: the server's.
        memory_mb: u32,
        /// Disk, MB. Default: the server's.
        disk_mb: u32,
        /// Seconds after which a named sandbox is suspended and an ephemeral one terminated.
        timeout_secs: u32,
        /// The program that runs at the start, and its arguments.
        entrypoint: List<String>,
        /// Names of secrets to put into the environment.
        secret_names: List<String>,
        /// Whether the internet can be reached from inside. Default: true.
        allow_internet_access: bool,
        /// Hosts, addresses or CIDR ranges that can be reached.
        allow_out: List<String>,
        /// Hosts, addresses or CIDR ranges that cannot be reached.
        deny_out: List<String>,
        /// A snapshot to restore.
        snapshot_id: String,
        /// Ports inside that the proxy makes reachable. 9501 is reserved.
        exposed_ports: List<u16>,
        /// Whether exposed ports need no key.
        allow_unauthenticated_access: bool,
        /// Whether a request to the sandbox resumes it when it is suspended. Only a named sandbox can have `false`. Local
        /// servers resume always, and reject `false` with `unsupported`. Default: true.
        auto_resume: bool,
        /// Whether to wait until it runs. Default: true. Otherwise the call resolves once the server has said where the
        /// sandbox is.
        wait: bool,
        /// Seconds to wait until the sandbox runs. Default: 300.
        startup_timeout: Seconds,
    }

    /// What to change of a sandbox; what is absent stays.
    pub struct UpdateOptions {
        /// A name. An ephemeral sandbox that gets one can be suspended.
        name: SandboxName,
        /// Whether exposed ports need no key.
        allow_unauthenticated_access: bool,
        /// Ports inside that the proxy makes reachable, instead of those before. 9501 is reserved.
        exposed_ports: List<u16>,
        /// What can be reached from inside, instead of all rules before. `null` removes every restriction.
        #[cfg_attr(feature = "ts", ts(optional, type = "NetworkRules | null"))]
        network: NetworkRules,
        /// Whether a request to the sandbox resumes it when it is suspended.
        auto_resume: bool,
        /// Processors. Local servers reject a change of these three with `unsupported`. Where a server changes them while
        /// the sandbox runs, `info()` shows the new ones once they are in force.
        cpus: f64,
        /// Memory, MB.
        memory_mb: u32,
        /// Disk, MB.
        disk_mb: u32,
    }

    /// What a sandbox can reach.
    pub struct NetworkRules {
        /// Whether the internet can be reached from inside. Default: true.
        allow_internet_access: bool,
        /// Hosts, addresses or CIDR ranges that can be reached.
        allow_out: List<String>,
        /// Hosts, addresses or CIDR ranges that cannot be reached.
        deny_out: List<String>,
    }

    /// A snapshot to take.
    pub struct SnapshotOptions {
        /// `filesystem`: the files. `memory`: memory and running processes too. Default: the server's.
        snapshot_type: SnapshotType,
    }

    /// How a sandbox is copied.
    pub struct CopyOptions {
        /// How many copies, at least 1. Default: 1.
        times: u32,
    }

    /// How a sandbox is suspended or resumed.
    pub struct TurnOptions {
        /// Whether to wait until that is done. Default: true.
        wait: bool,
        /// Seconds to wait for it. Default: 300.
        timeout: Seconds,
    }

    /// Which sandboxes to list.
    pub struct ListOptions {
        /// Only those in this state, for example `running`.
        status: SandboxStatus,
        /// How many the server is asked for at a time; all pages are read in any case.
        limit: u32,
    }

    /// How often and how fast a broken stream reconnects.
    pub struct Reconnect {
        /// Tries in a row without a new event before it is given up; keep-alives do not count as events. Default:
        /// 10. 0 = never try. Raise it for a quiet process behind a proxy that ends long connections.
        max_attempts: u32,
        /// The longest wait between two tries, ms; waits double from 100 ms, with jitter. Default: 5000.
        max_delay_ms: u32,
    }

    /// How output is followed.
    pub struct FollowOptions {
        /// How a broken connection is resumed.
        reconnect: Reconnect,
        /// Seconds without a byte, keep-alives included, after which the client reconnects. Default: the sandbox's, 45.
        idle_timeout: Seconds,
        /// The longest line, in bytes. Default: 16 MiB.
        max_line_bytes: u32,
        /// What happens to a longer one: an error (`line_too_long`), or the line cut to the limit with
        /// `event.truncated`. Default: `error`.
        long_line: OnLongLine,
        /// How the output is fetched. `websocket`: all outputs of a sandbox share one WebSocket, which is for pages:
        /// a browser has six connections to a host, in all its tabs. It needs a server with channels, such as the
        /// local one. `eventsource` is for pages whose proxy drops streams of `fetch`: it sends no headers, so the
        /// address must need no key. `auto`: `websocket` in browsers where the server has channels, else `fetch`,
        /// or `eventsource` where `fetch` cannot stream. Default: `fetch`.
        transport: FollowTransport,
        /// Where it ends: with the output (`eof`), which lasts for as long as something that the process started
        /// holds it open; or with the process (`exit`), where the server marks that. Default: `eof`.
        until: FollowUntil,
        /// Whether an unfinished line, such as a prompt, is delivered as it grows, where the server sends
        /// it: as events with `partial`, of which only the last is without. Default: `false`, each event
        /// is a whole line.
        pieces: bool,
        /// Continue after what another follower of the same stream had; see `cursor()`.
        after: Cursor,
    }

    /// How far a stream has been followed.
    pub struct Cursor {
        /// The number of the last event, where the server numbers them.
        last_id: String,
        /// Events delivered of stdout (or of no stream) and of stderr.
        counts: List<Count>,
        /// Bytes delivered of the unfinished lines of stdout (or of no stream) and of stderr. Absent
        /// where there are none.
        unfinished: List<Count>,
    }

    /// Who a process runs as, by parts.
    pub struct ProcessUserParts {
        /// The user's name.
        name: String,
        /// The user's numeric id.
        uid: u32,
        /// The group's numeric id.
        gid: u32,
    }

    /// A process to start.
    pub struct StartOptions {
        /// Arguments; nothing is expanded, there is no shell.
        args: List<String>,
        /// Variables added to the sandbox's environment. Those that are undefined are left out: `process.env` fits.
        env: Variables,
        /// The directory to start in. Default: the sandbox's.
        working_dir: String,
        /// Who it runs as. Default: the sandbox's user.
        user: ProcessUser,
        /// `closed` (the default) is an empty input; `pipe` takes `writeStdin`.
        stdin_mode: StdinMode,
        /// `capture` (the default) or `discard`.
        stdout_mode: OutputMode,
        /// `capture` (the default) or `discard`.
        stderr_mode: OutputMode,
        /// Makes it a managed process, addressable by this name. No `/`, not only digits.
        name: ProcessName,
        /// Makes it a managed process that is started again.
        restart: RestartPolicy,
        /// Makes it a managed process whose health is watched.
        health_check: HealthCheck,
    }

    /// A terminal to open.
    pub struct CreatePtyOptions {
        /// What runs in it, for example `bash`.
        #[cfg_attr(feature = "ts", ts(optional = false, type = "string"))]
        command: String,
        /// Arguments; nothing is expanded.
        args: List<String>,
        /// Variables added to the sandbox's environment. Those that are undefined are left out: `process.env` fits.
        env: Variables,
        /// The directory to start in. Default: the sandbox's.
        working_dir: String,
        /// Rows, from 1 to 500. Default: 24.
        rows: u16,
        /// Columns, from 1 to 1000. Default: 80.
        cols: u16,
    }

    /// A command to run to its end.
    pub struct RunOptions {
        /// Arguments; nothing is expanded, there is no shell.
        args: List<String>,
        /// Variables added to the sandbox's environment. Those that are undefined are left out: `process.env` fits.
        env: Variables,
        /// The directory to start in. Default: the sandbox's.
        working_dir: String,
        /// Who it runs as. Default: the sandbox's user.
        user: ProcessUser,
        /// Seconds after which the command is killed, which the result tells as `timedOut`. Default: none.
        timeout: Seconds,
        /// Bytes of each stream that the result keeps: the first and the last half; `truncated` tells
        /// what is missing. Default: everything, up to 256 MiB; more is an error (`output_too_large`).
        max_output_bytes: u32,
        /// Whether an abort ends the command or leaves it running. Default: `kill`. The same applies to output that
        /// the client cannot take: `line_too_long`, `output_too_large` and `malformed_event`.
        on_abort: OnAbort,
        /// How a broken connection is resumed.
        reconnect: Reconnect,
        /// Seconds without a byte, keep-alives included, after which the client reconnects.
        /// Default: the sandbox's, 45.
        idle_timeout: Seconds,
        /// The longest line, in bytes. Default: 16 MiB.
        max_line_bytes: u32,
        /// What happens to a longer one: an error (`line_too_long`), or the line cut to the limit. Default: `error`.
        long_line: OnLongLine,
        /// Whether an unfinished line, such as a prompt, is delivered as it grows, where the server sends
        /// it: as events with `partial`, of which only the last is without. Default: `true` for `onStdout`
        /// and `onStderr`; `false` where the command is iterated, each event is a whole line. The result
        /// is the same.
        pieces: bool,
        /// How the command is sent and its output is fetched, as of a follow. A command whose arguments and variables
        /// are larger than 64 KB goes by `fetch`. Default: `fetch`.
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

/// Who a process runs as: a name, a uid, `uid:gid`, or the same as an object.
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
