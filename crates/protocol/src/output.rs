//! Event streams of output, decoded into batches: SSE framing, JSON and UTF-8 in one go, with
//! nothing kept per event but entries in flat vectors.

use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Code;
use crate::exit::{Exit, Reason};
use crate::follow::Skip;
use crate::json::{Invalid, Members, Number, Value};
use crate::limits;
use crate::sse::{Item, Sse, TooLong};
use crate::stream::Stream;
use crate::utf8;

/// Events in the order of their arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// All events' text, each with its `\n` where it has one.
    pub text: String,
    /// Where each event's text ends, in UTF-16 code units.
    pub ends: Vec<u32>,
    /// Where each event's text ends, in bytes.
    pub byte_ends: Vec<u32>,
    /// When the server read it, in ms since the epoch; NaN = unknown.
    pub times: Vec<f64>,
    /// [`flag`]s of each event.
    pub flags: Vec<u8>,
    /// By event index, the exact bytes of lines that are not UTF-8, without terminator.
    pub raw: Vec<(u32, Vec<u8>)>,
}

/// Bits of [`Batch::flags`].
pub mod flag {
    /// The stream: 0 none, or as [`crate::stream::Stream`].
    pub const STREAM: u8 = 3;
    /// The line is whole: its text ends in `\n`.
    pub const TERMINATED: u8 = 4;
    /// The exact bytes are in `raw`.
    pub const RAW: u8 = 8;
    /// The line was cut at the limit.
    pub const CUT: u8 = 16;
}

impl Batch {
    /// How many events it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flags.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.byte_ends.clear();
        self.times.clear();
        self.flags.clear();
        self.raw.clear();
    }
}

/// Which kind of stream is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `POST /processes/run`: started, output, exited, told apart by shape (protocol, 6.7 and 15).
    Run,
    /// A follow stream: output until `eof` (protocol, 6.6).
    Follow,
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
    /// A run's exit.
    Exit(Exit),
    /// A follow's end of output.
    Eof,
}

/// What makes a stream unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// A line or event over the limit.
    TooLong,
    /// A known event of the wrong shape.
    Malformed(&'static str),
    /// The server no longer has these events.
    Gap {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The output is larger than one result can be.
    TooLarge,
}

impl StreamError {
    /// The code that callers see.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLong => Code::LineTooLong,
            Self::Malformed(_) => Code::MalformedEvent,
            Self::Gap { .. } => Code::OutputGap,
            Self::TooLarge => Code::OutputTooLarge,
        }
    }
}

impl core::fmt::Display for StreamError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLong => f.write_str(
                "an output line is longer than the limit: raise `maxLineBytes`, or set `longLine: \"cut\"`",
            ),
            Self::Malformed(event) => write!(f, "the server sent a malformed `{event}` event"),
            Self::Gap { from, to } => {
                write!(f, "the server no longer has events {from} to {to} of this output")
            }
            Self::TooLarge => f.write_str(
                "the output is too large for one result: set `maxOutputBytes`, or follow it",
            ),
        }
    }
}

impl From<TooLong> for StreamError {
    fn from(_: TooLong) -> Self {
        Self::TooLong
    }
}

