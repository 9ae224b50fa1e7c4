//! Many streams over one WebSocket (`docs/api.md`, "Channels"). A channel is one request of a route that streams,
//! and its answer: the bytes of the event stream, unchanged.
//!
//! Every message is binary: an opcode, the channel's number and a payload. Numbers are big-endian.

use alloc::vec::Vec;

use crate::limits::CHANNEL_HEADERS;
use crate::text;

/// Opcodes.
mod op {
    pub(super) const OPEN: u8 = 1;
    pub(super) const CREDIT: u8 = 2;
    pub(super) const CLOSE: u8 = 3;
    pub(super) const OPENED: u8 = 4;
    pub(super) const REFUSED: u8 = 5;
    pub(super) const DATA: u8 = 6;
    pub(super) const END: u8 = 7;
    pub(super) const BROKEN: u8 = 8;
}

/// Bytes of a message before its payload.
pub const HEAD_BYTES: usize = 5;

/// The request of a channel. On the wire it is a request as in HTTP/1.1, with lines that end in LF, and without a
/// version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The method, for example `GET`.
    pub method: &'a str,
    /// The path below the sandbox's address, with its query.
    pub path: &'a str,
    /// Names and values of headers.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The request's body.
    pub body: &'a [u8],
}

impl<'a> Opening<'a> {
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (line, mut rest) = line_of(bytes)?;
        let (method, path) = text::split(line, b" ")?;
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut headers = Vec::new();
        loop {
            let (line, after) = line_of(rest)?;
            rest = after;
            if line.is_empty() {
                return Some(Self { method, path, headers, body: rest });
            }
            let (name, value) = text::split(line, b":")?;
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if name.is_empty() || !name.bytes().all(is_name) || headers.len() == CHANNEL_HEADERS {
                return None;
            }
            headers.push((name, value.strip_prefix(' ').unwrap_or(value)));
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let mut push = |parts: &[&str]| {
            for part in parts {
                out.extend_from_slice(part.as_bytes());
            }
        };
        push(&[self.method, " ", self.path, "\n"]);
        for (name, value) in &self.headers {
            push(&[name, ": ", value, "\n"]);
        }
        push(&["\n"]);
        out.extend_from_slice(self.body);
    }
}

/// A line of printable ASCII, and the bytes after its LF.
fn line_of(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let at = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = bytes.get(..at)?;
    let is_plain = line.iter().all(|byte| (0x20..0x7f).contains(byte));
    let line = core::str::from_utf8(line).ok().filter(|_| is_plain)?;
    Some((line, bytes.get(at + 1..)?))
}

/// A message of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// Opens a channel. Numbers ascend, so that none is used twice. `credit` is how many bytes of the answer can be
    /// sent.
    Open {
        /// Bytes that can be sent before there is more credit.
        credit: u32,
        /// The request.
        opening: Opening<'a>,
    },
    /// The server can send this many more bytes.
    Credit(u32),
    /// The client has left the channel.
    Close,
}

impl<'a> Ask<'a> {
    /// Reads a message. Nothing for one that is malformed.
    ///
    /// ```
    /// use shoreline_protocol::channel::Ask;
    /// assert_eq!(Ask::decode(&Ask::Credit(1024).encode(7)), Some((7, Ask::Credit(1024))));
    /// ```
    #[must_use]
    pub fn decode(message: &'a [u8]) -> Option<(u32, Self)> {
        let (op, channel, payload) = parts(message)?;
        let ask = match (op, payload) {
            (op::OPEN, payload) => {
                let (credit, opening) = payload.split_first_chunk()?;
                let credit = u32::from_be_bytes(*credit);
                Self::Open { credit, opening: Opening::decode(opening)? }
            }
            (op::CREDIT, [a, b, c, d]) => Self::Credit(u32::from_be_bytes([*a, *b, *c, *d])),
            (op::CLOSE, []) => Self::Close,
            _ => return None,
        };
        Some((channel, ask))
    }

    /// The message.
    #[must_use]
    pub fn encode(&self, channel: u32) -> Vec<u8> {
        match self {
            Self::Open { credit, opening } => {
                let mut out = framed(op::OPEN, channel, &credit.to_be_bytes());
                opening.encode(&mut out);
                out
            }
            Self::Credit(bytes) => framed(op::CREDIT, channel, &bytes.to_be_bytes()),
            Self::Close => framed(op::CLOSE, channel, &[]),
        }
    }
}

/// A message of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell<'a> {
    /// The answer is an event stream, whose bytes follow.
    Opened,
    /// The answer is an error, with this status and this JSON. The channel has ended.
    Refused(u16, &'a [u8]),
    /// Bytes of the event stream.
    Data(&'a [u8]),
    /// The event stream is complete. The channel has ended.
    End,
    /// The event stream broke off. The channel has ended.
    Broken,
}

impl<'a> Tell<'a> {
    /// Reads a message. Nothing for one that is malformed.
    #[must_use]
    pub fn decode(message: &'a [u8]) -> Option<(u32, Self)> {
        let (op, channel, payload) = parts(message)?;
        let tell = match (op, payload) {
            (op::OPENED, []) => Self::Opened,
            (op::REFUSED, [high, low, body @ ..]) => {
                Self::Refused(u16::from_be_bytes([*high, *low]), body)
            }
            (op::DATA, data) => Self::Data(data),
            (op::END, []) => Self::End,
            (op::BROKEN, []) => Self::Broken,
            _ => return None,
        };
        Some((channel, tell))
    }

    /// The message.
    #[must_use]
    pub fn encode(&self, channel: u32) -> Vec<u8> {
        match self {
            Self::Opened => framed(op::OPENED, channel, &[]),
            Self::Refused(status, body) => {
                let mut out = framed(op::REFUSED, channel, &status.to_be_bytes());
                out.extend_from_slice(body);
                out
            }
            Self::Data(data) => framed(op::DATA, channel, data),
            Self::End => framed(op::END, channel, &[]),
            Self::Broken => framed(op::BROKEN, channel, &[]),
        }
    }
}

fn parts(message: &[u8]) -> Option<(u8, u32, &[u8])> {
    let ([op, a, b, c, d], payload) = message.split_first_chunk::<HEAD_BYTES>()?;
    Some((*op, u32::from_be_bytes([*a, *b, *c, *d]), payload))
}

fn framed(op: u8, channel: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + payload.len());
    out.push(op);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// The most bytes of a channel that are in flight or wait for its reader.
pub const WINDOW: u32 = 256 * 1024;

/// Whether the client sends credit for `taken` bytes now. It does so once for half a window, since each time costs a
/// message.
#[must_use]
pub const fn is_credit_due(taken: u32) -> bool {
    taken >= WINDOW / 2
}
