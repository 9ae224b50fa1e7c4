//! The processes of one sandbox, by pid.

use super::Process;
use crate::agent::Agent;
use crate::error::{ApiError, Result};
use crate::log::Log;
use rustix::process::Signal;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use shoreline_protocol::wire::process::StartRequest;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(crate) struct Table {
    agent: Arc<Agent>,
    /// Where logs go that do not fit into memory.
    logs: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By handle, which is the order of their start.
    processes: BTreeMap<u64, Arc<Process>>,
    handles: u64,
    /// Nothing is started any more.
    closed: bool,
}

impl Table {
    pub(crate) fn new(agent: Arc<Agent>, logs: PathBuf) -> Self {
        Self { agent, logs, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn start(&self, request: StartRequest) -> Result<Arc<Process>> {
        let handle = {
            let mut inner = self.lock();
            if inner.closed {
                return Err(ApiError::not_running());
            }
            let running = inner.processes.values().filter(|process| process.is_running()).count();
            if running >= limits::PROCESSES {
                return Err(ApiError::new(
                    ServerCode::TooManyProcesses,
                    format!("{} processes run in this sandbox: end some first", limits::PROCESSES),
                ));
            }
            inner.handles += 1;
            inner.handles
        };
        let log = Arc::new(Log::new(self.logs.join(handle.to_string())));
        let process = Process::start(request, &self.agent, handle, log).await?;
        let closed = {
            let mut inner = self.lock();
            // A number that the system gives out again is the new process's.
            inner.processes.retain(|_, other| other.pid != process.pid);
            inner.forget_the_oldest_ended();
            inner.processes.insert(handle, process.clone());
            inner.closed
        };
        if closed {
            // The sandbox has ended in between, and may have missed it.
            let _ = process.signal(Signal::KILL).await;
            return Err(ApiError::not_running());
        }
        Ok(process)
    }

    /// Every process, in the order of their start.
    pub(crate) fn all(&self) -> Vec<Arc<Process>> {
        self.lock().processes.values().cloned().collect()
    }

    /// The process that a path names.
    pub(crate) fn get(&self, address: &str) -> Result<Arc<Process>> {
        let found = address.parse().ok().and_then(|pid: u32| {
            self.lock().processes.values().find(|process| process.pid == pid).cloned()
        });
        found.ok_or_else(|| {
            ApiError::new(ServerCode::NotFound, format!("Process {address} not found"))
        })
    }

    /// Starts nothing any more and kills what runs; done when all have ended.
    pub(crate) async fn close(&self) {
        let all = {
            let mut inner = self.lock();
            inner.closed = true;
            inner.processes.values().cloned().collect::<Vec<_>>()
        };
        for process in &all {
            let _ = process.signal(Signal::KILL).await;
        }
        for process in &all {
            process.wait().await;
        }
    }
}

impl Inner {
    fn forget_the_oldest_ended(&mut self) {
        let ended = self.processes.values().filter(|process| !process.is_running()).count();
        let excess = ended.saturating_sub(limits::ENDED_PROCESSES - 1);
        let oldest: Vec<u64> = self
            .processes
            .iter()
            .filter(|(_, process)| !process.is_running())
            .take(excess)
            .map(|(handle, _)| *handle)
            .collect();
        for handle in oldest {
            self.processes.remove(&handle);
        }
    }
}
