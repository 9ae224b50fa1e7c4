//! Decodes event streams of output into batches: SSE framing, JSON and UTF-8 in one pass. An event
//! takes entries in flat vectors, and no allocation of its own.

use crate::batch::Batch;
use crate::cursor::{self, Position};
use crate::exit::Exit;
use crate::fault::StreamError;
use crate::fields::{Fields, Line, integer};
use crate::json::{Invalid, Members};
use crate::limits;
use crate::sse::{Item, Sse};
use crate::stream::Stream;
use crate::utf8;
use crate::wire::event::UNFINISHED;

/// The kind of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `POST /processes/run`: the events started, output and exited, which differ by their members (docs/protocol.md, 6.7).
    Run,
    /// A follow stream: output until `eof` (docs/protocol.md, 6.6).
    Follow,
    /// A follow stream, read up to the mark of the process's exit. A server that sends no mark ends
    /// the stream with `eof`.
    FollowToExit,
}

/// What happens to a line over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongLine {
    /// A longer line is an error.
    Refuse,
    /// A longer line is cut at a character boundary and marked.
    Cut,
}

/// The first event of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Started {
    /// The process id.
    pub pid: u32,
    /// The server's stable number of the process.
    pub handle: Option<u64>,
    /// When the process started, in ms since the epoch; NaN = unknown.
    pub started_at: f64,
}

/// The event that ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process's exit.
    Exit(Exit),
    /// The end of the output, in a follow stream.
    Eof,
}

/// A decoder for the stream of one connection.
///
/// ```
/// use shoreline_protocol::batch::Batch;
/// use shoreline_protocol::cursor::Position;
/// use shoreline_protocol::output::{End, LongLine, Mode, OutputDecoder};
/// let mut decoder = OutputDecoder::new(Mode::Follow, 1024, LongLine::Refuse);
/// let mut batch = Batch::default();
/// let bytes = b"event: output\ndata: {\"line\":\"hi\",\"timestamp\":0}\n\nevent: eof\ndata: {}\n\n";
/// decoder.push(bytes, &mut Position::default(), &mut batch).unwrap();
/// assert_eq!((batch.text.as_str(), decoder.end()), ("hi\n", Some(End::Eof)));
/// ```
#[derive(Debug)]
pub struct OutputDecoder {
    sse: Sse,
    state: State,
}

#[derive(Debug)]
pub(crate) struct State {
    mode: Mode,
    pub(crate) pieces: bool,
    pub(crate) line_limit: usize,
    pub(crate) long_line: LongLine,
    started: Option<Started>,
    end: Option<End>,
    output_open: bool,
    pub(crate) line_count: Option<u64>,
    retry_ms: Option<u64>,
    malformed: usize,
    failed: Option<StreamError>,
}

impl OutputDecoder {
    /// A decoder for lines of at most `line_limit` bytes.
    #[must_use]
    pub fn new(mode: Mode, line_limit: usize, long_line: LongLine) -> Self {
        let event_limit = match long_line {
            // A line as long as the limit, escaped, with its base64 and the other fields.
            LongLine::Refuse => line_limit.saturating_mul(8).saturating_add(4096),
            LongLine::Cut => limits::EVENT_BYTES,
        };
        Self {
            sse: Sse::new(event_limit.min(limits::EVENT_BYTES)),
            state: State {
                mode,
                pieces: false,
                line_limit,
                long_line,
                started: None,
                end: None,
                output_open: false,
                line_count: None,
                retry_ms: None,
                malformed: 0,
                failed: None,
            },
        }
    }

    /// Sets whether unfinished lines are delivered as they grow. Otherwise they are ignored.
    #[must_use]
    pub const fn with_pieces(mut self, wanted: bool) -> Self {
        self.state.pieces = wanted;
        self
    }

    /// Takes the next bytes. Appends the events that they complete to `out`, without those that were
    /// delivered before, and advances `position`. After an error, `out` has the events before the error.
    ///
    /// # Errors
    /// Everything that would lose or change a line. Every later call fails with the same error.
    pub fn push(
        &mut self,
        chunk: &[u8],
        position: &mut Position,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        let Self { sse, state } = self;
        if let Some(error) = state.failed {
            return Err(error);
        }
        out.text.reserve(chunk.len());
        let checked = utf8::whole_lines(chunk);
        let result = sse.push(chunk, |item| state.item(&item, checked, position, out));
        state.failed = result.err();
        result
    }

    /// Whether the stream's end cut off an event.
    #[must_use]
    pub fn finish(&self) -> bool {
        self.sse.finish()
    }

    /// The first event of a run.
    #[must_use]
    pub const fn started(&self) -> Option<&Started> {
        self.state.started.as_ref()
    }

