//! The sandbox's side of one TCP connection: smoltcp's TCP on an interface with the destination's address. Each connection
//! has its own interface, so that the cost of a packet does not grow with their number.

use super::MTU;
use super::tun::Tun;
use smoltcp::iface::{
    Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet,
};
use smoltcp::phy::{
    Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken,
};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

/// The size of the buffer for each direction. The network outside has the kernel's buffers.
const BUFFER: usize = 256 * 1024;
/// The interval of keep-alives, whose answers have the peer's window: the update that opens it can be lost.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

pub(super) struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
}

thread_local! {
    /// The packet that is being written.
    static PACKET: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Stack {
    /// A connection from `inside` to `outside`, for the SYN that is received next.
    pub(super) fn new(outside: SocketAddr, seed: u64) -> Option<Self> {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut Port::idle(), Instant::now());
        // Everything is in its network.
        interface.update_ip_addrs(|addresses| {
            let _ = addresses.push(IpCidr::new(outside.ip().into(), 0));
        });
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_keep_alive(Some(KEEP_ALIVE.into()));
        socket.listen(outside).ok()?;
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Some(Self { interface, sockets, handle })
    }

    pub(super) fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    pub(super) fn state(&mut self) -> State {
        self.socket().state()
    }

    /// Processes a packet of the connection.
    pub(super) fn receive(&mut self, packet: &[u8], tun: &Tun) {
        let mut port = Port { incoming: Some(packet), outgoing: Some(tun) };
        let _: PollIngressSingleResult =
            self.interface.poll_ingress_single(Instant::now(), &mut port, &mut self.sockets);
    }

    /// Sends the packets that can be sent. Returns whether there were any.
    pub(super) fn transmit(&mut self, tun: &Tun) -> bool {
        let mut sent = false;
        loop {
            let mut port = Port { incoming: None, outgoing: Some(tun) };
            let now = Instant::now();
            match self.interface.poll_egress(now, &mut port, &mut self.sockets) {
                PollResult::None => return sent,
                PollResult::SocketStateChanged => sent = true,
            }
        }
    }

    /// The time until a packet is due, unless an event makes one due earlier.
    pub(super) fn delay(&mut self) -> Option<Duration> {
        self.interface.poll_delay(Instant::now(), &self.sockets).map(Duration::from)
    }
}

/// The device of an interface: one packet to receive, and packets that are sent.
struct Port<'a> {
    incoming: Option<&'a [u8]>,
    outgoing: Option<&'a Tun>,
}

impl Port<'_> {
    fn idle() -> Self {
        Self { incoming: None, outgoing: None }
    }
}

impl Device for Port<'_> {
    type RxToken<'a>
        = Incoming<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Outgoing<'a>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        let packet = self.incoming.take()?;
        Some((Incoming(packet), self.transmit(now)?))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        self.outgoing.map(Outgoing)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut checksum = ChecksumCapabilities::default();
        // The sandbox has the same kernel, so packets cannot be corrupted.
        checksum.ipv4 = Checksum::Tx;
        checksum.tcp = Checksum::Tx;
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU as usize;
        capabilities.checksum = checksum;
        capabilities
    }
}

struct Incoming<'a>(&'a [u8]);

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

struct Outgoing<'a>(&'a Tun);

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        PACKET.with_borrow_mut(|packet| {
            packet.resize(length, 0);
            let filled = fill(packet);
            self.0.write(packet);
            filled
        })
    }
}
