//! The server's side of an agent.

use super::message::{Asked, Exited, FileRequest, How, Inbox, Request, Spawn, Told, encode, send};
use crate::error::{ApiError, Result};
use crate::limits::{Group, Unit};
use parking_lot::{Mutex, MutexGuard};
use rustix::fd::{AsFd as _, OwnedFd};
use shoreline_protocol::error::ServerCode;
use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a port may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// An agent that runs. Dropping it ends it and everything that it started.
#[derive(Debug)]
pub(crate) struct Agent {
    /// Nothing once it was closed: an ended sandbox is still listed, and must hold nothing open.
    socket: Mutex<Option<Arc<UnixStream>>>,
    ids: AtomicU64,
    /// One message at a time.
    sending: tokio::sync::Mutex<()>,
    waiting: Arc<Mutex<Waiting>>,
    child: tokio::sync::Mutex<Child>,
    /// Until it was closed.
    group: Mutex<Option<Group>>,
}

#[derive(Debug, Default)]
struct Waiting {
    answers: HashMap<u64, oneshot::Sender<Result<Spawned>>>,
    exits: HashMap<u32, oneshot::Sender<Exited>>,
    /// The agent is gone: there will be no answer.
    closed: bool,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: u32,
    /// Told when the leader has exited; an error when the agent is lost.
    pub(crate) exited: oneshot::Receiver<Exited>,
    /// A terminal's other side, or what was opened.
    pub(crate) file: Option<OwnedFd>,
    /// What holds a process.
    pub(crate) unit: Option<Unit>,
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock()
}

