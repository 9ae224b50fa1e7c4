//! The members of an output event, read from its JSON.

use crate::exit::Reason;
use crate::json::{Invalid, Members, Number, Text, Value};
use crate::output::milliseconds;
use crate::stream::Stream;

/// The members of an event with a line.
pub(crate) struct Line<'a> {
    pub(crate) text: Text<'a>,
    /// In ms since the epoch; NaN = unknown.
    pub(crate) timestamp: f64,
    pub(crate) stream: Option<Stream>,
    pub(crate) unfinished: bool,
    pub(crate) bytes: Option<Value<'a>>,
}

impl<'a> Line<'a> {
    /// Reads an event in the form that servers write for a line. Nearly every event has this form, and this is several
    /// times faster than [`Fields::read`], which reads every other form.
    #[inline]
    pub(crate) fn usual(data: &'a [u8]) -> Option<Self> {
        let (mut line, mut timestamp, mut stream) = (None, f64::NAN, None);
        let mut rest = data.strip_prefix(b"{")?;
        loop {
            rest = if let Some(after) = rest.strip_prefix(b"\"line\":\"") {
                let (text, after) = Text::at_start(after)?;
                line = Some(text);
                after
            } else if let Some(after) = rest.strip_prefix(b"\"timestamp\":") {
                let (number, after) = Number::at_start(after)?;
                timestamp = milliseconds(number as f64);
                after
            } else {
                let after = rest.strip_prefix(b"\"stream\":\"std")?;
                let (name, after) = match after {
                    [b'o', b'u', b't', b'"', after @ ..] => (Stream::Stdout, after),
                    [b'e', b'r', b'r', b'"', after @ ..] => (Stream::Stderr, after),
                    _ => return None,
                };
                stream = Some(name);
                after
            };
            rest = match rest {
                b"}" => {
                    let text = line?;
                    return Some(Self { text, timestamp, stream, unfinished: false, bytes: None });
                }
                [b',', after @ ..] => after,
                _ => return None,
            };
        }
    }
}

/// The members that any event can have.
pub(crate) struct Fields<'a> {
    pub(crate) line: Option<Value<'a>>,
    /// In ms since the epoch; NaN = unknown.
    pub(crate) timestamp: f64,
    pub(crate) stream: Option<Stream>,
    pub(crate) unfinished: bool,
    pub(crate) bytes: Option<Value<'a>>,
    pub(crate) pid: Option<u32>,
    pub(crate) handle: Option<u64>,
    pub(crate) started_at: Option<f64>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) oom_killed: bool,
    pub(crate) reason: Option<Reason>,
    pub(crate) output_open: bool,
    pub(crate) line_count: Option<u64>,
    pub(crate) gap: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    const NONE: Self = Self {
        line: None,
        timestamp: f64::NAN,
        stream: None,
        unfinished: false,
        bytes: None,
        pid: None,
        handle: None,
        started_at: None,
        exit_code: None,
        signal: None,
        oom_killed: false,
        reason: None,
        output_open: false,
        line_count: None,
        gap: None,
    };

    /// The event's line; `None` if the member is not a string.
    pub(crate) fn line(&self) -> Option<Line<'a>> {
        let Self { timestamp, stream, unfinished, bytes, .. } = *self;
        let text = self.line.and_then(|line| line.as_text())?;
        Some(Line { text, timestamp, stream, unfinished, bytes })
    }

    pub(crate) fn read(data: &'a [u8]) -> Result<Self, Invalid> {
        let mut fields = Self::NONE;
        let mut members = Members::new(data)?;
        while let Some((key, value)) = members.read()? {
            // The keys of the protocol contain no escapes, so an escaped key is unknown.
            match key.plain().unwrap_or_default() {
                b"line" => fields.line = Some(value),
                b"timestamp" => fields.timestamp = time(&value),
                b"stream" => {
                    fields.stream = value.as_text().and_then(|name| name.with(Stream::from_name));
                }
                b"eol" => fields.unfinished = matches!(value, Value::Bool(false)),
                b"bytes" => fields.bytes = Some(value),
                b"pid" => fields.pid = integer(&value),
                b"handle" => fields.handle = integer(&value),
                b"started_at" => fields.started_at = Some(time(&value)),
                b"exit_code" => fields.exit_code = integer(&value),
                b"signal" => fields.signal = integer(&value),
                b"oom_killed" => fields.oom_killed = matches!(value, Value::Bool(true)),
                b"reason" => {
                    fields.reason = value.as_text().and_then(|name| name.with(Reason::from_name));
                }
                b"output_open" => fields.output_open = matches!(value, Value::Bool(true)),
                b"line_count" => fields.line_count = integer(&value),
                b"gap" => {
                    fields.gap = if let Value::Object(gap) = value { Some(gap) } else { None };
                }
                _ => {}
            }
        }
        Ok(fields)
    }
}

pub(crate) fn integer<T: TryFrom<i64>>(value: &Value<'_>) -> Option<T> {
    if let Value::Number(number) = value { number.integer() } else { None }
}

fn time(value: &Value<'_>) -> f64 {
    if let Value::Number(number) = value { milliseconds(number.to_f64()) } else { f64::NAN }
}
