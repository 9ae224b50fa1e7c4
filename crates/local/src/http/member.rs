//! The state of each connection, and the roster that decides which connection makes room when there are too many.

use parking_lot::Mutex;
use shoreline_protocol::limits::REQUEST_HEAD_SECONDS;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// The time limit for the head of a request.
const HEAD: Duration = Duration::from_secs(REQUEST_HEAD_SECONDS);

/// How long to wait for an evicted connection before another one is evicted.
const EVICTION: Duration = Duration::from_secs(1);

/// The state of one connection in the [`Roster`].
pub(super) struct Member {
    /// Whether one of its requests was authorized.
    proven: AtomicBool,
    /// Cancelled to close the connection at once.
    pub(super) evicted: CancellationToken,
    activity: Mutex<Activity>,
}

struct Activity {
    /// The number of requests whose response is not sent yet.
    requests: usize,
    /// Whether the connection was upgraded to another protocol, such as WebSocket.
    upgraded: bool,
    /// Since when there is no request.
    idle_since: Instant,
    /// The time at which the first byte after the last request arrived.
    head_since: Option<Instant>,
}

impl Member {
    fn new() -> Self {
        let activity =
            Activity { requests: 0, upgraded: false, idle_since: Instant::now(), head_since: None };
        Self {
            proven: AtomicBool::new(false),
            evicted: CancellationToken::new(),
            activity: Mutex::new(activity),
        }
    }

    /// Records an authorized request. The connection is then kept while it is idle, and evicted last.
    pub(super) fn prove(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Counts a request until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        let mut activity = self.activity.lock();
        activity.requests += 1;
        activity.head_since = None;
        Busy(self.clone())
    }

    /// Records that bytes arrived from the client.
    pub(super) fn received(&self) {
        let mut activity = self.activity.lock();
        if activity.requests == 0 {
            activity.head_since.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn upgrade(&self) {
        self.activity.lock().upgraded = true;
    }

    /// Returns the time at which the connection is closed unless a request begins before. A connection without an
    /// authorized request must not stay idle, and every connection must finish a head that it has begun.
    fn deadline(&self) -> Option<Instant> {
        let activity = self.activity.lock();
        if activity.requests > 0 || activity.upgraded {
            return None;
        }
        let since = if self.is_proven() { activity.head_since } else { Some(activity.idle_since) };
        since.map(|since| since + HEAD)
    }

    /// Waits until the deadline has passed. Checks once per [`HEAD`], so that changes of the deadline need no
    /// notification.
    pub(super) async fn overdue(&self) {
        loop {
            let now = Instant::now();
            let deadline = self.deadline();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return;
            }
            sleep_until(deadline.unwrap_or(now + HEAD)).await;
        }
    }

    /// The order of eviction, lowest first. `None` if the connection cannot be evicted: an authorized client
    /// is using it, or it is being evicted already.
    fn rank(&self) -> Option<(bool, Instant)> {
        let (activity, proven) = (self.activity.lock(), self.is_proven());
        let kept = proven && (activity.upgraded || activity.requests > 0);
        (!kept && !self.evicted.is_cancelled()).then_some((proven, activity.idle_since))
    }
}

/// The connection of a request, in the request's extensions.
#[derive(Clone)]
pub(super) struct Peer {
    /// The address to which the client connected.
    pub(super) local: SocketAddr,
    pub(super) member: Arc<Member>,
}

/// A request in progress.
pub(super) struct Busy(Arc<Member>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut activity = self.0.activity.lock();
        activity.requests -= 1;
        activity.idle_since = Instant::now();
    }
}

/// The connections of the server, up to a limit.
pub(super) struct Roster {
    capacity: usize,
    members: Mutex<BTreeMap<u64, Arc<Member>>>,
    departed: Notify,
}

impl Roster {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { capacity, members: Mutex::default(), departed: Notify::new() })
    }

    /// A seat for a new connection. At the limit, evicts a connection without an authorized request, or else an
    /// idle one. `None` if authorized clients use all connections.
    pub(super) async fn admit(self: &Arc<Self>) -> Option<Seat> {
        while self.members.lock().len() >= self.capacity {
            self.evict()?;
            let _ = timeout(EVICTION, self.departed.notified()).await;
        }
        let mut members = self.members.lock();
        let id = members.last_key_value().map_or(0, |(last, _)| last + 1);
        let member = Arc::new(Member::new());
        members.insert(id, member.clone());
        Some(Seat { roster: self.clone(), id, member })
    }

    fn evict(&self) -> Option<()> {
        let members = self.members.lock();
        let ranked = members.values().filter_map(|member| Some((member.rank()?, member)));
        let (_, first) = ranked.min_by_key(|(rank, _)| *rank)?;
        first.evicted.cancel();
        Some(())
    }
}

/// The place of a connection in the roster. Dropping it frees the place.
pub(super) struct Seat {
    roster: Arc<Roster>,
    id: u64,
    pub(super) member: Arc<Member>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.roster.members.lock().remove(&self.id);
        self.roster.departed.notify_one();
    }
}
