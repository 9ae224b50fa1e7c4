//! Every sandbox of this server.

use super::{EndReason, Sandbox, Settings};
use crate::error::{ApiError, Result};
use crate::isolation::Isolation;
use crate::limits::Enforcement;
use crate::wire::sandbox::{CreateRequest, Status};
use parking_lot::{Mutex, MutexGuard};
use serde::Deserialize;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use shoreline_protocol::name;
use std::io;
use std::sync::Arc;
use tempfile::TempDir;

/// What the API makes sandbox ids of.
const ID_ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

#[derive(Debug)]
pub(crate) struct Registry {
    /// In the order of their making.
    sandboxes: Mutex<Vec<Arc<Sandbox>>>,
    /// Holds every sandbox's files.
    directory: TempDir,
    pub(crate) isolation: Isolation,
    pub(crate) enforcement: Enforcement,
    log_bytes: u64,
}

/// Which sandboxes a list shows.
pub(crate) enum Filter {
    All,
    In(Status),
    /// A state that no sandbox here can be in.
    None,
}

/// Which way a cursor leads.
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
    /// The id that the page before ends at, going backward.
    pub(crate) previous: Option<String>,
    /// The id that the next page comes after.
    pub(crate) next: Option<String>,
}

impl Registry {
    pub(crate) fn new(
        isolation: Isolation,
        enforcement: Enforcement,
        log_bytes: u64,
    ) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("shoreline-local-").tempdir()?;
        Ok(Self { sandboxes: Mutex::default(), directory, isolation, enforcement, log_bytes })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Sandbox>>> {
        self.sandboxes.lock()
    }

    /// Whether there is no sandbox, so that nobody would miss the server.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().iter().all(|sandbox| !sandbox.is_alive())
    }

    pub(crate) fn create(&self, request: CreateRequest) -> Result<Arc<Sandbox>> {
        if let Some(name) = &request.name {
            name::check_sandbox_name(name)
                .map_err(|e| ApiError::new(ServerCode::InvalidRequest, e.sentence()))?;
        }
        let mut sandboxes = self.lock();
        if sandboxes.iter().filter(|sandbox| sandbox.is_alive()).count() >= limits::SANDBOXES {
            return Err(ApiError::new(
                ServerCode::TooManySandboxes,
                format!("{} sandboxes run here: terminate some first", limits::SANDBOXES),
            ));
        }
        if let Some(name) = &request.name {
            check_free(&sandboxes, name)?;
        }
        let sandbox = Sandbox::new(
            crate::random::id(ID_ALPHABET).map_err(|e| ApiError::internal(&e))?,
            request,
            self.directory.path(),
            &self.isolation,
            &self.enforcement,
            self.log_bytes,
        )
        .map_err(|error| ApiError::internal(&error))?;
        let terminated = sandboxes.iter().filter(|sandbox| !sandbox.is_alive()).count();
        if terminated >= limits::TERMINATED_SANDBOXES
            && let Some(oldest) = sandboxes.iter().position(|sandbox| !sandbox.is_alive())
        {
            sandboxes.remove(oldest);
        }
        sandboxes.push(sandbox.clone());
        Ok(sandbox)
    }

    /// A sandbox by id, or a live one by name, or else the last one of that name.
    pub(crate) fn get(&self, id_or_name: &str) -> Result<Arc<Sandbox>> {
        let sandboxes = self.lock();
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

    /// Changes what can be changed of a sandbox.
    pub(crate) fn update(
        &self,
        sandbox: &Sandbox,
        name: Option<String>,
        change: impl FnOnce(&mut Settings),
    ) -> Result<()> {
        // Held, so that a name is given to one only.
        let sandboxes = self.lock();
        if !sandbox.is_alive() {
            return Err(ApiError::new(ServerCode::Conflict, "the sandbox is terminated"));
        }
        if let Some(name) = &name
            && sandbox.name().as_ref() != Some(name)
        {
            name::check_sandbox_name(name)
                .map_err(|e| ApiError::new(ServerCode::InvalidRequest, e.sentence()))?;
            check_free(&sandboxes, name)?;
        }
        let mut settings = sandbox.settings_locked();
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
        let all: Vec<_> = self.lock().iter().rev().cloned().collect();
        let at = cursor.map(|cursor| all.iter().position(|sandbox| sandbox.id == cursor));
        let (before, after) = match (at, direction) {
            (None, Direction::Forward) => (&[][..], &all[..]),
            (None, Direction::Backward) => (&all[..], &[][..]),
            (Some(Some(at)), Direction::Forward) => all.split_at(at + 1),
            (Some(Some(at)), Direction::Backward) => all.split_at(at),
            (Some(None), _) => {
                let text = "`cursor` is none of this list's: leave it out to begin anew";
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

    /// Ends every sandbox.
    pub(crate) async fn close(&self) {
        let all = self.lock().clone();
        futures::future::join_all(
            all.iter().map(|sandbox| sandbox.terminate(EndReason::UserTerminated)),
        )
        .await;
    }
}

/// Whether no living sandbox has this name.
fn check_free(sandboxes: &[Arc<Sandbox>], name: &str) -> Result<()> {
    let taken = sandboxes
        .iter()
        .any(|sandbox| sandbox.is_alive() && sandbox.name().as_deref() == Some(name));
    if taken {
        let text = format!("a sandbox named {name} is there already");
        return Err(ApiError::new(ServerCode::NameTaken, text));
    }
    Ok(())
}
