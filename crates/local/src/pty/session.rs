//! One terminal session. Its owner task reads the output of the program, keeps the newest part and ends the session.

use super::attached::Attached;
use super::flow_control::FlowControl;
use super::ring::Ring;
use super::{CreateRequest, Info};
use crate::agent::{Agent, Exited, Leader, Size, Spawn, Spawned};
use crate::clock::{Clock, at, passed};
use crate::error::{ApiError, Result};
use crate::limits::Unit;
use crate::log::now_ms;
use parking_lot::{Mutex, MutexGuard};
use rustix::fd::OwnedFd;
use rustix::process::Signal;
use rustix::termios::{Winsize, tcsetwinsize};
use shoreline_protocol::error::ServerCode;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, timeout};

/// Time without an attached client, after which the session is ended.
const UNATTENDED: Duration = Duration::from_secs(300);
/// Between SIGHUP and SIGKILL.
const HANG_UP: Duration = Duration::from_secs(5);
/// Time to read output after the exit.
const LATE_OUTPUT: Duration = Duration::from_secs(1);

/// Number from which the API makes the session id.
const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// A terminal session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) token: String,
    pid: u32,
    command: String,
    args: Vec<String>,
    created_at: u64,
    agent: Arc<Agent>,
    /// A second descriptor for resizing, which must not wait for input.
    terminal: OwnedFd,
    input: tokio::sync::Mutex<pipe::Sender>,
    state: Mutex<State>,
    pub(super) wake: watch::Sender<()>,
    /// Number of attached clients.
    pub(super) attached: AtomicUsize,
    next_client: AtomicU64,
    killed: AtomicBool,
    kill: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    size: Size,
    pub(super) ring: Ring,
    pub(super) flow_control: FlowControl,
    /// Position of the output when the last client detached, and the time.
    pub(super) left: Option<(u64, Instant)>,
    /// Whether a client was ready.
    pub(super) seen: bool,
    ended: Option<(Exited, u64)>,
    oom_killed: bool,
}

/// Output at the position of an attached client.
pub(crate) enum At {
    /// Bytes from this position on.
    Bytes(Vec<u8>),
    Nothing,
    /// Bytes up to this position are no longer kept.
    Lost(u64),
    /// The session has ended, and everything was read.
    End(Exited),
}

impl Session {
    pub(super) async fn start(
        request: CreateRequest,
        agent: &Arc<Agent>,
        clock: &Clock,
    ) -> Result<Arc<Self>> {
        let size = shoreline_protocol::pty::Size::clamped(request.cols, request.rows);
        let size = Size { rows: size.rows, cols: size.cols };
        let CreateRequest { command, args, env, working_dir, .. } = request;
        let (args, mut env) = (args.unwrap_or_default(), env.unwrap_or_default());
        crate::process::check_strings(&command, &args, &env, working_dir.as_deref())?;
        env.entry("TERM".to_owned()).or_insert_with(|| "xterm-256color".to_owned());
        let spawn = Spawn {
            command: command.clone(),
            args: args.clone(),
            env,
            working_dir,
            user: None,
            files: [false; 3],
            group: false,
            terminal: Some(size),
        };
        let Spawned { leader, exited, terminal, unit, .. } = agent.spawn(spawn, Vec::new()).await?;
        let open = || -> io::Result<_> {
            let terminal = terminal.ok_or_else(|| io::Error::other("no terminal was opened"))?;
            rustix::io::ioctl_fionbio(&terminal, true)?;
            let output = pipe::Receiver::from_owned_fd_unchecked(terminal.try_clone()?)?;
            let input = pipe::Sender::from_owned_fd_unchecked(terminal.try_clone()?)?;
            Ok((terminal, output, input))
        };
        let (terminal, output, input) = open().map_err(|e| ApiError::internal(&e))?;
        let session = Arc::new(Self {
            id: crate::random::id(ID_ALPHABET).map_err(|e| ApiError::internal(&e))?,
            token: crate::random::hex(
                crate::random::bytes::<32>().map_err(|e| ApiError::internal(&e))?,
            ),
            pid: leader.pid(),
            command,
            args,
            created_at: now_ms(),
            agent: agent.clone(),
            terminal,
            input: tokio::sync::Mutex::new(input),
            state: Mutex::new(State {
                size,
                ring: Ring::default(),
                flow_control: FlowControl::new(Instant::now()),
                left: None,
                seen: false,
                ended: None,
                oom_killed: false,
            }),
            wake: watch::Sender::default(),
            attached: AtomicUsize::new(0),
            next_client: AtomicU64::new(0),
            killed: AtomicBool::new(false),
            kill: Notify::new(),
        });
        tokio::spawn(session.clone().run(output, leader, exited, unit, clock.clone()));
        Ok(session)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Reads output until the program has exited. Ends the session on request or when no client is attached for too long.
    async fn run(
        self: Arc<Self>,
        mut output: pipe::Receiver,
        leader: Leader,
        exited: oneshot::Receiver<Exited>,
        unit: Option<Unit>,
        clock: Clock,
    ) {
        let exited = self.until_exit(&mut output, exited, &clock).await;
        // The kernel hangs the terminal up when its session leader exits (setsid(2)). A process that ignores that, as
        // nohup does, lives on, unless the session was to end.
        leader.reap(self.was_killed()).await;
        // The kernel buffers only a little. Waiting for credit would delay the exit.
        let mut buffer = [0; 4096];
        let _ = timeout(LATE_OUTPUT, async {
            while let Ok(count @ 1..) = output.read(&mut buffer).await {
                self.push(&buffer[..count]);
            }
        })
        .await;
        {
            let mut state = self.lock();
            state.ended = Some((exited, now_ms()));
            state.oom_killed = unit.is_some_and(|unit| unit.oom_killed());
        }
        self.wake.send_replace(());
    }

    async fn until_exit(
        &self,
        output: &mut pipe::Receiver,
        mut exited: oneshot::Receiver<Exited>,
        clock: &Clock,
    ) -> Exited {
        let mut buffer = [0; 4096];
        let mut reading = true;
        let mut watch = self.wake.subscribe();
        let mut unattended = None;
        let mut kill_at = None;
        loop {
            if self.attached.load(Ordering::Relaxed) > 0 {
                unattended = None;
            } else {
                unattended.get_or_insert_with(|| clock.timer(UNATTENDED));
            }
            let (room, again) = self.room(buffer.len());
            tokio::select! {
                exited = &mut exited => {
                    return exited.unwrap_or_default();
                }
                read = output.read(&mut buffer[..room]), if reading && room > 0 => match read {
                    Ok(count @ 1..) => self.push(&buffer[..count]),
                    // No process has the terminal open; only the exit is missing.
                    _ => reading = false,
                },
                () = self.kill.notified() => {
                    let _ = self.agent.signal(self.pid, Signal::HUP.as_raw(), true).await;
                    kill_at.get_or_insert_with(|| Instant::now() + HANG_UP);
                }
                () = passed(unattended.as_mut()) => {
                    self.killed.store(true, Ordering::Relaxed);
                    kill_at = Some(Instant::now());
                    unattended = None;
                }
                () = at(kill_at) => {
                    let _ = self.agent.signal(self.pid, Signal::KILL.as_raw(), true).await;
                    kill_at = None;
                }
                // A client attached, detached or gave credit.
                _ = watch.changed() => {}
                () = at(again) => {}
            }
        }
    }

    /// Number of bytes that can be read, and when to check again if nothing else happens.
    fn room(&self, most: usize) -> (usize, Option<Instant>) {
        let mut state = self.lock();
        let end = state.ring.end();
        let (room, again) = state.flow_control.room(end, Instant::now());
        (usize::try_from(room).unwrap_or(most).min(most), again)
    }

    fn push(&self, bytes: &[u8]) {
        self.lock().ring.push(bytes);
        self.wake.send_replace(());
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.lock().ended.is_none()
    }

    pub(super) fn was_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// Sends SIGHUP, then SIGKILL to what ignores it. Does nothing if the session has ended.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        self.kill.notify_one();
    }

