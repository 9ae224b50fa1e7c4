//! The processes of one sandbox, by pid. The lock is never held across an await; what takes several steps
//! holds a reservation, which is undone when it is dropped.

use super::Process;
use super::managed::{Managed, Supervisor};
use crate::agent::Agent;
use crate::clock::Clock;
use crate::error::{ApiError, Result};
use crate::log::{Budget, Log};
use crate::reservation::{Reservable, Reservation};
use crate::wire::process::StartRequest;
use parking_lot::Mutex;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use shoreline_protocol::name::check_process_name;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Table {
    agent: Arc<Agent>,
    clock: Clock,
    /// The directory of logs that do not fit into memory.
    logs: PathBuf,
    /// The budget of all logs.
    budget: Arc<Budget>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By handle, which is the order of their start.
    processes: BTreeMap<u64, Arc<Process>>,
    handles: u64,
    /// In the order of their first start. Names are unique.
    managed: Vec<Arc<Managed>>,
    /// Starts under way, and the names that they will take.
    starting: usize,
    names: HashSet<String>,
    /// Whether new starts are refused.
    closed: bool,
}

impl Reservable for Inner {
    fn free(&mut self, name: Option<&str>) {
        self.starting -= 1;
        if let Some(name) = name {
            self.names.remove(name);
        }
    }
}

impl Table {
    pub(crate) fn new(agent: Arc<Agent>, clock: Clock, logs: PathBuf, log_bytes: u64) -> Self {
        let budget = Arc::new(Budget::new(log_bytes));
        Self { agent, clock, logs, budget, inner: Mutex::default() }
    }

    /// Starts a process, which is managed if requested.
    pub(crate) async fn start(self: &Arc<Self>, mut request: StartRequest) -> Result<Arc<Process>> {
        let name = request.name.take();
        if let Some(name) = &name {
            check_process_name(name)
                .map_err(|e| ApiError::new(ServerCode::InvalidRequest, e.sentence()))?;
        }
        let (room, handle) = self.reserve(name.clone())?;
        let managed = name.is_some() || request.restart.is_some() || request.health_check.is_some();
        let supervised = managed.then(|| {
            let id = name.clone().unwrap_or_else(|| format!("managed-{handle}"));
            Supervisor::new(id, name, request.clone(), Arc::downgrade(self), self.clock.clone())
        });
        let managed = supervised.as_ref().map(|(managed, _)| managed.clone());
        let process = self.start_as(handle, request, managed.clone()).await?;
        let Some((_, mut supervisor)) = supervised else {
            room.fill(|inner| inner.list(handle, &process, None))?;
            return Ok(process);
        };
        supervisor.runs(&process);
        room.fill(|inner| inner.list(handle, &process, managed.as_ref()))?;
        tokio::spawn(supervisor.run(process.clone()));
        Ok(process)
    }

    /// Starts the next process of a managed one.
    pub(super) async fn start_next(
        &self,
        request: StartRequest,
        managed: Arc<Managed>,
    ) -> Result<Arc<Process>> {
        // A restart does not resume a suspended sandbox, as other starts do.
        drop(self.agent.unfrozen().await?);
        let (room, handle) = self.reserve(None)?;
        let process = self.start_as(handle, request, Some(managed)).await?;
        room.fill(|inner| inner.list(handle, &process, None))?;
        Ok(process)
    }

