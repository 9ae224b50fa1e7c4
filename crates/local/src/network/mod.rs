//! The network of a sandbox: its own loopback and ports, and a TUN device. The agent makes the TUN
//! device in the sandbox's network namespace. The server terminates the TCP connections and UDP flows that come out of
//! it, checks each against the rules, and forwards it by sockets of its own.

mod budget;
mod dial;
mod dns;
mod icmp;
mod names;
mod packet;
mod policy;
mod stack;
mod tcp;
mod tun;
mod udp;

pub(crate) use budget::Budget;
pub(crate) use policy::Policy;

use crate::clock::Clock;
use budget::Share;
use names::Names;
use packet::{Packet, Transport};
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tun::Tun;

/// Bytes of a packet. Packets never leave this machine, so the largest are the most efficient.
pub(crate) const MTU: u32 = 65_520;
/// The address of the DNS forwarder. 192.0.2.0/24 is for documentation (RFC 5737), so no host has such an address.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The addresses of a sandbox. A unique local one (RFC 4193) makes programs prefer IPv4.
pub(crate) const ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfd73, 0x686f, 0x7265, 0, 0, 0, 0, 2)),
];

const DNS: u16 = 53;
/// Packets that are taken before other tasks get a turn.
const TURN: usize = 64;

/// The server's side of one sandbox's network. Dropping it ends every connection.
#[derive(Debug)]
pub(crate) struct Network {
    rules: Arc<Rules>,
    budget: Budget,
    clock: Clock,
    tasks: TaskTracker,
    ending: CancellationToken,
}

/// The rules of a sandbox's network.
#[derive(Debug)]
struct Rules {
    policy: Mutex<Arc<Policy>>,
    names: Mutex<Names>,
}

impl Rules {
    fn permits(&self, address: IpAddr) -> bool {
        let policy = self.policy.lock().clone();
        policy.permits(address, |address| self.names.lock().of(address))
    }

    fn resolves(&self, name: &str) -> bool {
        self.policy.lock().resolves(name)
    }
}

/// The state that the tasks of one sandbox's network share.
struct Shared {
    tun: Tun,
    rules: Arc<Rules>,
    share: Share,
    clock: Clock,
    connections: tcp::Connections,
    flows: udp::Flows,
    tasks: TaskTracker,
    ending: CancellationToken,
}

impl Network {
    pub(crate) fn new(policy: Policy, clock: Clock, budget: Budget) -> Self {
        let rules = Rules { policy: Mutex::new(Arc::new(policy)), names: Mutex::default() };
        let (tasks, ending) = (TaskTracker::new(), CancellationToken::new());
        Self { rules: Arc::new(rules), budget, clock, tasks, ending }
    }

    /// Forwards the packets of a sandbox's TUN device, once its agent has sent the device.
    pub(crate) fn carry(
        &self,
        tun: impl Future<Output = io::Result<OwnedFd>> + Send + 'static,
        id: String,
    ) {
        let (rules, clock) = (self.rules.clone(), self.clock.clone());
        let (tasks, ending) = (self.tasks.clone(), self.ending.clone());
        let share = self.budget.share();
        let carry = async move {
            let shared = Shared {
                tun: Tun::new(tun.await?)?,
                rules,
                share,
                clock,
                connections: tcp::Connections::default(),
                flows: udp::Flows::default(),
                tasks,
                ending,
            };
            Arc::new(shared).run().await;
            io::Result::Ok(())
        };
        let ending = self.ending.clone();
        self.tasks.spawn(async move {
            if let Some(Err(error)) = ending.run_until_cancelled(carry).await {
                eprintln!("shoreline-local: sandbox {id} has no network: {error}");
            }
        });
    }

    /// Replaces the rules for new connections.
    pub(crate) fn set_policy(&self, policy: Policy) {
        *self.rules.policy.lock() = Arc::new(policy);
    }

    /// Ends every connection; returns when no task is left.
    pub(crate) async fn close(&self) {
        self.ending.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.ending.cancel();
    }
}

impl Shared {
    async fn run(self: Arc<Self>) {
        let mut buffer = vec![0; MTU as usize];
        loop {
            for _ in 0..TURN {
                // The device ends with the namespace, and the namespace with the sandbox.
                let Ok(length) = self.tun.read(&mut buffer).await else { return };
                if let Some(packet) = buffer.get(..length).and_then(Packet::parse) {
                    self.take(&packet);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn take(self: &Arc<Self>, packet: &Packet<'_>) {
        if !ADDRESSES.contains(&packet.from.ip()) {
            return;
        }
        match packet.transport {
            Transport::Tcp(_) => tcp::take(self, packet),
            Transport::Udp(_) if packet.to == SocketAddr::new(GATEWAY.into(), DNS) => {
                dns::take(self, packet);
            }
            Transport::Udp(_) => udp::take(self, packet),
        }
    }

    /// Starts a task that ends with the sandbox at the latest.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ending = self.ending.clone();
        self.tasks.spawn(async move {
            ending.run_until_cancelled_owned(task).await;
        });
    }
}
