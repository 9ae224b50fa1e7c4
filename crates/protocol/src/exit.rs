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
    /// The exit code, or the signal that ended the process.
    pub status: ExitStatus,
    /// Why the process ended, if the server says so.
    pub reason: Option<Reason>,
}

/// The exit code of a process, or the signal that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// An exit code, never below 0.
    Code(i32),
    /// The number of the signal that ended the process.
    Signal(i32),
    /// The server reported neither, only that the memory limit ended the process ([`Reason::OomKilled`]).
    Unreported,
}

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The process returned.
    Exited,
    /// A signal that no limit sent ended the process.
    Signaled,
    /// The memory limit ended the process.
    OomKilled,
    /// The time limit ended the process.
    TimedOut,
}

impl Reason {
    /// Every reason.
    pub const ALL: &[Self] = &[Self::Exited, Self::Signaled, Self::OomKilled, Self::TimedOut];

    /// The reason of that name; `None` for an unknown name.
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
    /// Makes an exit from the members of an event or a process record; `None` if they report no end.
    ///
    /// A signal other than 0 takes precedence over a code, since some servers add a guessed code to a signal. A
    /// code below 0 means that the code is unknown: no process returns one, and existing servers send -1
    /// if they missed the status.
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
            (Some(code), _) if code >= 0 => ExitStatus::Code(code),
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

    /// Whether the server says that the memory limit ended the process.
    #[must_use]
    pub const fn oom_killed(&self) -> bool {
        matches!(self.reason, Some(Reason::OomKilled))
    }

    /// Whether the time limit ended the process. `None` if that is unknown: SIGKILL without a
    /// reason can come from the time limit, the memory limit or a user (docs/protocol.md, 6.7).
    #[must_use]
    pub const fn timed_out(&self) -> Option<bool> {
        match (self.reason, self.status) {
            (Some(Reason::TimedOut), _) => Some(true),
            (None, ExitStatus::Signal(SIGKILL)) => None,
            _ => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for &reason in Reason::ALL {
            assert_eq!(Reason::from_name(reason.as_str().as_bytes()), Some(reason));
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, std::format!("{:?}", reason.as_str()));
            assert_eq!(serde_json::from_str::<Reason>(&json).unwrap(), reason);
        }
        assert_eq!(Reason::from_name(b"bored"), None);
    }

    #[test]
    fn a_code_is_one_that_a_process_returned() {
        let exit = |code, signal| Exit::from_parts(code, signal, false, None).map(|e| e.status);
        assert_eq!(exit(Some(0), None), Some(ExitStatus::Code(0)));
        assert_eq!(exit(Some(0), Some(0)), Some(ExitStatus::Code(0)));
        assert_eq!(exit(Some(-1), None), None);
        assert_eq!(exit(Some(-1), Some(15)), Some(ExitStatus::Signal(15)));
        assert_eq!(exit(Some(137), Some(9)), Some(ExitStatus::Signal(9)));
        assert_eq!(exit(None, None), None);
    }
}
