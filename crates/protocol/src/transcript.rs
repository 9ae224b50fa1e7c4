//! The output of one run, by stream, within a limit.

use alloc::string::String;
use alloc::vec::Vec;

use crate::batch::{Batch, Event, flag};
use crate::fault::StreamError;
use crate::limits;
use crate::stream::Stream;
use crate::utf8::{self, ceil_char_boundary, floor_char_boundary, utf16_len};

/// Exact bytes for a part of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSpan {
    /// Where the part starts in the stream's whole text, in UTF-16 code units.
    pub start_utf16: u64,
    /// Where it ends.
    pub end_utf16: u64,
    /// What was written there.
    pub bytes: Vec<u8>,
}

/// A part of a stream's text, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Parts of it that were not UTF-8.
    pub raw: Vec<RawSpan>,
}

/// What is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truncated {
    /// Bytes, as they were written where that is known.
    pub dropped_bytes: u64,
    /// Line ends in them.
    pub dropped_lines: u64,
    /// Where in the kept text, in UTF-16 code units.
    pub at: u64,
}

/// The last piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The text.
    pub piece: Piece,
    /// What the limit left out.
    pub truncated: Option<Truncated>,
}

/// Collects both streams. What is certainly kept can be taken at once, so that little is held.
///
/// ```
/// use shoreline_protocol::{batch::Batch, stream::Stream, transcript::Transcript};
/// let mut transcript = Transcript::new(Some(8));
/// let batch = Batch { text: "0123456789\n".into(), ends: vec![11], byte_ends: vec![11],
///     times: vec![f64::NAN], flags: vec![5], ..Batch::default() };
/// transcript.push(&batch).unwrap();
/// let head = transcript.take_ready(Stream::Stdout, 1).unwrap().text;
/// let tail = transcript.finish(Stream::Stdout);
/// assert_eq!((head.as_str(), tail.piece.text.as_str()), ("0123", "789\n"));
/// assert_eq!(tail.truncated.unwrap().dropped_bytes, 3);
/// ```
#[derive(Debug)]
pub struct Transcript {
    streams: [Log; 2],
}

#[derive(Debug)]
struct Log {
    keep: Keep,
    ready: Piece,
    /// Length of the last piece that was taken. The next one is about as long.
    taken_bytes: usize,
    /// What was handed out or is ready, in bytes and UTF-16 units.
    head_bytes: usize,
    head_units: u64,
    /// Whether what comes belongs to the tail.
    head_full: bool,
    /// What may yet be the tail, up to twice its size.
    tail: Vec<Line>,
    tail_bytes: usize,
    dropped: Truncated,
    /// The beginning of a line that came in pieces: lines are kept as if they had come whole.
    unfinished: Vec<u8>,
}

/// What is kept, in bytes.
#[derive(Clone, Copy, Debug)]
enum Keep {
    /// Everything, up to so much.
    All(usize),
    /// The beginning, up to half of so much, and of the end what the rest has room for.
    Ends(usize),
}

#[derive(Debug)]
struct Line {
    text: String,
    raw: Option<Vec<u8>>,
}

/// How many bytes were written: text that stands for others is longer than they are.
fn size(text: &str, raw: Option<&Vec<u8>>) -> usize {
    raw.map_or(text.len(), Vec::len)
}

impl Transcript {
    /// Keeps `limit` bytes of each stream: the first and the last half.
    #[must_use]
    pub fn new(limit: Option<usize>) -> Self {
        let keep = match limit {
            None => Keep::All(limits::OUTPUT_BYTES),
            Some(limit) => Keep::Ends(limit),
        };
        Self { streams: [Log::new(keep), Log::new(keep)] }
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// [`StreamError::TooLarge`] past [`limits::OUTPUT_BYTES`] where no limit was set.
    pub fn push(&mut self, batch: &Batch) -> Result<(), StreamError> {
        let mut events = batch.events().peekable();
        let mut end = 0;
        while let Some(event) = events.next() {
            let start = end;
            end += event.text.len();
            let log = self.log(event.flags & flag::STREAM);
            if event.is_piece() || !log.unfinished.is_empty() {
                log.unfinished.extend_from_slice(event.bytes());
                if !event.is_piece() {
                    log.finish_line(event.is_terminated())?;
                }
                continue;
            }
            let Some(raw) = event.raw else {
                // Most lines come one after the other: they are added at once.
                let goes_on = |next: &Event<'_>| {
                    next.raw.is_none()
                        && next.flags & (flag::STREAM | flag::PIECE) == event.flags & flag::STREAM
                };
                while let Some(next) = events.next_if(goes_on) {
                    end += next.text.len();
                }
                log.add(batch.text.get(start..end).unwrap_or_default(), None)?;
                continue;
            };
            let mut bytes = raw.to_vec();
            if event.is_terminated() {
                bytes.push(b'\n');
            }
            log.add(event.text, Some(bytes))?;
        }
        Ok(())
    }

    /// What is certainly kept and was not taken before, once it is `least` bytes.
    pub fn take_ready(&mut self, stream: Stream, least: usize) -> Option<Piece> {
        let log = self.log(stream as u8);
        (log.ready.text.len() >= least).then(|| {
            log.taken_bytes = log.ready.text.len();
            core::mem::take(&mut log.ready)
        })
    }

