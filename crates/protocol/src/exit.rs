//! How a process ended.

/// The end of a process, as the server reported it.
///
/// ```
/// use shoreline_protocol::exit::{Exit, ExitStatus, Reason};
/// let exit = Exit { status: ExitStatus::Signal(9), reason: Some(Reason::TimedOut) };
/// assert_eq!((exit.exit_code(), exit.signal(), exit.timed_out()), (None, Some(9), Some(true)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What the process returned, or what ended it.
    pub status: ExitStatus,
    /// Why it ended, where the server says so.
    pub reason: Option<Reason>,
}

/// What a process returned, or the signal that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It returned this code. Existing servers say -1 where they missed the status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// The server gave neither, only that the memory limit ended it ([`Reason::OomKilled`]).
    Unreported,
}

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// By itself.
    Exited,
    /// By a signal that neither limit sent.
    Signaled,
    /// By the memory limit.
    OomKilled,
    /// By the time limit.
    TimedOut,
}

impl Reason {
    /// The reason of that name; an unknown name is none.
    #[must_use]
    pub const fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"exited" => Some(Self::Exited),
            b"signaled" => Some(Self::Signaled),
            b"oom_killed" => Some(Self::OomKilled),
            b"timed_out" => Some(Self::TimedOut),
            _ => None,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Signaled => "signaled",
            Self::OomKilled => "oom_killed",
            Self::TimedOut => "timed_out",
        }
    }
}

const SIGKILL: i32 = 9;

impl Exit {
    /// Makes an exit of what an event or a process record holds; nothing if they say of no end.
    ///
    /// A signal other than 0 goes before a code: some servers fill in a made-up code beside it.
    #[must_use]
    pub fn from_parts(
        exit_code: Option<i32>,
        signal: Option<i32>,
        oom_killed: bool,
        reason: Option<Reason>,
    ) -> Option<Self> {
        let reason = match reason {
            Some(Reason::TimedOut) => reason,
            _ if oom_killed => Some(Reason::OomKilled),
            _ => reason,
        };
        let status = match (exit_code, signal) {
            (_, Some(signal)) if signal != 0 => ExitStatus::Signal(signal),
            (Some(code), _) => ExitStatus::Code(code),
            _ if oom_killed => ExitStatus::Unreported,
            _ => return None,
        };
        Some(Self { status, reason })
    }

    /// The code that the process returned.
    #[must_use]
    pub const fn exit_code(&self) -> Option<i32> {
        match self.status {
            ExitStatus::Code(code) => Some(code),
            _ => None,
        }
    }

    /// The signal that ended the process.
    #[must_use]
    pub const fn signal(&self) -> Option<i32> {
        match self.status {
            ExitStatus::Signal(signal) => Some(signal),
            _ => None,
        }
    }

    /// Whether the memory limit ended it, as far as the server says.
    #[must_use]
    pub const fn oom_killed(&self) -> bool {
        matches!(self.reason, Some(Reason::OomKilled))
    }

    /// Whether the time limit ended it. `None` where that cannot be known: SIGKILL without a
    /// reason may be the time limit, the memory limit or anybody (protocol, section 6.7).
    #[must_use]
    pub const fn timed_out(&self) -> Option<bool> {
        match (self.reason, self.status) {
            (Some(Reason::TimedOut), _) => Some(true),
            (None, ExitStatus::Signal(SIGKILL)) => None,
            _ => Some(false),
        }
    }
}
