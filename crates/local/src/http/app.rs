//! State that every handler shares.

use super::guard::Guard;
use crate::sandbox::Registry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

/// State that every handler shares.
pub(crate) struct App {
    pub(crate) registry: Registry,
    /// The address of this server.
    pub(crate) url: String,
    /// The host below which ports of sandboxes have names, if `localhost` is this server.
    pub(super) ingress: Option<String>,
    /// The largest file that a request can write, in bytes.
    pub(super) file_bytes: u64,
    pub(super) guard: Guard,
    pub(crate) started: Instant,
    /// The requests under way that change something.
    pub(super) tasks: TaskTracker,
    /// The time of the last authorized request, in ms since the start.
    asked: AtomicU64,
}

impl App {
    /// `bound` is the address on which the server listens, `key` the API key, and `origins`
    /// the web origins whose pages can use the server.
    pub(crate) fn new(
        registry: Registry,
        bound: SocketAddr,
        key: String,
        origins: Vec<String>,
        file_bytes: u64,
    ) -> Self {
        let is_localhost = bound.ip().is_unspecified()
            || [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
                .contains(&bound.ip());
        Self {
            registry,
            url: format!("http://{bound}"),
            ingress: is_localhost.then(|| format!("http://localhost:{}", bound.port())),
            file_bytes,
            guard: Guard::new(key, origins, bound),
            started: Instant::now(),
            tasks: TaskTracker::new(),
            asked: AtomicU64::new(0),
        }
    }

    /// When the last authorized request arrived.
    pub(crate) fn last_asked(&self) -> Instant {
        self.started + Duration::from_millis(self.asked.load(Ordering::Relaxed))
    }

    pub(super) fn is_asked(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.asked.store(now, Ordering::Relaxed);
    }
}
