//! Sandboxes (protocol, section 10).

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a sandbox gets.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Resources {
    /// Processors.
    pub cpus: f64,
    /// Memory, MB.
    pub memory_mb: u64,
    /// Disk, MB.
    #[serde(alias = "ephemeral_disk_mb")]
    pub disk_mb: u64,
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpus: 1.0, memory_mb: 1024, disk_mb: 1024 }
    }
}

/// The body of a create. What a local server has no use for (image, secrets, network, ports) is
/// accepted and, where it says nothing else, shown again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateRequest {
    /// A name makes it persistent.
    pub name: Option<String>,
    /// The image's name.
    pub image: Option<String>,
    /// What it gets.
    pub resources: Resources,
    /// Seconds until it ends.
    pub timeout_secs: Option<u64>,
    /// A snapshot to restore, which is refused.
    pub snapshot_id: Option<String>,
}

/// Its state, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Status {
    Running,
    Terminated,
}

/// The answer to a create.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct CreateResponse {
    pub sandbox_id: String,
    pub status: Status,
    pub name: Option<String>,
    pub sandbox_url: String,
}

/// A sandbox, as it is shown.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct SandboxInfo {
    pub id: String,
    pub namespace: String,
    pub status: Status,
    pub name: Option<String>,
    pub image: Option<String>,
    pub resources: Resources,
    pub timeout_secs: Option<u64>,
    /// Milliseconds since the epoch.
    pub created_at: u64,
    /// Milliseconds since the epoch.
    pub terminated_at: Option<u64>,
    pub termination_reason: Option<String>,
    pub sandbox_url: Option<String>,
}

/// A page of sandboxes.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct SandboxList {
    pub sandboxes: Vec<SandboxInfo>,
    pub prev_cursor: Option<String>,
    pub next_cursor: Option<String>,
}
