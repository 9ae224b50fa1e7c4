//! The owner task of a process: reads its output into the log, enforces its time limit and reaps it.
//!
//! A process ends when its leader exits. Output that the leader had written is read first, and output that arrives
//! within a short grace period while other processes hold the pipes open. Children of the leader live on: their output
//! goes into the same log until the pipes close. The leader stays unreaped as long as its group has processes, so that
//! its pid and process group id cannot be reused.

use super::Process;
use crate::agent::{Exited, Leader, Spawned};
use crate::clock::{Clock, Timer, passed};
use crate::limits::Unit;
use crate::log::Log;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
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
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::{Instant, sleep_until, timeout};

/// Grace period after the exit in which pipes are read that other processes hold open.
const GRACE: Duration = Duration::from_millis(150);
/// Timeout for a killed group to end before the exit of its leader is reported.
const KILLED: Duration = Duration::from_secs(1);
/// Timeout for processes outside of an ended sandbox that hold the pipes open.
const PIPES_HELD: Duration = Duration::from_secs(1);
/// Delay between two reads of a pipe that has data.
const LOOK: Duration = Duration::from_millis(1);

/// Size of one read, in bytes.
pub(super) const READ: usize = 256 * 1024;

thread_local! {
    // Shared by all processes of a thread, since a read is logged before the next one.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

pub(super) struct Pump {
    process: Arc<Process>,
    /// Until it is reaped.
    leader: Option<Leader>,
    output: Output,
    exited: oneshot::Receiver<Exited>,
    emptied: oneshot::Receiver<()>,
    unit: Option<Unit>,
    /// The time limit.
    limit: Option<Timer>,
}

impl Pump {
    pub(super) fn new(
        process: Arc<Process>,
        [stdout, stderr]: [Option<pipe::Receiver>; 2],
        Spawned { leader, exited, emptied, unit, .. }: Spawned,
        timeout: Option<Duration>,
        clock: &Clock,
    ) -> Self {
        let pipe = |stream, receiver: Option<_>| {
            receiver.map(|receiver| Pipe { receiver, stream, owed: 0 })
        };
        let output = Output {
            pipes: [pipe(Stream::Stdout, stdout), pipe(Stream::Stderr, stderr)],
            log: process.log.clone(),
            second_first: false,
        };
        let limit = timeout.map(|timeout| clock.timer(timeout));
        Self { process, leader: Some(leader), output, exited, emptied, unit, limit }
    }

    pub(super) async fn run(mut self) {
        let (exited, timed_out) = self.until_exit().await;
        let exited = exited.unwrap_or_default();
        let mut group_lives = exited.left;
        if group_lives && self.process.killed.load(Ordering::Relaxed) {
            group_lives = timeout(KILLED, &mut self.emptied).await.is_err();
        }
        self.read_what_was_written().await;
        group_lives = group_lives && self.emptied.try_recv() == Err(TryRecvError::Empty);
        // Requests that clients send once the exit is reported are queued behind this one.
        let reaped = self.leader.take_if(|_| !group_lives).map(|leader| leader.reap(false));
        let oom_killed = self.unit.as_ref().is_some_and(|unit| unit.oom_killed());
        let exit = exit(exited, timed_out, oom_killed);
        self.process.group_lives.send_replace(group_lives);
        self.output.finish();
        let open = self.output.is_open();
        if open {
            self.process.log.exit(exit);
        } else {
            self.process.log.settle().await;
            self.process.log.end(exit);
        }
        // The record is kept for a long time and must not hold the pipe open.
        self.process.stdin.end().await;
        if let Some(reaped) = reaped {
            reaped.await;
        }
        if open || group_lives {
            self.follow_what_stays(group_lives).await;
        }
    }

    async fn reap(&mut self) {
        if let Some(leader) = self.leader.take() {
            leader.reap(false).await;
        }
    }

    /// Reads until the leader has exited. Returns its exit status, if known, and whether the time limit passed
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

    /// Reads what is in the pipes at the exit, without a time limit, and what arrives within the grace period.
    async fn read_what_was_written(&mut self) {
        let end = Instant::now() + GRACE;
        self.output.note_owed();
        loop {
            let now = Instant::now();
            if now >= end && !self.output.owes() {
                return;
            }
            tokio::select! {
                biased;
                more = self.output.read() => match more {
                    true => self.process.log.spill().await,
                    false => return,
                },
                () = sleep_until(end.max(now + LOOK)) => {}
            }
        }
    }

    /// Reads until the pipes close, and reaps the leader once its group is empty. Nothing outlives the agent.
    async fn follow_what_stays(mut self, mut group_lives: bool) {
        let agent = self.process.agent.clone();
        let lost = agent.lost();
        tokio::pin!(lost);
        while group_lives || self.output.is_open() {
            tokio::select! {
                biased;
                () = &mut lost => {
                    let rest = async { while self.output.read().await {} };
                    let _ = timeout(PIPES_HELD, rest).await;
                    break;
                }
                _ = &mut self.emptied, if group_lives => {
                    self.reap().await;
                    group_lives = false;
                    self.process.group_lives.send_replace(false);
                }
                _ = self.output.read(), if self.output.is_open() => {
                    self.process.log.spill().await;
                    if !self.output.is_open() {
                        self.close_log().await;
                    }
                }
            }
        }
        self.process.group_lives.send_replace(false);
        self.close_log().await;
    }

    async fn close_log(&mut self) {
        self.output.finish();
        self.process.log.settle().await;
        self.process.log.close();
    }
}

fn exit(Exited { code, signal, .. }: Exited, timed_out: bool, oom_killed: bool) -> Exit {
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
    /// The pipe that is read next if both have data, so that neither starves.
    second_first: bool,
}

impl Output {
    /// Logs the next read of either pipe. Returns `false` when both have ended.
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

    /// Whether a process can still write.
    fn is_open(&self) -> bool {
        self.pipes.iter().any(Option::is_some)
    }

    /// Records how many bytes are in the pipes now.
    fn note_owed(&mut self) {
        for pipe in self.pipes.iter_mut().flatten() {
            pipe.owed = ioctl_fionread(&pipe.receiver).unwrap_or(0);
        }
    }

    /// Whether a pipe has recorded bytes, or its end, to read.
    fn owes(&self) -> bool {
        self.pipes.iter().flatten().any(Pipe::owes)
    }

    /// Logs the unfinished last line of each stream.
    fn finish(&self) {
        for pipe in self.pipes.iter().flatten() {
            self.log.finish(pipe.stream);
        }
    }
}

struct Pipe {
    receiver: pipe::Receiver,
    stream: Stream,
    /// Bytes that were in the pipe when its process exited, and are not read.
    owed: u64,
}

impl Pipe {
    fn owes(&self) -> bool {
        let mut polled = [PollFd::new(&self.receiver, PollFlags::IN)];
        let there = poll(&mut polled, Some(&Timespec::default())).is_ok_and(|count| count > 0);
        let [polled] = polled;
        let ready = polled.revents();
        // No process can write to a pipe that is hung up (poll(2)), so its end follows.
        there && (ready.contains(PollFlags::HUP) || self.owed > 0 && ready.contains(PollFlags::IN))
    }

    /// Reads once and logs it. Returns `false` at the end.
    fn poll_read(&mut self, context: &mut Context<'_>, log: &Log) -> Poll<bool> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let read = ready!(Pin::new(&mut self.receiver).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(false);
            }
            self.owed = self.owed.saturating_sub(buffer.filled().len() as u64);
            log.push(self.stream, buffer.filled());
            Poll::Ready(true)
        })
    }
}
