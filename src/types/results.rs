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
        /// The process id.
        pid: u32,
        /// The lines.
        lines: Vec<String>,
        /// Number of lines.
        line_count: u32,
    }

    /// Health of a sandbox.
    pub struct HealthResponse {
        /// Whether its daemon works.
        healthy: bool,
    }

    /// The daemon that serves a sandbox from inside.
    pub struct DaemonInfo {
        /// Its version.
        version: String,
        /// Seconds since it started.
        uptime_secs: f64,
        /// Number of running processes.
        running_processes: u32,
        /// Number of processes that it knows, ended ones included.
        total_processes: u32,
        /// Isolation level of the sandbox. Only from local servers.
        isolation: Option<String>,
        /// Mechanism that enforces resource limits. Only from local servers.
        limits: Option<String>,
        /// Scope of each resource limit of this sandbox. Only from local servers.
        enforced: Option<EnforcedLimits>,
        /// Whether one side of a tunnel can end while the other continues. Only from local servers.
        tunnel_half_close: Option<bool>,
        /// Number of outputs that can share a WebSocket (`transport`). Only from local servers.
        channels: Option<u32>,
    }

    /// Answer to a signal.
    pub struct SendSignalResponse {
        /// Whether it was sent.
        success: bool,
    }

    /// Id and secret of a terminal session, the arguments of `connectPty`.
    pub struct PtySessionInfo {
        /// Its id.
        session_id: String,
        /// Secret that authorizes attaching to the session.
        token: String,
    }

    /// A terminal session.
    pub struct PtyInfo {
        /// Its id.
        session_id: String,
        /// Its process id.
        pid: u32,
        /// The command.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Rows.
        rows: u16,
        /// Columns.
        cols: u16,
        /// When it was opened.
        created_at: Time,
        /// When it ended.
        ended_at: Option<Time>,
        /// The exit code. `null` while it runs, if a signal ended it, and if the server lost it.
        exit_code: Nullable<i32>,
        /// The number of the signal that ended it. `null` if none did or if the server does not report signals; local servers do.
        signal: Nullable<i32>,
        /// Whether its process runs.
        is_alive: bool,
        /// Whether the memory limit ended it.
        oom_killed: bool,
    }

    /// An entry of a directory.
    pub struct DirectoryEntry {
        /// Its name.
        name: String,
        /// Whether it is a directory.
        is_dir: bool,
        /// Whether it is a symbolic link. Absent if the server does not report it; local servers do.
        is_link: Option<bool>,
        /// The permission bits. Absent if the server does not report them; local servers do.
        #[ts(optional, type = "number")]
        mode: Option<f64>,
        /// Size in bytes. Absent for a directory.
        #[ts(optional, type = "number")]
        size: Option<f64>,
        /// When its content was last modified.
        modified_at: Option<Time>,
    }

    /// The content of a directory.
    pub struct ListDirectoryResponse {
        /// The path of the request.
        path: String,
        /// Directories first, then by name.
        entries: Vec<DirectoryEntry>,
    }

    /// CPUs, memory and disk of a sandbox.
    pub struct Resources {
        /// CPUs.
        cpus: f64,
        /// Memory in MB.
        memory_mb: f64,
        /// Disk in MB.
        disk_mb: Option<f64>,
    }

    /// Rules of a sandbox's network.
    pub struct NetworkPolicy {
        /// Whether the sandbox can reach the internet.
        allow_internet_access: bool,
        /// Hosts, addresses or CIDR ranges that it can reach.
        allow_out: Vec<String>,
        /// Hosts, addresses or CIDR ranges that it cannot reach.
        deny_out: Vec<String>,
    }

    /// The record of a sandbox.
    pub struct SandboxInfo {
        /// Its id.
        sandbox_id: String,
        /// Its name. Absent for an ephemeral sandbox.
        name: Option<String>,
        /// Its namespace.
        namespace: Option<String>,
        /// Its status, in lower case. A newer server can send other values.
        status: SandboxStatus,
        /// Its image.
        image: Option<String>,
        /// Its CPUs, memory and disk.
        resources: Option<Resources>,
        /// Scope of each limit in `resources`. Only from local servers.
        enforced: Option<EnforcedLimits>,
        /// When it was created.
        created_at: Option<Time>,
        /// When it ended.
        terminated_at: Option<Time>,
        /// Its lifetime in seconds.
        timeout_secs: Option<f64>,
        /// Program that ran at its start, and its arguments.
        entrypoint: Option<Vec<String>>,
        /// Why it is pending.
        pending_reason: Option<String>,
        /// How it ended.
        outcome: Option<String>,
        /// Why it ended.
        termination_reason: Option<String>,
        /// The rules of its network.
        network: Option<NetworkPolicy>,
        /// Ports that the proxy exposes.
        exposed_ports: Option<Vec<u16>>,
        /// Whether exposed ports can be reached without a key.
        allow_unauthenticated_access: Option<bool>,
        /// The address of its proxy.
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
        /// The sandbox that it was taken from.
        sandbox_id: Option<String>,
        /// Its namespace.
        namespace: Option<String>,
        /// Its state, in lower case: `in_progress`, `local_ready`, `completed`, `failed`, `deleting`, or a value of
        /// a newer server. From `local_ready` on, a sandbox can be created from it.
        status: String,
        /// Its content: `memory` or `filesystem`.
        snapshot_type: Option<String>,
        /// The image of the sandbox.
        base_image: Option<String>,
        /// Why it failed.
        error: Option<String>,
        /// The address of its storage.
        snapshot_uri: Option<String>,
        /// Its size, in bytes.
        size_bytes: Option<f64>,
        /// The size of its disk, in bytes.
        rootfs_disk_bytes: Option<f64>,
        /// When it was taken.
        created_at: Option<Time>,
    }

    /// A copy of a sandbox.
    pub struct SandboxCopy {
        /// Its id.
        sandbox_id: String,
        /// Its status, for example `running`, or `failed` if it could not be created.
        status: String,
        /// Its name.
        name: Option<String>,
        /// Why it has that status.
        reason: Option<String>,
        /// Its base address.
        sandbox_url: Option<String>,
    }

    /// The copies of a sandbox.
    pub struct SandboxCopies {
        /// The sandbox that was copied.
        source_sandbox_id: String,
        /// The copies, failed ones included.
        sandboxes: Vec<SandboxCopy>,
    }
}
