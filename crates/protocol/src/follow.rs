//! Following one process's output, as a state machine without I/O: it says what to do next. The caller
//! moves the bytes and reports the result.
//!
//! ```text
//! Connect -> Read -> … -> eof -------------------------------------> Done
//!    ^        |            \-> Probe (without numbers) -> Settle -> Done
//!    \- wait -/ broken                                      /
//!    \------------------------- output ended early --------/
//! ```
//!
//! A follow with [`Follow::until_exit`] ends at the server's mark of the exit instead. The mark contains the server's
//! count of the lines before it.

use alloc::boxed::Box;

use crate::batch::Batch;
use crate::cursor::Position;
use crate::error::{Code, Kind};
use crate::exit::Exit;
use crate::fault::StreamError;
use crate::output::{End, LongLine, Mode, OutputDecoder};
use crate::retry::{self, Failure, Policy};
use crate::route::Method;
use crate::tally::{Held, Tally};

/// The next step of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Open a connection; then [`Follow::connected`], or [`Follow::broke`].
    Connect {
        /// Value of `Last-Event-ID`.
        last_event_id: Option<u64>,
    },
    /// Read from the connection; then [`Follow::push`], [`Follow::ended`], or [`Follow::broke`].
    Read,
    /// Determine whether the server has the endpoint `run`; then [`Follow::probed`], or [`Follow::broke`].
    Probe,
    /// Wait, then read the process's record and the lines that the server has; then [`Follow::settled`], or
    /// [`Follow::broke`].
    Settle {
        /// The wait before the first request, in ms.
        wait_ms: u64,
        /// Whether to read the record too: a running process can still write lines.
        look: bool,
    },
    /// Everything has been delivered.
    Done,
}

/// The next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Number of this attempt in a row, from 1.
    pub attempt: u32,
    /// Delay before it.
    pub delay_ms: u64,
}

/// Options of reading lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The longest line, in bytes.
    pub limit: usize,
    /// What happens to a longer line.
    pub long: LongLine,
    /// Whether unfinished lines are delivered as they grow, from servers that send them.
    pub pieces: bool,
}

impl Lines {
    /// A decoder for one connection.
    #[must_use]
    pub fn decoder(self, mode: Mode) -> OutputDecoder {
        OutputDecoder::new(mode, self.limit, self.long).with_pieces(self.pieces)
    }
}

/// The state machine. It delivers every event that the server has, once and in the order of its stream, or fails.
/// Only the server's `eof` ends it or, with [`Follow::until_exit`], its mark of the exit.
#[derive(Debug)]
pub struct Follow {
    mode: Mode,
    lines: Lines,
    policy: Policy,
    position: Position,
    stage: Stage,
    /// Whether the server has ever answered. If so, a 404 means that the process is gone.
    begun: bool,
    /// Attempts in a row without a new event.
    failures: u32,
    /// Least delay before a reconnect that the server asked for, in ms.
    retry_ms: u64,
    exit: Option<Exited>,
    /// Whether the server sends all output although events have no numbers; unknown until that matters.
    trusted: Option<bool>,
    /// The number of times in a row that the server's lines differed from the delivered ones.
    unsettled: u32,
}

/// The output is incomplete once the server's lines have differed from the delivered ones so many times. The open-source
/// daemon writes its logs late, and ends the output early.
const COUNTS: u32 = 4;

/// The lines of the open-source daemon are complete once their count has stood still for 100 ms.
const STILL_MS: u64 = 150;

/// The exit of a process, as reported by a stream of its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exited {
    /// How the process ended.
    pub exit: Exit,
    /// Whether a child of the process still held its output open.
    pub output_open: bool,
}

/// The progress of comparing the output with the server's lines.
#[derive(Clone, Copy, Debug, Default)]
struct Settling {
    /// The number of lines in the server's last answer, if the process had ended by then.
    before: Option<u64>,
    /// The number of answers.
    asked: u32,
}

#[derive(Debug)]
enum Stage {
    Apart,
    Reading(Box<OutputDecoder>),
    /// `short` is the error if the replay had fewer lines than were delivered.
    Probing {
        short: Option<StreamError>,
    },
    Settling(Settling),
    Done,
}

