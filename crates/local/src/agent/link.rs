//! The server's end of the link to an agent. One task owns the socket. Callers queue requests and wait for
//! the answer or the deadline, so a cancelled caller can neither truncate a message nor lose an answer.

use super::holders::{COMMAND_CHARS, HOLDERS};
use super::message::{
    AgentMessage, Asked, Exited, From, Holder, Packet, Refusal, Request, Usage, Used, pair, receive,
};
use crate::clock::at;
use crate::error::{ApiError, Result};
use rustix::fd::OwnedFd;
use shoreline_protocol::error::ServerCode;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc::{
    UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The time limit for an answer. An agent never blocks for long, so one that does not answer was stopped.
const ANSWER: Duration = Duration::from_secs(10);

/// An entry in the queue of a link. Without a `reply`, no caller waits for the answer.
#[derive(Debug)]
struct Question {
    request: Request,
    files: Vec<OwnedFd>,
    reply: Option<oneshot::Sender<Result<Answer>>>,
}

/// The answer of an agent.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) started: Option<Started>,
    /// The opened file.
    pub(super) file: Option<OwnedFd>,
    /// The found holders of pipes.
    pub(super) holders: Vec<Holder>,
    pub(super) usage: Usage,
}

/// A started process.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) leader: Leader,
    pub(super) exited: oneshot::Receiver<Exited>,
    pub(super) emptied: oneshot::Receiver<()>,
}

/// Sends requests to an agent.
#[derive(Clone, Debug)]
pub(super) struct Link(UnboundedSender<Question>);

impl Link {
    /// Starts the task that owns the server's end; returns the agent's end too. `lost` drops its sender
    /// when the link ends.
    pub(super) fn open() -> io::Result<(Self, OwnedFd, oneshot::Receiver<()>)> {
        let (ours, theirs) = pair()?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let (queue, questions) = unbounded_channel();
        let (alive, lost) = oneshot::channel();
        let owner = Owner {
            socket: UnixStream::from_std(ours.into())?,
            queue: queue.downgrade(),
            pending: BTreeMap::new(),
            unsent: VecDeque::new(),
            exits: HashMap::new(),
            groups: HashMap::new(),
            next: 0,
        };
        tokio::spawn(async move {
            // Dropped with the task, which notifies every waiter.
            let _alive = alive;
            if let Err(error) = owner.run(questions).await {
                eprintln!("shoreline-local: an agent was cut off: {error}");
            }
        });
        Ok((Self(queue), theirs, lost))
    }

    pub(super) async fn ask(&self, request: Request, files: Vec<OwnedFd>) -> Result<Answer> {
        self.queue(request, files).await
    }

    /// Queues a request before this returns. The returned future waits for the answer.
    pub(super) fn queue(
        &self,
        request: Request,
        files: Vec<OwnedFd>,
    ) -> impl Future<Output = Result<Answer>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let question = Question { request, files, reply: Some(reply) };
        let sent = self.0.send(question);
        async move {
            sent.map_err(|_| lost())?;
            answer.await.unwrap_or_else(|_| Err(lost()))
        }
    }
}

impl Link {
    /// Returns once the agent is lost.
    pub(super) async fn lost(&self) {
        self.0.closed().await;
    }
}

/// A started process that is not reaped. Dropping it kills its group and reaps it, so that no process outlives
/// a cancelled start.
#[derive(Debug)]
pub(crate) struct Leader {
    pid: u32,
    link: Option<Link>,
}

impl Leader {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Queues a request to reap the exited leader before this returns. The future resolves when the leader is reaped or the
    /// agent is lost. With `kill`, the rest of the group is killed first. Otherwise the rest can no longer be
    /// signalled as a group.
    pub(crate) fn reap(mut self, kill: bool) -> impl Future<Output = ()> + Send + use<> {
        let request = Request::Reap { pid: self.pid, kill };
        let reaped = self.link.take().map(|link| link.queue(request, Vec::new()));
        async move {
            if let Some(reaped) = reaped {
                let _ = reaped.await;
            }
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if let Some(Link(queue)) = self.link.take() {
            let request = Request::Reap { pid: self.pid, kill: true };
            let _ = queue.send(Question { request, files: Vec::new(), reply: None });
        }
    }
}

/// A request without an answer yet.
struct Pending {
    reply: Option<oneshot::Sender<Result<Answer>>>,
    deadline: Instant,
    /// The encoded request, until it is sent.
    packet: Option<Packet>,
}

struct Owner {
    /// A SEQPACKET socket, which tokio only polls for readiness.
    socket: UnixStream,
    queue: WeakUnboundedSender<Question>,
    /// By id. Ids ascend, so the first one has the earliest deadline.
    pending: BTreeMap<u64, Pending>,
    unsent: VecDeque<u64>,
    /// The waiters for exits and for the ends of process groups.
    exits: HashMap<u32, oneshot::Sender<Exited>>,
    groups: HashMap<u32, oneshot::Sender<()>>,
    next: u64,
}

impl Owner {
    async fn run(mut self, mut questions: UnboundedReceiver<Question>) -> io::Result<()> {
        loop {
            let interest = match self.unsent.is_empty() {
                true => Interest::READABLE,
                false => Interest::READABLE | Interest::WRITABLE,
            };
            let deadline = self.waiting().next().map(|(_, deadline)| deadline);
            tokio::select! {
                question = questions.recv() => match question {
                    Some(question) => self.accept(question),
                    None => return Ok(()),
                },
                ready = self.socket.ready(interest) => {
                    let ready = ready?;
                    if ready.is_writable() {
                        self.send_first();
                    }
                    if ready.is_readable() || ready.is_read_closed() {
                        let socket = &self.socket;
                        let received =
                            socket.try_io(Interest::READABLE, || receive(socket, From::Agent));
                        match received {
                            Ok(Some((message, files))) => self.dispatch(message, files),
                            Ok(None) => return Ok(()),
                            Err(error) => match error.kind() {
                                // The kernel reports a reset once if the agent left requests unread.
                                // Packets that the agent sent follow.
                                io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionReset => {}
                                _ => return Err(error),
                            },
                        }
                    }
                }
                () = at(deadline) => self.expire(),
            }
        }
    }

