//! The lifecycle of a sandbox. One task owns it and makes one change at a time.

use super::{Settings, directory};
use crate::agent::{Agent, Host};
use crate::clock::{Clock, Timer, passed};
use crate::error::{ApiError, Result};
use crate::log::now_ms;
use crate::network::Network;
use crate::process::Table;
use crate::pty::Sessions;
use crate::watches::Watches;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The delay before a failed suspension is retried.
const AGAIN: Duration = Duration::from_secs(10);
/// The time limit for killed processes to end.
const EXITS: Duration = Duration::from_millis(500);
/// The time limit for their logs after that. A process outside of the sandbox can hold a pipe open.
const LOGS: Duration = Duration::from_secs(2);

/// The state of a sandbox.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Running,
    Suspending,
    Suspended,
    Resuming,
    /// The sandbox is being terminated, and processes can still run.
    Terminating,
    Terminated(Ended),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) at: u64,
    pub(super) reason: EndReason,
}

/// Why a sandbox ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum EndReason {
    /// A client terminated it.
    UserTerminated,
    /// `timeout_secs` passed.
    Timeout,
    /// Its agent was killed.
    AgentLost,
}

impl EndReason {
    /// The API's `termination_reason`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::UserTerminated => "user_terminated",
            Self::Timeout => "timeout",
            Self::AgentLost => "agent_lost",
        }
    }
}

/// A request to a sandbox. The reply says whether the state changed.
#[derive(Debug)]
pub(super) enum Command {
    Suspend(oneshot::Sender<Result<bool>>),
    Resume(oneshot::Sender<Result<bool>>),
    /// Counts the time limit from now.
    RestartTimeLimit,
}

/// The owner of one sandbox's state.
pub(super) struct Lifecycle {
    pub(super) id: String,
    pub(super) agent: Arc<Agent>,
    pub(super) host: Host,
    pub(super) lost: oneshot::Receiver<()>,
    pub(super) processes: Arc<Table>,
    pub(super) terminals: Arc<Sessions>,
    pub(super) watches: Arc<Watches>,
    pub(super) network: Option<Arc<Network>>,
    /// Its files.
    pub(super) directory: PathBuf,
    pub(super) commands: UnboundedReceiver<Command>,
    pub(super) phase: watch::Sender<Phase>,
    /// Stops the sandbox's clock.
    pub(super) stop_clock: watch::Sender<bool>,
    /// Cancelled to terminate the sandbox, which interrupts every other change.
    pub(super) ending: CancellationToken,
    /// The timer of the time limit.
    pub(super) timer: Option<Timer>,
    pub(super) clock: Clock,
    pub(super) settings: Arc<Mutex<Settings>>,
}

impl Lifecycle {
    pub(super) async fn run(mut self) {
        let reason = loop {
            tokio::select! {
                biased;
                () = self.ending.cancelled() => break EndReason::UserTerminated,
                _ = &mut self.lost => break EndReason::AgentLost,
                () = passed(self.timer.as_mut()) => {
                    self.timer = None;
                    if self.settings.lock().name.is_none() {
                        break EndReason::Timeout;
                    }
                    if let Err(error) = self.suspend().await {
                        let text = error.text();
                        eprintln!("shoreline-local: sandbox {} is not suspended yet: {text}", self.id);
                        self.timer = Some(self.clock.timer(AGAIN));
                    }
                }
                () = self.agent.wanted() => {
                    if let Err(error) = self.resume().await {
                        eprintln!("shoreline-local: sandbox {} is not resumed: {}", self.id, error.text());
                    }
                }
                command = self.commands.recv() => match command {
                    Some(Command::Suspend(reply)) => {
                        let _ = reply.send(self.suspend().await);
                    }
                    Some(Command::Resume(reply)) => {
                        let _ = reply.send(self.resume().await);
                    }
                    // A suspended sandbox has no limit until it is resumed.
                    Some(Command::RestartTimeLimit) => {
                        if matches!(*self.phase.borrow(), Phase::Running) {
                            self.start_timer();
                        }
                    }
                    None => break EndReason::UserTerminated,
                },
            }
        };
        self.end(reason).await;
    }

    /// Makes a change that needs the agent, unless the sandbox is being terminated.
    async fn ask(&self, change: impl Future<Output = Result<()>>) -> Result<()> {
        let changed = self.ending.run_until_cancelled(change).await;
        changed.unwrap_or_else(|| Err(ApiError::not_running()))
    }

    async fn suspend(&mut self) -> Result<bool> {
        if matches!(*self.phase.borrow(), Phase::Suspended) {
            return Ok(false);
        }
        self.phase.send_replace(Phase::Suspending);
        self.stop_clock.send_replace(true);
        if let Err(error) = self.ask(self.agent.freeze()).await {
            // Some processes may have been stopped.
            let _ = self.ask(self.agent.thaw()).await;
            self.runs();
            return Err(error);
        }
        self.phase.send_replace(Phase::Suspended);
        self.timer = None;
        Ok(true)
    }

    async fn resume(&mut self) -> Result<bool> {
        if matches!(*self.phase.borrow(), Phase::Running) {
            return Ok(false);
        }
        self.phase.send_replace(Phase::Resuming);
        if let Err(error) = self.ask(self.agent.thaw()).await {
            self.phase.send_replace(Phase::Suspended);
            return Err(error);
        }
        self.runs();
        // The time limit starts over.
        self.start_timer();
        Ok(true)
    }

    fn start_timer(&mut self) {
        let limit = self.settings.lock().time_limit();
        self.timer = limit.map(|limit| self.clock.timer(limit));
    }

    fn runs(&self) {
        self.stop_clock.send_replace(false);
        self.phase.send_replace(Phase::Running);
    }

    /// Kills everything in it and removes its files.
    async fn end(mut self, reason: EndReason) {
        self.phase.send_replace(Phase::Terminating);
        self.commands.close();
        self.processes.close();
        self.terminals.close();
        self.host.kill_processes().await;
        // The agent reports how they exited.
        let exits = async { tokio::join!(self.processes.ended(), self.terminals.ended()) };
        let _ = timeout(EXITS, exits).await;
        while let Err(error) = self.host.end().await {
            eprintln!("shoreline-local: sandbox {} has not ended yet: {error}", self.id);
        }
        if let Some(network) = &self.network {
            network.close().await;
        }
        let ends = async {
            tokio::join!(self.processes.ended(), self.terminals.ended(), self.watches.ended())
        };
        let _ = timeout(LOGS, ends).await;
        self.phase.send_replace(Phase::Terminated(Ended { at: now_ms(), reason }));
        self.processes.clear();
        self.terminals.clear();
        self.watches.clear();
        let directory = self.directory.clone();
        let removed = tokio::task::spawn_blocking(move || directory::remove(&directory)).await;
        if let Ok(Err(error)) = removed {
            eprintln!(
                "shoreline-local: files of sandbox {} could not be removed: {error}",
                self.id
            );
        }
    }
}