impl Follow {
    /// Starts at `position`.
    #[must_use]
    pub fn new(position: Position, lines: Lines, policy: Policy) -> Self {
        Self {
            mode: Mode::Follow,
            lines,
            policy,
            begun: position.total() > 0,
            position,
            stage: Stage::Apart,
            failures: 0,
            retry_ms: 0,
            exit: None,
            trusted: None,
            unsettled: 0,
        }
    }

    /// Ends the follow at the exit of the process, if the server marks it, instead of at the end of the output.
    #[must_use]
    pub fn until_exit(self) -> Self {
        Self { mode: Mode::FollowToExit, ..self }
    }

    /// As [`Self::new`], for a process that is known to have existed on the server.
    #[must_use]
    pub fn of_known_process(position: Position, lines: Lines, policy: Policy) -> Self {
        Self { begun: true, ..Self::new(position, lines, policy) }
    }

    /// The next step of the caller.
    #[must_use]
    pub fn step(&self) -> Step {
        match self.stage {
            Stage::Apart => Step::Connect { last_event_id: self.position.last_id() },
            Stage::Reading(_) => Step::Read,
            Stage::Probing { .. } => Step::Probe,
            Stage::Settling(Settling { asked, .. }) => {
                let doubled = STILL_MS << asked.saturating_sub(1).min(3);
                Step::Settle {
                    wait_ms: if asked == 0 { 0 } else { doubled },
                    look: self.trusted == Some(false),
                }
            }
            Stage::Done => Step::Done,
        }
    }

    /// The server has begun an event stream.
    pub fn connected(&mut self) {
        self.begun = true;
        self.position.connected();
        self.stage = Stage::Reading(Box::new(self.lines.decoder(self.mode)));
    }

    /// Reads a chunk, and appends its new events to `out`.
    ///
    /// # Errors
    /// When some events are certainly lost.
    pub fn push(&mut self, chunk: &[u8], out: &mut Batch) -> Result<(), StreamError> {
        let Stage::Reading(decoder) = &mut self.stage else { return Ok(()) };
        let before = out.len();
        decoder.push(chunk, &mut self.position, out)?;
        // A comment does not reset the count: a server that sends one and closes would be retried forever.
        if out.len() != before {
            self.failures = 0;
            self.unsettled = 0;
        }
        self.retry_ms = decoder.retry_ms().unwrap_or(self.retry_ms);
        let line_count = decoder.line_count();
        self.exit = match decoder.end() {
            None => return Ok(()),
            Some(End::Eof) => None,
            Some(End::Exit(exit)) => Some(Exited { exit, output_open: decoder.output_open() }),
        };
        let position = &self.position;
        let short = match position.missing() {
            0 => None,
            _ if position.nothing_came_again() => Some(StreamError::Forgotten),
            _ => Some(StreamError::ShortReplay),
        };
        if let Some(error) = short.filter(|_| !position.is_unnumbered()) {
            return Err(error);
        }
        if position.is_within_a_line() {
            return Err(StreamError::ShortLine);
        }
        // A duplicate and a loss cancel out, so counts cannot detect this.
        if position.is_contradicted() && position.is_resumed() {
            return Err(StreamError::Contradicted);
        }
        self.stage = Stage::Done;
        let unsure = position.needs_count() || position.is_unnumbered();
        match line_count.filter(|_| unsure) {
            Some(server) => return self.marked(server),
            None if position.is_unnumbered() => {
                self.stage = Stage::Probing { short };
                return self.trusted.map_or(Ok(()), |trusted| self.probed(trusted));
            }
            None if unsure => self.stage = Stage::Settling(Settling::default()),
            None => {}
        }
        Ok(())
    }

    /// Compares the number of delivered lines with the count in the mark of the exit.
    fn marked(&mut self, server: u64) -> Result<(), StreamError> {
        let delivered = self.position.total();
        if server == delivered {
            return Ok(());
        }
        self.unsettled += 1;
        if self.unsettled >= COUNTS || server < delivered {
            return Err(StreamError::Miscount { server, delivered });
        }
        self.stage = Stage::Apart;
        Err(StreamError::Cut)
    }

    /// The exit of the process, if the server's mark of it ended the follow.
    #[must_use]
    pub const fn exited(&self) -> Option<Exited> {
        self.exit
    }

