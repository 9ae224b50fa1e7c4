//! The processes of one sandbox, by pid.

use super::{Managed, Process};
use crate::agent::Agent;
use crate::error::{ApiError, Result};
use crate::log::Log;
use crate::wire::process::StartRequest;
use parking_lot::{Mutex, MutexGuard};
use rustix::process::Signal;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use shoreline_protocol::name::check_process_name;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Table {
    agent: Arc<Agent>,
    /// Where logs go that do not fit into memory.
    logs: PathBuf,
    /// Bytes of each that are kept there.
    log_bytes: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By handle, which is the order of their start.
    processes: BTreeMap<u64, Arc<Process>>,
    handles: u64,
    /// Those whose supervision has not ended, and some whose has.
    managed: Vec<Arc<Managed>>,
    /// Nothing is started any more.
    closed: bool,
}

impl Table {
    pub(crate) fn new(agent: Arc<Agent>, logs: PathBuf, log_bytes: u64) -> Self {
        Self { agent, logs, log_bytes, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Starts a process, managed where the request says so.
    pub(crate) async fn start(self: &Arc<Self>, request: StartRequest) -> Result<Arc<Process>> {
        if let Some(name) = &request.name {
            check_process_name(name)
                .map_err(|e| ApiError::new(ServerCode::InvalidRequest, e.sentence()))?;
        }
        let managed = {
            let mut inner = self.lock();
            let managed = Managed::new(request.clone(), inner.handles + 1);
            if let Some(managed) = &managed {
                inner.managed.retain(|other| !other.is_stopped());
                if managed.name.is_some()
                    && inner.managed.iter().any(|other| other.name == managed.name)
                {
                    let name = managed.name.as_deref().unwrap_or_default();
                    let text = format!("a process named {name:?} is managed already");
                    return Err(ApiError::new(ServerCode::NameTaken, text));
                }
                // Before it runs, so that a name is given to one only.
                inner.managed.push(managed.clone());
            }
            managed
        };
        let Some(managed) = managed else { return self.start_one(request, None).await };
        let begun = managed.begin(self).await;
        if begun.is_err() {
            self.lock().managed.retain(|other| !Arc::ptr_eq(other, &managed));
        }
        begun
    }

    pub(super) async fn start_one(
        &self,
        request: StartRequest,
        managed: Option<Arc<Managed>>,
    ) -> Result<Arc<Process>> {
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
        let log = Arc::new(Log::new(self.logs.join(handle.to_string()), self.log_bytes));
        let process = Process::start(request, &self.agent, handle, log, managed).await?;
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

    /// The process that a path names: by pid, or the one that a managed name stands for now.
    pub(crate) fn get(&self, address: &str) -> Result<Arc<Process>> {
        let inner = self.lock();
        let by_pid = || {
            let pid: u32 = address.parse().ok()?;
            inner.processes.values().find(|process| process.pid == pid).cloned()
        };
        let by_name = || {
            let named = |managed: &&Arc<Managed>| managed.name.as_deref() == Some(address);
            inner.managed.iter().rev().find(named)?.current()
        };
        by_pid().or_else(by_name).ok_or_else(|| {
            ApiError::new(ServerCode::NotFound, format!("Process {address} not found"))
        })
    }

    /// Starts nothing any more and kills what runs; done when all have ended.
    pub(crate) async fn close(&self) {
        let (all, managed) = {
            let mut inner = self.lock();
            inner.closed = true;
            let managed = std::mem::take(&mut inner.managed);
            (inner.processes.values().cloned().collect::<Vec<_>>(), managed)
        };
        for managed in managed {
            managed.stop().await;
        }
        for process in &all {
            let _ = process.signal(Signal::KILL).await;
        }
        for process in &all {
            let _ = process.wait().await;
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
