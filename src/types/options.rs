//! What callers give.

use super::Seconds;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use shoreline_protocol::name;
use std::collections::BTreeMap;

macro_rules! options {
    ($($(#[$attr:meta])* pub struct $name:ident { $($(#[$field_attr:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$attr])*
            #[derive(Clone, Debug, Default, Deserialize, Serialize)]
            #[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename_all = "camelCase", optional_fields))]
            #[serde(rename_all(deserialize = "camelCase", serialize = "snake_case"), default)]
            pub struct $name {
                $(
                    $(#[$field_attr])*
                    #[serde(skip_serializing_if = "Option::is_none")]
                    pub $field: Option<$type>,
                )*
            }
        )*
    };
}

options! {
    /// Where the sandboxes are and how to reach them. On Node, Bun and Deno what is absent is read
    /// from the environment: `TENSORLAKE_API_URL`, `TENSORLAKE_API_KEY`,
    /// `TENSORLAKE_SANDBOX_PROXY_URL`, `TENSORLAKE_SANDBOX_API_URL`, `TENSORLAKE_ORGANIZATION_ID`,
    /// `TENSORLAKE_PROJECT_ID`, `INDEXIFY_NAMESPACE`.
    pub struct ConnectionOptions {
        /// The API's address. Default: `https://api.tensorlake.ai`.
        api_url: String,
        /// The lifecycle API's address, where it does not follow from `apiUrl`.
        sandbox_api_url: String,
        /// The sandbox proxy's address, where the server does not say one.
        proxy_url: String,
        /// The namespace on a self-hosted server. Default: `default`.
        namespace: String,
        /// Sent as `X-Forwarded-Organization-Id`, when `projectId` is given too.
        organization_id: String,
        /// Sent as `X-Forwarded-Project-Id`, when `organizationId` is given too.
        project_id: String,
        /// How often a request that is safe to repeat is repeated. Default: 3.
        max_retries: u32,
        /// Seconds until a server must have begun its answer to a stream or a quick request. Default: 60.
        connect_timeout: Seconds,
        /// Seconds of silence after which a connection counts as broken. Default: 45.
        idle_timeout: Seconds,
        /// Seconds until a server must have begun its answer to a request that may take long, such
        /// as creating a sandbox or writing to stdin. Default: 300.
        request_timeout: Seconds,
    }

    /// A new sandbox.
    pub struct CreateOptions {
        /// A name (a-z, 0-9, `-`; at most 63). Named sandboxes can be suspended; others are ephemeral.
        name: String,
        /// The image. Default: the server's.
        image: String,
        /// Processors. Default: the server's.
        #[serde(skip_serializing)]
        cpus: f64,
        /// Memory, MB. Default: the server's.
        #[serde(skip_serializing)]
        memory_mb: u32,
        /// Disk, MB. Default: the server's.
        #[serde(skip_serializing)]
        disk_mb: u32,
        /// Seconds after which a named sandbox is suspended and an ephemeral one terminated.
        timeout_secs: u32,
        /// What runs at the start.
        entrypoint: Vec<String>,
        /// Names of secrets to put into the environment.
        secret_names: Vec<String>,
        /// Whether the internet can be reached from inside. Default: true.
        #[serde(skip_serializing)]
        allow_internet_access: bool,
        /// Hosts, addresses or CIDR ranges that can be reached.
        #[serde(skip_serializing)]
        allow_out: Vec<String>,
        /// Hosts, addresses or CIDR ranges that cannot be reached.
        #[serde(skip_serializing)]
        deny_out: Vec<String>,
        /// A snapshot to restore.
        snapshot_id: String,
        /// Ports inside that the proxy makes reachable. 9501 is reserved.
        exposed_ports: Vec<u16>,
        /// Whether exposed ports need no key.
        allow_unauthenticated_access: bool,
        /// Seconds to wait until the sandbox runs. Default: 300.
        #[serde(skip_serializing)]
        startup_timeout: Seconds,
    }

    /// Which sandboxes to list.
    pub struct ListOptions {
        /// Only those in this state, for example `running`.
        status: String,
        /// How many the server is asked for at a time; all pages are read in any case.
        limit: u32,
    }

    /// How a managed process is started again. Times in ms.
    pub struct RestartPolicy {
        /// When. Default: `on_failure`.
        #[cfg_attr(feature = "ts", ts(optional, type = "\"never\" | \"on_failure\" | \"always\""))]
        policy: String,
        /// How often at the most. Default: without end.
        max_restarts: u32,
        /// The first wait, which doubles. Default: 500.
        initial_backoff_ms: u32,
        /// The longest wait. Default: 30000.
        max_backoff_ms: u32,
    }

    /// How a managed process is watched. Times in ms.
    pub struct HealthCheck {
        /// What is asked.
        #[cfg_attr(feature = "ts", ts(type = "\"http\" | \"tcp\"", optional = false))]
        r#type: String,
        /// Which port inside.
        #[cfg_attr(feature = "ts", ts(type = "number", optional = false))]
        port: u16,
        /// For `http`. Default: `/`.
        path: String,
        /// Default: 5000.
        initial_delay_ms: u32,
        /// Default: 1000.
        interval_ms: u32,
        /// Default: 500.
        timeout_ms: u32,
        /// How many failures in a row make it unhealthy. Default: 3.
        failure_threshold: u32,
    }

    /// How hard a broken stream is taken up again.
    pub struct Reconnect {
        /// Tries in a row without a new event before it is given up. Default: 10. 0 = never try.
        max_attempts: u32,
        /// The longest wait between two tries, ms; waits double from 100 ms, with jitter. Default: 5000.
        max_delay_ms: u32,
    }

    /// How output is followed.
    pub struct FollowOptions {
        /// How a broken connection is taken up again.
        reconnect: Reconnect,
        /// Seconds of silence (keep-alives count as life) after which the connection is taken up
        /// again. Default: the sandbox's, 45.
        idle_timeout: Seconds,
        /// The longest line, in bytes. Default: 16 MiB.
        max_line_bytes: u32,
        /// What happens to a longer one: an error, or the line cut to the limit with
        /// `event.truncated`. Default: `error`.
        #[cfg_attr(feature = "ts", ts(optional, type = "\"error\" | \"cut\""))]
        long_line: String,
        /// Continue after what another follower of the same stream had; see `cursor()`.
        after: Cursor,
    }

    /// How far a stream has been followed. All counts are of events.
    pub struct Cursor {
        /// The id of the last event, where the server gives ids.
        last_id: String,
        /// The id of the first event.
        first_id: String,
        /// Events without a stream, on stdout, on stderr.
        counts: Vec<f64>,
    }
}

/// Who a process runs as: a name, a uid, `uid:gid`, or the same as an object.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(untagged))]
#[serde(untagged)]
pub enum ProcessUser {
    /// `"alice"`, `"1000"`, `"1000:1000"`.
    Text(String),
    /// By parts.
    #[cfg_attr(feature = "ts", ts(optional_fields))]
    Parts {
        /// The name.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The numeric id.
        #[serde(skip_serializing_if = "Option::is_none")]
        uid: Option<u32>,
        /// The group's numeric id.
        #[serde(skip_serializing_if = "Option::is_none")]
        gid: Option<u32>,
    },
}

/// A process to start. Serialised, it is the body of the request.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename_all = "camelCase", optional_fields))]
#[serde(rename_all(deserialize = "camelCase", serialize = "snake_case"), default)]
pub struct StartOptions {
    #[serde(skip_deserializing)]
    #[cfg_attr(feature = "ts", ts(skip))]
    pub(crate) command: String,
    /// Arguments; nothing is expanded, there is no shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Variables added to the sandbox's environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// The directory to start in. Default: the sandbox's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Who it runs as. Default: the sandbox's user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<ProcessUser>,
    /// `closed` (the default) is an empty input; `pipe` takes `writeStdin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional, type = "\"closed\" | \"pipe\""))]
    pub stdin_mode: Option<String>,
    /// `capture` (the default) or `discard`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional, type = "\"capture\" | \"discard\""))]
    pub stdout_mode: Option<String>,
    /// `capture` (the default) or `discard`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional, type = "\"capture\" | \"discard\""))]
    pub stderr_mode: Option<String>,
    /// Makes it a managed process, addressable by this name. No `/`, not only digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Makes it a managed process that is started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartPolicy>,
    /// Makes it a managed process whose health is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Only in a run's body.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(skip))]
    pub(crate) timeout: Option<Seconds>,
}

impl StartOptions {
    /// Refuses what no server could start.
    pub(crate) fn check(&self) -> Result<()> {
        let no_nul = |what: &str, text: &str| {
            if text.contains('\0') {
                Err(Error::argument(format!("{what} contains a NUL character")))
            } else {
                Ok(())
            }
        };
        if self.command.is_empty() {
            return Err(Error::argument("`command` must not be empty"));
        }
        no_nul("`command`", &self.command)?;
        for (i, arg) in self.args.iter().flatten().enumerate() {
            no_nul(&format!("`args[{i}]`"), arg)?;
        }
        for (key, value) in self.env.iter().flatten() {
            if key.is_empty() || key.contains('=') {
                return Err(Error::argument(format!(
                    "`env` has a variable named {key:?}: a name is not empty and has no '='"
                )));
            }
            no_nul("a name in `env`", key)?;
            no_nul(&format!("`env.{key}`"), value)?;
        }
        no_nul("`workingDir`", self.working_dir.as_deref().unwrap_or_default())?;
        let word =
            |name: &str, given: &Option<String>, [one, other]: [&str; 2]| match given.as_deref() {
                Some(word) if word != one && word != other => {
                    Err(Error::argument(format!("`{name}` is \"{one}\" or \"{other}\"")))
                }
                _ => Ok(()),
            };
        word("stdinMode", &self.stdin_mode, ["closed", "pipe"])?;
        word("stdoutMode", &self.stdout_mode, ["capture", "discard"])?;
        word("stderrMode", &self.stderr_mode, ["capture", "discard"])?;
        if let Some(name) = &self.name {
            name::check_process_name(name).map_err(|e| Error::argument(e.sentence()))?;
        }
        Ok(())
    }
}

/// A command to run to its end.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename_all = "camelCase", optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct RunOptions {
    /// Arguments; nothing is expanded, there is no shell.
    pub args: Option<Vec<String>>,
    /// Variables added to the sandbox's environment.
    pub env: Option<BTreeMap<String, String>>,
    /// The directory to start in. Default: the sandbox's.
    pub working_dir: Option<String>,
    /// Who it runs as. Default: the sandbox's user.
    pub user: Option<ProcessUser>,
    /// Seconds after which the command is killed, which the result tells as `timedOut`. Default: none.
    pub timeout: Option<Seconds>,
    /// Bytes of each stream that the result keeps: the first and the last half; `truncated` tells
    /// what is missing. Default: everything, up to 256 MiB.
    pub max_output_bytes: Option<u32>,
    /// Whether an abort ends the command or leaves it running. Default: `kill`.
    #[cfg_attr(feature = "ts", ts(optional, type = "\"kill\" | \"detach\""))]
    pub on_abort: Option<String>,
    /// How a broken connection is taken up again.
    pub reconnect: Option<Reconnect>,
    /// Seconds of silence (keep-alives count as life) after which the connection is taken up again.
    /// Default: the sandbox's, 45.
    pub idle_timeout: Option<Seconds>,
    /// The longest line, in bytes. Default: 16 MiB.
    pub max_line_bytes: Option<u32>,
    /// What happens to a longer one: an error, or the line cut to the limit. Default: `error`.
    #[cfg_attr(feature = "ts", ts(optional, type = "\"error\" | \"cut\""))]
    pub long_line: Option<String>,
}