impl Agent {
    /// Starts an agent with `command`, for processes in `group`; `lost` is told when it ends.
    pub(crate) fn start(
        command: Command,
        group: Option<Group>,
        lost: oneshot::Sender<()>,
    ) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        let socket = Arc::new(UnixStream::from_std(ours)?);
        let waiting = Arc::default();
        tokio::spawn(listen(socket.clone(), Arc::clone(&waiting), lost));
        Ok(Self {
            socket: Mutex::new(Some(socket)),
            ids: AtomicU64::new(0),
            sending: tokio::sync::Mutex::default(),
            waiting,
            child: tokio::sync::Mutex::new(child),
            group: Mutex::new(group),
        })
    }

    /// Starts a process; `files` are its stdin, stdout and stderr, as far as it has them.
    pub(crate) async fn spawn(&self, mut spawn: Spawn, mut files: Vec<OwnedFd>) -> Result<Spawned> {
        let unit = lock(&self.group).as_ref().map(Group::unit).transpose();
        let unit = unit.map_err(|e| ApiError::internal(&e))?.map(|(unit, ways)| {
            files.extend(ways);
            unit
        });
        spawn.group = unit.is_some();
        Ok(Spawned { unit, ..self.ask(Request::Spawn(spawn), files).await? })
    }

    /// Does something with a path; what was opened comes back.
    pub(crate) async fn file(&self, path: &str, how: How) -> Result<Option<OwnedFd>> {
        let request = FileRequest { path: path.to_owned(), how };
        Ok(self.ask(Request::File(request), Vec::new()).await?.file)
    }

    /// Stops every process of the sandbox.
    pub(crate) async fn freeze(&self) -> Result<()> {
        self.ask(Request::Freeze, Vec::new()).await.map(drop)
    }

    /// Lets every process of the sandbox go on.
    pub(crate) async fn thaw(&self) -> Result<()> {
        self.ask(Request::Thaw, Vec::new()).await.map(drop)
    }

    /// A connection to a port of the sandbox's loopback.
    pub(crate) async fn connect(&self, port: u16) -> Result<TcpStream> {
        let socket = self.ask(Request::Socket, Vec::new()).await?.file;
        let socket =
            socket.ok_or_else(|| ApiError::internal(&io::Error::other("no socket came")))?;
        let socket = TcpSocket::from_std_stream(socket.into());
        let connected = timeout(CONNECT, socket.connect((Ipv4Addr::LOCALHOST, port).into())).await;
        match connected {
            Ok(Ok(stream)) => Ok(stream),
            _ => Err(ApiError::new(
                ServerCode::ConnectionRefused,
                format!("nothing listens on port {port} of the sandbox"),
            )),
        }
    }

    /// Signals a process that has not been reaped, or its group.
    pub(crate) async fn signal(&self, pid: u32, signal: i32, group: bool) -> Result<()> {
        self.ask(Request::Signal { pid, signal, group }, Vec::new()).await.map(drop)
    }

    /// Kills what is left of a group whose leader has exited, and reaps it.
    pub(crate) async fn reap(&self, pid: u32) -> Result<()> {
        self.ask(Request::Reap { pid }, Vec::new()).await.map(drop)
    }

    async fn ask(&self, request: Request, files: Vec<OwnedFd>) -> Result<Spawned> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            if waiting.closed {
                return Err(lost());
            }
            waiting.answers.insert(id, sender);
        }
        let bytes =
            encode(&Asked { id, request }, files.len()).map_err(|e| ApiError::internal(&e))?;
        self.send(&bytes, &files).await.map_err(|_| lost())?;
        drop(files);
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    async fn send(&self, mut bytes: &[u8], files: &[OwnedFd]) -> io::Result<()> {
        let _turn = self.sending.lock().await;
        let socket = lock(&self.socket).clone().ok_or(io::ErrorKind::NotConnected)?;
        let mut files: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        while !bytes.is_empty() {
            socket.writable().await?;
            let sent = socket.try_io(Interest::WRITABLE, || Ok(send(&*socket, bytes, &files)?));
            match sent {
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    files.clear();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends it and everything in the sandbox; done when that is so.
    pub(crate) async fn close(&self) {
        if let Some(socket) = lock(&self.socket).take() {
            let _ = rustix::net::shutdown(&*socket, rustix::net::Shutdown::Both);
        }
        let mut child = self.child.lock().await;
        if timeout(Duration::from_secs(5), child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
        drop(lock(&self.group).take());
    }
}

/// Hands out what the agent says until it ends.
async fn listen(socket: Arc<UnixStream>, waiting: Arc<Mutex<Waiting>>, lost: oneshot::Sender<()>) {
    let mut inbox = Inbox::default();
    loop {
        let received = async {
            socket.readable().await?;
            socket.try_io(Interest::READABLE, || inbox.receive(&*socket))
        };
        match received.await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        if hand_out(&mut inbox, &waiting).is_err() {
            break;
        }
    }
    // Whoever waits is told by the end of its channel.
    *lock(&waiting) = Waiting { closed: true, ..Waiting::default() };
    let _ = lost.send(());
}

fn hand_out(inbox: &mut Inbox, waiting: &Mutex<Waiting>) -> io::Result<()> {
    while let Some((told, files)) = inbox.next::<Told>()? {
        let mut waiting = lock(waiting);
        match told {
            Told::Exited { pid, exited } => {
                if let Some(sender) = waiting.exits.remove(&pid) {
                    let _ = sender.send(exited);
                }
            }
            Told::Answer { id, result } => {
                let Some(sender) = waiting.answers.remove(&id) else { continue };
                let result = result.map_err(|refusal| {
                    let code = ServerCode::ALL.iter().find(|code| code.as_str() == refusal.code);
                    ApiError::new(*code.unwrap_or(&ServerCode::InternalError), refusal.text)
                });
                let _ = sender.send(result.map(|pid| {
                    let (exit, exited) = oneshot::channel();
                    if pid != 0 {
                        waiting.exits.insert(pid, exit);
                    }
                    Spawned { pid, exited, file: files.into_iter().next(), unit: None }
                }));
            }
        }
    }
    Ok(())
}

fn lost() -> ApiError {
    ApiError::new(ServerCode::SandboxNotRunning, "the sandbox has ended")
}
