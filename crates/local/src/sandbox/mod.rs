//! Sandboxes: a directory, its processes, and whether it lives.

mod registry;

pub(crate) use registry::{Filter, Registry};

use crate::agent::Agent;
use crate::isolation::{Isolation, Limits};
use crate::log::now_ms;
use crate::process::Table;
use crate::pty::Sessions;
use shoreline_protocol::wire::sandbox::{CreateRequest, Resources, SandboxInfo, Status};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Why a sandbox ended, as its record tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EndReason {
    /// Somebody asked for it.
    UserTerminated,
    /// `timeout_secs` passed.
    Timeout,
    /// Something in it killed its agent.
    AgentLost,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: u64,
    reason: EndReason,
}

/// One sandbox.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) processes: Arc<Table>,
    pub(crate) terminals: Sessions,
    pub(crate) agent: Arc<Agent>,
    image: Option<String>,
    resources: Resources,
    timeout_secs: Option<u64>,
    created_at: u64,
    ended: Mutex<Option<Ended>>,
    /// Its files, until it ends.
    directory: Mutex<Option<TempDir>>,
}

impl Sandbox {
    fn new(
        id: String,
        request: CreateRequest,
        parent: &Path,
        isolation: &Isolation,
    ) -> io::Result<Arc<Self>> {
        let directory = tempfile::Builder::new().prefix(&format!("{id}-")).tempdir_in(parent)?;
        let place = isolation.prepare(directory.path())?;
        let megabytes = |number: Option<u64>| number.map(|number| number.saturating_mul(1 << 20));
        let limits = Limits {
            memory: megabytes(request.resources.memory_mb),
            file_size: megabytes(request.resources.disk_mb),
            network: request.network.is_none_or(|network| network.allow_internet_access),
        };
        let (lost, agent_lost) = oneshot::channel();
        let agent = Arc::new(Agent::start(isolation.agent(&place, &limits)?, lost)?);
        let sandbox = Arc::new(Self {
            id,
            name: request.name,
            processes: Arc::new(Table::new(agent.clone(), directory.path().join("log"))),
            terminals: Sessions::new(agent.clone()),
            agent,
            image: request.image,
            resources: request.resources,
            timeout_secs: request.timeout_secs,
            created_at: now_ms(),
            ended: Mutex::default(),
            directory: Mutex::new(Some(directory)),
        });
        let watched = Arc::downgrade(&sandbox);
        tokio::spawn(async move {
            let _ = agent_lost.await;
            if let Some(sandbox) = watched.upgrade() {
                sandbox.terminate(EndReason::AgentLost).await;
            }
        });
        Ok(sandbox)
    }

    fn ended(&self) -> Option<Ended> {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.ended().is_none()
    }

    /// Kills everything in it and removes its files. Again is no error, and waits for the same.
    pub(crate) async fn terminate(&self, reason: EndReason) {
        self.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| Ended { at: now_ms(), reason });
        tokio::join!(self.processes.close(), self.terminals.close());
        self.agent.close().await;
        let directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner).take();
        let removed = tokio::task::spawn_blocking(move || directory.map(TempDir::close));
        if let Ok(Some(Err(error))) = removed.await {
            eprintln!(
                "shoreline-local: files of sandbox {} could not be removed: {error}",
                self.id
            );
        }
    }

    /// `base_url` is where this server is reached.
    pub(crate) fn info(&self, base_url: &str) -> SandboxInfo {
        let ended = self.ended();
        SandboxInfo {
            id: self.id.clone(),
            namespace: "default".to_owned(),
            status: if ended.is_some() { Status::Terminated } else { Status::Running },
            name: self.name.clone(),
            image: self.image.clone(),
            resources: self.resources,
            timeout_secs: self.timeout_secs,
            created_at: self.created_at,
            terminated_at: ended.map(|ended| ended.at),
            termination_reason: ended.map(|ended| {
                match ended.reason {
                    EndReason::UserTerminated => "user_terminated",
                    EndReason::Timeout => "timeout",
                    EndReason::AgentLost => "agent_lost",
                }
                .to_owned()
            }),
            sandbox_url: ended.is_none().then(|| self.url(base_url)),
        }
    }

    /// Where its API is: a path, since not every resolver knows names below `localhost`.
    pub(crate) fn url(&self, base_url: &str) -> String {
        format!("{base_url}/s/{}", self.id)
    }
}