/// Decodes one connection's stream.
///
/// ```
/// use shoreline_protocol::follow::Skip;
/// use shoreline_protocol::output::{Batch, End, LongLine, Mode, OutputDecoder};
/// let mut decoder = OutputDecoder::new(Mode::Follow, 1024, LongLine::Refuse);
/// let mut batch = Batch::default();
/// let bytes = b"event: output\ndata: {\"line\":\"hi\",\"timestamp\":0}\n\nevent: eof\ndata: {}\n\n";
/// decoder.push(bytes, &mut Skip::default(), &mut batch).unwrap();
/// assert_eq!((batch.text.as_str(), decoder.end()), ("hi\n", Some(End::Eof)));
/// ```
#[derive(Debug)]
pub struct OutputDecoder {
    sse: Sse,
    state: State,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    line_limit: usize,
    long_line: LongLine,
    started: Option<Started>,
    end: Option<End>,
    first_id: Vec<u8>,
    last_id: Vec<u8>,
    retry_ms: Option<u64>,
    malformed: usize,
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
                line_limit,
                long_line,
                started: None,
                end: None,
                first_id: Vec::new(),
                last_id: Vec::new(),
                retry_ms: None,
                malformed: 0,
            },
        }
    }

    /// Takes the next bytes and appends the events that they complete to `out`, less what `skip`
    /// says was delivered before. After an error `out` holds what came before it.
    ///
    /// # Errors
    /// Whatever would lose or change a line.
    pub fn push(
        &mut self,
        chunk: &[u8],
        skip: &mut Skip,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        let Self { sse, state } = self;
        sse.push(chunk, |item| state.item(&item, skip, out))
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

    /// The id of the first event delivered, as the server wrote it; empty = none.
    #[must_use]
    pub fn first_event_id(&self) -> &[u8] {
        &self.state.first_id
    }

    /// The id of the last event delivered, as the server wrote it; empty = none.
    #[must_use]
    pub fn last_event_id(&self) -> &[u8] {
        &self.state.last_id
    }

    /// How long the server wants to be left alone before a reconnect.
    #[must_use]
    pub const fn retry_ms(&self) -> Option<u64> {
        self.state.retry_ms
    }

    /// Unnamed events that were no JSON object, and ignored.
    #[must_use]
    pub const fn malformed(&self) -> usize {
        self.state.malformed
    }
}

/// The members that any event can have.
#[derive(Default)]
struct Fields<'a> {
    line: Option<Value<'a>>,
    timestamp: Option<Value<'a>>,
    stream: Option<Stream>,
    unfinished: bool,
    bytes: Option<Value<'a>>,
    pid: Option<u32>,
    handle: Option<u64>,
    started_at: Option<Value<'a>>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    oom_killed: bool,
    reason: Option<Reason>,
    gap: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(data: &'a [u8]) -> Result<Self, Invalid> {
        let mut fields = Self::default();
        let mut members = Members::new(data)?;
        while let Some((key, value)) = members.next()? {
            // Keys of the protocol need no escapes; one that has some is another's.
            match key.plain().unwrap_or_default() {
                b"line" => fields.line = Some(value),
                b"timestamp" => fields.timestamp = Some(value),
                b"stream" => {
                    fields.stream = value.as_text().and_then(|name| name.with(Stream::from_name));
                }
                b"eol" => fields.unfinished = matches!(value, Value::Bool(false)),
                b"bytes" => fields.bytes = Some(value),
                b"pid" => fields.pid = integer(&value),
                b"handle" => fields.handle = integer(&value),
                b"started_at" => fields.started_at = Some(value),
                b"exit_code" => fields.exit_code = integer(&value),
                b"signal" => fields.signal = integer(&value),
                b"oom_killed" => fields.oom_killed = matches!(value, Value::Bool(true)),
                b"reason" => {
                    fields.reason = value.as_text().and_then(|name| name.with(Reason::from_name));
                }
                b"gap" => {
                    if let Value::Object(gap) = value {
                        fields.gap = Some(gap);
                    }
                }
                _ => {}
            }
        }
        Ok(fields)
    }
}

fn integer<T: TryFrom<i128>>(value: &Value<'_>) -> Option<T> {
    if let Value::Number(number) = value { number.integer() } else { None }
}

impl State {
    fn item(
        &mut self,
        item: &Item<'_>,
        skip: &mut Skip,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        match *item {
            Item::Comment(_) => {}
            Item::Retry(ms) => self.retry_ms = Some(ms),
            Item::Event { .. } if self.end == Some(End::Eof) => {}
            Item::Event { name: b"eof", .. } if self.mode == Mode::Follow => {
                self.end = Some(End::Eof);
            }
            Item::Event { name, data, id } => match Fields::read(data) {
                Ok(fields) => self.event(name, &fields, id, skip, out)?,
                Err(Invalid) => match name {
                    b"output" => return Err(StreamError::Malformed("output")),
                    b"gap" => return Err(StreamError::Malformed("gap")),
                    _ => self.malformed += 1,
                },
            },
        }
        Ok(())
    }