    /// What is kept of the rest, and what is missing.
    pub fn finish(&mut self, stream: Stream) -> Tail {
        self.log(stream as u8).finish()
    }

    /// A stream's log; output without a stream is standard output.
    fn log(&mut self, stream: u8) -> &mut Log {
        let [stdout, stderr] = &mut self.streams;
        if stream == Stream::Stderr as u8 { stderr } else { stdout }
    }
}

impl Log {
    fn new(keep: Keep) -> Self {
        Self {
            keep,
            ready: Piece::default(),
            taken_bytes: 0,
            head_bytes: 0,
            head_units: 0,
            head_full: false,
            tail: Vec::new(),
            tail_bytes: 0,
            dropped: Truncated::default(),
            unfinished: Vec::new(),
        }
    }

    fn add(&mut self, text: &str, raw: Option<Vec<u8>>) -> Result<(), StreamError> {
        let limit = match self.keep {
            Keep::All(most) if size(text, raw.as_ref()) > most.saturating_sub(self.head_bytes) => {
                return Err(StreamError::TooLarge);
            }
            Keep::All(_) => {
                self.keep(text, raw);
                return Ok(());
            }
            Keep::Ends(limit) => limit,
        };
        let mut rest = text;
        if !self.head_full {
            let room = (limit / 2).saturating_sub(self.head_bytes);
            if size(text, raw.as_ref()) <= room {
                self.keep(text, raw);
                return Ok(());
            }
            if raw.is_none() {
                let (kept, after) = text.split_at(floor_char_boundary(text, room));
                self.keep(kept, None);
                rest = after;
            }
            // Even where a character or a line with exact bytes did not fit.
            self.head_full = true;
        }
        self.tail_bytes += size(rest, raw.as_ref());
        self.tail.push(Line { text: rest.into(), raw });
        let room = limit.saturating_sub(self.head_bytes);
        if self.tail_bytes > room.saturating_mul(2) {
            self.shrink(room);
        }
        Ok(())
    }

    /// Adds the line whose pieces have come.
    fn finish_line(&mut self, terminated: bool) -> Result<(), StreamError> {
        let mut bytes = core::mem::take(&mut self.unfinished);
        if terminated {
            bytes.push(b'\n');
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.add(&text, None),
            Err(error) => {
                let bytes = error.into_bytes();
                self.add(&utf8::lossy(&bytes), Some(bytes))
            }
        }
    }

    fn keep(&mut self, text: &str, raw: Option<Vec<u8>>) {
        self.head_bytes += size(text, raw.as_ref());
        let start_utf16 = self.head_units;
        self.head_units += utf16_len(text) as u64;
        if self.ready.text.is_empty() {
            // A text that grows by doubling is copied once more, and its remains are too small for the next one.
            self.ready.text.reserve(self.taken_bytes + self.taken_bytes / 16);
        }
        self.ready.text.push_str(text);
        if let Some(bytes) = raw {
            self.ready.raw.push(RawSpan { start_utf16, end_utf16: self.head_units, bytes });
        }
    }

    /// Drops from the front of the tail what is beyond `limit` bytes.
    fn shrink(&mut self, limit: usize) {
        let mut excess = self.tail_bytes.saturating_sub(limit);
        let mut whole = 0;
        for line in &mut self.tail {
            if excess == 0 {
                break;
            }
            let length = size(&line.text, line.raw.as_ref());
            let cut = match line.raw {
                None if excess < length => ceil_char_boundary(&line.text, excess),
                _ => length,
            };
            let rest = if cut < length { line.text.get(cut..).unwrap_or_default() } else { "" };
            let dropped = line.text.get(..line.text.len() - rest.len()).unwrap_or_default();
            self.dropped.dropped_bytes += cut as u64;
            self.dropped.dropped_lines +=
                dropped.bytes().filter(|byte| *byte == b'\n').count() as u64;
            self.tail_bytes -= cut;
            excess = excess.saturating_sub(cut);
            if cut < length {
                line.text = rest.into();
            } else {
                whole += 1;
            }
        }
        self.tail.drain(..whole);
    }

    fn finish(&mut self) -> Tail {
        // A failure has interrupted a line.
        if !self.unfinished.is_empty() {
            let _ = self.finish_line(false);
        }
        let at = self.head_units;
        if let Keep::Ends(limit) = self.keep {
            self.shrink(limit.saturating_sub(self.head_bytes));
        }
        for line in core::mem::take(&mut self.tail) {
            self.keep(&line.text, line.raw);
        }
        let truncated =
            (self.dropped.dropped_bytes > 0).then_some(Truncated { at, ..self.dropped });
        Tail { piece: core::mem::take(&mut self.ready), truncated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_of_the_caller_there_is_still_one() {
        let mut log = Log::new(Keep::All(4));
        assert_eq!([log.add("ab", None), log.add("cd", None)], [Ok(()), Ok(())]);
        assert_eq!(log.add("e", None), Err(StreamError::TooLarge));
        assert_eq!(log.finish().piece.text, "abcd");
    }
}
