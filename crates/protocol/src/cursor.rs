//! Delivered events, and which events of a replay to drop.

use crate::batch::{Batch, flag};
use crate::json::Text;
use crate::stream::Stream;
use crate::tally::Tally;
use crate::text;

/// Position of delivered output. Plain fields: callers can save it and resume elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Every event up to this id was delivered, and none after it.
    pub last_id: Option<u64>,
    /// Events delivered: of stdout or of no stream, and of stderr. A replay may interleave the
    /// streams in another way, but each stream keeps its order.
    pub counts: [u64; 2],
    /// Bytes delivered of each stream's unfinished line, which will be the stream's next event.
    pub unfinished: [u64; 2],
}

impl Cursor {
    /// The position after the first `taken` events of `batch`.
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

/// An event's id, if it is a number. Other ids have no order and are ignored.
pub(crate) fn number(id: &[u8]) -> Option<u64> {
    let canonical = id.len() == 1 || !id.starts_with(b"0");
    text::decimal(id).filter(|_| canonical)
}

/// Position in one process's output, across any number of connections.
///
/// If events are numbered, a new connection begins after the last one. Otherwise it begins at the start, and as
/// many events of each stream as were delivered are dropped if they are equal. The lines that the server has
/// verify that at the end ([`Position::needs_count`]).
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
    /// Whether numbers were repeated or out of order.
    contradicted: bool,
    /// Whether numbers are missing. They can be the other stream's, if that is sent later or not
    /// followed.
    holes: bool,
    /// Whether there was a connection.
    begun: bool,
    /// Whether there was a connection before the current one.
    resumed: bool,
    needs_count: bool,
    /// The last number on this connection.
    seen: Option<u64>,
    rule: Rule,
    /// Events of each stream that this connection may have to drop.
    droppable: [u64; 2],
    /// Lines of each stream that were delivered without a number, and those that this connection dropped.
    written: [Tally; 2],
    dropped: [Tally; 2],
    /// Whether other lines were delivered: with a number, or before a cursor.
    others: bool,
}

/// Events of a connection that were delivered before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rule {
    /// None.
    #[default]
    New,
    /// Numbers up to this one.
    After(u64),
    /// As many as were delivered: the connection is a replay.
    Replay,
}

impl Position {
    /// The id that a new connection is asked to begin after.
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
        // Events that an earlier connection would have delivered are unknown.
        self.needs_count |= self.resumed && self.delivered.last_id.is_none();
    }

    /// Drops an event that was delivered before. Returns whether it was dropped.
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

    /// Compares replayed lines with delivered ones. A server that lost lines between its replay and its live stream
    /// sends them in the next replay, so that dropping by count alone would drop the wrong lines.
    fn compare(&mut self, stream: usize, line: &Text<'_>, all: bool) {
        let (Some(dropped), Some(written)) =
            (self.dropped.get_mut(stream), self.written.get(stream))
        else {
            return;
        };
        dropped.add(line);
        self.contradicted |= all && !self.others && *dropped != *written;
    }

    /// Records an event that is delivered now.
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
        // Until a replay has caught up, the delivered events are not a prefix.
        let whole = !self.contradicted && self.missing() == 0;
        self.delivered.last_id = id.filter(|_| whole);
    }

    /// Delivered bytes of the stream's unfinished line.
    #[inline]
    pub(crate) fn unfinished(&self, stream: Option<Stream>) -> usize {
        let bytes = self.delivered.unfinished.get(index(stream)).copied().unwrap_or_default();
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Whether an unfinished line on this connection directly follows the delivered events: a replay has to catch
    /// up first.
    pub(crate) fn has_caught_up(&self, stream: Option<Stream>) -> bool {
        self.rule != Rule::Replay || self.droppable.get(index(stream)) == Some(&0)
    }

    /// Records bytes of an unfinished line that are delivered now.
    pub(crate) fn deliver_piece(&mut self, stream: Option<Stream>, bytes: usize) {
        if let Some(unfinished) = self.delivered.unfinished.get_mut(index(stream)) {
            *unfinished = unfinished.saturating_add(bytes as u64);
        }
    }

    /// Whether a part of a line was delivered without its end.
    #[must_use]
    pub fn is_within_a_line(&self) -> bool {
        self.delivered.unfinished != [0, 0]
    }

    /// Events delivered.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.delivered.counts.iter().sum()
    }

    /// Events that this replay has not sent yet.
    #[must_use]
    pub fn missing(&self) -> u64 {
        if self.rule == Rule::Replay { self.droppable.iter().sum() } else { 0 }
    }

    /// Whether this connection is a replay without any event so far.
    #[must_use]
    pub fn nothing_came_again(&self) -> bool {
        self.missing() > 0 && self.droppable == self.delivered.counts
    }

    /// Whether the server's numbers contradict each other, so that it is unknown which events another connection
    /// has to drop.
    #[must_use]
    pub const fn is_contradicted(&self) -> bool {
        self.contradicted
    }

    /// Whether there was a connection before the current one.
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

    /// The position of delivered output.
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

/// Index of a stream's count. Events without a stream count as standard output.
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
