//! The sandboxes of this server.

use super::directory::Root;
use super::{END, Ground, Sandbox, Settings};
use crate::agent::Agents;
use crate::error::{ApiError, Result};
use crate::isolation::{Isolation, Mount, Network};
use crate::limits::Enforcement;
use crate::network::{Budget, Policy};
use crate::reservation::{Reservable, Reservation};
use crate::wire::sandbox::{CreateRequest, Status};
use parking_lot::Mutex;
use serde::Deserialize;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use shoreline_protocol::name;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The characters of sandbox ids.
const ID_ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

#[derive(Debug)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
    ground: Ground,
    /// The directory with every sandbox's files.
    _root: Root,
}

#[derive(Debug, Default)]
struct Inner {
    /// In the order of their creation.
    sandboxes: Vec<Arc<Sandbox>>,
    /// The number of sandboxes that are being created, and their names.
    creating: usize,
    names: HashSet<String>,
    /// Notified when a sandbox was created or its creation failed.
    created: Arc<Notify>,
    /// Whether the server is stopping.
    closed: bool,
}

/// The filter of a list of sandboxes.
pub(crate) enum Filter {
    All,
    In(Status),
    /// A state that no sandbox here can be in.
    None,
}

/// The direction of a cursor.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    #[default]
    Forward,
    Backward,
}

/// A part of the list, newest first.
pub(crate) struct Page {
    pub(crate) sandboxes: Vec<Arc<Sandbox>>,
    /// The cursor of the page before.
    pub(crate) previous: Option<String>,
    /// The cursor of the next page.
    pub(crate) next: Option<String>,
}

impl Reservable for Inner {
    fn free(&mut self, name: Option<&str>) {
        self.creating -= 1;
        if let Some(name) = name {
            self.names.remove(name);
        }
        self.created.notify_waiters();
    }
}

impl Registry {
    pub(crate) fn new(
        isolation: Isolation,
        network: Network,
        mounts: Vec<Mount>,
        enforcement: Enforcement,
        log_bytes: u64,
    ) -> io::Result<Self> {
        let root = Root::new(&std::env::temp_dir())?;
        isolation.open_root(root.path())?;
        let agents = Arc::new(Agents::new()?);
        let enforcement = Arc::new(enforcement);
        let directory = root.path().to_owned();
        let (mounts, sockets) = (mounts.into(), Budget::new());
        let ground = Ground {
            directory,
            isolation,
            mounts,
            network,
            sockets,
            enforcement,
            agents,
            log_bytes,
        };
        Ok(Self { inner: Mutex::default(), ground, _root: root })
    }

    pub(crate) fn isolation(&self) -> &Isolation {
        &self.ground.isolation
    }

    pub(crate) fn network(&self) -> Network {
        self.ground.network
    }

    /// The network of a sandbox with these rules.
    pub(crate) fn network_for(&self, policy: &Policy) -> Network {
        self.ground.network_for(policy)
    }

    pub(crate) fn enforcement(&self) -> &Enforcement {
        &self.ground.enforcement
    }

    /// Whether there is no sandbox.
    pub(crate) fn is_idle(&self) -> bool {
        let inner = self.inner.lock();
        inner.creating == 0 && inner.sandboxes.iter().all(|sandbox| !sandbox.is_alive())
    }

    pub(crate) async fn create(
        &self,
        request: CreateRequest,
        policy: Policy,
    ) -> Result<Arc<Sandbox>> {
        let room = self.reserve(request.name.clone())?;
        let id = crate::random::id(ID_ALPHABET).map_err(|e| ApiError::internal(&e))?;
        let ground = self.ground.clone();
        let made =
            tokio::task::spawn_blocking(move || Sandbox::new(id, request, policy, &ground)).await;
        let sandbox = made
            .map_err(io::Error::other)
            .and_then(|made| made)
            .map_err(|error| ApiError::internal(&error))?;
        room.fill(|inner| {
            inner.forget_the_oldest_ended();
            inner.sandboxes.push(sandbox.clone());
        });
        Ok(sandbox)
    }

