//! What callers get of an answer, declared for TypeScript; `answers` makes it.

use super::Time;

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
    /// A process.
    pub struct ProcessInfo {
        /// The server's stable number for it; not an address.
        #[ts(optional, type = "number")]
        handle: Option<f64>,
        /// The process id inside the sandbox.
        pid: u32,
        /// What it is doing, or how it ended.
        #[ts(type = "\"running\" | \"exited\" | \"signaled\" | \"oom_killed\"")]
        status: String,
        /// The exit code, 0 to 255, once `exited`. Absent when the server lost it.
        exit_code: Option<i32>,
        /// The number of the signal that ended it.
        signal: Option<i32>,
        /// Whether the memory limit ended it.
        oom_killed: bool,
        /// Why it ended, where the server says so.
        #[ts(optional, type = "\"exited\" | \"signaled\" | \"timed_out\" | \"oom_killed\"")]
        reason: Option<String>,
        /// Whether `writeStdin` is taken now.
        stdin_writable: bool,
        /// The command.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// When it started.
        started_at: Time,
        /// When it ended.
        ended_at: Option<Time>,
        /// For a managed process.
        managed: Option<ManagedProcessInfo>,
    }

    /// What the server does for a managed process.
    pub struct ManagedProcessInfo {
        /// Its name, or an opaque id; only a name is an address.
        id: String,
        /// Its name.
        name: Option<String>,
        /// What supervision is doing.
        #[ts(type = "\"starting\" | \"running\" | \"backing_off\" | \"stopped\"")]
        status: String,
        /// How often it was started again.
        restart_count: u32,
        /// The policy in force.
        restart: Option<RestartPolicyInfo>,
        /// The check in force.
        health_check: Option<HealthCheckInfo>,
        /// What the check says.
        #[ts(type = "\"disabled\" | \"starting\" | \"healthy\" | \"unhealthy\"")]
        health_status: String,
        /// Failures in a row.
        consecutive_health_failures: u32,
        /// How it ended the last time.
        last_exit: Option<ManagedProcessExit>,
        /// Why it could not be started the last time.
        last_error: Option<String>,
        /// When it is started again.
        next_restart_at: Option<Time>,
    }

    /// The restart policy in force. Times in ms.
    pub struct RestartPolicyInfo {
        /// When it is started again.
        policy: String,
        /// How often at the most; absent is without end.
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
        /// Which path is asked for, of `http`.
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
        exit_code: Option<i32>,
        /// The signal.
        signal: Option<i32>,
        /// Whether the memory limit ended it.
        oom_killed: bool,
        /// When.
        ended_at: Time,
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
        isolation: Option<String>,
        /// What holds them to their resources; the local server says it.
        limits: Option<String>,
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
        /// What lets in whoever has it.
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
        /// How; absent for a signal, or where the server lost it.
        exit_code: Option<i32>,
        /// Whether it goes on.
        is_alive: bool,
        /// Whether the memory limit ended it.
        oom_killed: Option<bool>,
    }

    /// Something in a directory.
    pub struct DirectoryEntry {
        /// Its name.
        name: String,
        /// Whether it is a directory.
        is_dir: bool,
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
        /// Its state, in lower case: `pending`, `running`, `snapshotting`, `suspending`,
        /// `suspended`, `terminated`, `timeout`, `failed`, or what a newer server says.
        status: String,
        /// Its image.
        image: Option<String>,
        /// What it has.
        resources: Option<Resources>,
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
}
