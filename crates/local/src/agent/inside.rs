//! The agent itself. One thread: it never waits for a process, a disk or a peer.

use super::message::{Asked, Exited, Inbox, Refusal, Request, Spawn, Told, encode, send};
use super::{files, spawn, tree};
use crate::error::{ApiError, Result};
use clap::Parser;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions,
    kill_process, kill_process_group, pidfd_open, set_child_subreaper, set_dumpable_behavior,
    setrlimit, waitid,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use shoreline_protocol::error::ServerCode;
use std::collections::HashMap;
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// How an agent is started, by the server only.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// The directory in which processes start.
    #[arg(long)]
    pub(crate) workspace: PathBuf,
    /// Bytes of memory that each process can use.
    #[arg(long)]
    pub(crate) memory: Option<u64>,
    /// Bytes that a file can have.
    #[arg(long)]
    pub(crate) file_size: Option<u64>,
    /// Processors that processes share.
    #[arg(long)]
    pub(crate) cpus: Option<usize>,
}

/// A process that was started here and is not reaped.
struct Leader {
    pidfd: OwnedFd,
    exited: bool,
}

struct Inside {
    socket: UnixStream,
    workspace: PathBuf,
    leaders: HashMap<u32, Leader>,
}

/// Does what it is asked until the socket ends, then ends everything.
pub(crate) fn main(args: Args) -> io::Result<()> {
    // The socket comes as stdin, and must not be inherited by what is started.
    let socket = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?);
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    // Another process of the sandbox must not read its memory or take its files.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_child_subreaper(Some(rustix::process::getpid()))?;
    let limit = |value| Rlimit { current: value, maximum: value };
    setrlimit(Resource::Core, limit(Some(0)))?;
    if args.memory.is_some() {
        setrlimit(Resource::Data, limit(args.memory))?;
    }
    if args.file_size.is_some() {
        setrlimit(Resource::Fsize, limit(args.file_size))?;
    }
    if let Some(cpus) = args.cpus {
        take_processors(cpus)?;
    }
    let (mut orphan_ended, signalled) = UnixStream::pair()?;
    orphan_ended.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, signalled)?;

    let mut inside = Inside { socket, workspace: args.workspace, leaders: HashMap::new() };
    let mut inbox = Inbox::default();
    loop {
        let (asked, orphans, exited) = inside.wait(&orphan_ended)?;
        for pid in exited {
            inside.tell_exit(pid)?;
        }
        if orphans {
            while matches!(orphan_ended.read(&mut [0; 64]), Ok(count) if count > 0) {}
            tree::reap_orphans(|pid| inside.leaders.contains_key(&pid));
        }
        if asked {
            match inbox.receive(&inside.socket) {
                Ok(0) | Err(_) => break,
                Ok(_) => inside.answer_all(&mut inbox)?,
            }
        }
    }
    tree::kill_everything();
    Ok(())
}

impl Inside {
    /// Waits for something to happen: a request, the end of an orphan, the ends of leaders.
    fn wait(&self, orphan_ended: &UnixStream) -> io::Result<(bool, bool, Vec<u32>)> {
        let waiting: Vec<_> = self.leaders.iter().filter(|(_, leader)| !leader.exited).collect();
        let mut polled = vec![
            PollFd::new(&self.socket, PollFlags::IN),
            PollFd::new(orphan_ended, PollFlags::IN),
        ];
        polled.extend(waiting.iter().map(|(_, leader)| PollFd::new(&leader.pidfd, PollFlags::IN)));
        loop {
            match poll(&mut polled, None) {
                Err(rustix::io::Errno::INTR) => {}
                other => {
                    other?;
                    break;
                }
            }
        }
        let mut ready = polled.iter().map(|polled| !polled.revents().is_empty());
        let (asked, orphans) = (ready.next() == Some(true), ready.next() == Some(true));
        let exited = waiting.iter().zip(ready).filter(|(_, ready)| *ready);
        Ok((asked, orphans, exited.map(|((pid, _), _)| **pid).collect()))
    }

