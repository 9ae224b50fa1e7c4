//! UDP out of a sandbox. Each pair of ends has a socket that is connected to the destination, until the flow is
//! idle.

use super::Shared;
use super::dial::{self, Refused};
use super::icmp::{Unreachable, unreachable};
use super::packet::{Packet, Transport, udp};
use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// An idle flow ends after this time at the earliest, and after twice this time at the latest.
const IDLE: Duration = Duration::from_secs(60);
/// Bytes of the largest datagram.
const DATAGRAM: usize = 65_535;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; DATAGRAM]);
}

type Ends = (SocketAddr, SocketAddr);

/// The flows of one sandbox, by their ends inside and outside.
#[derive(Default)]
pub(super) struct Flows(Mutex<HashMap<Ends, Flow>>);

struct Flow {
    carrier: Arc<Carrier>,
    last: Instant,
}

struct Carrier {
    socket: UdpSocket,
    is_used: AtomicBool,
    /// Cancelled to end the flow in favor of another one.
    evicted: CancellationToken,
}

/// Takes a datagram that comes out of a sandbox.
pub(super) fn take(shared: &Arc<Shared>, packet: &Packet<'_>) {
    let Transport::Udp(payload) = packet.transport else { return };
    let ends = (packet.from, packet.to);
    let known = shared.flows.0.lock().get_mut(&ends).map(|flow| {
        flow.last = Instant::now();
        flow.carrier.clone()
    });
    let carrier = match known.map_or_else(|| begin(shared, ends), |carrier| Ok(Some(carrier))) {
        Ok(Some(carrier)) => carrier,
        Ok(None) => return,
        Err(why) => {
            unreachable(packet, why).into_iter().for_each(|answer| shared.tun.write(&answer));
            return;
        }
    };
    carrier.is_used.store(true, Ordering::Relaxed);
    // A datagram that the kernel has no room for is lost, as on any network.
    // Without a look at tokio's readiness, which a new socket does not have yet.
    let sent = || send(&carrier.socket, payload, SendFlags::empty());
    if sent() == Err(Errno::CONNREFUSED) {
        // The answer to an earlier datagram, which the kernel reports instead of sending this one (udp(7)).
        refused(shared, ends);
        let _ = sent();
    }
}

/// Reports to a program that no program listens on the destination.
fn refused(shared: &Shared, (inside, outside): Ends) {
    let answer = udp(inside, outside, &[]).and_then(|sent| {
        Packet::parse(&sent).and_then(|sent| unreachable(&sent, Unreachable::Port))
    });
    answer.into_iter().for_each(|answer| shared.tun.write(&answer));
}

/// Starts a flow; `None` beyond the limit.
fn begin(shared: &Arc<Shared>, ends: Ends) -> Result<Option<Arc<Carrier>>, Unreachable> {
    if ends.1.ip() == super::GATEWAY {
        return Err(Unreachable::Port);
    }
    if !shared.rules.permits(ends.1.ip()) {
        return Err(Unreachable::Forbidden);
    }
    {
        let mut flows = shared.flows.0.lock();
        if flows.len() >= shared.share.flows {
            let oldest = flows.iter().min_by_key(|(_, flow)| flow.last).map(|(ends, _)| *ends);
            if let Some(flow) = oldest.and_then(|oldest| flows.remove(&oldest)) {
                flow.carrier.evicted.cancel();
            }
        }
    }
    let Some(room) = shared.share.take() else { return Ok(None) };
    let socket = match dial::udp(ends.1) {
        Ok(socket) => socket,
        Err(Refused::Unreachable(why)) => return Err(why),
        Err(Refused::Reset) => return Err(Unreachable::Port),
        Err(Refused::Silent) => return Ok(None),
    };
    let Ok(socket) = UdpSocket::from_std(socket) else { return Ok(None) };
    let evicted = CancellationToken::new();
    let carrier = Arc::new(Carrier { socket, is_used: AtomicBool::new(true), evicted });
    let flow = Flow { carrier: carrier.clone(), last: Instant::now() };
    shared.flows.0.lock().insert(ends, flow);
    let entry = Entry { shared: shared.clone(), ends, carrier: carrier.clone() };
    shared.spawn(async move {
        let _room = room;
        tokio::select! {
            () = entry.carrier.evicted.cancelled() => {}
            () = answers(&entry) => {}
            () = until_idle(&entry) => {}
        }
    });
    Ok(Some(carrier))
}

struct Entry {
    shared: Arc<Shared>,
    ends: Ends,
    carrier: Arc<Carrier>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut flows = self.shared.flows.0.lock();
        // Another flow with the same ends may have taken its place.
        if flows.get(&self.ends).is_some_and(|flow| Arc::ptr_eq(&flow.carrier, &self.carrier)) {
            flows.remove(&self.ends);
        }
    }
}

async fn until_idle(entry: &Entry) {
    while entry.carrier.is_used.swap(false, Ordering::Relaxed) {
        entry.shared.clock.sleep(IDLE).await;
    }
}

/// Forwards datagrams from the destination.
async fn answers(entry: &Entry) {
    let Carrier { socket, is_used, .. } = &*entry.carrier;
    let (inside, outside) = entry.ends;
    while let Ok(ready) = socket.ready(Interest::READABLE | Interest::ERROR).await {
        if ready.is_error() {
            let error = || match socket.take_error()? {
                Some(error) => io::Result::<()>::Err(error),
                None => Err(io::ErrorKind::WouldBlock.into()),
            };
            if socket.try_io(Interest::ERROR, error).is_err_and(|error| is_refusal(&error)) {
                refused(&entry.shared, entry.ends);
            }
        }
        BUFFER.with_borrow_mut(|buffer| match socket.try_recv(buffer) {
            Ok(count) => {
                is_used.store(true, Ordering::Relaxed);
                let payload = buffer.get(..count).unwrap_or_default();
                let packet = udp(outside, inside, payload);
                packet.into_iter().for_each(|packet| entry.shared.tun.write(&packet));
            }
            Err(error) if is_refusal(&error) => refused(&entry.shared, entry.ends),
            Err(_) => {}
        });
    }
}

fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}
