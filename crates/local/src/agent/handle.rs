//! The server's side of an agent: a handle that sends requests, and the agent's process, which the server can end without
//! an answer of the agent.

use super::fs::{Operation, Search};
use super::link::{Answer, Leader, Link, Started};
use super::message::{
    AgentMessage, Asked, Exited, FileRequest, From, Holder, How, Packet, Request, Spawn, Usage,
    pair, receive,
};
use super::network::clone_device;
use super::{Agents, tree};
use crate::error::{ApiError, Result};
use crate::limits::{Group, Unit};
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use shoreline_protocol::error::ServerCode;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, ChildStderr};
use tokio::sync::{Notify, OwnedRwLockWriteGuard, RwLock, RwLockReadGuard, oneshot};
use tokio::time::timeout;

/// The time limit for connecting to a port.
const CONNECT: Duration = Duration::from_secs(10);
/// The time limit for processes to die of SIGKILL, after which the agent is killed.
const KILL: Duration = Duration::from_secs(1);
/// The time limit for the agent to die of SIGKILL.
const REAP: Duration = Duration::from_secs(2);

/// The most bytes of an agent's standard error that are reported.
const ERROR_BYTES: u64 = 4096;

/// Sends requests to the agent of one sandbox.
#[derive(Debug)]
pub(crate) struct Agent {
    link: Link,
    group: Option<Arc<Group>>,
    /// Variables of every process, unless its request sets them. The agent itself does not have them, since its variables
    /// affect bubblewrap, outside of the sandbox.
    env: BTreeMap<String, String>,
    /// The uid of the sandbox, if it is not the server's.
    uid: Option<u32>,
    /// Locked shared by each start of a process, and exclusively while the control group is frozen. During a start the
    /// agent is in the group of the process, where it would be frozen too.
    starts: Arc<RwLock<()>>,
    frozen: Mutex<Option<OwnedRwLockWriteGuard<()>>>,
    /// Notified by a start that waits for the sandbox to be resumed.
    waiting: Notify,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) leader: Leader,
    /// Resolves with the exit of the leader; an error if the agent is lost.
    pub(crate) exited: oneshot::Receiver<Exited>,
    /// Resolves when the process group of an exited leader is empty, if it was not empty at the exit.
    pub(crate) emptied: oneshot::Receiver<()>,
    /// The server's end of the process's terminal.
    pub(crate) terminal: Option<OwnedFd>,
    /// The control group of the process.
    pub(crate) unit: Option<Unit>,
}

/// The agent's process, owned by the sandbox's lifecycle. Dropping this kills the agent.
#[derive(Debug)]
pub(crate) struct Host {
    child: Child,
    /// Whether `child` is a bubblewrap, whose only child is the agent.
    wrapped: bool,
    agents: Arc<Agents>,
    group: Option<Arc<Group>>,
}

