//! Whether a sandbox runs, is suspended or has ended, and how it gets from one to the other.

use super::Sandbox;
use crate::error::{ApiError, Result};
use crate::log::now_ms;
use parking_lot::MutexGuard;
use shoreline_protocol::error::ServerCode;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    Running,
    Suspended,
    Ended(Ended),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) at: u64,
    pub(super) reason: EndReason,
}

/// Why a sandbox ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EndReason {
    /// Somebody asked for it.
    UserTerminated,
    /// `timeout_secs` passed.
    Timeout,
    /// Something in it killed its agent.
    AgentLost,
}

impl EndReason {
    /// As the record tells it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::UserTerminated => "user_terminated",
            Self::Timeout => "timeout",
            Self::AgentLost => "agent_lost",
        }
    }
}

impl Sandbox {
    pub(super) fn state_locked(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        match *self.state_locked() {
            State::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    /// It has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        self.ended().is_none()
    }

    /// Stops every process of a named sandbox where it stands; whether it ran.
    pub(crate) async fn suspend(&self) -> Result<bool> {
        let _turn = self.changing.lock().await;
        if self.name().is_none() {
            let text = "only a named sandbox can be suspended: give it a name first";
            return Err(ApiError::new(ServerCode::InvalidRequest, text));
        }
        let state = *self.state_locked();
        match state {
            State::Ended(_) => return Err(ApiError::not_running()),
            State::Suspended => return Ok(false),
            State::Running => {}
        }
        self.agent.freeze().await?;
        self.enter(State::Suspended);
        Ok(true)
    }

    /// Lets a suspended sandbox go on; whether it was suspended. Its time limit begins anew.
    pub(crate) async fn resume(&self) -> Result<bool> {
        if matches!(*self.state_locked(), State::Running) {
            return Ok(false);
        }
        let _turn = self.changing.lock().await;
        let state = *self.state_locked();
        match state {
            State::Ended(_) => return Err(ApiError::not_running()),
            State::Running => return Ok(false),
            State::Suspended => {}
        }
        self.agent.thaw().await?;
        self.enter(State::Running);
        self.woken.notify_one();
        Ok(true)
    }

    /// What has ended stays so.
    fn enter(&self, state: State) {
        let mut current = self.state_locked();
        if !matches!(*current, State::Ended(_)) {
            *current = state;
        }
    }

    /// Keeps the time limit: a named sandbox is suspended by it, another ends.
    pub(super) fn keep_time(self: &Arc<Self>) {
        let Some(seconds) = self.timeout_secs.filter(|seconds| *seconds > 0) else { return };
        let sandbox = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                let Some(sandbox) = sandbox.upgrade() else { return };
                if sandbox.name().is_none() {
                    sandbox.terminate(EndReason::Timeout).await;
                    return;
                }
                if sandbox.suspend().await.is_err() {
                    return;
                }
                sandbox.woken.notified().await;
            }
        });
    }

    /// Kills everything in it and removes its files. Again is no error, and waits for the same.
    pub(crate) async fn terminate(&self, reason: EndReason) {
        let ended = State::Ended(Ended { at: now_ms(), reason });
        self.enter(ended);
        self.woken.notify_one();
        tokio::join!(self.processes.close(), self.terminals.close());
        self.agent.close().await;
        let directory = self.directory.lock().take();
        let removed = tokio::task::spawn_blocking(move || directory.map(TempDir::close));
        if let Ok(Some(Err(error))) = removed.await {
            eprintln!(
                "shoreline-local: files of sandbox {} could not be removed: {error}",
                self.id
            );
        }
    }
}
