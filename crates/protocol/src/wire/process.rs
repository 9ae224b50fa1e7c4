//! Processes (protocol, section 6).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::exit::Reason;
use serde::{Deserialize, Serialize};

/// What standard input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StdinMode {
    /// Empty.
    #[default]
    Closed,
    /// Fed by requests.
    Pipe,
}

/// What becomes of an output stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputMode {
    /// It is logged.
    #[default]
    Capture,
    /// It is thrown away.
    Discard,
}

/// Who a process runs as.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum User {
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
pub struct StartRequest {
    /// The executable.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Added to the environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Where it starts.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// Standard input.
    #[serde(default)]
    pub stdin_mode: StdinMode,
    /// Standard output.
    #[serde(default)]
    pub stdout_mode: OutputMode,
    /// Standard error.
    #[serde(default)]
    pub stderr_mode: OutputMode,
    /// Who it runs as.
    #[serde(default)]
    pub user: Option<User>,
    /// Seconds after which a run is killed.
    #[serde(default)]
    pub timeout: Option<f64>,
    /// Makes it a managed process with this address.
    #[serde(default)]
    pub name: Option<String>,
    /// Makes it a managed process that is started again.
    #[serde(default)]
    pub restart: Option<RestartPolicy>,
    /// Makes it a managed process whose health is watched.
    #[serde(default)]
    pub health_check: Option<HealthCheck>,
}

/// When a managed process is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Restart {
    Never,
    #[default]
    OnFailure,
    Always,
}

/// How a managed process is started again (protocol, 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// When.
    pub policy: Restart,
    /// How often at the most; nothing is without end.
    pub max_restarts: Option<u32>,
    /// The first wait, which doubles.
    pub initial_backoff_ms: u64,
    /// The longest wait.
    pub max_backoff_ms: u64,
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
pub enum HealthCheckType {
    /// An HTTP request, which is answered with 200 to 399.
    Http,
    /// A connection.
    Tcp,
}

/// How the health of a managed process is watched (protocol, 6.4).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct HealthCheck {
    /// What is asked.
    pub r#type: HealthCheckType,
    /// The port inside.
    pub port: u16,
    /// For HTTP; nothing is `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Before the first check.
    #[serde(default = "default_initial_delay")]
    pub initial_delay_ms: u64,
    /// Between checks.
    #[serde(default = "default_interval")]
    pub interval_ms: u64,
    /// For one check.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// Failures in a row that make it unhealthy.
    #[serde(default = "default_threshold")]
    pub failure_threshold: u32,
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
#[allow(missing_docs)]
pub enum ManagedStatus {
    Starting,
    Running,
    BackingOff,
    Stopped,
}

/// What the health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum HealthStatus {
    Disabled,
    Starting,
    Healthy,
    Unhealthy,
}

/// How a managed process ended before.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs)]
pub struct LastExit {
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub oom_killed: bool,
    /// Milliseconds since the epoch.
    pub ended_at: u64,
}

/// What supervision tells of a process.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct ManagedInfo {
    pub id: String,
    pub name: Option<String>,
    pub status: ManagedStatus,
    pub restart_count: u32,
    pub restart: Option<RestartPolicy>,
    pub health_check: Option<HealthCheck>,
    pub health_status: HealthStatus,
    pub consecutive_health_failures: u32,
    pub last_exit: Option<LastExit>,
    pub last_error: Option<String>,
    /// Milliseconds since the epoch.
    pub next_restart_at: Option<u64>,
}

/// The state of a process, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Status {
    Running,
    Exited,
    Signaled,
    OomKilled,
}

/// A process, as it is shown.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct ProcessInfo {
    pub handle: u64,
    pub pid: u32,
    pub status: Status,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    /// Beyond the public protocol, as in a run's exit event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    pub stdin_writable: bool,
    pub command: String,
    pub args: Vec<String>,
    /// Milliseconds since the epoch.
    pub started_at: u64,
    /// Milliseconds since the epoch.
    pub ended_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedInfo>,
}

/// The list of processes.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct ProcessList {
    pub processes: Vec<ProcessInfo>,
}

/// A signal to send.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct SignalRequest {
    /// Its number.
    pub signal: i64,
}

/// Captured output.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct OutputResponse {
    pub pid: u32,
    pub lines: Vec<String>,
    pub line_count: usize,
}
