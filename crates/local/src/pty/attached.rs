//! A client that is attached to a terminal.

use super::queries::queries;
use super::session::Session;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// The time without a client after which a program's queries to its terminal count as unanswered.
const UNANSWERED: Duration = Duration::from_secs(5);

/// The start of a client's output.
pub(crate) struct Begun {
    pub(crate) position: u64,
    /// Positions of queries that are too old for this client to answer.
    pub(crate) queries: Vec<Range<u64>>,
}

/// A client that is attached. Dropping it reports a broken connection, unless the client has detached.
#[derive(Debug)]
pub(crate) struct Attached {
    session: Arc<Session>,
    id: u64,
}

impl Attached {
    pub(super) fn new(session: Arc<Session>, id: u64) -> Self {
        Self { session, id }
    }

    /// Begins the client's output at `wanted`, or at the start of the kept output. `credit`: the number of bytes that the client
    /// accepts, if it has flow control.
    pub(crate) fn begin(&self, wanted: Option<u64>, credit: Option<u64>) -> Begun {
        let mut state = self.session.lock();
        let (start, end) = (state.ring.start(), state.ring.end());
        let position = wanted.unwrap_or(start).clamp(start, end);
        // A new client finds what others have seen, and a client that comes back what it missed. Of the latter, only
        // what was written while nobody was there is old, if that was long ago.
        let old = match (wanted, state.left.take()) {
            (None, _) if state.seen => position,
            (Some(_), Some((alone, since))) if since.elapsed() > UNANSWERED => position.max(alone),
            _ => end,
        };
        state.seen = true;
        let limit = credit.map_or(u64::MAX, |credit| position.saturating_add(credit));
        state.flow_control.join(self.id, limit);
        let replayed = state.ring.read(old, (end - old) as usize);
        drop(state);
        self.session.wake.send_replace(());
        let at = |offset: usize| old + offset as u64;
        let queries = queries(&replayed).into_iter().map(|found| at(found.start)..at(found.end));
        Begun { position, queries: queries.collect() }
    }

    /// The client accepts output up to this position.
    pub(crate) fn extend(&self, limit: u64) {
        self.session.lock().flow_control.extend(self.id, limit);
        self.session.wake.send_replace(());
    }

    /// The client has detached.
    pub(crate) fn leave(&self) {
        self.go(false);
    }

    fn go(&self, broken: bool) {
        let mut state = self.session.lock();
        let was_empty = state.flow_control.is_empty();
        let now = Instant::now();
        state.flow_control.leave(self.id, broken, now);
        if !was_empty && state.flow_control.is_empty() {
            state.left = Some((state.ring.end(), now));
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.go(true);
        self.session.attached.fetch_sub(1, Ordering::Relaxed);
        self.session.wake.send_replace(());
    }
}
