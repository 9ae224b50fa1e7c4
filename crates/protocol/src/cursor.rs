//! What has been delivered, and what to drop when a server sends it again.

use crate::batch::{Batch, flag};
use crate::json::Text;
use crate::stream::Stream;
use crate::tally::Tally;
use crate::text;

/// How far output has been delivered. Plain fields: it can be kept and taken up elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The id up to which everything was delivered, and beyond which nothing.
    pub last_id: Option<u64>,
    /// Events delivered: of stdout or of no stream, and of stderr. A replay may interleave the
    /// streams in another way, but each stream keeps its order.
    pub counts: [u64; 2],
    /// Bytes delivered of each stream's unfinished line, which will be the stream's next event.
    pub unfinished: [u64; 2],
}

impl Cursor {
    /// Where it is once the first `taken` events of `batch` are delivered, too.
    #[must_use]
    pub fn after(mut self, batch: &Batch, taken: usize) -> Self {
        if batch.flags.iter().any(|flags| flags & flag::PIECE != 0) {
            batch
                .events()
                .take(taken)
                .for_each(|event| self.count(event.flags, event.bytes().len()));
        } else {
            batch.flags.iter().take(taken).for_each(|flags| self.count(*flags, 0));
        }
        if let Some(id) = taken.checked_sub(1).and_then(|last| batch.last_ids.get(last)) {
            self.last_id = *id;
        }
        self
    }

    fn count(&mut self, flags: u8, length: usize) {
        let stream = usize::from(flags & flag::STREAM == Stream::Stderr as u8);
        let (Some(count), Some(unfinished)) =
            (self.counts.get_mut(stream), self.unfinished.get_mut(stream))
        else {
            return;
        };
        if flags & flag::PIECE == 0 {
            *count += 1;
            *unfinished = 0;
        } else {
            *unfinished += length as u64;
        }
    }
}

/// An event's id, if it is a number. Other ids say nothing of order, and are as good as none.
pub(crate) fn number(id: &[u8]) -> Option<u64> {
    let canonical = id.len() == 1 || !id.starts_with(b"0");
    text::decimal(id).filter(|_| canonical)
}

/// Where the reading of one process's output is, through any number of connections.
///
/// Where events are numbered, a new connection begins after the last. Where they are not, it begins
/// at the start, and as many events of each stream as were delivered are dropped, if they are the same; whether that
/// was right is settled at the end by the lines that the server has ([`Position::needs_count`]).
///
/// ```
/// use shoreline_protocol::batch::Batch;
/// use shoreline_protocol::cursor::Position;
/// use shoreline_protocol::output::{LongLine, Mode, OutputDecoder};
/// let (mut position, mut batch) = (Position::default(), Batch::default());
/// let decoder = || OutputDecoder::new(Mode::Follow, 100, LongLine::Refuse);
/// decoder().push(b"data: {\"line\":\"a\"}\n\n", &mut position, &mut batch).unwrap();
/// position.connected();
/// let replay = b"data: {\"line\":\"a\"}\n\ndata: {\"line\":\"b\"}\n\n";
/// decoder().push(replay, &mut position, &mut batch).unwrap();
/// assert_eq!((batch.text.as_str(), position.needs_count()), ("a\nb\n", true));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Position {
    delivered: Cursor,
    /// Numbers came twice or out of order.
    contradicted: bool,
    /// Numbers were left out, or are still to come: the other stream's, where one is sent after the
    /// other. Of a single stream that is followed they are the other's.
    holes: bool,
    /// There was a connection, so that the next one is not the first.
    begun: bool,
    /// There was a connection before this one.
    resumed: bool,
    needs_count: bool,
    /// The last number on this connection.
    seen: Option<u64>,
    rule: Rule,
    /// How many events of each stream this connection may have to drop.
    droppable: [u64; 2],
    /// Each stream's lines that were delivered without a number, and those that this connection dropped.
    written: [Tally; 2],
    dropped: [Tally; 2],
    /// Others were delivered: with a number, or before a cursor.
    others: bool,
}

/// Which of a connection's events were delivered before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rule {
    /// None.
    #[default]
    New,
    /// Numbers up to this one.
    After(u64),
    /// As many as were delivered: it is a replay.
    Replay,
}

impl Position {
    /// What to ask a new connection to begin after.
    #[must_use]
    pub const fn last_id(&self) -> Option<u64> {
        self.delivered.last_id
    }

    /// Begins a connection that was asked to begin after [`Self::last_id`].
    pub fn connected(&mut self) {
        self.seen = None;
        self.droppable = self.delivered.counts;
        self.dropped = [Tally::default(); 2];
        self.rule = match self.delivered.last_id {
            Some(last) => Rule::After(last),
            None if self.total() == 0 => Rule::New,
            None => Rule::Replay,
        };
        self.resumed |= self.begun || self.rule != Rule::New;
        self.begun = true;
        // What an earlier connection would have brought is not known.
        self.needs_count |= self.resumed && self.delivered.last_id.is_none();
    }

    /// Drops an event that the caller has already. Returns whether it was dropped.
    pub(crate) fn drops(
        &mut self,
        stream: Option<Stream>,
        id: Option<u64>,
        line: &Text<'_>,
    ) -> bool {
        if let Some(id) = id {
            let before = match (self.seen, self.rule) {
                (Some(seen), _) => Some(seen),
                (None, Rule::New) => Some(0),
                (None, Rule::After(last)) => Some(last),
                (None, Rule::Replay) => None,
            };
            self.contradicted |= self.seen.is_some_and(|seen| id <= seen);
            self.holes |= stream.is_some() && before.is_some_and(|at| id > at.saturating_add(1));
            self.seen = Some(id);
        }
        let again = match (self.rule, id) {
            (Rule::New, _) => false,
            (Rule::After(last), Some(id)) => id <= last,
            _ => {
                self.rule = Rule::Replay;
                true
            }
        };
        match self.droppable.get_mut(index(stream)) {
            Some(count) if again && *count > 0 => {
                *count -= 1;
                // A server that honors `Last-Event-ID` never resends events.
                self.needs_count = true;
                let all = *count == 0;
                self.compare(index(stream), line, all);
                true
            }
            _ => false,
        }
    }