    /// The event that ended the stream.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.state.end
    }

    /// Whether a child of the process still held its output open at the exit.
    #[must_use]
    pub const fn output_open(&self) -> bool {
        self.state.output_open
    }

    /// The number of lines that precede the mark of the exit, by the server's count.
    #[must_use]
    pub const fn line_count(&self) -> Option<u64> {
        self.state.line_count
    }

    /// Least delay before a reconnect that the server asked for, in ms.
    #[must_use]
    pub const fn retry_ms(&self) -> Option<u64> {
        self.state.retry_ms
    }

    /// The number of unnamed events that were ignored since they are not JSON objects.
    #[must_use]
    pub const fn malformed(&self) -> usize {
        self.state.malformed
    }
}

impl State {
    fn item(
        &mut self,
        item: &Item<'_>,
        checked: &str,
        position: &mut Position,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        match *item {
            Item::Comment(_) => {}
            Item::Retry(ms) => self.retry_ms = Some(ms),
            Item::Event { .. } if self.end.is_some_and(|end| self.ends_with(end)) => {}
            Item::Event { name: b"eof", .. } if self.mode != Mode::Run => {
                self.end = Some(End::Eof);
            }
            Item::Event { name: UNFINISHED, data, .. } => self.unfinished(data, position, out)?,
            Item::Event { name, data, id, own_id } => {
                let id = if own_id { cursor::number(id) } else { None };
                if name != b"gap"
                    && let Some(line) = Line::usual(data)
                {
                    return self.output(&line, checked, id, position, out);
                }
                match (Fields::read(data), name) {
                    (Ok(fields), _) => self.event(name, &fields, id, position, out)?,
                    (Err(Invalid), b"output") => return Err(StreamError::Malformed("output")),
                    (Err(Invalid), b"gap") => return Err(StreamError::Malformed("gap")),
                    (Err(Invalid), _) => self.malformed += 1,
                }
            }
        }
        Ok(())
    }

    /// Whether nothing is read after this event. In a run, output can follow the exit.
    fn ends_with(&self, end: End) -> bool {
        end == End::Eof || self.mode == Mode::FollowToExit
    }

    fn event(
        &mut self,
        name: &[u8],
        fields: &Fields<'_>,
        id: Option<u64>,
        position: &mut Position,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        if name == b"gap" {
            return Err(gap(fields.gap));
        }
        if fields.line.is_some() || name == b"output" {
            let line = fields.line().ok_or(StreamError::Malformed("output"))?;
            return self.output(&line, "", id, position, out);
        }
        let tells_exit = match self.mode {
            Mode::Run => true,
            Mode::Follow => false,
            Mode::FollowToExit => name == b"exit",
        };
        if name == b"exit" {
            self.line_count = fields.line_count;
        }
        if !tells_exit {
            return Ok(());
        }
        let Fields { exit_code, signal, oom_killed, reason, .. } = *fields;
        if let Some(exit) = Exit::from_parts(exit_code, signal, oom_killed, reason) {
            self.end = Some(End::Exit(exit));
            self.output_open = fields.output_open;
        } else if let (Some(pid), Some(started_at)) = (fields.pid, fields.started_at) {
            self.started.get_or_insert(Started { pid, handle: fields.handle, started_at });
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn stream(&self, line: &Line<'_>) -> Option<Stream> {
        match self.mode {
            Mode::Run => Some(line.stream.unwrap_or(Stream::Stdout)),
            Mode::Follow | Mode::FollowToExit => line.stream,
        }
    }
}

fn gap(members: Option<&[u8]>) -> StreamError {
    let read = |object| -> Result<Option<(u64, u64)>, Invalid> {
        let (mut from, mut to) = (None, None);
        let mut members = Members::new(object)?;
        while let Some((key, value)) = members.read()? {
            match key.plain().unwrap_or_default() {
                b"from" => from = integer(&value),
                b"to" => to = integer(&value),
                _ => {}
            }
        }
        Ok(from.zip(to))
    };
    match members.map(read) {
        Some(Ok(Some((from, to)))) => StreamError::Gap { from, to },
        _ => StreamError::Malformed("gap"),
    }
}

/// Converts a wire timestamp (seconds, milliseconds or microseconds, told apart by magnitude; docs/protocol.md, 6.6) to ms.
/// NaN if it is unknown; 0 means unknown too.
#[must_use]
pub fn milliseconds(timestamp: f64) -> f64 {
    match timestamp {
        t if !(t.is_finite() && t > 0.0) => f64::NAN,
        t if t > 1e15 => t / 1000.0,
        t if t > 1e12 => t,
        t => t * 1000.0,
    }
}