impl Agent {
    /// Starts an agent with `command`, for processes in `group` with the variables `env`. With `wrapped`, the command is
    /// bubblewrap. Blocks. The receiver resolves when the agent is lost.
    pub(crate) fn start(
        command: Command,
        group: Option<Group>,
        agents: Arc<Agents>,
        wrapped: bool,
        uid: Option<u32>,
        env: BTreeMap<String, String>,
    ) -> io::Result<(Self, Host, oneshot::Receiver<()>)> {
        let (link, theirs, lost) = Link::open()?;
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true).stdin(Stdio::from(theirs));
        // Through a pipe, since a process that obtains the agent's descriptors could open the server's file again.
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = agents.start(&mut command)?;
        if let Some(errors) = child.stderr.take() {
            tokio::spawn(report_errors(errors));
        }
        let group = group.map(Arc::new);
        let host = Host { child, wrapped, agents, group: group.clone() };
        let agent = Self {
            link,
            group,
            env,
            uid,
            starts: Arc::default(),
            frozen: Mutex::default(),
            waiting: Notify::new(),
        };
        Ok((agent, host, lost))
    }

    /// Requests the TUN device of the sandbox's network. This must be the first request.
    pub(crate) fn network(
        &self,
    ) -> io::Result<impl Future<Output = io::Result<OwnedFd>> + Send + use<>> {
        let answer = self.link.queue(Request::Network, vec![clone_device()?]);
        Ok(async {
            let answer = answer.await.map_err(|error| io::Error::other(error.text().to_owned()))?;
            answer.file.ok_or_else(|| io::Error::other("the agent passed on no TUN device"))
        })
    }

    /// Starts a process. `files` are stdin, stdout and stderr, without those that are empty.
    pub(crate) async fn spawn(&self, mut spawn: Spawn, mut files: Vec<OwnedFd>) -> Result<Spawned> {
        // A process that opens /dev/stdout opens the pipe again, which only the owner of the pipe can do.
        for file in self.uid.map(|_| &files).into_iter().flatten() {
            std::os::unix::fs::fchown(file, self.uid, self.uid)
                .map_err(|e| ApiError::internal(&e))?;
        }
        let unit = self.group.as_ref().map(|group| group.unit()).transpose();
        let unit = unit.map_err(|e| ApiError::internal(&e))?.map(|(unit, ways)| {
            files.extend(ways);
            unit
        });
        spawn.group = unit.is_some();
        for (name, value) in &self.env {
            spawn.env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let _start = self.start_under_way().await?;
        let Answer { started, file, .. } = self.link.ask(Request::Spawn(spawn), files).await?;
        let Started { leader, exited, emptied } =
            started.ok_or_else(|| unexpected("no process was started"))?;
        Ok(Spawned { leader, exited, emptied, terminal: file, unit })
    }

    /// The guard under which a process is started. Asks for the resumption of a frozen sandbox, and waits for it.
    async fn start_under_way(&self) -> Result<RwLockReadGuard<'_, ()>> {
        if let Ok(start) = self.starts.try_read() {
            return Ok(start);
        }
        self.waiting.notify_one();
        self.unfrozen().await
    }

    /// Returns when a start waits for the sandbox to be resumed.
    pub(crate) async fn wanted(&self) {
        self.waiting.notified().await;
    }

    /// Waits while the sandbox is frozen, without asking for its resumption. The guard keeps the sandbox unfrozen.
    pub(crate) async fn unfrozen(&self) -> Result<RwLockReadGuard<'_, ()>> {
        tokio::select! {
            start = self.starts.read() => Ok(start),
            () = self.link.lost() => Err(ApiError::not_running()),
        }
    }

    /// Performs an operation on a path. Returns the opened file, if any. With `errno`, the code of an error is the name of
    /// the error number.
    pub(crate) async fn file(&self, path: &str, how: How, errno: bool) -> Result<Option<OwnedFd>> {
        let request = FileRequest { path: path.to_owned(), how, errno };
        Ok(self.link.ask(Request::File(request), Vec::new()).await?.file)
    }

    /// Begins an operation on files, which writes its result to `pipe`.
    pub(crate) async fn operate(&self, operation: Operation, pipe: OwnedFd) -> Result<()> {
        self.link.ask(Request::Operate(operation), vec![pipe]).await.map(drop)
    }

    /// Begins a watch on files, which writes changes to `pipe`.
    pub(crate) async fn watch(&self, path: String, recursive: bool, pipe: OwnedFd) -> Result<()> {
        self.link.ask(Request::Watch { path, recursive }, vec![pipe]).await.map(drop)
    }

    /// Begins a search, which writes results to `pipe`.
    pub(crate) async fn search(&self, search: Search, pipe: OwnedFd) -> Result<()> {
        self.link.ask(Request::Search(search), vec![pipe]).await.map(drop)
    }

    /// Stops every process of the sandbox.
    pub(crate) async fn freeze(&self) -> Result<()> {
        if let Some(group) = &self.group {
            let no_starts = self.starts.clone().write_owned().await;
            if group.freeze().await.is_ok() {
                *self.frozen.lock() = Some(no_starts);
                return Ok(());
            }
        }
        self.link.ask(Request::Freeze, Vec::new()).await.map(drop)
    }

    /// Continues every process of the sandbox.
    pub(crate) async fn thaw(&self) -> Result<()> {
        if let Some(group) = &self.group
            && group.thaw().map_err(|e| ApiError::internal(&e))?
        {
            self.frozen.lock().take();
            return Ok(());
        }
        self.link.ask(Request::Thaw, Vec::new()).await.map(drop)
    }

    /// Connects to a port of the sandbox's loopback, by IPv4 first and then by IPv6.
    pub(crate) async fn connect(&self, port: u16) -> Result<TcpStream> {
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let request = Request::Socket { v6: address.is_ipv6() };
            let answer = match self.link.ask(request, Vec::new()).await {
                // Not every machine has IPv6.
                Err(_) if address.is_ipv6() => break,
                answer => answer?,
            };
            let socket = answer.file.ok_or_else(|| unexpected("no socket was opened"))?;
            let socket = TcpSocket::from_std_stream(socket.into());
            let connected = timeout(CONNECT, socket.connect((address, port).into())).await;
            if let Ok(Ok(stream)) = connected {
                return Ok(stream);
            }
        }
        Err(ApiError::new(
            ServerCode::ConnectionRefused,
            format!("nothing listens on port {port} of the sandbox"),
        ))
    }

    /// The processes that hold these pipes open for writing; the pipes are named by inode. The list can be incomplete if
    /// there are many.
    pub(crate) async fn holders(&self, pipes: Vec<u64>) -> Result<Vec<Holder>> {
        Ok(self.link.ask(Request::Holders { pipes }, Vec::new()).await?.holders)
    }

    /// Measures the resource usage of the sandbox's processes.
    pub(crate) async fn usage(&self) -> Result<Usage> {
        Ok(self.link.ask(Request::Usage, Vec::new()).await?.usage)
    }

    /// Returns once the agent is lost.
    pub(crate) async fn lost(&self) {
        self.link.lost().await;
    }

    /// Signals a process that is not reaped, or its group.
    pub(crate) async fn signal(&self, pid: u32, signal: i32, group: bool) -> Result<()> {
        self.link.ask(Request::Signal { pid, signal, group }, Vec::new()).await.map(drop)
    }
}

