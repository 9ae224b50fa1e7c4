//! Processes of a sandbox. The agent starts and signals them. One task for each reads its output and reaps
//! it.

mod health;
mod holders;
mod managed;
mod pump;
mod stdin;
mod table;

pub(crate) use holders::records;
use managed::Managed;
pub(crate) use table::Table;

use crate::agent::{Agent, Spawn};
use crate::clock::Clock;
use crate::error::{ApiError, Result};
use crate::log::{Ended, Log, now_ms};
use crate::wire::process::{OutputMode, ProcessInfo, StartRequest, Status, StdinMode};
use pump::Pump;
use rustix::fd::OwnedFd;
use rustix::fs::fstat;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use shoreline_protocol::error::ServerCode;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stdin::Stdin;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::timeout;

/// The time limit for a killed group to end: no signal interrupts a wait for a device.
const GROUP_END: Duration = Duration::from_secs(2);

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
    agent: Arc<Agent>,
    /// The inodes of its output pipes.
    pipes: Vec<u64>,
    pub(crate) managed: Option<Arc<Managed>>,
    /// Whether the group was sent SIGKILL, so that its remaining processes are ending.
    killed: AtomicBool,
    /// Whether its group has processes after its exit.
    group_lives: watch::Sender<bool>,
}

impl Process {
    /// Starts a process in a group of its own, and the task that reads and reaps it.
    pub(crate) async fn start(
        request: StartRequest,
        agent: &Arc<Agent>,
        clock: &Clock,
        handle: u64,
        log: Arc<Log>,
        managed: Option<Arc<Managed>>,
    ) -> Result<Arc<Self>> {
        let limit = check(&request)?;
        let files = Files::open(&request).map_err(|e| ApiError::internal(&e))?;
        let StartRequest { command, args, env, working_dir, user, .. } = request;
        let spawn = Spawn {
            command: command.clone(),
            args: args.clone(),
            env,
            working_dir,
            user,
            files: files.wanted,
            group: false,
            terminal: None,
        };
        let pipes = files.output.iter().flatten().map(|pipe| Ok(fstat(pipe)?.st_ino));
        let pipes = pipes.collect::<io::Result<_>>().map_err(|e| ApiError::internal(&e))?;
        let spawned = agent.spawn(spawn, files.theirs).await?;
        let process = Arc::new(Self {
            handle,
            pid: spawned.leader.pid(),
            started_at: now_ms(),
            log,
            stdin: Stdin::new(files.stdin),
            command,
            args,
            agent: agent.clone(),
            pipes,
            managed,
            killed: AtomicBool::new(false),
            group_lives: watch::Sender::default(),
        });
        tokio::spawn(Pump::new(process.clone(), files.output, spawned, limit, clock).run());
        Ok(process)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.log.ended().is_none()
    }

    /// Whether the process, its group and all holders of its output have ended.
    fn is_over(&self) -> bool {
        self.log.is_closed() && !*self.group_lives.borrow()
    }

    /// Sends a signal. Signals that end, stop or continue processes are sent to the whole group, as from a terminal, even
    /// after the exit of the process. Others are sent to the process only.
    pub(crate) async fn signal(&self, signal: Signal) -> Result<()> {
        const GROUP: [Signal; 7] = [
            Signal::INT,
            Signal::QUIT,
            Signal::KILL,
            Signal::TERM,
            Signal::STOP,
            Signal::TSTP,
            Signal::CONT,
        ];
        if !self.is_running() && !*self.group_lives.borrow() {
            return Err(self.not_running());
        }
        if signal == Signal::KILL {
            self.killed.store(true, Ordering::Relaxed);
        }
        let group = GROUP.contains(&signal);
        let sent = self.agent.signal(self.pid, signal.as_raw(), group).await;
        // A process that leaves its group is noticed by the next signal to that.
        sent.map_err(|error| match error.code() {
            ServerCode::ProcessNotRunning if group && !self.is_running() => self.not_running(),
            _ => error,
        })
    }

    fn not_running(&self) -> ApiError {
        let what = match self.log.is_closed() {
            true => "is not running",
            false => {
                "has ended: what holds its output open has left its group, and ends with the sandbox"
            }
        };
        ApiError::new(ServerCode::ProcessNotRunning, format!("Process {} {what}", self.pid))
    }

