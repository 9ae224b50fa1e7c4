//! Requests about processes. The records that answer them are declared in the protocol crate.

use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};
pub(crate) use shoreline_protocol::record::{
    HealthCheck, HealthStatus, HealthType as HealthCheckType, ManagedProcessExit as LastExit,
    ManagedProcessInfo as ManagedInfo, ManagedStatus, OutputHolder, OutputMode, ProcessInfo,
    ProcessStatus as Status, RestartPolicy, RestartWhen as Restart, StdinMode,
};
use std::collections::BTreeMap;
use std::fmt;

/// The user of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum User {
    /// `name`, `uid` or `uid:gid`.
    Text(String),
    /// An object.
    Parts(UserParts),
}

/// The parts of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct UserParts {
    /// The name.
    pub(crate) name: Option<String>,
    /// The numeric id.
    pub(crate) uid: Option<u32>,
    /// The group's numeric id.
    pub(crate) gid: Option<u32>,
}

impl<'de> Deserialize<'de> for User {
    /// Not an untagged enum: serde reads these into a buffer, which hides ignored members.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = User;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name, `uid:gid`, or an object")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<User, E> {
                Ok(User::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<User, A::Error> {
                UserParts::deserialize(MapAccessDeserializer::new(map)).map(User::Parts)
            }
        }
        deserializer.deserialize_any(Either)
    }
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
    /// The working directory.
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
    /// The user.
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
