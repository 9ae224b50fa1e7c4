//! Limits the sockets that the server opens for sandboxes. Each is a descriptor, and the server needs some for itself.

use rustix::process::{Resource, getrlimit};
use shoreline_protocol::limits::{NETWORK_PART, OPEN_FILES, SANDBOX_CONNECTIONS, SANDBOX_FLOWS};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// DNS queries of one sandbox that wait for an answer.
const QUERIES: usize = 64;

/// The budget of all sandboxes of a server.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    sockets: Arc<Semaphore>,
    total: usize,
}

/// The part of the budget for one sandbox.
#[derive(Debug)]
pub(super) struct Share {
    sockets: Arc<Semaphore>,
    queries: Arc<Semaphore>,
    /// TCP connections.
    pub(super) connections: usize,
    /// UDP flows.
    pub(super) flows: usize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        let open = getrlimit(Resource::Nofile).current.unwrap_or(OPEN_FILES);
        let total = usize::try_from(open / NETWORK_PART).unwrap_or(usize::MAX);
        let total = total.clamp(4, Semaphore::MAX_PERMITS);
        Self { sockets: Arc::new(Semaphore::new(total)), total }
    }

    /// A share for one sandbox, so that it cannot use the whole budget.
    pub(super) fn share(&self) -> Share {
        Share {
            sockets: self.sockets.clone(),
            queries: Arc::new(Semaphore::new(QUERIES)),
            connections: SANDBOX_CONNECTIONS.min(self.total / 4),
            flows: SANDBOX_FLOWS.min(self.total / 4),
        }
    }
}

impl Share {
    /// A permit for one more socket, until it is dropped.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.sockets.clone().try_acquire_owned().ok()
    }

    /// A permit for a DNS query, until it is dropped.
    pub(super) fn query(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        Some([self.queries.clone().try_acquire_owned().ok()?, self.take()?])
    }
}
