//! Flow control of a terminal. It is read only as far as its clients have given credit, so that the kernel stops the
//! program.
//!
//! The slowest client with flow control decides. A client that gives no credit for [`STALL`] while another one waits
//! for output is ignored until it gives some. After a broken connection, the credit of the client counts for [`AWAY`], in
//! which the client can reconnect without losing output. Without clients the terminal is read as fast as it is written.

use shoreline_protocol::limits::PTY_HISTORY_BYTES;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long a client can delay others.
const STALL: Duration = Duration::from_secs(10);
/// How long to wait for a client whose connection broke, and for the first client of a session.
const AWAY: Duration = Duration::from_secs(10);

/// The clients that are ready, and those that can reconnect.
#[derive(Debug)]
pub(super) struct FlowControl {
    clients: BTreeMap<u64, Client>,
    /// For each awaited client, the position up to which to read, and the end of the wait.
    awaited: Vec<(u64, Instant)>,
    /// Since when clients delay others.
    stalled: Option<Instant>,
}

#[derive(Debug)]
struct Client {
    /// The position up to which the client has given credit; the maximum if it has no flow control.
    limit: u64,
    ignored: bool,
}

impl FlowControl {
    /// The state of a new session. Until its first client attaches, only as much is read as can be kept for that client.
    pub(super) fn new(now: Instant) -> Self {
        let first = (PTY_HISTORY_BYTES as u64, now + AWAY);
        Self { clients: BTreeMap::new(), awaited: vec![first], stalled: None }
    }

    /// A client is ready.
    pub(super) fn join(&mut self, id: u64, limit: u64) {
        // Which one does not matter: their limits are so close that each one finds its output (`PTY_CREDIT_BYTES`).
        self.awaited.pop();
        self.clients.insert(id, Client { limit, ignored: false });
    }

    /// A client has given credit.
    pub(super) fn extend(&mut self, id: u64, limit: u64) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.ignored &= limit <= client.limit;
            client.limit = client.limit.max(limit);
        }
    }

    /// A client has left. With a `broken` connection it can reconnect.
    pub(super) fn leave(&mut self, id: u64, broken: bool, now: Instant) {
        let Some(client) = self.clients.remove(&id) else { return };
        if broken && !client.ignored && client.limit < u64::MAX {
            self.awaited.push((client.limit, now + AWAY));
        }
    }

    /// Whether no client is ready.
    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// The number of bytes that can be read at `end`, and when to call this again if nothing else happens.
    pub(super) fn room(&mut self, end: u64, now: Instant) -> (u64, Option<Instant>) {
        self.awaited.retain(|(_, until)| *until > now);
        let counted = self.clients.values_mut().filter(|client| !client.ignored);
        let (stuck, others): (Vec<_>, Vec<_>) = counted.partition(|client| client.limit <= end);
        if stuck.is_empty() || others.is_empty() {
            self.stalled = None;
        } else if *self.stalled.get_or_insert(now) + STALL <= now {
            self.stalled = None;
            for client in stuck {
                client.ignored = true;
            }
        }
        let counted = self.clients.values().filter(|client| !client.ignored);
        let limits = counted.map(|client| client.limit);
        let limit = limits.chain(self.awaited.iter().map(|(limit, _)| *limit)).min();
        let expiry = self.awaited.iter().map(|(_, until)| *until).min();
        let again = self.stalled.map(|since| since + STALL).into_iter().chain(expiry).min();
        (limit.unwrap_or(u64::MAX).saturating_sub(end), again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u64 = u64::MAX;

    /// Flow control of a session that a client has been attached to.
    fn flow_control(now: Instant) -> FlowControl {
        let mut flow_control = FlowControl::new(now);
        flow_control.join(0, MANY);
        flow_control.leave(0, true, now);
        flow_control
    }

    #[test]
    fn without_clients_everything_is_read() {
        let now = Instant::now();
        assert_eq!(flow_control(now).room(7, now), (MANY - 7, None));
        let mut new = FlowControl::new(now);
        assert_eq!(new.room(7, now), (PTY_HISTORY_BYTES as u64 - 7, Some(now + AWAY)));
        assert_eq!(new.room(7, now + AWAY), (MANY - 7, None));
    }

    #[test]
    fn the_slowest_client_decides_and_credit_is_never_taken_back() {
        let now = Instant::now();
        let mut flow_control = flow_control(now);
        flow_control.join(1, 100);
        flow_control.join(2, 200);
        assert_eq!(flow_control.room(60, now), (40, None));
        flow_control.extend(1, 150);
        flow_control.extend(1, 120);
        assert_eq!(flow_control.room(60, now), (90, None));
        flow_control.leave(1, false, now);
        assert_eq!(flow_control.room(60, now), (140, None));
        flow_control.leave(2, false, now);
        assert_eq!(flow_control.room(60, now), (MANY - 60, None));
    }

    #[test]
    fn a_client_that_delays_others_is_ignored_until_it_gives_credit() {
        let now = Instant::now();
        let mut flow_control = flow_control(now);
        flow_control.join(1, 100);
        // A single client has no time limit.
        assert_eq!(flow_control.room(100, now), (0, None));
        flow_control.join(2, 300);
        assert_eq!(flow_control.room(100, now), (0, Some(now + STALL)));
        assert_eq!(flow_control.room(100, now + STALL), (200, None));
        // Both have none: no client is delayed.
        flow_control.extend(1, 300);
        assert_eq!(flow_control.room(300, now + STALL), (0, None));
        // A client without flow control is delayed too.
        flow_control.join(3, MANY);
        assert_eq!(flow_control.room(300, now + STALL), (0, Some(now + STALL + STALL)));
        flow_control.extend(1, 400);
        flow_control.extend(2, 400);
        assert_eq!(flow_control.room(300, now + STALL), (100, None));
    }

    #[test]
    fn a_broken_connection_is_waited_for() {
        let now = Instant::now();
        let mut flow_control = flow_control(now);
        flow_control.join(1, 100);
        flow_control.leave(1, true, now);
        assert_eq!(flow_control.room(60, now), (40, Some(now + AWAY)));
        // The client reconnects, and has consumed more output meanwhile.
        flow_control.join(2, 130);
        assert_eq!(flow_control.room(60, now), (70, None));
        flow_control.leave(2, true, now);
        assert_eq!(flow_control.room(60, now + AWAY), (MANY - 60, None));
    }
}