    fn reserve(&self, name: Option<String>) -> Result<Reservation<'_, Inner>> {
        if let Some(name) = &name {
            name::check_sandbox_name(name)
                .map_err(|e| ApiError::new(ServerCode::InvalidRequest, e.sentence()))?;
        }
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(ApiError::new(ServerCode::SandboxNotRunning, "the server is stopping"));
        }
        let alive = inner.sandboxes.iter().filter(|sandbox| sandbox.is_alive()).count();
        if alive + inner.creating >= limits::SANDBOXES {
            return Err(ApiError::new(
                ServerCode::TooManySandboxes,
                format!("{} sandboxes run here: terminate some first", limits::SANDBOXES),
            ));
        }
        if let Some(name) = &name {
            inner.check_free(name)?;
            inner.names.insert(name.clone());
        }
        inner.creating += 1;
        drop(inner);
        Ok(Reservation::new(&self.inner, name))
    }

    /// A sandbox by id, or a live one by name, or else the last one of that name.
    pub(crate) fn get(&self, id_or_name: &str) -> Result<Arc<Sandbox>> {
        let inner = self.inner.lock();
        let sandboxes = &inner.sandboxes;
        let named = || {
            sandboxes.iter().rev().filter(|sandbox| sandbox.name().as_deref() == Some(id_or_name))
        };
        sandboxes
            .iter()
            .find(|sandbox| sandbox.id == id_or_name)
            .or_else(|| named().find(|sandbox| sandbox.is_alive()))
            .or_else(|| named().next())
            .cloned()
            .ok_or_else(|| {
                ApiError::new(
                    ServerCode::SandboxNotFound,
                    format!("no sandbox {id_or_name:?} here"),
                )
            })
    }

    /// Changes the properties of a sandbox.
    pub(crate) fn update(
        &self,
        sandbox: &Sandbox,
        name: Option<String>,
        change: impl FnOnce(&mut Settings),
    ) -> Result<()> {
        // Locked, so that only one sandbox gets a name.
        let inner = self.inner.lock();
        if !sandbox.is_alive() {
            return Err(ApiError::new(ServerCode::Conflict, "the sandbox is terminated"));
        }
        if let Some(name) = &name
            && sandbox.name().as_ref() != Some(name)
        {
            name::check_sandbox_name(name)
                .map_err(|e| ApiError::new(ServerCode::InvalidRequest, e.sentence()))?;
            inner.check_free(name)?;
        }
        let mut settings = sandbox.settings.lock();
        if name.is_some() {
            settings.name = name;
        }
        change(&mut settings);
        Ok(())
    }

    /// The page after the cursor, or before it: its first or last without one.
    pub(crate) fn list(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        direction: Direction,
        limit: usize,
    ) -> Result<Page> {
        let all: Vec<_> = self.inner.lock().sandboxes.iter().rev().cloned().collect();
        let at = cursor.map(|cursor| all.iter().position(|sandbox| sandbox.id == cursor));
        let (before, after) = match (at, direction) {
            (None, Direction::Forward) => (&[][..], &all[..]),
            (None, Direction::Backward) => (&all[..], &[][..]),
            (Some(Some(at)), Direction::Forward) => all.split_at(at + 1),
            (Some(Some(at)), Direction::Backward) => all.split_at(at),
            (Some(None), _) => {
                let text =
                    "`cursor` is not from this list: leave it out to start from the beginning";
                return Err(ApiError::new(ServerCode::InvalidRequest, text));
            }
        };
        let wanted = |sandbox: &&Arc<Sandbox>| match filter {
            Filter::All => true,
            Filter::In(status) => sandbox.status() == *status,
            Filter::None => false,
        };
        let mut before: Vec<_> = before.iter().filter(wanted).collect();
        let mut after: Vec<_> = after.iter().filter(wanted).collect();
        let page = match direction {
            Direction::Forward => {
                let rest = after.split_off(after.len().min(limit));
                std::mem::replace(&mut after, rest)
            }
            Direction::Backward => before.split_off(before.len().saturating_sub(limit)),
        };
        let id = |sandbox: Option<&&Arc<Sandbox>>| sandbox.map(|sandbox| sandbox.id.clone());
        Ok(Page {
            previous: id(page.first().filter(|_| !before.is_empty())),
            next: id(page.last().filter(|_| !after.is_empty())),
            sandboxes: page.into_iter().cloned().collect(),
        })
    }

    /// Refuses new sandboxes, and terminates all others, including those that are being created.
    pub(crate) async fn close(&self) {
        self.inner.lock().closed = true;
        let created = async {
            self.created().await;
            self.end_all().await;
        };
        let _ = timeout(END, async { tokio::join!(self.end_all(), created) }).await;
    }

    /// Returns when no sandbox is being created.
    async fn created(&self) {
        let created = self.inner.lock().created.clone();
        loop {
            let created = created.notified();
            if self.inner.lock().creating == 0 {
                return;
            }
            created.await;
        }
    }

    async fn end_all(&self) {
        let all = self.inner.lock().sandboxes.clone();
        let ends = futures::future::join_all(all.iter().map(|sandbox| sandbox.terminate()));
        for ended in ends.await {
            if let Err(error) = ended {
                eprintln!("shoreline-local: {}", error.text());
            }
        }
    }
}

impl Inner {
    /// Refuses a name that a living sandbox has, or one that is being created.
    fn check_free(&self, name: &str) -> Result<()> {
        let has_it =
            |sandbox: &Arc<Sandbox>| sandbox.is_alive() && sandbox.name().as_deref() == Some(name);
        if self.names.contains(name) || self.sandboxes.iter().any(has_it) {
            let text = format!("a sandbox named {name} is there already");
            return Err(ApiError::new(ServerCode::NameTaken, text));
        }
        Ok(())
    }

    fn forget_the_oldest_ended(&mut self) {
        let ended = self.sandboxes.iter().filter(|sandbox| !sandbox.is_alive()).count();
        if ended >= limits::TERMINATED_SANDBOXES
            && let Some(oldest) = self.sandboxes.iter().position(|sandbox| !sandbox.is_alive())
        {
            self.sandboxes.remove(oldest);
        }
    }
}
