//! Work that can block: a disk can be slow, and a lease (fcntl(2), F_SETLEASE) can hold up the start of a program.

use super::fs::{self, Operation, Search};
use super::message::{AgentMessage, FileRequest, Packet, Spawn, Usage, answer};
use super::place::inside;
use super::terminal::Terminals;
use super::{files, holders, spawn, usage};
use crate::error::{ApiError, Result};
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use shoreline_protocol::error::ServerCode;
use std::io::{ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

/// The maximum number of concurrent file operations.
const OPERATIONS: usize = 32;
/// The maximum number of concurrent searches. They have a limit of their own, since a search lasts until its reader has
/// taken the results.
const SEARCHES: usize = 16;

/// The time limit for an earlier search for holders to finish, before a new search gives up.
const SEARCHING: Duration = Duration::from_millis(300);

/// A finished job whose answer was sent.
pub(super) enum Done {
    /// A process was started, unless that failed.
    Start(Option<Started>),
    File,
}

/// A process that was started and is not reaped.
pub(super) struct Started {
    pub(super) pid: u32,
    pub(super) pidfd: OwnedFd,
}

/// A job for the request with this id.
pub(super) enum Job {
    Spawn(u64, Spawn, Vec<OwnedFd>),
    File(u64, FileRequest),
    Holders(u64, Vec<u64>),
    Usage(u64),
}

/// State that jobs share, on any thread.
pub(super) struct Work {
    /// The socket on which requests are answered.
    pub(super) socket: OwnedFd,
    pub(super) workspace: PathBuf,
    pub(super) terminals: Terminals,
    /// The memory limit of each process in bytes, if the agent does not have that limit itself.
    pub(super) memory: Option<u64>,
    pub(super) done: Sender<Done>,
    /// Written to when something is in `done`, so that the loop wakes up.
    pub(super) waker: UnixStream,
    /// Held from the report of a job to its answer, and while reports are taken. A message about a process must not
    /// precede the answer that it was started.
    pub(super) answering: Mutex<()>,
    /// Held while processes are searched or measured. Reading a process's command line can block, and must block at most
    /// one thread.
    pub(super) searching: Mutex<()>,
    /// Held while the agent is in the control group of a process: all threads of the agent enter it.
    pub(super) group: Mutex<()>,
    /// The number of file operations under way.
    pub(super) operations: AtomicUsize,
    /// The number of searches under way.
    pub(super) searches: AtomicUsize,
}

impl Work {
    /// Performs a job and answers its request.
    pub(super) fn perform(&self, job: Job) {
        match job {
            Job::Spawn(id, spawn, files) => {
                let (started, result) = match self.start(&spawn, files) {
                    Ok((started, terminal)) => {
                        let pid = started.pid;
                        (Some(started), Ok((pid, terminal)))
                    }
                    Err(error) => (None, Err(error)),
                };
                self.report(Done::Start(started), id, result);
            }
            Job::File(id, request) => {
                let result = files::perform(&request, &self.workspace);
                self.report(Done::File, id, result.map(|file| (0, file)));
            }
            Job::Holders(id, pipes) => {
                let alone = self.searching.try_lock_for(SEARCHING);
                let holders = alone.map_or_else(Vec::new, |_alone| holders::of(&pipes));
                self.send(&AgentMessage::Holders { id, holders });
            }
            Job::Usage(id) => {
                let alone = self.searching.try_lock_for(SEARCHING);
                let none = || Usage { truncated: true, ..Usage::default() };
                let usage = alone.map_or_else(none, |_alone| usage::measure());
                self.send(&AgentMessage::Usage { id, usage });
            }
        }
    }

    fn send(&self, message: &AgentMessage) {
        // If the server is gone, the loop sees the end of its socket.
        let _ = Packet::new(message, Vec::new()).and_then(|packet| packet.send(&self.socket));
    }

    /// Starts a file operation on a thread of its own, since it can take as long as the disk needs for a whole tree.
    pub(super) fn operate(
        self: &Arc<Self>,
        operation: Operation,
        files: Vec<OwnedFd>,
    ) -> Result<()> {
        let work = self.clone();
        let perform = move |pipe| fs::perform(&operation, &work.workspace, pipe);
        let begun = self.begin(|work| &work.operations, OPERATIONS, files, perform)?;
        begun.ok_or_else(|| {
            let text = "the sandbox has too many operations on files under way: try again later";
            ApiError::new(ServerCode::TooManyProcesses, text)
        })
    }

    /// Starts a search on a thread of its own.
    pub(super) fn search(self: &Arc<Self>, search: Search, files: Vec<OwnedFd>) -> Result<()> {
        let work = self.clone();
        let perform = move |pipe| fs::search(&search, &work.workspace, pipe);
        let begun = self.begin(|work| &work.searches, SEARCHES, files, perform)?;
        begun.ok_or_else(|| {
            let text = format!(
                "the sandbox has {SEARCHES} searches under way: read or leave one, then try again"
            );
            ApiError::new(ServerCode::TooManyProcesses, text)
        })
    }

    /// Starts a job on a thread of its own, unless `limit` jobs are under way.
    fn begin(
        self: &Arc<Self>,
        count: fn(&Self) -> &AtomicUsize,
        limit: usize,
        files: Vec<OwnedFd>,
        perform: impl FnOnce(OwnedFd) + Send + 'static,
    ) -> Result<Option<()>> {
        let pipe = only(files)?;
        let before = count(self).fetch_add(1, Ordering::SeqCst);
        let counted = Counted { work: self.clone(), count };
        if before >= limit {
            return Ok(None);
        }
        let work = move || {
            let _counted = counted;
            perform(pipe);
        };
        Ok(thread::Builder::new().spawn(work).ok().map(drop))
    }

    /// Starts a watch on a thread of its own. The server limits the number of watches.
    pub(super) fn watch(
        self: &Arc<Self>,
        path: String,
        recursive: bool,
        files: Vec<OwnedFd>,
    ) -> Result<()> {
        let (pipe, work) = (only(files)?, self.clone());
        let watch = move || {
            fs::watch(&path, &inside(&path, &work.workspace), recursive, pipe);
        };
        thread::Builder::new().spawn(watch).map(drop).map_err(|e| ApiError::internal(&e))
    }

    fn report(&self, done: Done, id: u64, result: Result<(u32, Option<OwnedFd>)>) {
        let answering = self.answering.lock();
        let _ = self.done.send(done);
        // If the server is gone, the loop sees the end of its socket.
        let _ = answer(&self.socket, id, result);
        drop(answering);
    }

    /// Wakes the thread that runs the loop.
    pub(super) fn wake(&self) {
        // If the socket is full, it is readable already.
        let _ = (&self.waker).write(&[0]);
    }

    fn start(&self, spawn: &Spawn, mut files: Vec<OwnedFd>) -> Result<(Started, Option<OwnedFd>)> {
        let ways =
            if spawn.group { files.split_off(files.len().saturating_sub(2)) } else { vec![] };
        let _alone = spawn.group.then(|| self.group.lock());
        let (mut child, terminal) = within(&ways, || {
            spawn::spawn(spawn, files, &self.workspace, self.memory, &self.terminals)
        })?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => Ok((Started { pid: child.id(), pidfd }, terminal)),
            Err(error) => {
                end(&mut child);
                Err(ApiError::internal(&error.into()))
            }
        }
    }
}

/// The file that was sent with a request.
fn only(mut files: Vec<OwnedFd>) -> Result<OwnedFd> {
    files.pop().ok_or_else(|| ApiError::internal(&ErrorKind::InvalidInput.into()))
}

/// A job that is counted until this guard is dropped.
struct Counted {
    work: Arc<Work>,
    count: fn(&Work) -> &AtomicUsize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.count)(&self.work).fetch_sub(1, Ordering::SeqCst);
    }
}

/// Starts a process that is in a control group from its first instruction.
fn within(
    ways: &[OwnedFd],
    start: impl FnOnce() -> Result<(Child, Option<OwnedFd>)>,
) -> Result<(Child, Option<OwnedFd>)> {
    let [into, back] = ways else { return start() };
    let enter = |way| rustix::io::write(way, b"0").map_err(|e| ApiError::internal(&e.into()));
    enter(into)?;
    let mut started = start();
    if let Err(error) = enter(back) {
        if let Ok((child, _)) = &mut started {
            end(child);
        }
        return Err(error);
    }
    started
}

/// Kills and reaps a process that no client knows.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
