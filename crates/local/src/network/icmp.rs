//! ICMP messages about unreachable destinations, so that programs need not wait for a timeout (RFC 792, RFC 4443).

use super::packet::{Packet, checksums, ip};
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, Icmpv6DstUnreachable, Icmpv6Packet, Icmpv6Repr,
    IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr,
};
use std::net::IpAddr;

/// Bytes of the packet's payload that the answer repeats. The kernel reads the ports from them.
const REPEATED: usize = 8;

/// Why a packet was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreachable {
    /// A rule forbids it.
    Forbidden,
    /// This machine has no route.
    NoRoute,
    /// No program listens on the port.
    Port,
}

/// The answer to a packet.
pub(super) fn unreachable(packet: &Packet<'_>, why: Unreachable) -> Option<Vec<u8>> {
    let (from, to) = (packet.to, packet.from);
    match packet.from.ip() {
        IpAddr::V4(_) => {
            let original = Ipv4Packet::new_unchecked(packet.bytes);
            let data = original.payload();
            let reason = match why {
                Unreachable::Forbidden => Icmpv4DstUnreachable::CommProhibited,
                Unreachable::NoRoute => Icmpv4DstUnreachable::NetUnreachable,
                Unreachable::Port => Icmpv4DstUnreachable::PortUnreachable,
            };
            let header = Ipv4Repr {
                src_addr: original.src_addr(),
                dst_addr: original.dst_addr(),
                next_header: original.next_header(),
                payload_len: data.len(),
                hop_limit: original.hop_limit(),
            };
            let data = data.get(..REPEATED)?;
            let repr = Icmpv4Repr::DstUnreachable { reason, header, data };
            Some(ip(from, to, IpProtocol::Icmp, repr.buffer_len(), |bytes, _, _| {
                repr.emit(&mut Icmpv4Packet::new_unchecked(bytes), &checksums());
            }))
        }
        IpAddr::V6(_) => {
            let original = Ipv6Packet::new_unchecked(packet.bytes);
            let data = original.payload();
            let reason = match why {
                Unreachable::Forbidden => Icmpv6DstUnreachable::AdminProhibit,
                Unreachable::NoRoute => Icmpv6DstUnreachable::NoRoute,
                Unreachable::Port => Icmpv6DstUnreachable::PortUnreachable,
            };
            let header = Ipv6Repr {
                src_addr: original.src_addr(),
                dst_addr: original.dst_addr(),
                next_header: original.next_header(),
                payload_len: data.len(),
                hop_limit: original.hop_limit(),
            };
            let data = data.get(..REPEATED)?;
            let repr = Icmpv6Repr::DstUnreachable { reason, header, data };
            let length = repr.buffer_len();
            Some(ip(from, to, IpProtocol::Icmpv6, length, |bytes, source, destination| {
                let (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) = (source, destination)
                else {
                    return;
                };
                let mut packet = Icmpv6Packet::new_unchecked(bytes);
                repr.emit(source, destination, &mut packet, &checksums());
            }))
        }
    }
}
