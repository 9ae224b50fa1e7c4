//! Managed processes: started again as their policy says, and watched.

use super::{Process, Table};
use crate::agent::Agent;
use crate::error::{ApiError, Result};
use crate::log::{Ended, now_ms};
use crate::wire::process::{
    HealthCheck, HealthCheckType, HealthStatus, LastExit, ManagedInfo, ManagedStatus, Restart,
    RestartPolicy, StartRequest,
};
use parking_lot::{Mutex, MutexGuard};
use rustix::process::Signal;
use shoreline_protocol::error::ServerCode;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

/// A process that is kept running: one after the other, under one name.
#[derive(Debug)]
pub(crate) struct Managed {
    id: String,
    pub(super) name: Option<String>,
    request: StartRequest,
    policy: Option<RestartPolicy>,
    check: Option<HealthCheck>,
    state: Mutex<State>,
    /// Something was asked of the supervisor.
    asked: Notify,
    /// There is another process, or none any more.
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    current: Option<Arc<Process>>,
    status: ManagedStatus,
    health: HealthStatus,
    failures: u32,
    restarts: u32,
    last_exit: Option<LastExit>,
    last_error: Option<String>,
    next_restart_at: Option<u64>,
    /// Supervision is to end.
    stop: bool,
    /// The process is to be started again, whatever the policy says.
    restart_now: bool,
}