    /// The connection ended cleanly.
    ///
    /// # Errors
    /// If that was not the end of the output: handle it as a broken connection, by [`Self::broke`].
    pub fn ended(&self) -> Result<(), StreamError> {
        if matches!(self.stage, Stage::Reading(_)) { Err(StreamError::Cut) } else { Ok(()) }
    }

    /// Takes whether the server has the endpoint `run`. Servers that have it were not seen to lose output.
    ///
    /// # Errors
    /// The server sent less than it had sent before, and does not write its logs late.
    pub fn probed(&mut self, has_run: bool) -> Result<(), StreamError> {
        self.trusted = Some(has_run);
        if let Stage::Probing { short: Some(error) } = self.stage
            && has_run
        {
            return Err(error);
        }
        let done = has_run && !self.position.needs_count();
        self.stage = if done { Stage::Done } else { Stage::Settling(Settling::default()) };
        Ok(())
    }

    /// The number of delivered lines of stdout and of stderr. A stream that is followed by itself counts as either.
    #[must_use]
    pub fn delivered(&self) -> [u64; 2] {
        self.position.tallies().map(|tally| tally.lines)
    }

    /// Takes the server's lines of stdout and of stderr, or of the only stream, and whether the process is running.
    ///
    /// # Errors
    /// The delivered lines differ: [`StreamError::Cut`] where the rest may come on another connection.
    pub fn settled(&mut self, running: bool, held: &[Held]) -> Result<(), StreamError> {
        let Stage::Settling(Settling { before, asked }) = self.stage else { return Ok(()) };
        let both = self.position.tallies();
        let [stdout, stderr] = both;
        let only = [if stdout.lines == 0 { stderr } else { stdout }];
        let delivered: &[Tally] = if held.len() == 1 { &only } else { &both };
        let comparable = self.position.is_comparable();
        let mut pairs = held.iter().zip(delivered);
        if comparable
            && pairs.any(|(held, own)| held.first.lines == own.lines && held.first != *own)
        {
            return Err(StreamError::Contradicted);
        }
        let server = held.iter().map(|held| held.all.lines).sum();
        let stands_still = before == Some(server);
        let before = (!running).then_some(server);
        self.stage = Stage::Settling(Settling { before, asked: asked + 1 });
        let more = held.iter().zip(delivered).any(|(held, own)| held.all.lines > own.lines);
        let fewer = held.iter().zip(delivered).any(|(held, own)| held.all.lines < own.lines);
        let sure = stands_still && !running || self.trusted != Some(false);
        if more || fewer && sure {
            self.unsettled += 1;
            if self.unsettled >= COUNTS || !comparable {
                let delivered = self.position.total();
                return Err(StreamError::Miscount { server, delivered });
            }
        }
        if more {
            self.stage = Stage::Apart;
            return Err(StreamError::Cut);
        }
        if !fewer && sure {
            self.stage = Stage::Done;
        }
        Ok(())
    }

    /// A step failed with a transient error. Returns the next attempt, or `None` to fail. `random` is from 0 to 1.
    pub fn broke(&mut self, failure: &Failure<'_>, random: f64) -> Option<Wait> {
        if let Stage::Reading(_) = self.stage {
            self.stage = Stage::Apart;
        }
        if self.position.is_contradicted() {
            return None;
        }
        let delay_ms = retry::decide(Method::Get, failure, self.failures, random, &self.policy)?;
        self.failures += 1;
        let delay_ms = delay_ms.max(self.retry_ms.min(self.policy.max_delay_ms));
        Some(Wait { attempt: self.failures, delay_ms })
    }

    /// The code that callers get for a final failure with this code.
    #[must_use]
    pub fn verdict(&self, code: Code, status: Option<u16>) -> Code {
        match (code, status) {
            _ if !self.begun => code,
            (Code::NotFound, _) => Code::ProcessGone,
            (_, Some(410)) => Code::OutputGap,
            _ if self.position.is_contradicted() => Code::OutputGap,
            // Timeouts and answers keep their codes. Everything else is `stream_broken`.
            _ if code.kind() == Kind::Connection => Code::StreamBroken,
            _ => code,
        }
    }

    /// Whether the server has ever answered.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.begun
    }

    /// The current position.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Attempts in a row without a new event.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests;
