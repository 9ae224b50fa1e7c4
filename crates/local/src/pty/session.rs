//! One terminal: its owner reads what the program writes, keeps the newest of it, and ends it.

use super::attached::Attached;
use super::brakes::Brakes;
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

/// How long nobody may be attached.
const UNATTENDED: Duration = Duration::from_secs(300);
/// Between SIGHUP and SIGKILL.
const HANG_UP: Duration = Duration::from_secs(5);
/// How long after the exit output may still come.
const LATE_OUTPUT: Duration = Duration::from_secs(1);

/// What the API makes session ids of.
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
    /// For its size, which must not wait for the input.
    terminal: OwnedFd,
    input: tokio::sync::Mutex<pipe::Sender>,
    state: Mutex<State>,
    pub(super) wake: watch::Sender<()>,
    /// Clients that are attached now.
    pub(super) attached: AtomicUsize,
    next_client: AtomicU64,
    killed: AtomicBool,
    kill: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    size: Size,
    pub(super) ring: Ring,
    pub(super) brakes: Brakes,
    /// Where the output was when the last client left, and when that was.
    pub(super) left: Option<(u64, Instant)>,
    /// A client was ready.
    pub(super) seen: bool,
    ended: Option<(Exited, u64)>,
    oom_killed: bool,
}

/// What an attached client finds at its position.
pub(crate) enum At {
    /// Bytes that come there.
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
                brakes: Brakes::new(Instant::now()),
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

    /// Reads output until the program has exited, and ends it when asked or unattended.
    async fn run(
        self: Arc<Self>,
        mut output: pipe::Receiver,
        leader: Leader,
        exited: oneshot::Receiver<Exited>,
        unit: Option<Unit>,
        clock: Clock,
    ) {
        let exited = self.until_exit(&mut output, exited, &clock).await;
        // The kernel hangs the terminal up when the leader of its session exits (setsid(2)). What ignores that, as
        // nohup does, lives on, unless the session was to end.
        leader.reap(self.was_killed()).await;
        // What the kernel still holds is little. Waiting for credit would hold up the exit.
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
                    // Nothing has the terminal open now; only the exit is due.
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
                // Somebody came or went, or has given credit.
                _ = watch.changed() => {}
                () = at(again) => {}
            }
        }
    }

    /// How many bytes may be read, and when to ask again if nothing else happens.
    fn room(&self, most: usize) -> (usize, Option<Instant>) {
        let mut state = self.lock();
        let end = state.ring.end();
        let (room, again) = state.brakes.room(end, Instant::now());
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

    /// Hangs up, and kills what does not care. Of one that has ended nothing is left to do.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        self.kill.notify_one();
    }

    /// Waits until it has ended.
    pub(crate) async fn wait(&self) {
        let mut watch = self.wake.subscribe();
        while self.is_alive() && watch.changed().await.is_ok() {}
    }

    /// Notified when there may be more.
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

    /// What is at a position, up to another one. After the end it is given whole: nothing is slowed any more.
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

    /// Types bytes, as fast as the program takes them.
    pub(crate) async fn type_in(&self, bytes: &[u8]) -> io::Result<()> {
        self.input.lock().await.write_all(bytes).await
    }

    /// Gives the terminal another size.
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
