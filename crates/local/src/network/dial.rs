//! Opens the server's sockets to a destination of a sandbox. Some destinations are always refused: all addresses of
//! this machine, and addresses on its own link.

use super::icmp::Unreachable;
use crate::netlink::Netlink;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// The kernel gives a connection up after 127 seconds (tcp(7), tcp_syn_retries). A shorter limit frees the slots of
/// connections that get no answer.
const CONNECT: Duration = Duration::from_secs(60);

/// Why a connection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The destination answered with a reset.
    Reset,
    Unreachable(Unreachable),
    /// The destination does not answer.
    Silent,
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Self::Reset,
            // The error for broadcasts (ip(7)) and for packets that this machine's firewall rejects.
            io::ErrorKind::PermissionDenied => Self::Unreachable(Unreachable::Forbidden),
            io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Unreachable(Unreachable::NoRoute),
        }
    }
}

/// Connects to a destination that the rules permit.
pub(super) async fn tcp(to: SocketAddr) -> Result<TcpStream, Refused> {
    refuse_own(to.ip())?;
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let stream = timeout(CONNECT, socket.connect(to)).await.map_err(|_| Refused::Silent)??;
    // The address can have become this machine's meanwhile.
    refuse_own(to.ip())?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Opens a socket for datagrams to a destination that the rules permit. Sends nothing.
pub(super) fn udp(to: SocketAddr) -> Result<UdpSocket, Refused> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(to)?;
    refuse_own(to.ip())?;
    Ok(socket)
}

/// Refuses an address that is now this machine's, or that is not a unicast address.
fn refuse_own(address: IpAddr) -> Result<(), Refused> {
    match !is_closed(address) && Netlink::new()?.leads_away(address)? {
        true => Ok(()),
        false => Err(Refused::Unreachable(Unreachable::Forbidden)),
    }
}

/// Whether an address is always refused: this machine's, on its link, or for several machines.
pub(super) fn is_closed(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            first == 0
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                // 240.0.0.0/4, broadcast included.
                || first >= 240
        }
        IpAddr::V6(address) => {
            let [first, ..] = address.octets();
            first == 0xff
                || address.is_unspecified()
                || address.is_loopback()
                || address.is_unicast_link_local()
                // Mapped and compatible addresses (RFC 4291, section 2.5.5) are IPv4 on the wire.
                || address.segments().starts_with(&[0; 5])
                || embedded(address).is_some_and(|inner| is_closed(inner.into()))
        }
    }
}

/// The IPv4 address that is embedded in an IPv6 address: 6to4 (RFC 3056), NAT64 (RFC 6052, RFC 8215), Teredo (RFC 4380).
pub(super) fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x64, 0xff9b, 0 | 1, .., high, low] => Some(v4(high, low)),
        [0x2001, 0, .., high, low] => Some(v4(!high, !low)),
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_its_link_are_closed_in_every_notation() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.0.3",
            "169.254.169.254",
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::127.0.0.1",
            "2001:0:1:2:3:4:80ff:fffe",
        ] {
            assert!(is_closed(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.17.0.2",
            "2606:4700::1111",
            "fd00::1",
            "2002:808:808::1",
            "64:ff9b::8.8.8.8",
            "2001:db8::1",
        ] {
            assert!(!is_closed(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_address_of_this_machine_is_refused_whatever_it_is() {
        // The address that this machine would use to reach another, where it has one.
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        if socket.connect("203.0.113.1:9").is_err() {
            return;
        }
        let own = socket.local_addr().unwrap().ip();
        let refused = Some(Refused::Unreachable(Unreachable::Forbidden));
        assert_eq!(udp(SocketAddr::new(own, 9)).err(), refused);
        assert_eq!(udp("203.0.113.1:9".parse().unwrap()).err(), None);
    }
}
