//! Following one process's output, as a machine without I/O: it says what to do next, and whoever
//! moves the bytes does it and reports what came of it.
//!
//! ```text
//! Connect -> Read -> … -> eof ------------------------> Done
//!    ^        |            \-> Count (without numbers) -> Done
//!    \- wait -/ broken
//! ```
//!
//! A follow that is to end with the process ends at the mark of its exit instead, where the server sends one. The
//! mark has the server's count of the lines that precede it.

use alloc::boxed::Box;

use crate::batch::Batch;
use crate::cursor::Position;
use crate::error::{Code, Kind};
use crate::exit::Exit;
use crate::fault::StreamError;
use crate::output::{End, LongLine, Mode, OutputDecoder};
use crate::retry::{self, Failure, Policy};
use crate::route::Method;

/// What has to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Open a connection; then [`Follow::connected`], or [`Follow::broke`].
    Connect {
        /// What to send as `Last-Event-ID`.
        last_event_id: Option<u64>,
    },
    /// Read from the connection; then [`Follow::push`], [`Follow::ended`], or [`Follow::broke`].
    Read,
    /// Ask how many lines the server counts; then [`Follow::counted`], or [`Follow::broke`].
    Count,
    /// Everything has been delivered.
    Done,
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How many tries in a row this makes.
    pub attempt: u32,
    /// How long to wait first.
    pub delay_ms: u64,
}

/// How the lines of a stream are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The longest line, in bytes.
    pub limit: usize,
    /// What happens to a longer one.
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

/// The machine. Every event that the server has is delivered, once, in the order of its stream; or
/// an error comes. Only the server's `eof` ends it, or with [`Follow::until_exit`] its mark of the exit.
#[derive(Debug)]
pub struct Follow {
    mode: Mode,
    lines: Lines,
    policy: Policy,
    position: Position,
    stage: Stage,
    /// Whether the server has ever begun to answer, so that a 404 means that the process is gone.
    begun: bool,
    /// Tries in a row that brought nothing.
    failures: u32,
    /// How long the server wants to be left alone before a reconnect.
    retry_ms: u64,
    exit: Option<Exited>,
    /// How often the server's count was another one than what was delivered.
    unsettled: u32,
}

/// After so many counts that differ from what was delivered, the output is not complete. Some servers write their logs
/// late, and end the output early.
const COUNTS: u32 = 4;

/// The exit of a process, as a stream of its output tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exited {
    /// How the process ended.
    pub exit: Exit,
    /// Whether something that the process started held its output open then.
    pub output_open: bool,
}