/// Writes the first lines of an agent's errors to the server's own, and drops the rest.
async fn report_errors(mut errors: ChildStderr) {
    let mut lines = BufReader::new((&mut errors).take(ERROR_BYTES)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        eprintln!("shoreline-local: agent: {}", line.escape_debug());
    }
    // A full pipe would stop the agent, and a closed one would kill it.
    let _ = tokio::io::copy(&mut errors, &mut tokio::io::sink()).await;
}

/// Starts an agent and ends it, to see whether that works here. Blocks.
pub(crate) fn try_out(mut command: Command, network: bool) -> io::Result<()> {
    let (ours, theirs) = pair()?;
    if network {
        let asked = Asked { id: 0, request: Request::Network };
        Packet::new(&asked, vec![clone_device()?])?.send(&ours)?;
    }
    command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn()?;
    // Also closes this process's copy of the agent's end.
    drop(command);
    let refusal = match network.then(|| receive::<AgentMessage>(&ours, From::Agent)) {
        Some(Ok(Some((AgentMessage::Answer { result: Err(refusal), .. }, _)))) => {
            Some(refusal.text)
        }
        _ => None,
    };
    // The agent ends with its socket, and without an error.
    drop(ours);
    let done = child.wait_with_output()?;
    match refusal {
        None if done.status.success() => Ok(()),
        None => Err(io::Error::other(String::from_utf8_lossy(&done.stderr).trim().to_owned())),
        Some(text) => Err(io::Error::other(text)),
    }
}

fn unexpected(what: &str) -> ApiError {
    ApiError::internal(&io::Error::other(format!("the agent's answer is wrong: {what}")))
}

impl Host {
    /// Kills every process of the sandbox but its agent, which still reports their exits.
    pub(crate) async fn kill_processes(&self) {
        if let Some(group) = &self.group {
            group.kill();
        }
        let Some(root) = self.child.id() else { return };
        let wrapped = self.wrapped;
        let kill = move || {
            let agent = if wrapped { tree::children(root).first().copied() } else { None };
            tree::kill_below(root, agent, KILL)
        };
        let _ = tokio::task::spawn_blocking(kill).await;
    }

    /// Kills the agent and with it the sandbox. Returns when no process of the sandbox runs.
    ///
    /// # Errors
    /// A process has not ended in time: no signal interrupts a wait for a device.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        let pid = self.child.id();
        // SIGKILL to the init of a namespace ends every process in it (pid_namespaces(7)).
        if self.wrapped
            && let Some(root) = pid
        {
            let kill = move || tree::kill_below(root, None, KILL);
            let _ = tokio::task::spawn_blocking(kill).await;
        }
        let _ = self.child.start_kill();
        let reaped = timeout(REAP, self.child.wait()).await.map_err(|_| io::ErrorKind::TimedOut)?;
        reaped?;
        let agents = self.agents.clone();
        let _ = tokio::task::spawn_blocking(move || agents.kill_orphans(pid)).await;
        if let Some(group) = &self.group {
            group.kill();
            group.remove();
        }
        Ok(())
    }
}
