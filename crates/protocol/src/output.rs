//! Event streams of output, decoded into batches: SSE framing, JSON and UTF-8 in one go, with
//! nothing kept per event but entries in flat vectors.

use crate::base64;
use crate::batch::{Batch, flag};
use crate::cursor::{self, Position};
use crate::exit::Exit;
use crate::fault::StreamError;
use crate::fields::{Fields, integer};
use crate::json::{Invalid, Members, Value};
use crate::sse::{Item, Sse};
use crate::stream::Stream;
use crate::utf8::{self, floor_char_boundary};
use crate::wire::event::UNFINISHED;
use crate::{limits, pieces};
use alloc::vec::Vec;

/// Which kind of stream is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `POST /processes/run`: started, output, exited, told apart by shape (protocol, 6.7 and 15).
    Run,
    /// A follow stream: output until `eof` (protocol, 6.6).
    Follow,
    /// A follow stream, read no further than the mark of the process's exit. A server that sends no mark ends
    /// the stream with `eof`.
    FollowToExit,
}

/// What happens to a line over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongLine {
    /// It is an error.
    Refuse,
    /// It is cut at a character boundary and marked.
    Cut,
}

/// The first event of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Started {
    /// The process.
    pub pid: u32,
    /// The server's stable number for it.
    pub handle: Option<u64>,
    /// When, in ms since the epoch; NaN = unknown.
    pub started_at: f64,
}

/// How a stream ended, by its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process's exit.
    Exit(Exit),
    /// A follow's end of output.
    Eof,
}

/// Decodes one connection's stream.
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
    line_count: Option<u64>,
    retry_ms: Option<u64>,
    comments: usize,
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
                comments: 0,
                malformed: 0,
                failed: None,
            },
        }
    }

    /// Whether unfinished lines are delivered as they grow; else they are passed over.
    #[must_use]
    pub const fn with_pieces(mut self, wanted: bool) -> Self {
        self.state.pieces = wanted;
        self
    }

    /// Takes the next bytes and appends the events that they complete to `out`, less what was
    /// delivered before, and notes them in `position`. After an error `out` holds what came before it.
    ///
    /// # Errors
    /// Whatever would lose or change a line; from then on always the same.
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
        let result = sse.push(chunk, |item| state.item(&item, position, out));
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

    /// How the stream says that it has ended.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.state.end
    }

    /// Whether, at the exit, something that the process started held its output open.
    #[must_use]
    pub const fn output_open(&self) -> bool {
        self.state.output_open
    }

    /// The number of lines that precede the mark of the exit, by the server's count.
    #[must_use]
    pub const fn line_count(&self) -> Option<u64> {
        self.state.line_count
    }

    /// How long the server wants to be left alone before a reconnect.
    #[must_use]
    pub const fn retry_ms(&self) -> Option<u64> {
        self.state.retry_ms
    }

    /// Comments so far, with which a server keeps a silent connection alive.
    #[must_use]
    pub const fn comments(&self) -> usize {
        self.state.comments
    }

    /// Unnamed events that were no JSON object, and ignored.
    #[must_use]
    pub const fn malformed(&self) -> usize {
        self.state.malformed
    }
}

impl State {
    fn item(
        &mut self,
        item: &Item<'_>,
        position: &mut Position,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        match *item {
            Item::Comment(_) => self.comments += 1,
            Item::Retry(ms) => self.retry_ms = Some(ms),
            Item::Event { .. } if self.end.is_some_and(|end| self.ends_with(end)) => {}
            Item::Event { name: b"eof", .. } if self.mode != Mode::Run => {
                self.end = Some(End::Eof);
            }
            Item::Event { name: UNFINISHED, data, .. } => self.unfinished(data, position, out)?,
            Item::Event { name, data, id, own_id } => match Fields::of(data) {
                Ok(fields) => {
                    let id = if own_id { cursor::number(id) } else { None };
                    self.event(name, &fields, id, position, out)?;
                }
                Err(Invalid) => match name {
                    b"output" => return Err(StreamError::Malformed("output")),
                    b"gap" => return Err(StreamError::Malformed("gap")),
                    _ => self.malformed += 1,
                },
            },
        }
        Ok(())
    }

