//! Managed processes. Each has a supervisor, a task that owns the state: it restarts the process according to its
//! policy, checks its health, and handles requests one after the other. The exit of the leader counts. Processes that
//! remain in its group are killed before the next start, which may need the same port, and by a stop.

use super::health::answers;
use super::{Process, Table};
use crate::clock::Clock;
use crate::error::{ApiError, Result};
use crate::log::{Ended, now_ms};
use crate::wire::process::{
    HealthCheck, HealthStatus, LastExit, ManagedInfo, ManagedStatus, Restart, RestartPolicy,
    StartRequest,
};
use rustix::process::Signal;
use shoreline_protocol::error::ServerCode;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// The handle by which requests reach a supervisor, and its visible state.
#[derive(Debug)]
pub(crate) struct Managed {
    pub(super) name: Option<String>,
    commands: UnboundedSender<Command>,
    state: watch::Receiver<State>,
}

#[derive(Debug)]
enum Command {
    /// Kill the process and do not restart it.
    Stop(oneshot::Sender<()>),
    /// Restart the process regardless of the policy.
    Restart(oneshot::Sender<Result<Arc<Process>>>),
}

#[derive(Clone, Debug)]
struct State {
    info: ManagedInfo,
    /// The handle of the process that runs, or ran last.
    current: u64,
}

impl Managed {
    pub(super) fn is_stopped(&self) -> bool {
        self.state.borrow().info.status == ManagedStatus::Stopped
    }

    /// The handle of the process that runs, or ran last.
    pub(super) fn current(&self) -> u64 {
        self.state.borrow().current
    }

    pub(super) fn info(&self) -> ManagedInfo {
        self.state.borrow().info.clone()
    }

    /// Ends supervision and kills the process.
    pub(crate) async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Stop(reply)).is_ok() {
            let _ = done.await;
        }
    }

    /// Ends supervision. A running process ends with its sandbox.
    pub(super) fn give_up(&self) {
        let (reply, _) = oneshot::channel();
        let _ = self.commands.send(Command::Stop(reply));
    }

    /// Restarts the process now, even if it has ended, and returns the new process.
    pub(crate) async fn restart(&self) -> Result<Arc<Process>> {
        let (reply, process) = oneshot::channel();
        let _ = self.commands.send(Command::Restart(reply));
        process.await.unwrap_or_else(|_| Err(ApiError::not_running()))
    }
}

/// Owns a managed process.
pub(super) struct Supervisor {
    /// A weak reference: supervision ends when the managed process is dropped.
    managed: Weak<Managed>,
    request: StartRequest,
    policy: RestartPolicy,
    check: Option<HealthCheck>,
    table: Weak<Table>,
    clock: Clock,
    commands: UnboundedReceiver<Command>,
    state: watch::Sender<State>,
    /// Callers that wait for another process.
    restarts: Vec<oneshot::Sender<Result<Arc<Process>>>>,
    /// Whether a caller has stopped the managed process.
    stopped: bool,
    /// The number of restarts in a row. Each waits twice as long as the one before.
    doublings: u32,
}

impl Supervisor {
    pub(super) fn new(
        id: String,
        name: Option<String>,
        mut request: StartRequest,
        table: Weak<Table>,
        clock: Clock,
    ) -> (Arc<Managed>, Self) {
        // A process with only a name is not restarted.
        let policy = request.restart.take().unwrap_or(RestartPolicy::NEVER);
        let check = request.health_check.take();
        let info = ManagedInfo {
            id,
            name: name.clone(),
            status: ManagedStatus::Starting,
            restart_count: 0,
            restart: policy,
            health_check: check.clone(),
            health_status: HealthStatus::Disabled,
            consecutive_health_failures: 0,
            last_exit: None,
            last_error: None,
            next_restart_at: None,
        };
        let (state, shown) = watch::channel(State { info, current: 0 });
        let (sender, commands) = mpsc::unbounded_channel();
        let managed = Arc::new(Managed { name, commands: sender, state: shown });
        let supervisor = Self {
            managed: Arc::downgrade(&managed),
            request,
            policy,
            check,
            table,
            clock,
            commands,
            state,
            restarts: Vec::new(),
            stopped: false,
            doublings: 0,
        };
        (managed, supervisor)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }

    /// Supervises from the first process on, which was passed to [`Supervisor::runs`].
    pub(super) async fn run(mut self, first: Arc<Process>) {
        let (mut process, mut runs) = (first, true);
        loop {
            let mut failed = true;
            if runs {
                let started = Instant::now();
                let ended = self.until_end(&process).await;
                // A process that ran for long enough resets the delay.
                if started.elapsed() > Duration::from_millis(self.policy.max_backoff_ms) {
                    self.doublings = 0;
                }
                self.change(|state| state.info.last_exit = Some(last_exit(&ended)));
                failed = ended.exit.exit_code() != Some(0);
            }
            if !self.until_start(failed, &process).await {
                return;
            }
            process.end_group().await;
            let started = self.start().await;
            runs = started.is_some();
            process = started.unwrap_or(process);
        }
    }

    /// Publishes a started process.
    pub(super) fn runs(&mut self, process: &Arc<Process>) {
        let checked = self.check.is_some();
        self.change(|state| {
            state.current = process.handle;
            state.info.next_restart_at = None;
            state.info.consecutive_health_failures = 0;
            (state.info.status, state.info.health_status) = match checked {
                true => (ManagedStatus::Starting, HealthStatus::Starting),
                false => (ManagedStatus::Running, HealthStatus::Disabled),
            };
        });
        for waiting in self.restarts.drain(..) {
            let _ = waiting.send(Ok(process.clone()));
        }
    }

