//! Reasons why output is incomplete or an exit status is unknown.

use alloc::string::String;

use crate::error::Code;
use crate::sse::TooLong;
use crate::text::{digits, joined};

/// Why output is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// A line or event is over the limit.
    TooLong,
    /// A known event has the wrong shape.
    Malformed(&'static str),
    /// The server no longer has these events.
    Gap {
        /// The number of the first missing event.
        from: u64,
        /// The number of the last missing event.
        to: u64,
    },
    /// The output is larger than one result can be.
    TooLarge,
    /// The stream ended before the server's own end of output.
    Cut,
    /// After a reconnect the server sent fewer events than it had sent before.
    ShortReplay,
    /// After a reconnect the server sent nothing of what it had sent before.
    Forgotten,
    /// The server's own count differs from what was delivered.
    Miscount {
        /// Lines, as the server counts them.
        server: u64,
        /// Lines that were delivered.
        delivered: u64,
    },
    /// A line is shorter than what was delivered of it while it was unfinished.
    ShortLine,
    /// The numbers of events contradict each other after a reconnect.
    Contradicted,
    /// A run's stream ended before the command's exit was reported.
    NoExit,
    /// The command has ended, but the server lost its exit status.
    ExitLost,
}

impl StreamError {
    /// The client's code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLong => Code::LineTooLong,
            Self::Malformed(_) => Code::MalformedEvent,
            Self::Gap { .. }
            | Self::ShortReplay
            | Self::Miscount { .. }
            | Self::ShortLine
            | Self::Contradicted => Code::OutputGap,
            Self::TooLarge => Code::OutputTooLarge,
            Self::Cut => Code::StreamBroken,
            Self::Forgotten => Code::ProcessGone,
            Self::NoExit | Self::ExitLost => Code::StreamEndedWithoutExit,
        }
    }
}

impl StreamError {
    /// The error message.
    #[must_use]
    pub fn message(&self) -> String {
        let text = match self {
            Self::TooLong => {
                "an output line is longer than the limit: raise `maxLineBytes`, or set `longLine: \"cut\"`"
            }
            Self::Malformed(event) => {
                return joined(&["the server sent a malformed `", event, "` event"]);
            }
            Self::Gap { from, to } => {
                let (from, to) = (digits(*from), digits(*to));
                let text =
                    ["the server no longer has events ", &from, " to ", &to, " of this output"];
                return joined(&text);
            }
            Self::TooLarge => {
                "the output is too large for one result: set `maxOutputBytes`, or follow it"
            }
            Self::Cut => "the stream ended before the server's own end of output",
            Self::ShortReplay => {
                "after a reconnect the server sent fewer events than it had sent before"
            }
            Self::Forgotten => "after a reconnect the server no longer knew the process's output",
            Self::Miscount { server, delivered } => {
                let (server, delivered) = (digits(*server), digits(*delivered));
                return joined(&[
                    "the server counts ",
                    &server,
                    " lines where ",
                    &delivered,
                    " were delivered",
                ]);
            }
            Self::ShortLine => {
                "the server sent less of a line than it had sent while it was unfinished"
            }
            Self::Contradicted => {
                "after a reconnect the server's events contradict those before it"
            }
            Self::NoExit => "the stream ended before the command's exit was reported",
            Self::ExitLost => "the command has ended, but the server lost its exit status",
        };
        text.into()
    }
}

impl From<TooLong> for StreamError {
    fn from(_: TooLong) -> Self {
        Self::TooLong
    }
}
