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
    /// What this server does not do is refused, not ignored.
    #[serde(default)]
    pub name: Option<String>,
    /// As `name`.
    #[serde(default)]
    pub restart: Option<serde::de::IgnoredAny>,
    /// As `name`.
    #[serde(default)]
    pub health_check: Option<serde::de::IgnoredAny>,
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