    /// Reserves a place for a process. Returns its handle too.
    fn reserve(&self, name: Option<String>) -> Result<(Reservation<'_, Inner>, u64)> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(ApiError::not_running());
        }
        let running = inner.processes.values().filter(|process| !process.is_over()).count();
        if running + inner.starting >= limits::PROCESSES {
            return Err(ApiError::new(
                ServerCode::TooManyProcesses,
                format!("{} processes run in this sandbox: end some first", limits::PROCESSES),
            ));
        }
        if let Some(name) = &name {
            let is_taken =
                |other: &Arc<Managed>| other.name.as_ref() == Some(name) && !other.is_stopped();
            if inner.names.contains(name) || inner.managed.iter().any(is_taken) {
                let text = format!("a process named {name:?} is managed already");
                return Err(ApiError::new(ServerCode::NameTaken, text));
            }
            inner.names.insert(name.clone());
        }
        inner.starting += 1;
        inner.handles += 1;
        let handle = inner.handles;
        drop(inner);
        Ok((Reservation::new(&self.inner, name), handle))
    }

    async fn start_as(
        &self,
        handle: u64,
        request: StartRequest,
        managed: Option<Arc<Managed>>,
    ) -> Result<Arc<Process>> {
        let log = self.new_log(&handle.to_string());
        Process::start(request, &self.agent, &self.clock, handle, log, managed).await
    }

    /// A log that shares the budget of the processes' logs.
    pub(crate) fn new_log(&self, name: &str) -> Arc<Log> {
        Arc::new(Log::new(self.logs.join(name), self.budget.clone()))
    }

    /// Every process, in the order of their start.
    pub(crate) fn all(&self) -> Vec<Arc<Process>> {
        self.inner.lock().processes.values().cloned().collect()
    }

    /// The process that a path names: by pid, or the one that runs under a managed name or ran last.
    pub(crate) fn get(&self, address: &str) -> Result<Arc<Process>> {
        let inner = self.inner.lock();
        let by_pid = || {
            let pid: u32 = address.parse().ok()?;
            inner.processes.values().find(|process| process.pid == pid)
        };
        let by_name = || {
            let mut managed = inner.managed.iter();
            let named = managed.find(|managed| managed.name.as_deref() == Some(address))?;
            inner.processes.get(&named.current())
        };
        by_pid().or_else(by_name).cloned().ok_or_else(|| {
            ApiError::new(ServerCode::NotFound, format!("Process {address} not found"))
        })
    }

    /// Refuses new starts. Does not wait for running processes.
    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        inner.managed.drain(..).for_each(|managed| managed.give_up());
    }

    /// Returns when every process has ended and its output is complete.
    pub(crate) async fn ended(&self) {
        for process in self.all() {
            process.log.closed().await;
        }
    }

    /// Removes every process of a sandbox that has ended.
    pub(crate) fn clear(&self) {
        let processes = std::mem::take(&mut self.inner.lock().processes);
        drop(processes);
    }
}

impl Inner {
    /// Adds a process, and its managed process if that is new. If the sandbox has ended meanwhile, the process ends with
    /// it.
    fn list(
        &mut self,
        handle: u64,
        process: &Arc<Process>,
        managed: Option<&Arc<Managed>>,
    ) -> Result<()> {
        if self.closed {
            return Err(ApiError::not_running());
        }
        // A reused pid addresses the new process.
        self.processes.retain(|_, other| other.pid != process.pid);
        self.forget_the_oldest_ended();
        self.processes.insert(handle, process.clone());
        if let Some(managed) = managed {
            // A new managed process replaces a stopped one of its name.
            self.managed.retain(|other| other.name.is_none() || other.name != managed.name);
            self.managed.push(managed.clone());
        }
        Ok(())
    }

    fn forget_the_oldest_ended(&mut self) {
        let current: HashSet<u64> = self.managed.iter().map(|managed| managed.current()).collect();
        let ended: Vec<u64> = self
            .processes
            .iter()
            .filter(|(handle, process)| process.is_over() && !current.contains(handle))
            .map(|(handle, _)| *handle)
            .collect();
        let excess = ended.len().saturating_sub(limits::ENDED_PROCESSES - 1);
        for handle in &ended[..excess] {
            self.processes.remove(handle);
        }
        // Stopped managed processes count as ended processes too.
        while self.managed.len() > limits::ENDED_PROCESSES
            && let Some(oldest) = self.managed.iter().position(|managed| managed.is_stopped())
        {
            self.managed.remove(oldest);
        }
    }
}