impl Managed {
    /// What a request makes of a process; nothing where it is not to be managed.
    pub(super) fn new(mut request: StartRequest, handle: u64) -> Option<Arc<Self>> {
        let (name, policy, check) =
            (request.name.take(), request.restart.take(), request.health_check.take());
        if name.is_none() && policy.is_none() && check.is_none() {
            return None;
        }
        let health = if check.is_some() { HealthStatus::Starting } else { HealthStatus::Disabled };
        Some(Arc::new(Self {
            id: name.clone().unwrap_or_else(|| format!("managed-{handle}")),
            name,
            request,
            policy,
            check,
            state: Mutex::new(State {
                current: None,
                status: ManagedStatus::Starting,
                health,
                failures: 0,
                restarts: 0,
                last_exit: None,
                last_error: None,
                next_restart_at: None,
                stop: false,
                restart_now: false,
            }),
            asked: Notify::new(),
            changes: watch::Sender::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().status == ManagedStatus::Stopped
    }

    /// The process that runs now, or ran last.
    pub(super) fn current(&self) -> Option<Arc<Process>> {
        self.lock().current.clone()
    }

    pub(super) fn info(&self) -> ManagedInfo {
        let state = self.lock();
        ManagedInfo {
            id: self.id.clone(),
            name: self.name.clone(),
            status: state.status,
            restart_count: state.restarts,
            restart: self.policy,
            health_check: self.check.clone(),
            health_status: state.health,
            consecutive_health_failures: state.failures,
            last_exit: state.last_exit,
            last_error: state.last_error.clone(),
            next_restart_at: state.next_restart_at,
        }
    }

    /// Starts the first process; one that cannot be started is not managed.
    pub(super) async fn begin(self: &Arc<Self>, table: &Arc<Table>) -> Result<Arc<Process>> {
        let process = table.start_one(self.request.clone(), Some(self.clone())).await?;
        self.runs(&process);
        let (managed, table) = (self.clone(), Arc::downgrade(table));
        let first = process.clone();
        tokio::spawn(async move { managed.supervise(first, table).await });
        Ok(process)
    }

    fn runs(&self, process: &Arc<Process>) {
        let mut state = self.lock();
        state.current = Some(process.clone());
        state.next_restart_at = None;
        state.failures = 0;
        if self.check.is_some() {
            (state.status, state.health) = (ManagedStatus::Starting, HealthStatus::Starting);
        } else {
            state.status = ManagedStatus::Running;
        }
        drop(state);
        self.changes.send_replace(());
    }

    /// Ends supervision and kills the process.
    pub(crate) async fn stop(&self) {
        let current = {
            let mut state = self.lock();
            state.stop = true;
            state.current.clone()
        };
        self.asked.notify_one();
        if let Some(process) = current {
            let _ = process.signal(Signal::KILL).await;
        }
    }

    /// Starts the process again now, and gives the new one.
    pub(crate) async fn restart(&self) -> Result<Arc<Process>> {
        let before = {
            let mut state = self.lock();
            if state.stop {
                let text = "supervision has ended: start the process again";
                return Err(ApiError::new(ServerCode::Conflict, text));
            }
            state.restart_now = true;
            state.current.clone()
        };
        self.asked.notify_one();
        if let Some(process) = &before {
            let _ = process.signal(Signal::KILL).await;
        }
        let before = before.map(|process| process.handle);
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            {
                let state = self.lock();
                match &state.current {
                    Some(process) if Some(process.handle) != before => return Ok(process.clone()),
                    _ if state.status == ManagedStatus::Stopped => {
                        let text = state.last_error.clone().unwrap_or_default();
                        return Err(ApiError::new(ServerCode::SpawnFailed, text));
                    }
                    _ => {}
                }
            }
            let _ = changes.changed().await;
        }
    }

    async fn supervise(self: Arc<Self>, mut process: Arc<Process>, table: Weak<Table>) {
        loop {
            let started = Instant::now();
            let ended = self.until_end(&process).await;
            {
                let mut state = self.lock();
                state.last_exit = Some(LastExit {
                    exit_code: ended.exit.exit_code(),
                    signal: ended.exit.signal(),
                    oom_killed: ended.exit.oom_killed(),
                    ended_at: ended.at,
                });
            }
            let failed = ended.exit.exit_code() != Some(0);
            process = match self.again(failed, started, &table).await {
                Some(process) => process,
                None => break,
            };
            self.runs(&process);
        }
        {
            let mut state = self.lock();
            (state.status, state.next_restart_at) = (ManagedStatus::Stopped, None);
        }
        self.changes.send_replace(());
    }

    /// Waits and starts the next process; nothing where there is to be none.
    async fn again(
        self: &Arc<Self>,
        mut failed: bool,
        started: Instant,
        table: &Weak<Table>,
    ) -> Option<Arc<Process>> {
        let policy = self.policy.unwrap_or_default();
        // One that ran for long starts anew.
        let lasted = started.elapsed() > Duration::from_millis(policy.max_backoff_ms);
        let mut doublings = if lasted { 0 } else { self.lock().restarts };
        loop {
            let now = {
                let mut state = self.lock();
                if state.stop {
                    return None;
                }
                std::mem::take(&mut state.restart_now)
            };
            if !now {
                let wanted = match self.policy.map(|policy| policy.policy) {
                    None | Some(Restart::Never) => false,
                    Some(Restart::OnFailure) => failed,
                    Some(Restart::Always) => true,
                };
                let used_up = policy.max_restarts.is_some_and(|most| self.lock().restarts >= most);
                if !wanted || used_up {
                    return None;
                }
                let wait = policy.initial_backoff_ms.saturating_mul(1 << doublings.min(20));
                let wait = wait.min(policy.max_backoff_ms);
                {
                    let mut state = self.lock();
                    state.status = ManagedStatus::BackingOff;
                    state.next_restart_at = Some(now_ms() + wait);
                }
                if timeout(Duration::from_millis(wait), self.asked.notified()).await.is_ok() {
                    continue;
                }
            }
            doublings += 1;
            self.lock().restarts += 1;
            match table.upgrade()?.start_one(self.request.clone(), Some(self.clone())).await {
                Ok(process) => return Some(process),
                Err(error) => {
                    self.lock().last_error = Some(error.into_parts().1);
                    failed = true;
                }
            }
        }
    }

    /// Waits for the end of a process, and kills it when it is no longer healthy.
    async fn until_end(&self, process: &Process) -> Ended {
        if let Some(check) = &self.check {
            tokio::select! {
                _ = process.wait() => {}
                () = self.watch(process, check) => {
                    let _ = process.signal(Signal::KILL).await;
                }
            }
        }
        process.wait().await
    }

    /// Checks until the threshold of failures is reached.
    async fn watch(&self, process: &Process, check: &HealthCheck) {
        sleep(Duration::from_millis(check.initial_delay_ms)).await;
        loop {
            let limit = Duration::from_millis(check.timeout_ms.max(1));
            let healthy = matches!(timeout(limit, answers(&process.agent, check)).await, Ok(true));
            {
                let mut state = self.lock();
                if healthy {
                    state.failures = 0;
                    (state.status, state.health) = (ManagedStatus::Running, HealthStatus::Healthy);
                } else {
                    state.failures += 1;
                    if state.failures >= check.failure_threshold.max(1) {
                        state.health = HealthStatus::Unhealthy;
                        state.last_error = Some("the health check failed too often".to_owned());
                        return;
                    }
                }
            }
            sleep(Duration::from_millis(check.interval_ms.max(1))).await;
        }
    }
}

/// Whether the port answers as it should.
async fn answers(agent: &Agent, check: &HealthCheck) -> bool {
    let Ok(mut connection) = agent.connect(check.port).await else { return false };
    if check.r#type == HealthCheckType::Tcp {
        return true;
    }
    let path = check.path.as_deref().unwrap_or("/");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut head = [0; 12];
    let answered = async {
        connection.write_all(request.as_bytes()).await?;
        connection.read_exact(&mut head).await
    };
    answered.await.is_ok() && head.starts_with(b"HTTP/1.") && matches!(head[9], b'2' | b'3')
}