    /// Whether nothing that follows is read. Of a run, output may follow the exit.
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
            return self.output(fields, id, position, out);
        }
        let tells_exit = match self.mode {
            Mode::Run => true,
            Mode::Follow => false,
            Mode::FollowToExit => name == b"exit",
        };
        if !tells_exit {
            return Ok(());
        }
        let Fields { exit_code, signal, oom_killed, reason, .. } = *fields;
        if let Some(exit) = Exit::from_parts(exit_code, signal, oom_killed, reason) {
            self.end = Some(End::Exit(exit));
            self.output_open = fields.output_open;
            self.line_count = fields.line_count;
        } else if let (Some(pid), Some(started_at)) = (fields.pid, fields.started_at) {
            self.started.get_or_insert(Started { pid, handle: fields.handle, started_at });
        }
        Ok(())
    }

    #[inline]
    fn output(
        &mut self,
        fields: &Fields<'_>,
        id: Option<u64>,
        position: &mut Position,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        let Some(Value::String(line)) = fields.line else {
            return Err(StreamError::Malformed("output"));
        };
        let stream = self.stream(fields);
        if position.drops(stream, id) {
            return Ok(());
        }
        let mut raw = fields.bytes.as_ref().map(exact_bytes).transpose()?;
        let mut flags = stream.map_or(0, |stream| stream as u8);
        let start = out.text.len();
        let mut units = line.push_to(&mut out.text);
        // What is not UTF-8 is longer as text than it was.
        let length = raw.as_ref().map_or(out.text.len() - start, Vec::len);
        if length > self.line_limit {
            self.cut(self.line_limit, start, &mut raw, out)?;
            flags |= flag::CUT;
            units = out.text.get(start..).map_or(0, utf8::utf16_len);
        }
        let delivered = position.unfinished(stream);
        if delivered > 0 {
            if length < delivered {
                out.text.truncate(start);
                return Err(StreamError::ShortLine);
            }
            units = pieces::skip(delivered, start, &mut raw, out);
        }
        if !fields.unfinished {
            flags |= flag::TERMINATED;
            out.text.push('\n');
            units += 1;
        }
        position.deliver(stream, id);
        add(out, flags, raw, units, fields.timestamp, position);
        Ok(())
    }

    #[inline]
    pub(crate) fn stream(&self, fields: &Fields<'_>) -> Option<Stream> {
        match self.mode {
            Mode::Run => Some(fields.stream.unwrap_or(Stream::Stdout)),
            Mode::Follow | Mode::FollowToExit => fields.stream,
        }
    }

    /// Cuts the text from `start` on, and its exact bytes, to `keep` bytes.
    pub(crate) fn cut(
        &self,
        keep: usize,
        start: usize,
        raw: &mut Option<Vec<u8>>,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        if self.long_line == LongLine::Refuse {
            out.text.truncate(start);
            return Err(StreamError::TooLong);
        }
        match raw {
            Some(raw) => {
                raw.truncate(keep);
                out.text.truncate(start);
                utf8::lossy_into(raw, &mut out.text);
            }
            None => out.text.truncate(floor_char_boundary(&out.text, start + keep)),
        }
        Ok(())
    }
}

/// Adds an event whose text has been appended.
#[inline]
pub(crate) fn add(
    out: &mut Batch,
    mut flags: u8,
    raw: Option<Vec<u8>>,
    units: usize,
    time: f64,
    position: &Position,
) {
    if let Some(raw) = raw {
        flags |= flag::RAW;
        out.raw.push((to_u32(out.flags.len()), raw));
    }
    out.ends.push(out.ends.last().copied().unwrap_or(0) + to_u32(units));
    out.byte_ends.push(to_u32(out.text.len()));
    out.times.push(time);
    out.flags.push(flags);
    out.last_ids.push(position.last_id());
}

/// What stands in `bytes`.
pub(crate) fn exact_bytes(value: &Value<'_>) -> Result<Vec<u8>, StreamError> {
    let decoded = value.as_text().and_then(|text| text.with(base64::decode));
    decoded.ok_or(StreamError::Malformed("output"))
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

fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A wire timestamp (seconds, milliseconds or microseconds, told apart by magnitude; protocol, 6.3)
/// in ms; NaN where it is unknown, which is how 0 is meant.
#[must_use]
pub fn milliseconds(timestamp: f64) -> f64 {
    match timestamp {
        t if !(t.is_finite() && t > 0.0) => f64::NAN,
        t if t > 1e15 => t / 1000.0,
        t if t > 1e12 => t,
        t => t * 1000.0,
    }
}