    /// Compares what is sent again with what was delivered: a server that lost lines between its replay and its live
    /// stream has them the second time, so that a count alone would leave out others.
    fn compare(&mut self, stream: usize, line: &Text<'_>, all: bool) {
        let (Some(dropped), Some(written)) =
            (self.dropped.get_mut(stream), self.written.get(stream))
        else {
            return;
        };
        dropped.add(line);
        self.contradicted |= all && !self.others && *dropped != *written;
    }

    /// Notes an event that is delivered now.
    pub(crate) fn deliver(&mut self, stream: Option<Stream>, id: Option<u64>, line: &Text<'_>) {
        match (self.written.get_mut(index(stream)), id) {
            (Some(written), None) => written.add(line),
            _ => self.others = true,
        }
        if let Some(count) = self.delivered.counts.get_mut(index(stream)) {
            *count += 1;
        }
        if let Some(unfinished) = self.delivered.unfinished.get_mut(index(stream)) {
            *unfinished = 0;
        }
        self.contradicted |= id.is_some() && id <= self.delivered.last_id;
        // While a replay has not caught up, what was delivered is no one place in a row.
        let whole = !self.contradicted && self.missing() == 0;
        self.delivered.last_id = id.filter(|_| whole);
    }

    /// How many bytes of the stream's unfinished line were delivered.
    #[inline]
    pub(crate) fn unfinished(&self, stream: Option<Stream>) -> usize {
        let bytes = self.delivered.unfinished.get(index(stream)).copied().unwrap_or_default();
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Whether an unfinished line on this connection is the one that comes after what was delivered: a
    /// replay has to catch up first.
    pub(crate) fn has_caught_up(&self, stream: Option<Stream>) -> bool {
        self.rule != Rule::Replay || self.droppable.get(index(stream)) == Some(&0)
    }

    /// Notes bytes of an unfinished line that are delivered now.
    pub(crate) fn deliver_piece(&mut self, stream: Option<Stream>, bytes: usize) {
        if let Some(unfinished) = self.delivered.unfinished.get_mut(index(stream)) {
            *unfinished = unfinished.saturating_add(bytes as u64);
        }
    }

    /// Whether a part of a line was delivered whose rest has not come.
    #[must_use]
    pub fn is_within_a_line(&self) -> bool {
        self.delivered.unfinished != [0, 0]
    }

    /// Events delivered.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.delivered.counts.iter().sum()
    }

    /// Events that this connection should have sent again, being a replay, and has not yet.
    #[must_use]
    pub fn missing(&self) -> u64 {
        if self.rule == Rule::Replay { self.droppable.iter().sum() } else { 0 }
    }

    /// Whether this connection is a replay on which nothing has come.
    #[must_use]
    pub fn nothing_came_again(&self) -> bool {
        self.missing() > 0 && self.droppable == self.delivered.counts
    }

    /// Whether the server's numbers contradict each other, so that there is no telling what another
    /// connection has to leave out, or had to.
    #[must_use]
    pub const fn is_contradicted(&self) -> bool {
        self.contradicted
    }

    /// Whether there was a connection before this one.
    #[must_use]
    pub const fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Whether the last delivered event has no number. Such a server may lose lines between its replay and its live stream,
    /// on a first connection too.
    #[must_use]
    pub const fn is_unnumbered(&self) -> bool {
        self.delivered.last_id.is_none()
    }

    /// Whether the delivered lines must be compared with the server's: numbers do not prove that several connections
    /// neither lost nor doubled a line.
    #[must_use]
    pub const fn needs_count(&self) -> bool {
        self.needs_count || self.contradicted || self.resumed && self.holes
    }

    /// The delivered lines of stdout, or of the only stream, and of stderr. The hashes are valid only if
    /// [`Self::is_comparable`].
    #[must_use]
    pub fn tallies(&self) -> [Tally; 2] {
        let [stdout, stderr] = self.delivered.counts;
        let [first, second] = self.written;
        [Tally { lines: stdout, ..first }, Tally { lines: stderr, ..second }]
    }

    /// Whether the hash covers every delivered line, so that a replay which differs is noticed.
    #[must_use]
    pub const fn is_comparable(&self) -> bool {
        !self.others
    }

    /// How far output has been delivered.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.delivered
    }
}

impl From<[Tally; 2]> for Position {
    /// A position after these lines of stdout and stderr, which are not delivered.
    fn from(written: [Tally; 2]) -> Self {
        let counts = written.map(|tally| tally.lines);
        Self { delivered: Cursor { counts, ..Cursor::default() }, written, ..Self::default() }
    }
}

impl From<Cursor> for Position {
    fn from(delivered: Cursor) -> Self {
        Self { delivered, others: delivered != Cursor::default(), ..Self::default() }
    }
}

/// Which count is a stream's: events without one count as standard output, as everywhere.
fn index(stream: Option<Stream>) -> usize {
    usize::from(stream == Some(Stream::Stderr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_numbers_are_places() {
        for (id, place) in [
            (&b"0"[..], Some(0)),
            (b"17", Some(17)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"", None),
            (b"017", None),
            (b"+1", None),
            (b"1.5", None),
            (b"m7", None),
            (b"18446744073709551616", None),
        ] {
            assert_eq!(number(id), place);
        }
    }
}
