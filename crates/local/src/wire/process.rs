//! Processes (protocol, section 6).

use serde::{Deserialize, Serialize};
use shoreline_protocol::exit::Reason;
use std::collections::BTreeMap;

/// What standard input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StdinMode {
    /// Empty.
    #[default]
    Closed,
    /// Fed by requests.
    Pipe,
}

/// What becomes of an output stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutputMode {
    /// It is logged.
    #[default]
    Capture,
    /// It is thrown away.
    Discard,
}

/// Who a process runs as.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum User {
    /// `name`, `uid` or `uid:gid`.
    Text(String),
    /// By parts.
    Parts {
        /// The name.
        #[serde(default)]
        name: Option<String>,
        /// The numeric id.
        #[serde(default)]
        uid: Option<u32>,
        /// The group's numeric id.
        #[serde(default)]
        gid: Option<u32>,
    },
}

/// The body of a start, and with `timeout` of a run.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StartRequest {
    /// The executable.
    pub(crate) command: String,
    /// Its arguments.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// Added to the environment.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Where it starts.
    #[serde(default)]
    pub(crate) working_dir: Option<String>,
    /// Standard input.
    #[serde(default)]
    pub(crate) stdin_mode: StdinMode,
    /// Standard output.
    #[serde(default)]
    pub(crate) stdout_mode: OutputMode,
    /// Standard error.
    #[serde(default)]
    pub(crate) stderr_mode: OutputMode,
    /// Who it runs as.
    #[serde(default)]
    pub(crate) user: Option<User>,
    /// Seconds after which a run is killed.
    #[serde(default)]
    pub(crate) timeout: Option<f64>,
    /// Makes it a managed process with this address.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Makes it a managed process that is started again.
    #[serde(default)]
    pub(crate) restart: Option<RestartPolicy>,
    /// Makes it a managed process whose health is watched.
    #[serde(default)]
    pub(crate) health_check: Option<HealthCheck>,
}

/// When a managed process is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Restart {
    Never,
    #[default]
    OnFailure,
    Always,
}

/// How a managed process is started again (protocol, 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct RestartPolicy {
    /// When.
    pub(crate) policy: Restart,
    /// How often at the most; nothing is without end.
    pub(crate) max_restarts: Option<u32>,
    /// The first wait, which doubles.
    pub(crate) initial_backoff_ms: u64,
    /// The longest wait.
    pub(crate) max_backoff_ms: u64,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            policy: Restart::OnFailure,
            max_restarts: None,
            initial_backoff_ms: 500,
            max_backoff_ms: 30_000,
        }
    }
}

/// What is asked of a managed process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HealthCheckType {
    /// An HTTP request, which is answered with 200 to 399.
    Http,
    /// A connection.
    Tcp,
}

/// How the health of a managed process is watched (protocol, 6.4).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct HealthCheck {
    /// What is asked.
    pub(crate) r#type: HealthCheckType,
    /// The port inside.
    pub(crate) port: u16,
    /// For HTTP; nothing is `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// Before the first check.
    #[serde(default = "default_initial_delay")]
    pub(crate) initial_delay_ms: u64,
    /// Between checks.
    #[serde(default = "default_interval")]
    pub(crate) interval_ms: u64,
    /// For one check.
    #[serde(default = "default_timeout")]
    pub(crate) timeout_ms: u64,
    /// Failures in a row that make it unhealthy.
    #[serde(default = "default_threshold")]
    pub(crate) failure_threshold: u32,
}

const fn default_initial_delay() -> u64 {
    5000
}

const fn default_interval() -> u64 {
    1000
}

const fn default_timeout() -> u64 {
    500
}

const fn default_threshold() -> u32 {
    3
}

/// What supervision is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ManagedStatus {
    Starting,
    Running,
    BackingOff,
    Stopped,
}

/// What the health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HealthStatus {
    Disabled,
    Starting,
    Healthy,
    Unhealthy,
}

/// How a managed process ended before.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LastExit {
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) oom_killed: bool,
    /// Milliseconds since the epoch.
    pub(crate) ended_at: u64,
}

/// What supervision tells of a process.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ManagedInfo {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) status: ManagedStatus,
    pub(crate) restart_count: u32,
    pub(crate) restart: RestartPolicy,
    pub(crate) health_check: Option<HealthCheck>,
    pub(crate) health_status: HealthStatus,
    pub(crate) consecutive_health_failures: u32,
    pub(crate) last_exit: Option<LastExit>,
    pub(crate) last_error: Option<String>,
    /// Milliseconds since the epoch.
    pub(crate) next_restart_at: Option<u64>,
}

/// The state of a process, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Running,
    Exited,
    Signaled,
    OomKilled,
}

/// A process, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ProcessInfo {
    pub(crate) handle: u64,
    pub(crate) pid: u32,
    pub(crate) status: Status,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Beyond the public protocol, as in a run's exit event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    pub(crate) stdin_writable: bool,
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    /// Milliseconds since the epoch.
    pub(crate) started_at: u64,
    /// Milliseconds since the epoch.
    pub(crate) ended_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) managed: Option<ManagedInfo>,
}

/// The list of processes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ProcessList {
    pub(crate) processes: Vec<ProcessInfo>,
}

/// A signal to send.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct SignalRequest {
    /// Its number.
    pub(crate) signal: i64,
}
