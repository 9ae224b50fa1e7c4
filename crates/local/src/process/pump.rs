//! What a process's one owner does: read its output into the log, keep its time limit, reap it.
//!
//! The end of a process: its leader has exited; what it left behind in its group may go on writing
//! for a short while and is then killed; the log ends when both pipes do, or a little later where
//! something outside the group holds them open.

use super::Process;
use crate::agent::{Exited, Leader, Spawned};
use crate::clock::{Clock, Timer, passed};
use crate::limits::Unit;
use crate::log::Log;
use rustix::process::Signal;
use shoreline_protocol::exit::{Exit, ExitStatus, Reason};
use shoreline_protocol::stream::Stream;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

/// How long what a leader left behind may be silent before it is killed, and how long it may write.
const LEFT_SILENT: Duration = Duration::from_secs(2);
const LEFT_WRITING: Duration = Duration::from_secs(10);
/// How long after that the pipes may stay open.
const PIPES_HELD: Duration = Duration::from_secs(1);

/// Bytes of one read.
pub(super) const READ: usize = 256 * 1024;

thread_local! {
    // Shared by all processes of a thread, since a read is logged before the next one.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

pub(super) struct Pump {
    process: Arc<Process>,
    leader: Leader,
    output: Output,
    exited: oneshot::Receiver<Exited>,
    unit: Option<Unit>,
    /// The time limit.
    limit: Option<Timer>,
}

impl Pump {
    pub(super) fn new(
        process: Arc<Process>,
        [stdout, stderr]: [Option<pipe::Receiver>; 2],
        Spawned { leader, exited, unit, .. }: Spawned,
        timeout: Option<Duration>,
        clock: &Clock,
    ) -> Self {
        let pipe = |stream, receiver: Option<_>| receiver.map(|receiver| Pipe { receiver, stream });
        let output = Output {
            pipes: [pipe(Stream::Stdout, stdout), pipe(Stream::Stderr, stderr)],
            log: process.log.clone(),
            second_first: false,
        };
        let limit = timeout.map(|timeout| clock.timer(timeout));
        Self { process, leader, output, exited, unit, limit }
    }

    pub(super) async fn run(mut self) {
        let (exited, timed_out) = self.until_exit().await;
        if !self.process.killed.load(Ordering::Relaxed) {
            self.read_what_is_left().await;
        }
        // A lost agent has taken everything with it.
        self.leader.reap().await;
        let _ = timeout(PIPES_HELD, async { while self.output.read().await {} }).await;
        self.output.finish();
        self.process.log.settle().await;
        let oom_killed = self.unit.take().is_some_and(|unit| unit.oom_killed());
        self.process.log.end(exit(exited, timed_out, oom_killed));
        // The record is kept for long, and must not hold its pipe open.
        self.process.stdin.end().await;
    }

    /// Reads until the leader has exited; how, unless nobody knows, and whether the time limit passed
    /// before.
    async fn until_exit(&mut self) -> (Option<Exited>, bool) {
        let mut timed_out = false;
        loop {
            let limit = self.limit.as_mut().filter(|_| !timed_out);
            tokio::select! {
                biased;
                exited = &mut self.exited => return (exited.ok(), timed_out),
                () = passed(limit) => {
                    timed_out = true;
                    let _ = self.process.signal(Signal::KILL).await;
                }
                true = self.output.read() => self.process.log.spill().await,
            }
        }
    }

    async fn read_what_is_left(&mut self) {
        let end = Instant::now() + LEFT_WRITING;
        let mut limit = self.limit.as_mut();
        loop {
            let silent = Instant::now() + LEFT_SILENT;
            tokio::select! {
                biased;
                more = self.output.read() => if more {
                    self.process.log.spill().await;
                    if Instant::now() < end { continue }
                },
                () = passed(limit.as_deref_mut()) => {}
                () = sleep_until(silent.min(end)) => {}
            }
            return;
        }
    }
}

fn exit(exited: Option<Exited>, timed_out: bool, oom_killed: bool) -> Exit {
    let Exited { code, signal } = exited.unwrap_or(Exited { code: None, signal: None });
    match (code, signal) {
        (Some(code), _) => Exit { status: ExitStatus::Code(code), reason: Some(Reason::Exited) },
        (None, Some(signal)) => {
            let reason = match signal == Signal::KILL.as_raw() {
                true if oom_killed => Reason::OomKilled,
                true if timed_out => Reason::TimedOut,
                _ => Reason::Signaled,
            };
            Exit { status: ExitStatus::Signal(signal), reason: Some(reason) }
        }
        (None, None) => Exit { status: ExitStatus::Unreported, reason: None },
    }
}

/// Both pipes of a process.
struct Output {
    pipes: [Option<Pipe>; 2],
    log: Arc<Log>,
    /// Whose turn it is where both have something, so that neither waits for long.
    second_first: bool,
}

impl Output {
    /// Logs the next read of either pipe; `false` when both have ended.
    async fn read(&mut self) -> bool {
        poll_fn(|context| {
            let [first, second] = &mut self.pipes;
            let mut order = [(first, false), (second, true)];
            if self.second_first {
                order.reverse();
            }
            let mut open = false;
            for (slot, second) in order {
                let Some(pipe) = slot else { continue };
                open = true;
                if let Poll::Ready(more) = pipe.poll_read(context, &self.log) {
                    self.second_first = !second;
                    if !more {
                        self.log.finish(pipe.stream);
                        *slot = None;
                    }
                    return Poll::Ready(true);
                }
            }
            if open { Poll::Pending } else { Poll::Ready(false) }
        })
        .await
    }

    /// Logs what was written after the last line ends.
    fn finish(&self) {
        for pipe in self.pipes.iter().flatten() {
            self.log.finish(pipe.stream);
        }
    }
}

struct Pipe {
    receiver: pipe::Receiver,
    stream: Stream,
}

impl Pipe {
    /// Reads once and logs it; `false` at the end.
    fn poll_read(&mut self, context: &mut Context<'_>, log: &Log) -> Poll<bool> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let read = ready!(Pin::new(&mut self.receiver).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(false);
            }
            log.push(self.stream, buffer.filled());
            Poll::Ready(true)
        })
    }
}
