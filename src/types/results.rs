//! The TypeScript types of answers. `answers` makes the objects.

use super::{Nullable, SandboxStatus, Time};

pub use process::*;

/// Records, from the protocol's tables.
mod process {
    use super::super::{Count as Number, Nullable};
    use super::super::{HealthStatus, LimitScope, ManagedStatus, ProcessStatus, Reason, Time};
    use super::settings::{HealthCheckInfo as HealthCheck, RestartPolicyInfo as RestartPolicy};

    type Always<T> = T;
    type Expected<T> = Option<T>;
    type OrNull<T> = Option<T>;
    type OrAbsent<T> = Option<T>;

    macro_rules! records {
        ($($(#[$attr:meta])* $name:ident {
            $($(#[$field_attr:meta])* $field:ident: $presence:ident<$type:ty>,)*
        })*) => { $(
            $(#[$attr])*
            #[derive(ts_rs::TS)]
            #[ts(rename_all = "camelCase", optional_fields)]
            pub struct $name { $($(#[$field_attr])* pub $field: $presence<$type>,)* }
        )* };
    }

    shoreline_protocol::process_records!(records);
    shoreline_protocol::sandbox_records!(records);
}

pub use settings::*;

/// The settings of a managed process as its record shows them.
mod settings {
    type Defaulted<T> = T;
    type OrNull<T> = Option<T>;
    type OrAbsent<T> = Option<T>;
    type Millis = u32;
    // A newer server may have other words than the options take.
    type RestartWhen = String;
    type HealthType = String;

    macro_rules! settings {
        ($($(#[$attr:meta])* $name:ident as $info:ident {
            { $($(#[$required_attr:meta])* $required:ident: $required_type:ty,)* }
            { $($(#[$field_attr:meta])* $field:ident: $presence:ident<$type:ty> $(= $default:tt)?,)* }
        })*) => { $(
            $(#[$attr])*
            #[derive(ts_rs::TS)]
            #[ts(rename_all = "camelCase", optional_fields)]
            pub struct $info {
                $($(#[$required_attr])* pub $required: $required_type,)*
                $($(#[$field_attr])* pub $field: $presence<$type>,)*
            }
        )* };
    }

    shoreline_protocol::process_settings!(settings);
}

macro_rules! results {
    ($($(#[$attr:meta])* pub struct $name:ident { $($(#[$field_attr:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$attr])*
            #[derive(ts_rs::TS)]
            #[ts(rename_all = "camelCase", optional_fields)]
            pub struct $name {
                $($(#[$field_attr])* pub $field: $type,)*
            }
        )*
    };
}

results! {
    /// Captured output, as lines without terminators.
    pub struct OutputResponse {
        /// The process.
        pid: u32,
        /// The lines.
        lines: Vec<String>,
        /// How many.
        line_count: u32,
    }

    /// Whether the sandbox works.
    pub struct HealthResponse {
        /// Whether it does.
        healthy: bool,
    }

    /// What runs inside the sandbox to serve it.
    pub struct DaemonInfo {
        /// Its version.
        version: String,
        /// For how long it has run, in seconds.
        uptime_secs: f64,
        /// Processes that run.
        running_processes: u32,
        /// Processes that it knows.
        total_processes: u32,
        /// What keeps sandboxes apart; the local server says it.
        isolation: Option<String>,
        /// What holds them to their resources; the local server says it.
        limits: Option<String>,
        /// What this sandbox's limits hold for; the local server says it.
        enforced: Option<EnforcedLimits>,
        /// Whether one side of a tunnel can end while the other goes on; the local server says it.
        tunnel_half_close: Option<bool>,
        /// How many outputs can share a WebSocket (`transport`); the local server says it.
        channels: Option<u32>,
    }

    /// What a signal's sender is told.
    pub struct SendSignalResponse {
        /// Whether it was sent.
        success: bool,
    }

    /// A new terminal's session, as `connectPty` takes it.
    pub struct PtySessionInfo {
        /// Its id.
        session_id: String,
        /// Secret that authorizes attaching to the session.
        token: String,
    }

    /// A terminal's session.
    pub struct PtyInfo {
        /// Its id.
        session_id: String,
        /// The process in it.
        pid: u32,
        /// The command.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// How many rows it has.
        rows: u16,
        /// How many columns.
        cols: u16,
        /// When it was opened.
        created_at: Time,
        /// When it ended.
        ended_at: Option<Time>,
        /// The exit code. `null` before, for a signal, and if the server lost it.
        exit_code: Nullable<i32>,
        /// The number of the signal that ended it, where the server says so; the local server does. Else `null`.
        signal: Nullable<i32>,
        /// Whether it goes on.
        is_alive: bool,
        /// Whether the memory limit ended it.
        oom_killed: bool,
    }

    /// Something in a directory.
    pub struct DirectoryEntry {
        /// Its name.
        name: String,
        /// Whether it is a directory.
        is_dir: bool,
        /// Whether it is a symbolic link, where the server says so; the local server does.
        is_link: Option<bool>,
        /// The permission bits, where the server says them; the local server does.
        #[ts(optional, type = "number")]
        mode: Option<f64>,
        /// How many bytes; absent for a directory.
        #[ts(optional, type = "number")]
        size: Option<f64>,
        /// When it was last changed.
        modified_at: Option<Time>,
    }

    /// What is in a directory.
    pub struct ListDirectoryResponse {
        /// The directory, as it was asked for.
        path: String,
        /// Directories first, then by name.
        entries: Vec<DirectoryEntry>,
    }

    /// What a sandbox has.
    pub struct Resources {
        /// Processors.
        cpus: f64,
        /// Memory, MB.
        memory_mb: f64,
        /// Disk, MB.
        disk_mb: Option<f64>,
    }

    /// What a sandbox can reach.
    pub struct NetworkPolicy {
        /// Whether the internet can be reached.
        allow_internet_access: bool,
        /// What can be.
        allow_out: Vec<String>,
        /// What cannot be.
        deny_out: Vec<String>,
    }

    /// A sandbox.
    pub struct SandboxInfo {
        /// Its id.
        sandbox_id: String,
        /// Its name; ephemeral sandboxes have none.
        name: Option<String>,
        /// Its namespace.
        namespace: Option<String>,
        /// Its state, in lower case. A newer server may have other words.
        status: SandboxStatus,
        /// Its image.
        image: Option<String>,
        /// Its CPUs, memory and disk.
        resources: Option<Resources>,
        /// What the limits on `resources` hold for; the local server says it.
        enforced: Option<EnforcedLimits>,
        /// When it was made.
        created_at: Option<Time>,
        /// When it ended.
        terminated_at: Option<Time>,
        /// Its time limit in seconds.
        timeout_secs: Option<f64>,
        /// What ran at its start.
        entrypoint: Option<Vec<String>>,
        /// Why it waits.
        pending_reason: Option<String>,
        /// How it ended.
        outcome: Option<String>,
        /// Why it ended.
        termination_reason: Option<String>,
        /// What it can reach.
        network: Option<NetworkPolicy>,
        /// Ports that the proxy makes reachable.
        exposed_ports: Option<Vec<u16>>,
        /// Whether these need no key.
        allow_unauthenticated_access: Option<bool>,
        /// Where its proxy is.
        ingress_endpoint: Option<String>,
        /// Its base address.
        sandbox_url: Option<String>,
        /// Sent back as `X-Tensorlake-Route-Hint`.
        routing_hint: Option<String>,
    }

    /// A snapshot of a sandbox.
    pub struct SnapshotInfo {
        /// Its id: the `snapshotId` of `Sandbox.create`.
        snapshot_id: String,
        /// The sandbox that it was taken of.
        sandbox_id: Option<String>,
        /// Its namespace.
        namespace: Option<String>,
        /// Its state, in lower case: `in_progress`, `local_ready`, `completed`, `failed`, `deleting`, or what a newer
        /// server says. A sandbox can be made of it from `local_ready` on.
        status: String,
        /// What it holds: `memory` or `filesystem`.
        snapshot_type: Option<String>,
        /// The image of the sandbox.
        base_image: Option<String>,
        /// Why it failed.
        error: Option<String>,
        /// Where it is stored.
        snapshot_uri: Option<String>,
        /// Its size, in bytes.
        size_bytes: Option<f64>,
        /// The size of the disk that it holds, in bytes.
        rootfs_disk_bytes: Option<f64>,
        /// When it was taken.
        created_at: Option<Time>,
    }

    /// A copy of a sandbox.
    pub struct SandboxCopy {
        /// Its id.
        sandbox_id: String,
        /// Its state, for example `running`, or `failed` where it could not be made.
        status: String,
        /// Its name.
        name: Option<String>,
        /// Why it is in that state.
        reason: Option<String>,
        /// Its base address.
        sandbox_url: Option<String>,
    }

    /// The copies of a sandbox.
    pub struct SandboxCopies {
        /// The sandbox that was copied.
        source_sandbox_id: String,
        /// The copies, also those that could not be made.
        sandboxes: Vec<SandboxCopy>,
    }
}