    /// Waits until the session has ended.
    pub(crate) async fn wait(&self) {
        let mut watch = self.wake.subscribe();
        while self.is_alive() && watch.changed().await.is_ok() {}
    }

    /// Notified when there may be more output.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.wake.subscribe()
    }

    /// Counts a client for as long as the guard lives.
    pub(crate) fn attach(self: &Arc<Self>) -> Attached {
        self.attached.fetch_add(1, Ordering::Relaxed);
        self.wake.send_replace(());
        let id = self.next_client.fetch_add(1, Ordering::Relaxed);
        Attached::new(self.clone(), id)
    }

    /// Output from a position up to another one. After the end everything is returned: credit no longer limits it.
    pub(crate) fn at(&self, position: u64, until: u64) -> At {
        const MOST: u64 = 16 * 1024;
        let state = self.lock();
        if position < state.ring.start() {
            return At::Lost(state.ring.start());
        }
        if position == state.ring.end() {
            return state.ended.map_or(At::Nothing, |(exited, _)| At::End(exited));
        }
        let until = if state.ended.is_some() { u64::MAX } else { until };
        match until.saturating_sub(position).min(MOST) {
            0 => At::Nothing,
            most => At::Bytes(state.ring.read(position, most as usize)),
        }
    }

    /// Writes input as fast as the program reads it.
    pub(crate) async fn type_in(&self, bytes: &[u8]) -> io::Result<()> {
        self.input.lock().await.write_all(bytes).await
    }

    /// Resizes the terminal.
    pub(crate) fn resize(&self, rows: u16, cols: u16) -> Result<()> {
        let mut state = self.lock();
        let shoreline_protocol::pty::Size { rows, cols } =
            shoreline_protocol::pty::Size::clamped(cols, rows);
        let winsize = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
        if state.ended.is_some() || tcsetwinsize(&self.terminal, winsize).is_err() {
            return Err(ApiError::new(ServerCode::Conflict, "the terminal has ended"));
        }
        state.size = Size { rows, cols };
        Ok(())
    }

    pub(crate) fn info(&self) -> Info {
        let state = self.lock();
        Info {
            session_id: self.id.clone(),
            pid: self.pid,
            command: self.command.clone(),
            args: self.args.clone(),
            rows: state.size.rows,
            cols: state.size.cols,
            created_at: self.created_at,
            ended_at: state.ended.map(|(_, at)| at),
            exit_code: state.ended.and_then(|(exited, _)| exited.code),
            signal: state.ended.and_then(|(exited, _)| exited.signal),
            oom_killed: state.oom_killed,
            is_alive: state.ended.is_none(),
        }
    }
}
