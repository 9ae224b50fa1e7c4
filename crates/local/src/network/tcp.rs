//! TCP out of a sandbox. On a SYN, the server connects to the destination and answers the SYN only after that.
//! So a program sees the real result: a refusal, a timeout, or a connection.

use super::dial::{self, Refused};
use super::icmp::{Unreachable, unreachable};
use super::packet::{Packet, Transport, reset};
use super::stack::Stack;
use super::tun::Tun;
use super::{DNS, GATEWAY, Shared, dns};
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use smoltcp::socket::tcp::State;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// Rounds of copying and sending before other tasks get a turn.
const ROUNDS: usize = 16;
/// The pause if the stack asks to be polled again but has sent nothing.
const PAUSE: Duration = Duration::from_millis(1);

/// The connections of one sandbox, by their ends inside and outside.
#[derive(Default)]
pub(super) struct Connections(Mutex<HashMap<Ends, Arc<Connection>>>);

type Ends = (SocketAddr, SocketAddr);

#[derive(Default)]
struct Connection {
    /// `None` until the destination has accepted.
    stack: Mutex<Option<Stack>>,
    /// Wakes the task that carries it.
    carrier: AtomicWaker,
}

/// Takes a segment that comes out of a sandbox.
pub(super) fn take(shared: &Arc<Shared>, packet: &Packet<'_>) {
    let Transport::Tcp(segment) = &packet.transport else { return };
    let known = shared.connections.0.lock().get(&(packet.from, packet.to)).cloned();
    if let Some(connection) = known {
        // A SYN that is repeated before the destination has accepted changes nothing.
        if let Some(stack) = connection.stack.lock().as_mut() {
            stack.receive(packet.bytes, &shared.tun);
        }
        connection.carrier.wake();
    } else if segment.syn() && !segment.ack() {
        begin(shared, packet);
    } else if !segment.rst() {
        shared.tun.write(&reset(packet, segment));
    }
}

/// Connects to the destination of a SYN. Beyond the limit, the SYN is dropped, and the sandbox's kernel repeats it.
fn begin(shared: &Arc<Shared>, packet: &Packet<'_>) {
    let ends = (packet.from, packet.to);
    let connection = Arc::new(Connection::default());
    let Some(room) = shared.share.take() else { return };
    {
        let mut connections = shared.connections.0.lock();
        if connections.len() >= shared.share.connections {
            return;
        }
        connections.insert(ends, connection.clone());
    }
    let entry = Entry { shared: shared.clone(), ends, connection };
    let syn = packet.bytes.to_vec();
    shared.spawn(async move {
        let _room = room;
        let Entry { shared, connection, .. } = &entry;
        let refused = match connect(shared, ends.1).await {
            Ok(mut outside) => {
                let seed = crate::random::bytes().map_or(0, u64::from_ne_bytes);
                let Some(mut stack) = Stack::new(ends.1, seed) else { return };
                stack.receive(&syn, &shared.tun);
                *connection.stack.lock() = Some(stack);
                if carry(connection, &mut outside, &shared.tun).await.is_err() {
                    outside.reset();
                }
                return;
            }
            Err(refused) => refused,
        };
        let Some(packet) = Packet::parse(&syn) else { return };
        let Transport::Tcp(segment) = &packet.transport else { return };
        let answer = match refused {
            Refused::Reset => Some(reset(&packet, segment)),
            Refused::Unreachable(why) => unreachable(&packet, why),
            Refused::Silent => None,
        };
        // Before the answer, since a program can then use the same port again.
        entry.remove();
        answer.into_iter().for_each(|answer| shared.tun.write(&answer));
    });
}

/// Removes a connection from its sandbox when it is dropped.
struct Entry {
    shared: Arc<Shared>,
    ends: Ends,
    connection: Arc<Connection>,
}

