//! Sandboxes (docs/protocol.md, section 10).

use serde::{Deserialize, Serialize};
use shoreline_protocol::record::EnforcedLimits;
use std::collections::BTreeMap;

/// The resources of a sandbox.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resources {
    /// Processors.
    pub(crate) cpus: Option<f64>,
    /// Memory, MB.
    pub(crate) memory_mb: Option<u64>,
    /// Disk, MB.
    disk_mb: Option<u64>,
    /// Another server's name for `disk_mb`. A client can send both.
    ephemeral_disk_mb: Option<u64>,
    /// Whether GPUs are requested.
    #[serde(deserialize_with = "any")]
    pub(crate) gpus: bool,
}

impl Resources {
    /// Disk, MB.
    pub(crate) fn disk_mb(&self) -> Option<u64> {
        self.disk_mb.or(self.ephemeral_disk_mb)
    }
}

fn any<'de, D: serde::Deserializer<'de>>(list: D) -> Result<bool, D::Error> {
    let list = Option::<Vec<serde::de::IgnoredAny>>::deserialize(list)?;
    Ok(list.is_some_and(|list| !list.is_empty()))
}

impl Serialize for Resources {
    /// Clients require the numbers, so resources that were not requested have the API's defaults.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let disk_mb = self.disk_mb().unwrap_or(1024);
        let mut out = serializer.serialize_struct("Resources", 4)?;
        out.serialize_field("cpus", &self.cpus.unwrap_or(1.0))?;
        out.serialize_field("memory_mb", &self.memory_mb.unwrap_or(1024))?;
        out.serialize_field("disk_mb", &disk_mb)?;
        // The official npm client reads this name.
        out.serialize_field("ephemeral_disk_mb", &disk_mb)?;
        out.end()
    }
}

/// The body of a create.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CreateRequest {
    /// The name. Only a named sandbox can be suspended.
    pub(crate) name: Option<String>,
    /// The name of the image.
    pub(crate) image: Option<String>,
    /// The requested resources.
    pub(crate) resources: Resources,
    /// The time limit in seconds.
    pub(crate) timeout_secs: Option<u64>,
    /// The snapshot to restore.
    pub(crate) snapshot_id: Option<String>,
    /// The template to create the sandbox from.
    pub(crate) template_id: Option<String>,
    /// Whether a request resumes the sandbox if it is suspended.
    pub(crate) auto_resume: Option<bool>,
    /// The names of secrets for the environment.
    pub(crate) secret_names: Vec<String>,
    /// The command to start with the sandbox.
    pub(crate) entrypoint: Vec<String>,
    /// The ports that can be reached through the proxy.
    pub(crate) exposed_ports: Vec<u16>,
    /// Whether the exposed ports can be reached without the key.
    #[serde(alias = "allow_unauthenticated_proxy_access")]
    pub(crate) allow_unauthenticated_access: bool,
    /// The network policy.
    pub(crate) network: Option<NetworkPolicy>,
    /// The file systems to mount.
    pub(crate) file_systems: Vec<serde::de::IgnoredAny>,
    /// Environment variables of every process. An extension of the public API.
    pub(crate) env: BTreeMap<String, String>,
    /// Accepted without effect: a sandbox runs at once, so that nothing waits for it.
    #[allow(dead_code)]
    pub(crate) wait: Option<bool>,
    /// Accepted without effect: a sandbox never waits for its resources.
    #[allow(dead_code)]
    pub(crate) max_pending_secs: Option<u64>,
}

/// The body of an update. Absent members are not changed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UpdateRequest {
    /// The new name.
    pub(crate) name: Option<String>,
    /// The new list of exposed ports.
    pub(crate) exposed_ports: Option<Vec<u16>>,
    /// Whether the exposed ports can be reached without the key.
    #[serde(alias = "allow_unauthenticated_proxy_access")]
    pub(crate) allow_unauthenticated_access: Option<bool>,
    /// The network policy; `null` removes every restriction.
    #[serde(deserialize_with = "given")]
    pub(crate) network: Option<Option<NetworkPolicy>>,
    /// The time limit in seconds from now. An extension of the public API.
    pub(crate) timeout_secs: Option<u64>,
    /// The new resources, which this server refuses to change.
    pub(crate) resources: Option<serde::de::IgnoredAny>,
    /// Whether a request resumes the sandbox if it is suspended.
    pub(crate) auto_resume: Option<bool>,
}

/// Distinguishes `null` from an absent member.
fn given<'de, T, D>(value: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    T::deserialize(value).map(Some)
}

/// The network policy of a sandbox.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub(crate) struct NetworkPolicy {
    /// Whether the internet can be reached.
    pub(crate) allow_internet_access: bool,
    /// The destinations that are allowed.
    pub(crate) allow_out: Vec<String>,
    /// The destinations that are denied.
    pub(crate) deny_out: Vec<String>,
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self { allow_internet_access: true, allow_out: Vec::new(), deny_out: Vec::new() }
    }
}

/// Its state, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Running,
    Suspended,
    Terminated,
}

/// The answer to a create.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CreateResponse {
    pub(crate) sandbox_id: String,
    pub(crate) status: Status,
    pub(crate) name: Option<String>,
    pub(crate) sandbox_url: String,
    pub(crate) ingress_endpoint: Option<String>,
    /// The names in the request's `env`, by which a client sees that the server knows this extension.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<String>,
}

/// A sandbox, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SandboxInfo {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) status: Status,
    pub(crate) name: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) resources: Resources,
    pub(crate) enforced: EnforcedLimits,
    pub(crate) timeout_secs: Option<u64>,
    /// Milliseconds since the epoch.
    pub(crate) created_at: u64,
    /// Milliseconds since the epoch.
    pub(crate) terminated_at: Option<u64>,
    pub(crate) termination_reason: Option<String>,
    pub(crate) exposed_ports: Vec<u16>,
    pub(crate) allow_unauthenticated_access: bool,
    pub(crate) network_policy: Option<NetworkPolicy>,
    /// The same. The official npm client reads this name, and takes a sandbox without it for unrestricted.
    pub(crate) network: Option<NetworkPolicy>,
    pub(crate) sandbox_url: Option<String>,
    /// Ports are reached at `{port}-{id or name}.` and this host.
    pub(crate) ingress_endpoint: Option<String>,
}

/// A page of sandboxes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SandboxList {
    pub(crate) sandboxes: Vec<SandboxInfo>,
    pub(crate) prev_cursor: Option<String>,
    pub(crate) next_cursor: Option<String>,
}