    fn event(
        &mut self,
        name: &[u8],
        fields: &Fields<'_>,
        id: &[u8],
        skip: &mut Skip,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        if name == b"gap" {
            return Err(gap(fields.gap));
        }
        if fields.line.is_some() || name == b"output" {
            return self.output(fields, id, skip, out);
        }
        if self.mode == Mode::Follow {
            return Ok(());
        }
        let Fields { exit_code, signal, oom_killed, reason, .. } = *fields;
        if let Some(exit) = Exit::from_parts(exit_code, signal, oom_killed, reason) {
            self.end = Some(End::Exit(exit));
        } else if let (Some(pid), Some(started_at)) = (fields.pid, &fields.started_at) {
            let started_at = time(Some(started_at));
            self.started.get_or_insert(Started { pid, handle: fields.handle, started_at });
        }
        Ok(())
    }

    #[inline]
    fn output(
        &mut self,
        fields: &Fields<'_>,
        id: &[u8],
        skip: &mut Skip,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        let Some(Value::String(line)) = fields.line else {
            return Err(StreamError::Malformed("output"));
        };
        let stream = match self.mode {
            Mode::Run => Some(fields.stream.unwrap_or(Stream::Stdout)),
            Mode::Follow => fields.stream,
        };
        if skip.drops(stream, id) {
            return Ok(());
        }
        let mut flags = stream.map_or(0, |stream| stream as u8);
        let start = out.text.len();
        let mut units = line.push_to(&mut out.text);
        if out.text.len() - start > self.line_limit {
            if self.long_line == LongLine::Refuse {
                out.text.truncate(start);
                return Err(StreamError::TooLong);
            }
            flags |= flag::CUT;
            out.text.truncate(floor_char_boundary(&out.text, start + self.line_limit));
            units = out.text.get(start..).map_or(0, utf8::utf16_len);
        }
        if let Some(bytes) = &fields.bytes {
            let decoded =
                bytes.as_text().and_then(|text| text.with(|text| STANDARD.decode(text).ok()));
            let Some(mut raw) = decoded else {
                out.text.truncate(start);
                return Err(StreamError::Malformed("output"));
            };
            raw.truncate(self.line_limit);
            flags |= flag::RAW;
            out.raw.push((to_u32(out.flags.len()), raw));
        }
        if !fields.unfinished {
            flags |= flag::TERMINATED;
            out.text.push('\n');
            units += 1;
        }
        out.ends.push(out.ends.last().copied().unwrap_or(0) + to_u32(units));
        out.byte_ends.push(to_u32(out.text.len()));
        out.times.push(time(fields.timestamp.as_ref()));
        out.flags.push(flags);
        if !id.is_empty() {
            if self.first_id.is_empty() {
                self.first_id.extend_from_slice(id);
            }
            self.last_id.clear();
            self.last_id.extend_from_slice(id);
        }
        Ok(())
    }
}

fn gap(members: Option<&[u8]>) -> StreamError {
    let read = |object| -> Result<Option<(u64, u64)>, Invalid> {
        let (mut from, mut to) = (None, None);
        let mut members = Members::new(object)?;
        while let Some((key, value)) = members.next()? {
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

/// The last character boundary at or before `at`.
pub(crate) fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn time(value: Option<&Value<'_>>) -> f64 {
    match value {
        Some(Value::Number(number)) => milliseconds(to_f64(number)),
        _ => f64::NAN,
    }
}

fn to_f64(number: &Number<'_>) -> f64 {
    #[allow(clippy::cast_precision_loss)] // times are far below 2^53
    number.integer::<u64>().map_or_else(|| number.scaled(0), |integer| integer as f64)
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
