//! Terminals: a process on a pseudo-terminal, its recent output, and the attached clients.

mod attached;
mod flow_control;
mod queries;
mod ring;
mod session;

pub(crate) use attached::{Attached, Begun};
pub(crate) use session::{At, Session};

use crate::agent::Agent;
use crate::clock::Clock;
use crate::error::{ApiError, Result};
use crate::reservation::{Reservable, Reservation};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long an ended session stays in the list.
const SHOWN: Duration = Duration::from_secs(60);
const SHOWN_AFTER_KILL: Duration = Duration::from_secs(5);

/// The body of a request to create a session.
#[derive(Debug, Deserialize)]
pub(crate) struct CreateRequest {
    pub(crate) command: String,
    #[serde(default)]
    pub(crate) args: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) env: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) working_dir: Option<String>,
    #[serde(default = "rows")]
    pub(crate) rows: u16,
    #[serde(default = "cols")]
    pub(crate) cols: u16,
}

const fn rows() -> u16 {
    24
}

const fn cols() -> u16 {
    80
}

/// The record of a session.
#[derive(Debug, Serialize)]
pub(crate) struct Info {
    session_id: String,
    pid: u32,
    command: String,
    args: Vec<String>,
    rows: u16,
    cols: u16,
    created_at: u64,
    ended_at: Option<u64>,
    exit_code: Option<i32>,
    /// Beyond the public protocol, as in a process's record.
    signal: Option<i32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    oom_killed: bool,
    is_alive: bool,
}

/// The sessions of one sandbox.
#[derive(Debug)]
pub(crate) struct Sessions {
    agent: Arc<Agent>,
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: Vec<Arc<Session>>,
    /// The number of sessions that are being created.
    starting: usize,
    closed: bool,
}

impl Reservable for Inner {
    fn free(&mut self, _: Option<&str>) {
        self.starting -= 1;
    }
}

impl Sessions {
    pub(crate) fn new(agent: Arc<Agent>, clock: Clock) -> Self {
        Self { agent, clock, inner: Arc::default() }
    }

    /// Starts a session.
    pub(crate) async fn create(&self, request: CreateRequest) -> Result<Arc<Session>> {
        let room = self.reserve()?;
        let session = Session::start(request, &self.agent, &self.clock).await?;
        // If the sandbox ends meanwhile, the session ends with it.
        room.fill(|inner| {
            if inner.closed {
                return Err(ApiError::not_running());
            }
            inner.sessions.push(session.clone());
            Ok(())
        })?;
        self.forget_later(session.clone());
        Ok(session)
    }

    fn reserve(&self) -> Result<Reservation<'_, Inner>> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(ApiError::not_running());
        }
        let live = inner.sessions.iter().filter(|session| session.is_alive()).count();
        if live + inner.starting >= limits::PTY_SESSIONS {
            return Err(ApiError::new(
                ServerCode::TooManySessions,
                format!("{} terminals are open: close some first", limits::PTY_SESSIONS),
            ));
        }
        inner.starting += 1;
        drop(inner);
        Ok(Reservation::new(&self.inner, None))
    }

    /// Removes an ended session after [`SHOWN`].
    fn forget_later(&self, session: Arc<Session>) {
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            session.wait().await;
            let shown = if session.was_killed() { SHOWN_AFTER_KILL } else { SHOWN };
            tokio::time::sleep(shown).await;
            if let Some(inner) = inner.upgrade() {
                inner.lock().sessions.retain(|other| other.id != session.id);
            }
        });
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.inner.lock().sessions.clone()
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.inner.lock().sessions.iter().find(|session| session.id == id).cloned()
    }

    /// Refuses new sessions. The others end with the sandbox.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
    }

    /// Returns when every session has ended.
    pub(crate) async fn ended(&self) {
        for session in self.all() {
            session.wait().await;
        }
    }

    /// Removes every session of a sandbox that has ended.
    pub(crate) fn clear(&self) {
        let sessions = std::mem::take(&mut self.inner.lock().sessions);
        drop(sessions);
    }
}
