//! Processes of a sandbox: started, signalled, fed, and reaped by one owner each.

mod pump;
mod spawn;
mod stdin;
mod table;

pub(crate) use spawn::Place;
pub(crate) use table::Table;

use crate::error::{ApiError, Result};
use crate::log::{Log, now_ms};
use pump::Pump;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::exit::Reason;
use shoreline_protocol::wire::process::{ProcessInfo, StartRequest, Status};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use stdin::Stdin;

/// A process, running or ended.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) handle: u64,
    pub(crate) pid: u32,
    pub(crate) started_at: u64,
    pub(crate) log: Arc<Log>,
    pub(crate) stdin: Stdin,
    command: String,
    args: Vec<String>,
    /// The process group, until its leader is reaped: afterwards the number may be another's.
    group: Mutex<Option<Pid>>,
    /// It was sent SIGKILL: what it leaves behind need not be waited for.
    killed: AtomicBool,
}

impl Process {
    /// Starts a process in a group of its own, and the task that reads and reaps it.
    pub(crate) fn start(
        request: StartRequest,
        place: &Place,
        handle: u64,
        log: Arc<Log>,
    ) -> Result<Arc<Self>> {
        let timeout = spawn::timeout(&request)?;
        let mut child = spawn::spawn(&request, place)?;
        let group = Pid::from_child(&child);
        let process = Arc::new(Self {
            handle,
            pid: child.id(),
            started_at: now_ms(),
            log,
            stdin: Stdin::new(child.stdin.take())?,
            command: request.command,
            args: request.args,
            group: Mutex::new(Some(group)),
            killed: AtomicBool::new(false),
        });
        let pump = Pump::new(process.clone(), &mut child, timeout).inspect_err(|_| {
            // Nobody would read or reap it.
            let _ = child.kill();
            let _ = child.wait();
        })?;
        tokio::spawn(pump.run());
        Ok(process)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.log.ended().is_none()
    }

    /// Sends a signal. What asks to end, stop or go on reaches the whole group, as from a terminal;
    /// anything else the process itself.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        const GROUP: [Signal; 7] = [
            Signal::INT,
            Signal::QUIT,
            Signal::KILL,
            Signal::TERM,
            Signal::STOP,
            Signal::TSTP,
            Signal::CONT,
        ];
        if signal == Signal::KILL {
            self.killed.store(true, Ordering::Relaxed);
        }
        let group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match *group {
            Some(pid) if GROUP.contains(&signal) => kill_process_group(pid, signal),
            Some(pid) => kill_process(pid, signal),
            None => Err(rustix::io::Errno::SRCH),
        };
        sent.map_err(|_| {
            let text = format!("Process {} is not running", self.pid);
            ApiError::new(ServerCode::ProcessNotRunning, text)
        })
    }

    pub(crate) fn info(&self) -> ProcessInfo {
        let ended = self.log.ended();
        let exit = ended.map(|ended| ended.exit);
        ProcessInfo {
            handle: self.handle,
            pid: self.pid,
            status: match exit {
                None => Status::Running,
                Some(exit) if exit.oom_killed() => Status::OomKilled,
                Some(exit) if exit.signal().is_some() => Status::Signaled,
                Some(_) => Status::Exited,
            },
            exit_code: exit.and_then(|exit| exit.exit_code()),
            signal: exit.and_then(|exit| exit.signal()),
            reason: exit.and_then(|exit| exit.reason),
            stdin_writable: ended.is_none() && self.stdin.is_writable(),
            command: self.command.clone(),
            args: self.args.clone(),
            started_at: self.started_at,
            ended_at: ended.map(|ended| ended.at),
        }
    }

    /// Waits until it has ended and its output is complete.
    pub(crate) async fn wait(&self) {
        let mut watch = self.log.watch();
        while self.is_running() && watch.changed().await.is_ok() {}
    }
}

/// What the reason of an end is, when nothing else is known.
fn reason(signal: Option<i32>, timed_out: bool) -> Reason {
    match signal {
        Some(9) if timed_out => Reason::TimedOut,
        Some(_) => Reason::Signaled,
        None => Reason::Exited,
    }
}
