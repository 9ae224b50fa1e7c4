//! The state of a process, according to its record.

use crate::exit::{Exit, Reason};
use crate::record::ProcessStatus;

/// The state of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The process has not ended.
    Running,
    /// The process has ended.
    Ended(Exit),
    /// The process has ended, but the server lost its exit status.
    Lost,
}

impl Standing {
    /// Reads the members of a process record (docs/protocol.md, 6.3); `reason` is an extension of the local server.
    #[must_use]
    pub fn from_record(
        status: &str,
        exit_code: Option<i32>,
        signal: Option<i32>,
        oom_killed: bool,
        reason: Option<Reason>,
    ) -> Self {
        if status == ProcessStatus::Running.as_str() {
            return Self::Running;
        }
        let oom_killed = oom_killed || status == ProcessStatus::OomKilled.as_str();
        Exit::from_parts(exit_code, signal, oom_killed, reason).map_or(Self::Lost, Self::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ExitStatus;

    #[test]
    fn a_record_tells_whether_it_knows_the_end() {
        let of = |status, code, signal| Standing::from_record(status, code, signal, false, None);
        let ended = |status, reason| Standing::Ended(Exit { status, reason });
        assert_eq!(of("running", None, None), Standing::Running);
        assert_eq!(of("exited", Some(3), None), ended(ExitStatus::Code(3), None));
        assert_eq!(of("signaled", None, Some(15)), ended(ExitStatus::Signal(15), None));
        let oom = ended(ExitStatus::Signal(9), Some(Reason::OomKilled));
        assert_eq!(of("oom_killed", None, Some(9)), oom);
        // The open-source daemon if its reaper is late, and empty records.
        assert_eq!(of("exited", Some(-1), None), Standing::Lost);
        assert_eq!(of("exited", None, None), Standing::Lost);
        assert_eq!(of("vanished", None, None), Standing::Lost);
        let timed_out = Some(Reason::TimedOut);
        let record = Standing::from_record("signaled", None, Some(9), false, timed_out);
        assert_eq!(record, ended(ExitStatus::Signal(9), timed_out));
    }
}