#[derive(Debug)]
enum Stage {
    Apart,
    Reading(Box<OutputDecoder>),
    Counting,
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
            unsettled: 0,
        }
    }

    /// Ends at the exit of the process, where the server marks it, and not at the end of the output.
    #[must_use]
    pub fn until_exit(self) -> Self {
        Self { mode: Mode::FollowToExit, ..self }
    }

    /// As [`Self::new`], for a process that the server is known to have had.
    #[must_use]
    pub fn of_known_process(position: Position, lines: Lines, policy: Policy) -> Self {
        Self { begun: true, ..Self::new(position, lines, policy) }
    }

    /// What has to be done next.
    #[must_use]
    pub fn step(&self) -> Step {
        match self.stage {
            Stage::Apart => Step::Connect { last_event_id: self.position.last_id() },
            Stage::Reading(_) => Step::Read,
            Stage::Counting => Step::Count,
            Stage::Done => Step::Done,
        }
    }

    /// The server has begun an event stream.
    pub fn connected(&mut self) {
        self.begun = true;
        self.position.connected();
        self.stage = Stage::Reading(Box::new(self.lines.decoder(self.mode)));
    }

    /// Takes what was read, and appends the new events in it to `out`.
    ///
    /// # Errors
    /// When it is certain that not every event can be had.
    pub fn push(&mut self, chunk: &[u8], out: &mut Batch) -> Result<(), StreamError> {
        let Stage::Reading(decoder) = &mut self.stage else { return Ok(()) };
        let before = (out.len(), decoder.comments());
        decoder.push(chunk, &mut self.position, out)?;
        if (out.len(), decoder.comments()) != before {
            self.failures = 0;
        }
        self.retry_ms = decoder.retry_ms().unwrap_or(self.retry_ms);
        let line_count = decoder.line_count();
        self.exit = match decoder.end() {
            None => return Ok(()),
            Some(End::Eof) => None,
            Some(End::Exit(exit)) => Some(Exited { exit, output_open: decoder.output_open() }),
        };
        let position = &self.position;
        if position.nothing_came_again() {
            return Err(StreamError::Forgotten);
        }
        if position.missing() > 0 {
            return Err(StreamError::ShortReplay);
        }
        if position.is_within_a_line() {
            return Err(StreamError::ShortLine);
        }
        // What one contradiction doubled and another lost, a count would not show.
        if position.is_contradicted() && position.is_resumed() {
            return Err(StreamError::Contradicted);
        }
        self.stage = if position.needs_count() { Stage::Counting } else { Stage::Done };
        match line_count {
            Some(server) if self.step() == Step::Count => self.counted(server),
            _ => Ok(()),
        }
    }

    /// How the process ended, where the server's mark of it ended the follow.
    #[must_use]
    pub const fn exited(&self) -> Option<Exited> {
        self.exit
    }

    /// The connection came to a clean end.
    ///
    /// # Errors
    /// That is no end of the output, but a break like any other, for [`Self::broke`].
    pub fn ended(&self) -> Result<(), StreamError> {
        if matches!(self.stage, Stage::Reading(_)) { Err(StreamError::Cut) } else { Ok(()) }
    }

    /// The server's own count of lines.
    ///
    /// # Errors
    /// It is not what was delivered: [`StreamError::Cut`] where it may be once the server has been asked again.
    pub fn counted(&mut self, server: u64) -> Result<(), StreamError> {
        let delivered = self.position.total();
        if server == delivered {
            self.stage = Stage::Done;
            return Ok(());
        }
        self.unsettled += 1;
        if self.unsettled >= COUNTS || !self.position.is_comparable() {
            return Err(StreamError::Miscount { server, delivered });
        }
        if server > delivered {
            self.stage = Stage::Apart;
        }
        Err(StreamError::Cut)
    }

    /// What was to be done failed in a way that may heal. Nothing when it is to be given up.
    /// `random` is from 0 to 1.
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

    /// What callers are told of a failure with this code that was given up.
    #[must_use]
    pub fn verdict(&self, code: Code, status: Option<u16>) -> Code {
        match (code, status) {
            _ if !self.begun => code,
            (Code::NotFound, _) => Code::ProcessGone,
            (_, Some(410)) => Code::OutputGap,
            _ if self.position.is_contradicted() => Code::OutputGap,
            // A deadline and an answer keep their names; everything else is a stream that broke.
            _ if code.kind() == Kind::Connection => Code::StreamBroken,
            _ => code,
        }
    }

    /// Whether the server has ever begun to answer.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.begun
    }

    /// Where it is.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Tries in a row that brought nothing.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: Lines = Lines { limit: 100, long: LongLine::Refuse, pieces: false };
    const EVENT: &[u8] = b"data: {\"line\":\"a\"}\n\n";
    const EOF: &[u8] = b"event: eof\ndata: {}\n\n";

    fn follow(max_retries: u32) -> Follow {
        let policy = Policy { max_retries, base_ms: 100, max_delay_ms: 1000 };
        Follow::new(Position::default(), LINES, policy)
    }

    /// One connection that brings `bytes`, and breaks.
    fn connection(follow: &mut Follow, bytes: &[u8]) -> Option<Wait> {
        assert!(matches!(follow.step(), Step::Connect { .. }));
        follow.connected();
        follow.push(bytes, &mut Batch::default()).unwrap();
        assert_eq!(follow.ended(), Err(StreamError::Cut));
        follow.broke(&Failure::Lost, 0.0)
    }

    fn wait(attempt: u32, delay_ms: u64) -> Option<Wait> {
        Some(Wait { attempt, delay_ms })
    }

    #[test]
    fn tries_count_in_a_row_and_life_ends_the_row() {
        let mut follow = follow(3);
        assert_eq!(connection(&mut follow, b""), wait(1, 100));
        assert_eq!(connection(&mut follow, b"data: {\"line"), wait(2, 200));
        // A new event and a keep-alive are life, an event that came before is none.
        assert_eq!(connection(&mut follow, EVENT), wait(1, 100));
        assert_eq!(connection(&mut follow, EVENT), wait(2, 200));
        assert_eq!(connection(&mut follow, b":\n\n"), wait(1, 100));
        assert_eq!(connection(&mut follow, EVENT), wait(2, 200));
        assert_eq!(connection(&mut follow, EVENT), wait(3, 400));
        assert_eq!(connection(&mut follow, EVENT), None);
        assert_eq!(follow.verdict(Code::ConnectionLost, None), Code::StreamBroken);
    }

    #[test]
    fn a_server_that_wants_rest_gets_it_up_to_the_longest_wait() {
        for (retry, delay) in [(b"retry: 700\n\n".as_slice(), 700), (b"retry: 9999\n\n", 1000)] {
            assert_eq!(connection(&mut follow(3), retry), wait(1, delay));
        }
        let mut follow = follow(3);
        assert_eq!(connection(&mut follow, EVENT), wait(1, 100));
        let busy = Failure::Status { status: 429, server_code: None, retry_after_ms: Some(900) };
        assert_eq!(follow.broke(&busy, 0.0), wait(2, 900));
        let stopped = Failure::Status {
            status: 503,
            server_code: Some("SANDBOX_NOT_RUNNING"),
            retry_after_ms: None,
        };
        assert_eq!(follow.broke(&stopped, 0.0), None);
    }

    #[test]
    fn a_first_try_that_fails_is_told_as_what_it_is() {
        let first = follow(3);
        for code in [Code::ConnectFailed, Code::NotFound, Code::ConnectTimeout] {
            assert_eq!(first.verdict(code, None), code);
        }
        let begun = Follow::of_known_process(Position::default(), LINES, Policy::default());
        assert_eq!(begun.verdict(Code::ConnectFailed, None), Code::StreamBroken);
        assert_eq!(begun.verdict(Code::NotFound, Some(404)), Code::ProcessGone);
        assert_eq!(begun.verdict(Code::SandboxNotFound, Some(404)), Code::SandboxNotFound);
        assert_eq!(begun.verdict(Code::InvalidRequest, Some(410)), Code::OutputGap);
        assert_eq!(begun.verdict(Code::IdleTimeout, None), Code::IdleTimeout);
    }

    #[test]
    fn a_replay_is_settled_at_the_end() {
        let second = |first: &[u8], bytes: &[u8]| {
            let mut follow = follow(3);
            connection(&mut follow, first);
            follow.connected();
            let result = follow.push(bytes, &mut Batch::default());
            (follow, result)
        };
        let twice = [EVENT, EVENT].concat();
        assert_eq!(second(EVENT, EOF).1, Err(StreamError::Forgotten));
        assert_eq!(second(&twice, &[EVENT, EOF].concat()).1, Err(StreamError::ShortReplay));
        let (mut follow, result) = second(EVENT, &[&twice, EOF].concat());
        assert_eq!((result, follow.step()), (Ok(()), Step::Count));
        // A count that could not be had is asked for again, without a new connection.
        assert_eq!(follow.broke(&Failure::Lost, 0.0), wait(1, 100));
        assert_eq!(follow.step(), Step::Count);
        // A server that counts more has ended the output early, one that counts less writes its logs late.
        assert_eq!(follow.counted(3), Err(StreamError::Cut));
        assert!(matches!(follow.step(), Step::Connect { .. }));
        follow.connected();
        follow.push(&[&twice, EOF].concat(), &mut Batch::default()).unwrap();
        assert_eq!((follow.counted(1), follow.step()), (Err(StreamError::Cut), Step::Count));
        assert_eq!((follow.counted(2), follow.step()), (Ok(()), Step::Done));
    }

    #[test]
    fn a_first_connection_without_numbers_is_settled_too() {
        let of = |bytes: &[u8], count: u64| {
            let mut follow = follow(3);
            follow.connected();
            follow.push(&[bytes, EOF].concat(), &mut Batch::default()).unwrap();
            assert_eq!(follow.step(), Step::Count);
            let mut result = follow.counted(count);
            for _ in 1..COUNTS {
                follow.connected();
                follow.push(&[bytes, EOF].concat(), &mut Batch::default()).unwrap();
                result = follow.counted(count);
            }
            result
        };
        assert_eq!(of(b"", 0), Ok(()));
        let miscount = |server, delivered| Err(StreamError::Miscount { server, delivered });
        assert_eq!(of(b"", 1), miscount(1, 0));
        assert_eq!(of(EVENT, 2), miscount(2, 1));
        // A server that marks the exit has said it.
        let mark = b"event: exit\ndata: {\"exit_code\":0,\"line_count\":1}\n\n";
        let mut marked = follow(3);
        marked.connected();
        marked.push(&[EVENT, mark, EOF].concat(), &mut Batch::default()).unwrap();
        assert_eq!(marked.step(), Step::Done);
    }

    #[test]
    fn a_replay_that_is_another_one_is_told_from_what_was_delivered() {
        let mut follow = follow(3);
        let other = b"data: {\"line\":\"b\"}\n\n";
        connection(&mut follow, EVENT);
        follow.connected();
        let result = follow.push(&[other, EVENT, EOF].concat(), &mut Batch::default());
        assert_eq!(result, Err(StreamError::Contradicted));
    }

    fn numbered(id: u64) -> alloc::vec::Vec<u8> {
        alloc::format!("id: {id}\ndata: {{\"line\":\"a\"}}\n\n").into_bytes()
    }

    /// What is to be done after two connections, and how many events came.
    fn two_connections(first: &[u8], last_event_id: Option<u64>, second: &[u8]) -> (usize, Step) {
        let mut follow = follow(3);
        connection(&mut follow, first);
        assert_eq!(follow.step(), Step::Connect { last_event_id });
        follow.connected();
        let mut batch = Batch::default();
        follow.push(&[second, EOF].concat(), &mut batch).unwrap();
        (batch.len(), follow.step())
    }

    #[test]
    fn numbers_that_are_heeded_need_no_count() {
        let (one, two) = (numbered(1), numbered(2));
        assert_eq!(two_connections(&one, Some(1), &two), (1, Step::Done));
        // Who sends it again may have another log by now.
        let both = [&one[..], &two].concat();
        assert_eq!(two_connections(&one, Some(1), &both), (1, Step::Count));
    }

    #[test]
    fn an_event_without_a_number_of_its_own_is_no_place() {
        let both = [&numbered(1)[..], EVENT].concat();
        let again = [&both[..], &numbered(2)].concat();
        assert_eq!(two_connections(&both, None, &again), (1, Step::Count));
    }

    #[test]
    fn numbers_that_contradict_each_other_are_not_gone_on_from() {
        let event = b"id: 1\ndata: {\"line\":\"a\"}\n\n";
        let mut twice = follow(3);
        twice.connected();
        twice.push(&event.repeat(2), &mut Batch::default()).unwrap();
        assert_eq!(twice.broke(&Failure::Lost, 0.0), None);
        assert_eq!(twice.verdict(Code::StreamBroken, None), Code::OutputGap);
    }
}
