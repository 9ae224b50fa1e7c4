//! Work that can block, on threads of its own: a slow disk, or a program whose start somebody holds up with a
//! lease (fcntl(2), F_SETLEASE), must not keep the agent from signals and exits.

use super::message::{FileRequest, Spawn};
use super::{files, spawn};
use crate::error::{ApiError, Result};
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Threads that work at the same time; more requests wait.
const THREADS: usize = 16;

/// What came of some work, for the question with this id.
pub(super) struct Done {
    pub(super) id: u64,
    pub(super) what: What,
}

pub(super) enum What {
    Started(Result<Started>),
    File(Result<Option<OwnedFd>>),
}

/// A process that was started and is not reaped.
pub(super) struct Started {
    pub(super) pid: u32,
    pub(super) pidfd: OwnedFd,
    pub(super) terminal: Option<OwnedFd>,
}

/// What is done, for the question with this id.
enum Job {
    Spawn(u64, Spawn, Vec<OwnedFd>),
    File(u64, FileRequest),
}

/// The threads, and what waits for them.
pub(super) struct Work {
    jobs: Sender<Job>,
    shared: Arc<Shared>,
    threads: usize,
    /// Jobs whose result was not taken yet, and starts among them.
    unfinished: usize,
    pub(super) spawning: usize,
    done: Receiver<Done>,
    /// Readable when there is something in `done`.
    pub(super) bell: UnixStream,
}

/// What the threads share.
struct Shared {
    workspace: PathBuf,
    memory: Option<u64>,
    jobs: Mutex<Receiver<Job>>,
    done: Sender<Done>,
    bell: UnixStream,
    /// Held while the agent is in a process's control group: all threads of a process are in the same.
    group: Mutex<()>,
}

impl Shared {
    fn work(&self) {
        loop {
            let Ok(job) = self.jobs.lock().recv() else { return };
            match job {
                Job::Spawn(id, spawn, files) => {
                    self.report(id, What::Started(self.start(&spawn, files)));
                }
                Job::File(id, request) => {
                    self.report(id, What::File(files::perform(&request, &self.workspace)));
                }
            }
        }
    }

    fn report(&self, id: u64, what: What) {
        let _ = self.done.send(Done { id, what });
        // A full socket is readable already.
        let _ = (&self.bell).write(&[0]);
    }

    fn start(&self, spawn: &Spawn, mut files: Vec<OwnedFd>) -> Result<Started> {
        let ways =
            if spawn.group { files.split_off(files.len().saturating_sub(2)) } else { vec![] };
        let _alone = spawn.group.then(|| self.group.lock());
        let (mut child, terminal) =
            within(&ways, || spawn::spawn(spawn, files, &self.workspace, self.memory))?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Started { pid: child.id(), pidfd, terminal }),
            Err(error) => {
                end(&mut child);
                Err(ApiError::internal(&error.into()))
            }
        }
    }
}

impl Work {
    pub(super) fn new(workspace: PathBuf, memory: Option<u64>) -> io::Result<Self> {
        let (bell, ring) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ring.set_nonblocking(true)?;
        let (jobs, queue) = channel();
        let (report, done) = channel();
        let shared = Arc::new(Shared {
            workspace,
            memory,
            jobs: Mutex::new(queue),
            done: report,
            bell: ring,
            group: Mutex::default(),
        });
        let first = shared.clone();
        thread::Builder::new().spawn(move || first.work())?;
        Ok(Self { jobs, shared, threads: 1, unfinished: 0, spawning: 0, done, bell })
    }

    pub(super) fn spawn(&mut self, id: u64, spawn: Spawn, files: Vec<OwnedFd>) {
        self.spawning += 1;
        self.add(Job::Spawn(id, spawn, files));
    }

    pub(super) fn file(&mut self, id: u64, request: FileRequest) {
        self.add(Job::File(id, request));
    }

    fn add(&mut self, job: Job) {
        self.unfinished += 1;
        let _ = self.jobs.send(job);
        if self.unfinished > self.threads && self.threads < THREADS {
            let shared = self.shared.clone();
            // Where the limit of tasks is reached, the threads that there are take the job.
            if thread::Builder::new().spawn(move || shared.work()).is_ok() {
                self.threads += 1;
            }
        }
    }

    /// The next result, if there is one.
    pub(super) fn next(&mut self) -> Option<Done> {
        let done = self.done.try_recv().ok()?;
        self.unfinished -= 1;
        if matches!(done.what, What::Started(_)) {
            self.spawning -= 1;
        }
        Some(done)
    }
}

/// Starts a process in a control group, which it is in from its first moment.
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

/// Ends a process whose end nobody would see.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
