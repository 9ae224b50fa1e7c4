//! What servers answer.

use super::Time;
use super::values::exit_code;
use serde::{Deserialize, Serialize};

macro_rules! results {
    ($($(#[$attr:meta])* pub struct $name:ident { $($(#[$field_attr:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$attr])*
            #[derive(Clone, Debug, Deserialize, Serialize)]
            #[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename_all = "camelCase", optional_fields))]
            #[serde(rename_all(deserialize = "snake_case", serialize = "camelCase"))]
            pub struct $name {
                $($(#[$field_attr])* pub $field: $type,)*
            }
        )*
    };
}

results! {
    /// A process.
    pub struct ProcessInfo {
        /// The server's stable number for it; not an address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        handle: Option<f64>,
        /// The process id inside the sandbox.
        pid: u32,
        /// What it is doing, or how it ended.
        #[cfg_attr(feature = "ts", ts(type = "\"running\" | \"exited\" | \"signaled\" | \"oom_killed\""))]
        status: String,
        /// The exit code, once `exited`. Absent when the server lost it.
        #[serde(default, deserialize_with = "exit_code", skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        /// The signal that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// Whether the memory limit ended it.
        #[serde(default)]
        oom_killed: bool,
        /// Whether `writeStdin` is taken now.
        #[serde(default)]
        stdin_writable: bool,
        /// The command.
        command: String,
        /// Its arguments.
        #[serde(default)]
        args: Vec<String>,
        /// When it started.
        started_at: Time,
        /// When it ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended_at: Option<Time>,
        /// For a managed process.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        managed: Option<ManagedProcessInfo>,
    }

    /// What the server does for a managed process.
    pub struct ManagedProcessInfo {
        /// Its name, or an opaque id; only a name is an address.
        id: String,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What supervision is doing.
        #[cfg_attr(feature = "ts", ts(type = "\"starting\" | \"running\" | \"backing_off\" | \"stopped\""))]
        status: String,
        /// How often it was started again.
        #[serde(default)]
        restart_count: u32,
        /// The policy in force.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart: Option<RestartPolicyInfo>,
        /// The check in force.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        health_check: Option<HealthCheckInfo>,
        /// What the check says.
        #[serde(default)]
        #[cfg_attr(feature = "ts", ts(type = "\"disabled\" | \"starting\" | \"healthy\" | \"unhealthy\""))]
        health_status: String,
        /// Failures in a row.
        #[serde(default)]
        consecutive_health_failures: u32,
        /// How it ended the last time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_exit: Option<ManagedProcessExit>,
        /// Why it could not be started the last time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_error: Option<String>,
        /// When it is started again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_restart_at: Option<Time>,
    }

    /// The restart policy in force. Times in ms.
    pub struct RestartPolicyInfo {
        /// When it is started again.
        policy: String,
        /// How often at the most; absent is without end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_restarts: Option<u32>,
        /// The first wait.
        initial_backoff_ms: u32,
        /// The longest wait.
        max_backoff_ms: u32,
    }

    /// The health check in force. Times in ms.
    pub struct HealthCheckInfo {
        /// What is asked.
        r#type: String,
        /// Which port inside.
        port: u16,
        /// For `http`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Before the first check.
        initial_delay_ms: u32,
        /// Between checks.
        interval_ms: u32,
        /// For one check.
        timeout_ms: u32,
        /// Failures in a row that make it unhealthy.
        failure_threshold: u32,
    }

    /// An earlier end of a managed process.
    pub struct ManagedProcessExit {
        /// The exit code.
        #[serde(default, deserialize_with = "exit_code", skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        /// The signal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// Whether the memory limit ended it.
        #[serde(default)]
        oom_killed: bool,
        /// When.
        ended_at: Time,
    }

    /// A list of processes.
    pub struct ProcessList {
        /// The processes.
        processes: Vec<ProcessInfo>,
    }

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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        isolation: Option<String>,
    }

    /// What a signal's sender is told.
    pub struct SendSignalResponse {
        /// Whether it was sent.
        success: bool,
    }

    /// What a sandbox has.
    pub struct Resources {
        /// Processors.
        #[serde(default)]
        cpus: f64,
        /// Memory, MB.
        #[serde(default)]
        memory_mb: f64,
        /// Disk, MB.
        #[serde(default, alias = "ephemeral_disk_mb", skip_serializing_if = "Option::is_none")]
        disk_mb: Option<f64>,
    }

    /// What a sandbox can reach.
    pub struct NetworkPolicy {
        /// Whether the internet can be reached.
        #[serde(default)]
        allow_internet_access: bool,
        /// What can be.
        #[serde(default)]
        allow_out: Vec<String>,
        /// What cannot be.
        #[serde(default)]
        deny_out: Vec<String>,
    }

    /// A sandbox.
    pub struct SandboxInfo {
        /// Its id.
        #[serde(alias = "id")]
        sandbox_id: String,
        /// Its name; ephemeral sandboxes have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its namespace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// Its state, in lower case: `pending`, `running`, `snapshotting`, `suspending`,
        /// `suspended`, `terminated`, `timeout`, `failed`, or what a newer server says.
        #[serde(alias = "state")]
        status: String,
        /// Its image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<String>,
        /// What it has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resources: Option<Resources>,
        /// When it was made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        created_at: Option<Time>,
        /// When it ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        terminated_at: Option<Time>,
        /// Its time limit in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_secs: Option<f64>,
        /// What ran at its start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entrypoint: Option<Vec<String>>,
        /// Why it waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pending_reason: Option<String>,
        /// How it ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<String>,
        /// Why it ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        termination_reason: Option<String>,
        /// What it can reach.
        #[serde(default, alias = "network_policy", skip_serializing_if = "Option::is_none")]
        network: Option<NetworkPolicy>,
        /// Ports that the proxy makes reachable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exposed_ports: Option<Vec<u16>>,
        /// Whether these need no key.
        #[serde(default, alias = "allow_unauthenticated_proxy_access", skip_serializing_if = "Option::is_none")]
        allow_unauthenticated_access: Option<bool>,
        /// Where its proxy is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ingress_endpoint: Option<String>,
        /// Its base address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sandbox_url: Option<String>,
        /// Sent back as `X-Tensorlake-Route-Hint`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        routing_hint: Option<String>,
    }
}

/// A page of sandboxes.
#[derive(Debug, Deserialize)]
pub(crate) struct SandboxPage {
    pub(crate) sandboxes: Vec<SandboxInfo>,
    #[serde(default, alias = "nextCursor", alias = "next_token", alias = "nextToken")]
    pub(crate) next_cursor: Option<String>,
}
