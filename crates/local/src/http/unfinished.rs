//! Unfinished lines for followers that ask for them.

use super::app::App;
use super::stream::PART;
use crate::error::{ApiError, Result};
use crate::log::{Log, whole_characters};
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::stream::Stream;
use shoreline_protocol::wire::event::{self, Gain, Style};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long the first unsent byte of an unfinished line waits for the line's end, or for more bytes.
const DELAY: Duration = Duration::from_millis(20);

/// Whether a client requests unfinished lines. The request is in the query, since an EventSource sends no headers, and
/// other servers do not allow unknown headers from pages (CORS).
#[derive(Clone, Copy)]
pub(super) struct WantsUnfinished(pub(super) bool);

#[derive(Deserialize)]
struct UnfinishedQuery {
    unfinished: Option<String>,
}

impl FromRequestParts<Arc<App>> for WantsUnfinished {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self> {
        let query = Query::<UnfinishedQuery>::try_from_uri(&parts.uri);
        match query.as_ref().map(|query| query.0.unfinished.as_deref()) {
            Ok(None | Some("false")) => Ok(Self(false)),
            Ok(Some("true")) => Ok(Self(true)),
            _ => {
                let text = "`unfinished` must be `true` or `false`";
                Err(ApiError::new(ServerCode::InvalidRequest, text))
            }
        }
    }
}

/// The bytes of unfinished lines that were sent to one follower.
pub(super) struct Unfinished {
    /// Notified of reads that bring no events.
    pub(super) reads: watch::Receiver<()>,
    only: Option<Stream>,
    /// The state of the unfinished lines of stdout and stderr.
    lines: [Sent; 2],
}

impl Unfinished {
    pub(super) fn new(log: &Log, only: Option<Stream>) -> Self {
        Self { reads: log.watch_reads(), only, lines: Default::default() }
    }

    /// The unfinished line of this stream has been sent as an event, or begins after one.
    pub(super) fn finished(&mut self, stream: Stream) {
        self.lines[stream as usize - 1] = Sent::default();
    }

    /// Resets the state: it is unknown which lines were finished.
    pub(super) fn start_over(&mut self) {
        self.lines = Default::default();
    }

    /// Returns the time at which the next bytes are due, if there are any.
    pub(super) fn due(&self) -> Option<Instant> {
        self.lines.iter().filter_map(|line| line.due).min()
    }

    /// Appends the bytes that are due to a follower whose next event is `next`.
    pub(super) fn encode(&mut self, log: &Log, next: u64, style: Style, out: &mut Vec<u8>) {
        let now = Instant::now();
        let mut gains = [None, None];
        log.unfinished(next, |lines| {
            let streams = [Stream::Stdout, Stream::Stderr];
            let lines = streams.into_iter().zip(lines).zip(&mut self.lines);
            for (((stream, line), sent), gain) in lines.zip(&mut gains) {
                if self.only.is_none_or(|only| only == stream) {
                    *gain = sent.gain(line, now).map(|(offset, bytes)| (stream, offset, bytes));
                }
            }
        });
        for (stream, offset, bytes) in gains.iter().flatten() {
            event::unfinished(&Gain { stream: *stream, offset: *offset, bytes }, style, out);
        }
    }
}

/// The state of one unfinished line.
#[derive(Default)]
struct Sent {
    bytes: usize,
    /// The time at which the next bytes are due. It is fixed when the first unsent byte is seen, since a program that
    /// writes often is never quiet.
    due: Option<Instant>,
}

impl Sent {
    /// The offset and the bytes to send now, at most a part.
    fn gain(&mut self, line: &[u8], now: Instant) -> Option<(usize, Vec<u8>)> {
        let whole = whole_characters(line);
        if whole <= self.bytes || now < *self.due.get_or_insert(now + DELAY) {
            return None;
        }
        let offset = self.bytes;
        let part = line.get(offset..whole.min(offset + PART))?;
        self.bytes += whole_characters(part);
        if self.bytes == whole {
            self.due = None;
        }
        Some((offset, line.get(offset..self.bytes)?.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_due_a_fixed_time_after_the_first() {
        let mut sent = Sent::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!((sent.gain(b"", start), sent.due), (None, None));
        assert_eq!((sent.gain(b".", start), sent.due), (None, Some(at(20))));
        assert_eq!((sent.gain(b"..", at(10)), sent.due), (None, Some(at(20))));
        assert_eq!(sent.gain(b"...", at(20)), Some((0, b"...".to_vec())));
        assert_eq!((sent.gain(b"...", at(25)), sent.due), (None, None));
        assert_eq!((sent.gain(b"....", at(30)), sent.due), (None, Some(at(50))));
        assert_eq!(sent.gain(b".....", at(60)), Some((3, b"..".to_vec())));
    }

    #[test]
    fn a_long_line_comes_in_parts_at_once() {
        let mut line = vec![b'x'; PART - 1];
        line.extend_from_slice("é".as_bytes());
        let (mut sent, now) = (Sent::default(), Instant::now());
        assert_eq!(sent.gain(&line, now), None);
        let first = sent.gain(&line, now + DELAY).unwrap();
        assert_eq!((first.0, first.1.len()), (0, PART - 1));
        assert_eq!(sent.gain(&line, now + DELAY), Some((PART - 1, "é".as_bytes().to_vec())));
        assert_eq!(sent.gain(&line, now + DELAY), None);
    }
}