    /// Requests with a waiting caller, with their deadlines, the earliest first.
    fn waiting(&self) -> impl Iterator<Item = (u64, Instant)> {
        self.pending
            .iter()
            .filter(|(_, pending)| pending.reply.is_some())
            .map(|(id, pending)| (*id, pending.deadline))
    }

    fn accept(&mut self, Question { request, files, reply }: Question) {
        if reply.as_ref().is_some_and(oneshot::Sender::is_closed) {
            return;
        }
        let id = self.next;
        self.next += 1;
        match Packet::new(&Asked { id, request }, files) {
            Ok(packet) => {
                let deadline = Instant::now() + ANSWER;
                self.pending.insert(id, Pending { reply, deadline, packet: Some(packet) });
                self.unsent.push_back(id);
            }
            Err(error) => {
                if let Some(reply) = reply {
                    let _ = reply.send(Err(ApiError::internal(&error)));
                }
            }
        }
    }

    /// Sends the first unsent request, unless its caller is gone.
    fn send_first(&mut self) {
        let Some(id) = self.unsent.front().copied() else { return };
        let sent = match self.pending.get_mut(&id) {
            Some(Pending { packet: Some(packet), reply, .. })
                if reply.as_ref().is_none_or(|reply| !reply.is_closed()) =>
            {
                self.socket.try_io(Interest::WRITABLE, || packet.send(&self.socket))
            }
            _ => Err(io::ErrorKind::Interrupted.into()),
        };
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                if let Some(Pending { reply: Some(reply), .. }) = self.pending.remove(&id) {
                    let _ = reply.send(Err(match error.kind() {
                        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => lost(),
                        _ => ApiError::internal(&error),
                    }));
                }
            }
            // The files that it carried are the agent's now.
            Ok(()) => {
                if let Some(pending) = self.pending.get_mut(&id) {
                    pending.packet = None;
                }
            }
        }
        self.unsent.pop_front();
    }

    fn dispatch(&mut self, message: AgentMessage, files: Vec<OwnedFd>) {
        match message {
            AgentMessage::Exited { pid, exited } => {
                if let Some(sender) = self.exits.remove(&pid) {
                    let _ = sender.send(exited);
                }
            }
            AgentMessage::Emptied { pid } => {
                if let Some(sender) = self.groups.remove(&pid) {
                    let _ = sender.send(());
                }
            }
            AgentMessage::Answer { id, result } => {
                let answer = result.map_err(refused).map(|pid| self.answer(pid, files));
                // Without a waiting caller, dropping the answer reaps the started process.
                self.reply(id, answer);
            }
            AgentMessage::Holders { id, mut holders } => {
                let fits = |holder: &Holder| holder.command.chars().count() <= COMMAND_CHARS;
                holders.truncate(HOLDERS);
                holders.retain(fits);
                self.reply(id, Ok(Answer { holders, ..Answer::default() }));
            }
            // A packet bounds the number of processes.
            AgentMessage::Usage { id, mut usage } => {
                let fits = |used: &Used| used.command.chars().count() <= COMMAND_CHARS;
                usage.processes.retain(fits);
                self.reply(id, Ok(Answer { usage, ..Answer::default() }));
            }
        }
    }

    fn reply(&mut self, id: u64, answer: Result<Answer>) {
        if let Some(reply) = self.pending.remove(&id).and_then(|pending| pending.reply) {
            let _ = reply.send(answer);
        }
    }

    fn answer(&mut self, pid: u32, files: Vec<OwnedFd>) -> Answer {
        let file = files.into_iter().next();
        if pid == 0 {
            return Answer { file, ..Answer::default() };
        }
        let (exit, exited) = oneshot::channel();
        self.exits.retain(|_, exit| !exit.is_closed());
        self.exits.insert(pid, exit);
        let (empty, emptied) = oneshot::channel();
        self.groups.retain(|_, empty| !empty.is_closed());
        self.groups.insert(pid, empty);
        let leader = Leader { pid, link: self.queue.upgrade().map(Link) };
        Answer { started: Some(Started { leader, exited, emptied }), file, ..Answer::default() }
    }

    /// Fails requests whose deadline has passed. An unsent request is never sent.
    fn expire(&mut self) {
        let now = Instant::now();
        let late: Vec<u64> =
            self.waiting().take_while(|(_, deadline)| *deadline <= now).map(|(id, _)| id).collect();
        for id in late {
            if let Some(Pending { reply: Some(reply), .. }) = self.pending.remove(&id) {
                let text = "the sandbox does not answer: something in it has stopped its agent";
                let _ = reply.send(Err(ApiError::new(ServerCode::SandboxNotRunning, text)));
            }
        }
        self.unsent.retain(|id| self.pending.contains_key(id));
    }
}

/// The error in a refusal's JSON.
pub(crate) fn refusal(json: &[u8]) -> Option<ApiError> {
    serde_json::from_slice(json).ok().map(refused)
}

fn refused(Refusal { code, text }: Refusal) -> ApiError {
    let code = ServerCode::ALL.iter().find(|known| known.as_str() == code);
    ApiError::new(*code.unwrap_or(&ServerCode::InternalError), text)
}

fn lost() -> ApiError {
    ApiError::new(ServerCode::SandboxNotRunning, "the sandbox has ended")
}
