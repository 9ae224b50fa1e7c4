//! The messages of a terminal's WebSocket, and its end (docs/protocol.md, 8.2 and 8.3).
//!
//! Messages are binary and begin with an opcode. Both sides ignore text, empty messages, unknown opcodes and messages that
//! are too short.

use alloc::vec::Vec;

use crate::limits::{PTY_MAX_COLS, PTY_MAX_ROWS};

/// Opcodes.
mod op {
    pub(super) const DATA: u8 = 0;
    pub(super) const RESIZE: u8 = 1;
    pub(super) const READY: u8 = 2;
    pub(super) const EXIT: u8 = 3;
    pub(super) const POSITION: u8 = 4;
    pub(super) const CREDIT: u8 = 5;
}

/// The size of a terminal, within what servers allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// From 1 to [`PTY_MAX_COLS`].
    pub cols: u16,
    /// From 1 to [`PTY_MAX_ROWS`].
    pub rows: u16,
}

impl Size {
    /// The allowed size that is nearest to the given one.
    #[must_use]
    pub fn clamped(cols: u16, rows: u16) -> Self {
        Self { cols: cols.clamp(1, PTY_MAX_COLS), rows: rows.clamp(1, PTY_MAX_ROWS) }
    }
}

/// A message of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// Input.
    Data(&'a [u8]),
    /// The terminal's size has changed.
    Resize(Size),
    /// The client is ready for output. With a position (an extension, sent only to a server that
    /// counts), output begins at that byte of the session's output.
    Ready(Option<u64>),
    /// How many bytes of output the server may send over this connection, from its beginning (beyond the
    /// public protocol).
    Credit(u64),
}

impl<'a> Input<'a> {
    /// Decodes a binary message; `None` if it must be ignored.
    ///
    /// ```
    /// use shoreline_protocol::pty::Input;
    /// assert_eq!(Input::decode(&[0, b'l', b's']), Some(Input::Data(b"ls")));
    /// ```
    #[must_use]
    pub fn decode(message: &'a [u8]) -> Option<Self> {
        match message {
            [op::DATA, data @ ..] => Some(Self::Data(data)),
            [op::RESIZE, c1, c0, r1, r0, ..] => Some(Self::Resize(Size::clamped(
                u16::from_be_bytes([*c1, *c0]),
                u16::from_be_bytes([*r1, *r0]),
            ))),
            [op::READY, position @ ..] => Some(Self::Ready(number_of(position))),
            [op::CREDIT, bytes @ ..] => number_of(bytes).map(Self::Credit),
            _ => None,
        }
    }

    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Data(data) => framed(op::DATA, data),
            Self::Resize(Size { cols, rows }) => {
                let ([c1, c0], [r1, r0]) = (cols.to_be_bytes(), rows.to_be_bytes());
                framed(op::RESIZE, &[c1, c0, r1, r0])
            }
            Self::Ready(None) => framed(op::READY, &[]),
            Self::Ready(Some(position)) => framed(op::READY, &position.to_be_bytes()),
            Self::Credit(bytes) => framed(op::CREDIT, &bytes.to_be_bytes()),
        }
    }
}

/// A message of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// Output. It can begin and end within a character or escape sequence.
    Data(&'a [u8]),
    /// The session has ended with this code; -1 = a signal, or unknown.
    Exit(i32),
    /// The position of the next byte in the session's output, from 0 (beyond the public protocol). A server
    /// that counts sends it first.
    Position(u64),
    /// How many bytes of input the client may send over this connection, from its beginning (beyond the
    /// public protocol). Only a client that gives credit is sent this.
    Credit(u64),
}

impl<'a> Output<'a> {
    /// Decodes a binary message; `None` if it must be ignored.
    #[must_use]
    pub fn decode(message: &'a [u8]) -> Option<Self> {
        match message {
            [op::DATA, data @ ..] => Some(Self::Data(data)),
            [op::EXIT, a, b, c, d, ..] => Some(Self::Exit(i32::from_be_bytes([*a, *b, *c, *d]))),
            [op::POSITION, position @ ..] => number_of(position).map(Self::Position),
            [op::CREDIT, bytes @ ..] => number_of(bytes).map(Self::Credit),
            _ => None,
        }
    }

    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Data(data) => framed(op::DATA, data),
            Self::Exit(code) => framed(op::EXIT, &code.to_be_bytes()),
            Self::Position(position) => framed(op::POSITION, &position.to_be_bytes()),
            Self::Credit(bytes) => framed(op::CREDIT, &bytes.to_be_bytes()),
        }
    }
}

fn framed(op: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + payload.len());
    out.push(op);
    out.extend_from_slice(payload);
    out
}

fn number_of(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|number| u64::from_be_bytes(*number))
}

/// What the end of the connection means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The session has ended with this code; -1 = a signal, or unknown.
    Exited(i32),
    /// No exit is known.
    Lost(Loss),
}

/// Why a connection has ended without an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The reason names an exit, but its code is not a number.
    BadExitReason,
    /// A normal close without a reason.
    ExitUnknown,
    /// The session was killed, or its server stopped.
    SessionTerminated,
    /// The client was too slow, and output is lost.
    OutputLost,
    /// The client sent too fast, and input may be lost.
    InputRateLimit,
    /// The client broke another rule of the server.
    Policy,
    /// A message was too big.
    MessageTooBig,
    /// The connection broke. The session may still run.
    ConnectionLost,
}

impl Loss {
    /// The name in errors.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadExitReason => "bad_exit_reason",
            Self::ExitUnknown => "exit_unknown",
            Self::SessionTerminated => "session_terminated",
            Self::OutputLost => "output_lost",
            Self::InputRateLimit => "input_rate_limit",
            Self::Policy => "policy",
            Self::MessageTooBig => "message_too_big",
            Self::ConnectionLost => "connection_lost",
        }
    }
}

/// Interprets a close. `code` is `None` if the connection broke without a close frame.
///
/// ```
/// use shoreline_protocol::pty::{Closed, closed};
/// assert_eq!(closed(Some(1000), "exit:7"), Closed::Exited(7));
/// ```
#[must_use]
pub fn closed(code: Option<u16>, reason: &str) -> Closed {
    Closed::Lost(match (code, reason.strip_prefix("exit:")) {
        (Some(1000), Some(exit)) => match exit.parse() {
            Ok(code) => return Closed::Exited(code),
            Err(_) => Loss::BadExitReason,
        },
        (Some(1000), None) => Loss::ExitUnknown,
        (Some(1001), _) => Loss::SessionTerminated,
        (Some(1008), _) if reason.starts_with("output lagged") => Loss::OutputLost,
        (Some(1008), _) if reason.starts_with("input rate limit") => Loss::InputRateLimit,
        (Some(1008), _) => Loss::Policy,
        (Some(1009), _) => Loss::MessageTooBig,
        _ => Loss::ConnectionLost,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let size = Size { cols: 80, rows: 24 };
        for input in [
            Input::Data(b"x\0"),
            Input::Resize(size),
            Input::Ready(None),
            Input::Ready(Some(1 << 40)),
            Input::Credit(1 << 40),
        ] {
            assert_eq!(Input::decode(&input.encode()), Some(input));
        }
        for output in [
            Output::Data(b""),
            Output::Exit(-1),
            Output::Exit(130),
            Output::Position(u64::MAX),
            Output::Credit(1 << 40),
        ] {
            assert_eq!(Output::decode(&output.encode()), Some(output));
        }
    }
}