    /// Tells how a leader ended, and keeps it as a zombie: its number is its group's until that is
    /// done with.
    fn tell_exit(&mut self, pid: u32) -> io::Result<()> {
        let Some(leader) = self.leaders.get_mut(&pid) else { return Ok(()) };
        leader.exited = true;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::PidFd(leader.pidfd.as_fd()), options).ok().flatten();
        let exited = Exited {
            code: status.as_ref().and_then(|status| status.exit_status()),
            signal: status.as_ref().and_then(|status| status.terminating_signal()),
        };
        self.tell(&Told::Exited { pid, exited }, None)
    }

    fn answer_all(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        while let Some((Asked { id, request }, files)) = inbox.next()? {
            let result = match request {
                Request::Spawn(spawn) => self.spawn(&spawn, files),
                Request::File(request) => {
                    files::perform(&request, &self.workspace).map(|file| (0, file))
                }
                Request::Freeze => {
                    tree::signal_everything(Signal::STOP);
                    Ok((0, None))
                }
                Request::Thaw => {
                    tree::signal_everything(Signal::CONT);
                    Ok((0, None))
                }
                Request::Socket => {
                    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                    socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
                        .map(|socket| (0, Some(socket)))
                        .map_err(|errno| ApiError::internal(&errno.into()))
                }
                Request::Signal { pid, signal, group } => {
                    self.signal(pid, signal, group).map(|()| (0, None))
                }
                Request::Reap { pid } => {
                    self.reap(pid);
                    Ok((0, None))
                }
            };
            let (result, file) = match result {
                Ok((pid, file)) => (Ok(pid), file),
                Err(error) => {
                    let (code, text) = error.into_parts();
                    (Err(Refusal { code: code.as_str().to_owned(), text }), None)
                }
            };
            self.tell(&Told::Answer { id, result }, file)?;
        }
        Ok(())
    }

    fn spawn(&mut self, spawn: &Spawn, mut files: Vec<OwnedFd>) -> Result<(u32, Option<OwnedFd>)> {
        let ways =
            if spawn.group { files.split_off(files.len().saturating_sub(2)) } else { vec![] };
        let (mut child, terminal) = within(&ways, || spawn::spawn(spawn, files, &self.workspace))?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => {
                self.leaders.insert(child.id(), Leader { pidfd, exited: false });
                Ok((child.id(), terminal))
            }
            Err(error) => {
                // Nobody would see its end.
                let _ = child.kill();
                let _ = child.wait();
                Err(ApiError::internal(&error.into()))
            }
        }
    }

    fn signal(&self, pid: u32, signal: i32, group: bool) -> Result<()> {
        let gone = || {
            let text = format!("Process {pid} is not running");
            ApiError::new(ServerCode::ProcessNotRunning, text)
        };
        let leader = self.leaders.contains_key(&pid).then(|| raw(pid)).flatten();
        let leader = leader.ok_or_else(gone)?;
        let signal = Signal::from_named_raw(signal).ok_or_else(|| {
            ApiError::new(ServerCode::InvalidSignal, "Invalid signal number: it is from 1 to 31")
        })?;
        let sent =
            if group { kill_process_group(leader, signal) } else { kill_process(leader, signal) };
        sent.map_err(|_| gone())
    }

    fn reap(&mut self, pid: u32) {
        if let (Some(leader), Some(group)) = (self.leaders.remove(&pid), raw(pid)) {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = waitid(WaitId::PidFd(leader.pidfd.as_fd()), WaitIdOptions::EXITED);
        }
    }

    fn tell(&self, told: &Told, file: Option<OwnedFd>) -> io::Result<()> {
        let files: Vec<_> = file.iter().map(|file| file.as_fd()).collect();
        let bytes = encode(told, files.len())?;
        let (mut rest, mut files) = (bytes.as_slice(), files.as_slice());
        while !rest.is_empty() {
            let sent = send(&self.socket, rest, files)?;
            rest = rest.get(sent..).unwrap_or_default();
            files = &[];
        }
        Ok(())
    }
}

/// Does something in a control group, which what is started then is in from its first moment.
fn within<T>(ways: &[OwnedFd], work: impl FnOnce() -> Result<T>) -> Result<T> {
    let [into, back] = ways else { return work() };
    let go = |way| rustix::io::write(way, b"0").map_err(|e| ApiError::internal(&e.into()));
    go(into)?;
    let done = work();
    go(back)?;
    done
}

/// Leaves only so many processors to itself and what it starts, from anywhere among those that it has.
fn take_processors(count: usize) -> io::Result<()> {
    let there = sched_getaffinity(None)?;
    let there: Vec<_> = (0..CpuSet::MAX_CPU).filter(|cpu| there.is_set(*cpu)).collect();
    let [first] = crate::random::bytes::<1>()?;
    let mut taken = CpuSet::new();
    for cpu in there.iter().cycle().skip(usize::from(first)).take(count.min(there.len())) {
        taken.set(*cpu);
    }
    Ok(sched_setaffinity(None, &taken)?)
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}
