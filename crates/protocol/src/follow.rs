//! What has been delivered, and what to drop when a server sends it again.

use alloc::string::String;

use crate::output::{Batch, OutputDecoder, flag};
use crate::sse;
use crate::stream::Stream;

/// How far output has been delivered. Plain fields: it can be kept and taken up elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The id of the last event, where the server gives ids.
    pub last_id: Option<String>,
    /// The id of the first event.
    pub first_id: Option<String>,
    /// Events delivered without a stream, of stdout, of stderr: a replay may interleave the
    /// streams in another way, but each stream keeps its order (protocol, 6.9).
    pub counts: [u64; 3],
}

impl Cursor {
    /// Events delivered.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Notes the events of `batch` from index `from` on, which `decoder` has just decoded.
    pub fn delivered(&mut self, batch: &Batch, from: usize, decoder: &OutputDecoder) {
        for flags in batch.flags.iter().skip(from) {
            if let Some(count) = self.counts.get_mut(usize::from(flags & flag::STREAM)) {
                *count += 1;
            }
        }
        if batch.len() > from && !decoder.last_event_id().is_empty() {
            self.last_id = Some(sse::text(decoder.last_event_id()));
            if self.first_id.is_none() {
                self.first_id = Some(sse::text(decoder.first_event_id()));
            }
        }
    }

    /// How to go on: what to send as `Last-Event-ID`, and what to drop of the answer.
    #[must_use]
    pub fn resume(&self) -> (Option<String>, Skip) {
        let by_id = match &self.last_id {
            None => ById::Settled,
            Some(last) => match crate::decimal(last.as_bytes()) {
                Some(last) => ById::After(last),
                None => ById::Unless(self.first_id.clone().unwrap_or_default()),
            },
        };
        let counts = if self.last_id.is_none() { self.counts } else { [0; 3] };
        // Whether an answer begins at the start is a guess then.
        let counted = matches!(by_id, ById::Unless(_));
        (self.last_id.clone(), Skip { by_id, counts, all: self.counts, counted })
    }

    /// Whether `count` lines on the server are what has been delivered.
    #[must_use]
    pub fn settles(&self, count: u64) -> bool {
        self.total() == count
    }
}

/// What to drop of an answer. The default drops nothing.
#[derive(Clone, Debug, Default)]
pub struct Skip {
    by_id: ById,
    /// Still to be dropped, per stream.
    counts: [u64; 3],
    /// What there would be to drop, were the answer to begin at the start.
    all: [u64; 3],
    counted: bool,
}

#[derive(Clone, Debug, Default)]
enum ById {
    /// Ids do not matter (any more).
    #[default]
    Settled,
    /// Drop numbers up to this one.
    After(u64),
    /// Drop by counts, should the first event have this id: the server sent everything again.
    Unless(String),
}

impl Skip {
    /// Whether an event was delivered before.
    #[inline]
    pub(crate) fn drops(&mut self, stream: Option<Stream>, id: &[u8]) -> bool {
        match &self.by_id {
            ById::Settled => {}
            ById::After(last) => {
                if let Some(id) = crate::decimal(id) {
                    return id <= *last;
                }
                // No such ids here: another server, or an older one, which sends everything.
                self.counts = self.all;
                self.by_id = ById::Settled;
            }
            ById::Unless(first) => {
                if id.is_empty() || id == first.as_bytes() {
                    self.counts = self.all;
                }
                self.by_id = ById::Settled;
            }
        }
        match self.counts.get_mut(stream.map_or(0, |stream| stream as usize)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                self.counted = true;
                true
            }
            _ => false,
        }
    }

    /// Whether only the server's own count can tell that the right events were dropped.
    #[must_use]
    pub const fn counted(&self) -> bool {
        self.counted
    }

    /// Events that were delivered before and have not come again.
    #[must_use]
    pub fn unused(&self) -> u64 {
        self.counts.iter().sum()
    }
}
