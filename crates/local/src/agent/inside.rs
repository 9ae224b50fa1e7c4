//! The agent's loop. It never waits for a process, a disk or a peer: other threads do work that can
//! block.

use super::message::{AgentMessage, Asked, Exited, From, Packet, Request, answer, receive};
use super::tree::{self, raw};
use super::work::{Done, Job, Started, Work};
use crate::error::{ApiError, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::{
    Signal, WaitId, WaitIdOptions, getpgid, kill_process, kill_process_group, pidfd_send_signal,
    waitid,
};
use shoreline_protocol::error::ServerCode;
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// The interval for polling what no event reports, such as the end of a traced leader: the kernel notifies
/// the tracer before the parent (ptrace(2)).
const AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// The time after which the status of such a leader counts as unknown.
const UNKNOWN: Duration = Duration::from_secs(5);
/// The delay before zombie orphans are reaped. Most children that exit are leaders, and looking for orphans
/// reads /proc.
const ORPHANS: Duration = Duration::from_millis(50);
/// The time limit for starts under way before a suspension stops everything: a lease on the program
/// (fcntl(2)) blocks its start.
const STARTS: Duration = Duration::from_secs(2);

/// A process that the agent started and has not reaped.
struct Leader {
    pidfd: OwnedFd,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// It ended at this time; its status is not available yet.
    Ended(Instant),
    /// Its exit was reported. It stays unreaped, so that its pid and process group id cannot be given to another
    /// process before the server is done with them. `left` while something else lives in its group.
    Reported {
        left: bool,
    },
}

pub(super) struct Inside {
    socket: OwnedFd,
    work: Arc<Work>,
    done: Receiver<Done>,
    /// Readable when `done` is not empty.
    wake_socket: UnixStream,
    /// Readable when a child has ended.
    child_ended: UnixStream,
    /// Jobs that no thread has begun.
    backlog: VecDeque<Job>,
    /// The number of starts under way.
    spawning: usize,
    leaders: HashMap<u32, Leader>,
    /// Since when zombie orphans can exist.
    orphans: Option<Instant>,
    /// Whether every process must be stopped.
    frozen: bool,
    /// Requests to stop all processes that wait for starts under way, each with its time. A process that is
    /// stopped between fork and exec would block its parent.
    freezing: Vec<(u64, Instant)>,
}

/// The events that woke the loop.
struct Woken {
    asked: bool,
    child_ended: bool,
    worked: bool,
    ended: Vec<u32>,
}

fn empty(pipe: &mut UnixStream) {
    while matches!(pipe.read(&mut [0; 64]), Ok(count) if count > 0) {}
}

impl Inside {
    pub(super) fn new(
        socket: OwnedFd,
        work: Arc<Work>,
        done: Receiver<Done>,
        wake_socket: UnixStream,
        child_ended: UnixStream,
    ) -> Self {
        Self {
            socket,
            work,
            done,
            wake_socket,
            child_ended,
            backlog: VecDeque::new(),
            spawning: 0,
            leaders: HashMap::new(),
            orphans: None,
            frozen: false,
            freezing: Vec::new(),
        }
    }

    /// Handles events until there is a job that `can_leave` the loop. `None` at the end of the socket.
    pub(super) fn until_job(&mut self, can_leave: impl Fn() -> bool) -> io::Result<Option<Job>> {
        loop {
            // Regardless of the wake-up socket: a thread does not write to it for its own work.
            self.see_work_done();
            self.freeze()?;
            if !self.backlog.is_empty() && can_leave() {
                return Ok(self.backlog.pop_front());
            }
            let woken = self.wait()?;
            for pid in woken.ended {
                self.see_end(pid)?;
            }
            if woken.worked {
                empty(&mut self.wake_socket);
            }
            if woken.child_ended {
                empty(&mut self.child_ended);
                self.see_empty_groups()?;
                self.orphans.get_or_insert_with(Instant::now);
            }
            // A process that is being started is not a leader yet, and must not be treated as an orphan.
            let due = self.orphans.is_some_and(|since| since.elapsed() >= ORPHANS);
            if due && self.spawning == 0 {
                self.orphans = None;
                tree::reap_orphans(|pid| self.leaders.contains_key(&pid));
            }
            if woken.asked {
                // The request can name a process that was started just now.
                self.see_work_done();
                match receive(&self.socket, From::Server) {
                    Ok(Some((asked, files))) => self.answer(asked, files)?,
                    Ok(None) | Err(_) => return Ok(None),
                }
            }
        }
    }

    /// Waits for an event: a request, the end of a child, finished work, the end of a leader.
    fn wait(&self) -> io::Result<Woken> {
        let running: Vec<_> =
            self.leaders.iter().filter(|(_, leader)| leader.state == State::Running).collect();
        let mut polled = vec![
            PollFd::new(&self.socket, PollFlags::IN),
            PollFd::new(&self.child_ended, PollFlags::IN),
            PollFd::new(&self.wake_socket, PollFlags::IN),
        ];
        polled.extend(running.iter().map(|(_, leader)| PollFd::new(&leader.pidfd, PollFlags::IN)));
        let traced: Vec<_> = self
            .leaders
            .iter()
            .filter(|(_, leader)| matches!(leader.state, State::Ended(_)))
            .map(|(pid, _)| *pid)
            .collect();
        loop {
            let look_again =
                !traced.is_empty() || !self.freezing.is_empty() || self.orphans.is_some();
            match poll(&mut polled, look_again.then_some(&AGAIN)) {
                Err(Errno::INTR) => {}
                other => {
                    other?;
                    break;
                }
            }
        }
        let mut ready = polled.iter().map(|polled| !polled.revents().is_empty());
        let mut next = || ready.next() == Some(true);
        let (asked, child_ended, worked) = (next(), next(), next());
        let ended =
            running.iter().zip(ready).filter(|(_, ready)| *ready).map(|((pid, _), _)| **pid);
        let ended = ended.chain(traced).collect();
        Ok(Woken { asked, child_ended, worked, ended })
    }

    /// Reports how a leader ended.
    fn see_end(&mut self, pid: u32) -> io::Result<()> {
        let Some(leader) = self.leaders.get_mut(&pid) else { return Ok(()) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::PidFd(leader.pidfd.as_fd()), options).ok().flatten();
        if status.is_none() {
            match leader.state {
                State::Ended(since) if since.elapsed() < UNKNOWN => return Ok(()),
                State::Ended(_) => {}
                _ => {
                    leader.state = State::Ended(Instant::now());
                    return Ok(());
                }
            }
        }
        let left = tree::has_members(pid);
        leader.state = State::Reported { left };
        let exited = Exited {
            code: status.as_ref().and_then(|status| status.exit_status()),
            signal: status.as_ref().and_then(|status| status.terminating_signal()),
            left,
        };
        self.send(&AgentMessage::Exited { pid, exited }, None)
    }

    /// Reports the groups of exited leaders that are empty now.
    fn see_empty_groups(&mut self) -> io::Result<()> {
        let emptied = self.leaders.iter_mut().filter_map(|(pid, leader)| {
            let left = leader.state == State::Reported { left: true };
            (left && !tree::has_members(*pid)).then(|| {
                leader.state = State::Reported { left: false };
                *pid
            })
        });
        let emptied: Vec<u32> = emptied.collect();
        emptied.into_iter().try_for_each(|pid| self.send(&AgentMessage::Emptied { pid }, None))
    }

    fn answer(&mut self, Asked { id, request }: Asked, files: Vec<OwnedFd>) -> io::Result<()> {
        let result = match request {
            Request::Spawn(spawn) => {
                self.spawning += 1;
                self.backlog.push_back(Job::Spawn(id, spawn, files));
                return Ok(());
            }
            Request::File(request) => {
                self.backlog.push_back(Job::File(id, request));
                return Ok(());
            }
            Request::Operate(operation) => self.work.operate(operation, files).map(|()| None),
            Request::Watch { path, recursive } => {
                self.work.watch(path, recursive, files).map(|()| None)
            }
            Request::Search(search) => self.work.search(search, files).map(|()| None),
            Request::Holders { pipes } => {
                self.backlog.push_back(Job::Holders(id, pipes));
                return Ok(());
            }
            Request::Usage => {
                self.backlog.push_back(Job::Usage(id));
                return Ok(());
            }
            Request::Freeze => {
                self.frozen = true;
                self.freezing.push((id, Instant::now()));
                return self.freeze();
            }
            Request::Thaw => {
                self.frozen = false;
                tree::continue_everything();
                Ok(None)
            }
            Request::Socket { v6 } => {
                let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                socket_with(family, SocketType::STREAM, flags, None)
                    .map(Some)
                    .map_err(|errno| ApiError::internal(&errno.into()))
            }
            Request::Network => Err(ApiError::internal(&io::ErrorKind::InvalidInput.into())),
            Request::Signal { pid, signal, group } => {
                // A process can leave a group without ending.
                self.see_empty_groups()?;
                self.signal(pid, signal, group).map(|()| None)
            }
            Request::Reap { pid, kill } => {
                self.reap(pid, kill);
                Ok(None)
            }
        };
        answer(&self.socket, id, result.map(|file| (0, file)))
    }

    /// Records the processes that other threads started.
    fn see_work_done(&mut self) {
        let _answered = self.work.answering.lock();
        while let Ok(done) = self.done.try_recv() {
            let Done::Start(started) = done else { continue };
            self.spawning -= 1;
            if let Some(Started { pid, pidfd }) = started {
                self.leaders.insert(pid, Leader { pidfd, state: State::Running });
            }
            if self.frozen && self.freezing.is_empty() {
                tree::stop_everything();
            }
        }
    }

    /// Stops every process once none is being started.
    fn freeze(&mut self) -> io::Result<()> {
        let Some((_, since)) = self.freezing.first() else { return Ok(()) };
        if self.spawning > 0 && since.elapsed() < STARTS {
            return Ok(());
        }
        tree::stop_everything();
        let answered = std::mem::take(&mut self.freezing);
        answered.into_iter().try_for_each(|(id, _)| answer(&self.socket, id, Ok((0, None))))
    }

    fn signal(&self, pid: u32, signal: i32, group: bool) -> Result<()> {
        let gone = || {
            let text = format!("Process {pid} is not running");
            ApiError::new(ServerCode::ProcessNotRunning, text)
        };
        let takes = |state| match state {
            State::Reported { left } => group && left,
            _ => true,
        };
        let leader = self.leaders.get(&pid).filter(|leader| takes(leader.state));
        let leader = leader.and_then(|_| raw(pid)).ok_or_else(gone)?;
        let signal = Signal::from_named_raw(signal).ok_or_else(|| {
            ApiError::new(ServerCode::InvalidSignal, "Invalid signal number: it is from 1 to 31")
        })?;
        // A leader can join another group (setpgid(2)). Its own group then lacks the leader, or is empty.
        let strayed = getpgid(Some(leader)).is_ok_and(|joined| joined != leader);
        let sent = match (group, strayed) {
            (true, false) => kill_process_group(leader, signal),
            (true, true) => {
                let _ = kill_process_group(leader, signal);
                kill_process(leader, signal)
            }
            (false, _) => kill_process(leader, signal),
        };
        sent.map_err(|errno| match errno {
            Errno::SRCH => gone(),
            Errno::PERM => {
                let text = format!("process {pid} runs as a user that the sandbox cannot signal");
                ApiError::new(ServerCode::PermissionDenied, text)
            }
            other => ApiError::internal(&other.into()),
        })
    }

    fn reap(&mut self, pid: u32, kill: bool) {
        if let (Some(leader), Some(group)) = (self.leaders.remove(&pid), raw(pid)) {
            if kill {
                let _ = kill_process_group(group, Signal::KILL);
                // The leader can have joined another group.
                let _ = pidfd_send_signal(&leader.pidfd, Signal::KILL);
            }
            // A leader that has not ended yet is reaped with the orphans.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            let _ = waitid(WaitId::PidFd(leader.pidfd.as_fd()), options);
        }
    }

    fn send(&self, message: &AgentMessage, file: Option<OwnedFd>) -> io::Result<()> {
        Packet::new(message, file.into_iter().collect())?.send(&self.socket)
    }
}