    /// Waits for the end of a process. Kills it if it is unhealthy or on request.
    async fn until_end(&mut self, process: &Process) -> Ended {
        let mut checks = true;
        loop {
            let unhealthy = async {
                match self.check.as_ref().filter(|_| checks) {
                    Some(check) => watch(process, check, self.clock.clone(), &self.state).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = process.wait() => return ended,
                () = unhealthy => checks = false,
                command = self.commands.recv() => match command {
                    Some(Command::Stop(reply)) => {
                        self.stopped = true;
                        let _ = process.signal(Signal::KILL).await;
                        let _ = reply.send(());
                        continue;
                    }
                    Some(Command::Restart(reply)) => {
                        self.restarts.push(reply);
                        if self.stopped {
                            continue;
                        }
                    }
                    None => return process.wait().await,
                },
            }
            let _ = process.signal(Signal::KILL).await;
        }
    }

    /// Waits until the next start is due. Returns `false` if there is none. `last` has ended.
    async fn until_start(&mut self, failed: bool, last: &Process) -> bool {
        if self.stopped {
            self.restarts.drain(..).for_each(refuse);
        } else if !self.restarts.is_empty() {
            return true;
        }
        let wanted = match self.policy.policy {
            Restart::Never => false,
            Restart::OnFailure => failed,
            Restart::Always => true,
        };
        let restarts = self.state.borrow().info.restart_count;
        let used_up = self.policy.max_restarts.is_some_and(|most| restarts >= most);
        let backs_off = wanted && !used_up && !self.stopped;
        let wait = self.policy.initial_backoff_ms.saturating_mul(1 << self.doublings.min(20));
        let wait = wait.min(self.policy.max_backoff_ms);
        self.change(|state| {
            (state.info.status, state.info.next_restart_at) = match backs_off {
                true => (ManagedStatus::BackingOff, Some(now_ms() + wait)),
                false => (ManagedStatus::Stopped, None),
            };
        });
        let mut timer = self.clock.timer(Duration::from_millis(wait));
        loop {
            tokio::select! {
                () = timer.done(), if backs_off && !self.stopped => return true,
                command = self.commands.recv() => match command {
                    Some(Command::Restart(reply)) if self.stopped => refuse(reply),
                    Some(Command::Restart(reply)) => {
                        self.restarts.push(reply);
                        return true;
                    }
                    Some(Command::Stop(reply)) => {
                        self.stopped = true;
                        self.change(|state| {
                            state.info.status = ManagedStatus::Stopped;
                            state.info.next_restart_at = None;
                        });
                        last.end_group().await;
                        let _ = reply.send(());
                    }
                    None => return false,
                },
            }
        }
    }

    /// Starts the next process.
    async fn start(&mut self) -> Option<Arc<Process>> {
        self.doublings += 1;
        self.change(|state| state.info.restart_count += 1);
        let started = match (self.table.upgrade(), self.managed.upgrade()) {
            (Some(table), Some(managed)) => table.start_next(self.request.clone(), managed).await,
            _ => Err(ApiError::not_running()),
        };
        match started {
            Ok(process) => {
                self.runs(&process);
                Some(process)
            }
            Err(error) => {
                self.change(|state| state.info.last_error = Some(error.text().to_owned()));
                for waiting in self.restarts.drain(..) {
                    let _ = waiting.send(Err(error.clone()));
                }
                None
            }
        }
    }
}

/// Refuses to restart a process that a caller has stopped.
fn refuse(reply: oneshot::Sender<Result<Arc<Process>>>) {
    let text = "supervision has ended: start the process again under its name";
    let _ = reply.send(Err(ApiError::new(ServerCode::Conflict, text)));
}

fn last_exit(ended: &Ended) -> LastExit {
    LastExit {
        exit_code: ended.exit.exit_code(),
        signal: ended.exit.signal(),
        oom_killed: ended.exit.oom_killed(),
        ended_at: ended.at,
    }
}

/// Checks until the process counts as unhealthy.
async fn watch(
    process: &Process,
    check: &HealthCheck,
    mut clock: Clock,
    state: &watch::Sender<State>,
) {
    clock.sleep(Duration::from_millis(check.initial_delay_ms)).await;
    loop {
        clock.running().await;
        clock.has_stopped();
        let healthy = answers(&process.agent, check).await;
        // A suspended process cannot answer.
        if !clock.has_stopped() {
            let mut unhealthy = false;
            state.send_modify(|State { info, .. }| {
                if healthy {
                    info.consecutive_health_failures = 0;
                    (info.status, info.health_status) =
                        (ManagedStatus::Running, HealthStatus::Healthy);
                    return;
                }
                info.consecutive_health_failures += 1;
                unhealthy = info.consecutive_health_failures >= check.failure_threshold.max(1);
                if unhealthy {
                    info.health_status = HealthStatus::Unhealthy;
                    info.last_error = Some("the health check failed too often".to_owned());
                }
            });
            if unhealthy {
                return;
            }
        }
        clock.sleep(Duration::from_millis(check.interval_ms.max(1))).await;
    }
}