    /// Kills the processes that remain in its group after its exit, and waits for their end.
    async fn end_group(&self) {
        let mut lives = self.group_lives.subscribe();
        if *lives.borrow() && self.signal(Signal::KILL).await.is_ok() {
            let _ = timeout(GROUP_END, lives.wait_for(|lives| !lives)).await;
        }
    }

    pub(crate) fn info(&self) -> ProcessInfo {
        let ended = self.log.ended();
        let output_open = (ended.is_some() && !self.log.is_closed()).then_some(true);
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
            oom_killed: exit.is_some_and(|exit| exit.oom_killed()),
            reason: exit.and_then(|exit| exit.reason),
            stdin_writable: ended.is_none() && self.stdin.is_writable(),
            command: self.command.clone(),
            args: self.args.clone(),
            started_at: self.started_at,
            ended_at: ended.map(|ended| ended.at),
            output_open,
            output_holders: None,
            managed: self.managed.as_ref().map(|managed| managed.info()),
        }
    }

    /// Waits until the process has ended.
    pub(crate) async fn wait(&self) -> Ended {
        self.log.found(|log| log.ended()).await
    }
}

/// Refuses strings with which no process can be started.
pub(crate) fn check_strings(
    command: &str,
    args: &[String],
    env: &BTreeMap<String, String>,
    working_dir: Option<&str>,
) -> Result<()> {
    let wrong = |text: &str| Err(ApiError::new(ServerCode::InvalidRequest, text));
    if command.is_empty() {
        return wrong("`command` must not be empty");
    }
    let strings = [command].into_iter().chain(args.iter().map(String::as_str)).chain(working_dir);
    if strings.into_iter().any(|text| text.contains('\0')) {
        return wrong("a NUL character cannot be passed to a process");
    }
    check_env(env)
}

/// Refuses variables with which no process can be started.
pub(crate) fn check_env(env: &BTreeMap<String, String>) -> Result<()> {
    let wrong = |text: &str| Err(ApiError::new(ServerCode::InvalidRequest, text));
    if env.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
        return wrong("a NUL character cannot be passed to a process");
    }
    if env.keys().any(|name| name.is_empty() || name.contains('=')) {
        return wrong("the name of a variable is not empty and has no '='");
    }
    Ok(())
}

/// Checks a request. Returns its time limit.
fn check(request: &StartRequest) -> Result<Option<Duration>> {
    let StartRequest { command, args, env, working_dir, .. } = request;
    check_strings(command, args, env, working_dir.as_deref())?;
    match request.timeout.map(Duration::try_from_secs_f64) {
        None => Ok(None),
        Some(Ok(timeout)) if !timeout.is_zero() => Ok(Some(timeout)),
        Some(_) => Err(ApiError::new(
            ServerCode::InvalidRequest,
            "`timeout` must be a number of seconds above 0",
        )),
    }
}

/// The pipes of a process: the server's ends and the process's ends.
struct Files {
    stdin: Option<pipe::Sender>,
    output: [Option<pipe::Receiver>; 2],
    theirs: Vec<OwnedFd>,
    wanted: [bool; 3],
}

impl Files {
    fn open(request: &StartRequest) -> io::Result<Self> {
        let mut files = Self {
            stdin: None,
            output: [None, None],
            theirs: Vec::new(),
            wanted: [
                request.stdin_mode == StdinMode::Pipe,
                request.stdout_mode == OutputMode::Capture,
                request.stderr_mode == OutputMode::Capture,
            ],
        };
        let [stdin, stdout, stderr] = files.wanted;
        if stdin {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            files.stdin = Some(pipe::Sender::from_owned_fd(write)?);
            files.theirs.push(read);
        }
        for (output, wanted) in files.output.iter_mut().zip([stdout, stderr]) {
            if wanted {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                // For fewer, larger reads. At the user's limit on pipes the call fails, and the size does not change.
                let _ = rustix::pipe::fcntl_setpipe_size(&read, pump::READ);
                *output = Some(pipe::Receiver::from_owned_fd(read)?);
                files.theirs.push(write);
            }
        }
        Ok(files)
    }
}
