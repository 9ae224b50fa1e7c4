//! Sandboxes: a directory, an agent, processes, and whether it lives.

mod registry;
mod state;

pub(crate) use registry::{Direction, Filter, Registry};
pub(crate) use state::EndReason;

use crate::agent::Agent;
use crate::isolation::Isolation;
use crate::limits::{Enforcement, Limits};
use crate::log::now_ms;
use crate::process::Table;
use crate::pty::Sessions;
use crate::wire::sandbox::{CreateRequest, Resources, SandboxInfo, Status};
use parking_lot::{Mutex, MutexGuard};
use state::State;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::{Notify, oneshot};

/// One sandbox.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) id: String,
    pub(crate) processes: Arc<Table>,
    pub(crate) terminals: Sessions,
    pub(crate) agent: Arc<Agent>,
    image: Option<String>,
    resources: Resources,
    /// What a file has at the most.
    pub(crate) file_bytes: Option<u64>,
    /// Whether it has the machine's network.
    pub(crate) network: bool,
    timeout_secs: Option<u64>,
    created_at: u64,
    settings: Mutex<Settings>,
    state: Mutex<State>,
    /// One change of the state at a time.
    changing: tokio::sync::Mutex<()>,
    /// The time limit begins anew.
    woken: Notify,
    /// Its files, until it ends.
    directory: Mutex<Option<TempDir>>,
}

/// What can be changed.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: Option<String>,
    pub(crate) exposed_ports: Vec<u16>,
    /// Exposed ports want no key.
    pub(crate) allow_unauthenticated_access: bool,
}

impl Sandbox {
    fn new(
        id: String,
        request: CreateRequest,
        parent: &Path,
        isolation: &Isolation,
        enforcement: &Enforcement,
        log_bytes: u64,
    ) -> io::Result<Arc<Self>> {
        let directory = tempfile::Builder::new().prefix(&format!("{id}-")).tempdir_in(parent)?;
        let place = isolation.prepare(directory.path())?;
        let megabytes = |number: Option<u64>| number.map(|number| number.saturating_mul(1 << 20));
        let limits = Limits {
            memory: megabytes(request.resources.memory_mb),
            file_size: megabytes(request.resources.disk_mb),
            cpus: request.resources.cpus,
        };
        let network = request.network.is_none_or(|network| network.allow_internet_access);
        let mut command = isolation.agent(&place, network)?;
        let group = enforcement.hold(&id, &limits, &mut command)?;
        let (lost, agent_lost) = oneshot::channel();
        let agent = Arc::new(Agent::start(command, group, lost)?);
        let logs = directory.path().join("log");
        let sandbox = Arc::new(Self {
            id,
            processes: Arc::new(Table::new(agent.clone(), logs, log_bytes)),
            terminals: Sessions::new(agent.clone()),
            agent,
            image: request.image,
            resources: request.resources,
            file_bytes: limits.file_size,
            network,
            timeout_secs: request.timeout_secs,
            created_at: now_ms(),
            settings: Mutex::new(Settings {
                name: request.name,
                exposed_ports: request.exposed_ports,
                allow_unauthenticated_access: request.allow_unauthenticated_access,
            }),
            state: Mutex::new(State::Running),
            changing: tokio::sync::Mutex::default(),
            woken: Notify::new(),
            directory: Mutex::new(Some(directory)),
        });
        let watched = Arc::downgrade(&sandbox);
        tokio::spawn(async move {
            let _ = agent_lost.await;
            if let Some(sandbox) = watched.upgrade() {
                sandbox.terminate(EndReason::AgentLost).await;
            }
        });
        sandbox.keep_time();
        Ok(sandbox)
    }

    pub(super) fn settings_locked(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock()
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings_locked().clone()
    }

    pub(crate) fn name(&self) -> Option<String> {
        self.settings_locked().name.clone()
    }

    /// `base_url` is where this server is reached.
    pub(crate) fn info(&self, base_url: &str) -> SandboxInfo {
        let ended = self.ended();
        let Settings { name, exposed_ports, allow_unauthenticated_access } = self.settings();
        SandboxInfo {
            id: self.id.clone(),
            namespace: "default".to_owned(),
            status: self.status(),
            name,
            image: self.image.clone(),
            resources: self.resources,
            timeout_secs: self.timeout_secs,
            created_at: self.created_at,
            terminated_at: ended.map(|ended| ended.at),
            termination_reason: ended.map(|ended| ended.reason.as_str().to_owned()),
            exposed_ports,
            allow_unauthenticated_access,
            sandbox_url: ended.is_none().then(|| self.url(base_url)),
        }
    }

    pub(crate) fn status(&self) -> Status {
        match *self.state_locked() {
            State::Running => Status::Running,
            State::Suspended => Status::Suspended,
            State::Ended(_) => Status::Terminated,
        }
    }

    /// Where its API is: a path, since not every resolver knows names below `localhost`.
    pub(crate) fn url(&self, base_url: &str) -> String {
        format!("{base_url}/s/{}", self.id)
    }
}
