//! Work that can block, on threads of its own: a slow disk, or a program whose start somebody holds up with a
//! lease (fcntl(2), F_SETLEASE), must not keep the agent from signals and exits.

use super::message::{FileRequest, Spawn};
use super::{files, spawn};
use crate::error::{ApiError, Result};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Threads that do something with files at the same time; more requests wait.
const FILE_THREADS: usize = 16;

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

/// What the work needs to know.
struct Place {
    workspace: PathBuf,
    memory: Option<u64>,
}

/// The threads, and what waits for them.
pub(super) struct Work {
    place: Arc<Place>,
    spawns: Sender<(u64, Spawn, Vec<OwnedFd>)>,
    /// Starts whose result was not taken yet.
    pub(super) spawning: usize,
    files: Vec<(u64, FileRequest)>,
    file_threads: usize,
    report: Report,
    done: Receiver<Done>,
    /// Readable when there is something in `done`.
    pub(super) bell: UnixStream,
}

#[derive(Clone)]
struct Report {
    done: Sender<Done>,
    bell: Arc<UnixStream>,
}

impl Report {
    fn send(&self, id: u64, what: What) {
        let _ = self.done.send(Done { id, what });
        // A full pipe is readable already.
        let _ = (&*self.bell).write(&[0]);
    }
}

impl Work {
    pub(super) fn new(workspace: PathBuf, memory: Option<u64>) -> io::Result<Self> {
        let (bell, ring) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ring.set_nonblocking(true)?;
        let (sender, done) = channel();
        let report = Report { done: sender, bell: Arc::new(ring) };
        let place = Arc::new(Place { workspace, memory });
        let (spawns, queue) = channel::<(u64, Spawn, Vec<OwnedFd>)>();
        let (starter, start_report) = (place.clone(), report.clone());
        // One thread, since all threads of a process are in the same control group.
        std::thread::Builder::new().spawn(move || {
            for (id, spawn, files) in queue {
                start_report.send(id, What::Started(start(&starter, &spawn, files)));
            }
        })?;
        Ok(Self {
            place,
            spawns,
            spawning: 0,
            files: Vec::new(),
            file_threads: 0,
            report,
            done,
            bell,
        })
    }

    pub(super) fn spawn(&mut self, id: u64, spawn: Spawn, files: Vec<OwnedFd>) {
        self.spawning += 1;
        if self.spawns.send((id, spawn, files)).is_err() {
            let error = ApiError::internal(&io::Error::other("the agent's thread has ended"));
            self.report.send(id, What::Started(Err(error)));
        }
    }

    pub(super) fn file(&mut self, id: u64, request: FileRequest) {
        self.files.push((id, request));
        self.start_files();
    }

    fn start_files(&mut self) {
        while self.file_threads < FILE_THREADS && !self.files.is_empty() {
            let (id, request) = self.files.remove(0);
            let (place, report) = (self.place.clone(), self.report.clone());
            self.file_threads += 1;
            let started = std::thread::Builder::new().spawn(move || {
                report.send(id, What::File(files::perform(&request, &place.workspace)));
            });
            if let Err(error) = started {
                self.report.send(id, What::File(Err(ApiError::internal(&error))));
            }
        }
    }

    /// The next result, if there is one.
    pub(super) fn next(&mut self) -> Option<Done> {
        let done = self.done.try_recv().ok()?;
        match done.what {
            What::Started(_) => self.spawning -= 1,
            What::File(_) => {
                self.file_threads -= 1;
                self.start_files();
            }
        }
        Some(done)
    }
}

fn start(place: &Place, spawn: &Spawn, mut files: Vec<OwnedFd>) -> Result<Started> {
    let ways = if spawn.group { files.split_off(files.len().saturating_sub(2)) } else { vec![] };
    let (mut child, terminal) =
        within(&ways, || spawn::spawn(spawn, files, &place.workspace, place.memory))?;
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Started { pid: child.id(), pidfd, terminal }),
        Err(error) => {
            end(&mut child);
            Err(ApiError::internal(&error.into()))
        }
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