impl Entry {
    /// Removes the entry, unless another connection with the same ends has replaced it.
    fn remove(&self) {
        let mut connections = self.shared.connections.0.lock();
        if connections.get(&self.ends).is_some_and(|other| Arc::ptr_eq(other, &self.connection)) {
            connections.remove(&self.ends);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.remove();
    }
}

async fn connect(shared: &Arc<Shared>, to: SocketAddr) -> Result<Outside, Refused> {
    if to.ip() == GATEWAY {
        return match to.port() {
            DNS => Ok(Outside::Dns(dns::stream(shared))),
            _ => Err(Refused::Reset),
        };
    }
    match shared.rules.permits(to.ip()) {
        true => dial::tcp(to).await.map(Outside::Tcp),
        false => Err(Refused::Unreachable(Unreachable::Forbidden)),
    }
}

/// The server's socket, or the DNS forwarder.
enum Outside {
    Tcp(TcpStream),
    Dns(DuplexStream),
}

impl Outside {
    /// Makes the destination see a reset instead of an end.
    fn reset(self) {
        if let Self::Tcp(stream) = self {
            let _ = stream.set_zero_linger();
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Dns(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Dns(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Dns(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The sides of a connection that have ended.
#[derive(Default)]
struct Ended {
    /// The sandbox has sent its FIN.
    inside: bool,
    /// All its data is written, and the destination has received the end.
    outward: bool,
    /// The destination has ended its side.
    inward: bool,
}

/// Carries bytes both ways until both sides have ended.
///
/// # Errors
/// Either side has reset the connection, which must be forwarded to the other one.
async fn carry(connection: &Connection, outside: &mut Outside, tun: &Tun) -> io::Result<()> {
    let mut timer = pin!(sleep(Duration::ZERO));
    let mut ended = Ended::default();
    poll_fn(|cx| {
        connection.carrier.register(cx.waker());
        let mut stack = connection.stack.lock();
        let Some(stack) = stack.as_mut() else { return Poll::Ready(Ok(())) };
        for _ in 0..ROUNDS {
            let moved = step(cx, stack, outside, &mut ended);
            if moved.is_err() {
                // Forwards a reset to the sandbox. After a reset by the sandbox, this does nothing.
                stack.socket().abort();
            }
            let sent = stack.transmit(tun);
            let moved = moved?;
            let is_over = matches!(stack.state(), State::Closed | State::TimeWait);
            if is_over && ended.outward && ended.inward {
                return Poll::Ready(Ok(()));
            }
            if !moved && !sent {
                ready!(wait(cx, timer.as_mut(), stack.delay()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Ready when the timer expires; never without a timer.
fn wait(cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>, delay: Option<Duration>) -> Poll<()> {
    let Some(delay) = delay else { return Poll::Pending };
    timer.as_mut().reset(Instant::now() + delay.max(PAUSE));
    timer.poll(cx)
}

/// Converts the result of a copy to smoltcp's: the number of consumed bytes of its buffer.
fn counted(copied: Poll<io::Result<usize>>) -> (usize, Poll<io::Result<usize>>) {
    let count = match &copied {
        Poll::Ready(Ok(count)) => *count,
        _ => 0,
    };
    (count, copied)
}

/// Copies the available bytes in each direction. Returns whether there were any.
fn step(
    cx: &mut Context<'_>,
    stack: &mut Stack,
    outside: &mut Outside,
    ended: &mut Ended,
) -> io::Result<bool> {
    let mut moved = false;
    let socket = stack.socket();
    ended.inside |= matches!(
        socket.state(),
        State::CloseWait | State::Closing | State::LastAck | State::TimeWait
    );
    while socket.can_recv() {
        let written = socket.recv(|bytes| counted(outside.poll_write(cx, bytes)));
        match written.map_err(io::Error::other)? {
            Poll::Ready(Ok(1..)) => moved = true,
            Poll::Ready(Err(error)) => return Err(error),
            _ => break,
        }
    }
    if ended.inside
        && !socket.can_recv()
        && !ended.outward
        && let Poll::Ready(done) = outside.poll_shutdown(cx)
    {
        done?;
        (ended.outward, moved) = (true, true);
    }
    while socket.can_send() && !ended.inward {
        let read = socket.send(|buffer| counted(outside.poll_read(cx, buffer)));
        let Poll::Ready(count) = read.map_err(io::Error::other)? else { break };
        if count? == 0 {
            ended.inward = true;
            socket.close();
        }
        moved = true;
    }
    // The last acknowledgement of both FINs closes it too.
    let is_reset = socket.state() == State::Closed && !(ended.inside && ended.inward);
    match is_reset {
        true => Err(io::ErrorKind::ConnectionReset.into()),
        false => Ok(moved),
    }
}
