//! The two output streams of a process, and what can go wrong while they are read.

use core::fmt;

use crate::error::Code;

/// An output stream, as the wire names it in `stream`. Where a frame names none, the crate has
/// `None`; a run counts that as standard output (protocol, section 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// Standard output.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
}

impl Stream {
    /// The stream of that name; an unknown name is none.
    #[must_use]
    pub const fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"stdout" => Some(Self::Stdout),
            b"stderr" => Some(Self::Stderr),
            _ => None,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Why an output stream cannot go on. None of its texts holds anything that the process wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// A known event has the wrong shape.
    Malformed {
        /// The event: `output`, `exited`, `started`, `gap`.
        event: &'static str,
        /// What is wrong with it, as the end of a sentence.
        problem: &'static str,
    },
    /// One server-sent event is longer than the limit, in bytes.
    EventTooLong {
        /// The limit.
        limit: usize,
    },
    /// One output line is longer than the limit, in bytes.
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// The server no longer has these events.
    Gap {
        /// Sequence number of the first missing event.
        from: u64,
        /// Sequence number of the last missing event.
        to: u64,
    },
    /// A replay ended before it came to where the output had been cut.
    ShortReplay {
        /// Events that were delivered earlier and did not come again.
        missing: u64,
    },
    /// A replay whose events have no usable ids, where the same output had them before.
    LostPlace,
    /// What one result may hold is used up.
    OutputTooLarge {
        /// The limit of one stream, in bytes.
        limit: usize,
    },
}

impl StreamError {
    /// The stable code that users see.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed { .. } => Code::MalformedEvent,
            Self::EventTooLong { .. } | Self::LineTooLong { .. } => Code::LineTooLong,
            Self::Gap { .. } | Self::ShortReplay { .. } | Self::LostPlace => Code::OutputGap,
            Self::OutputTooLarge { .. } => Code::OutputTooLarge,
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { event, problem } => {
                write!(f, "the server sent a malformed `{event}` event: {problem}")
            }
            Self::EventTooLong { limit } => {
                write!(f, "the server sent an event of more than {limit} bytes")
            }
            Self::LineTooLong { limit } => {
                write!(f, "an `output` event holds a line of more than {limit} bytes")
            }
            Self::Gap { from, to } => {
                write!(f, "the server no longer has the `output` events {from} to {to}")
            }
            Self::ShortReplay { missing } => write!(
                f,
                "the server's replay ended {missing} `output` events before the place where the connection had broken"
            ),
            Self::LostPlace => f.write_str(
                "the `output` events of the server's replay have no usable ids, so the place where the connection had broken cannot be found",
            ),
            Self::OutputTooLarge { limit } => {
                write!(f, "the output of one stream is larger than {limit} bytes")
            }
        }
    }
}

impl core::error::Error for StreamError {}
