//! IP packets, read and written by smoltcp's `wire`.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, IpRepr, IpVersion, Ipv4Packet, Ipv6Packet, TcpControl, TcpPacket,
    TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};
use std::net::SocketAddr;

const HOPS: u8 = 64;

/// A packet from a sandbox.
pub(super) struct Packet<'a> {
    /// All of it.
    pub(super) bytes: &'a [u8],
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) transport: Transport<'a>,
}

pub(super) enum Transport<'a> {
    Tcp(TcpPacket<&'a [u8]>),
    /// The payload.
    Udp(&'a [u8]),
}

impl<'a> Packet<'a> {
    /// `None` if the packet is neither TCP nor UDP, or is malformed or a fragment.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (from, to, protocol, payload): (IpAddress, IpAddress, _, _) =
            match IpVersion::of_packet(bytes).ok()? {
                IpVersion::Ipv4 => {
                    let packet = Ipv4Packet::new_checked(bytes).ok()?;
                    if packet.more_frags() || packet.frag_offset() != 0 {
                        return None;
                    }
                    let (from, to) = (packet.src_addr(), packet.dst_addr());
                    (from.into(), to.into(), packet.next_header(), packet.payload())
                }
                IpVersion::Ipv6 => {
                    let packet = Ipv6Packet::new_checked(bytes).ok()?;
                    let (from, to) = (packet.src_addr(), packet.dst_addr());
                    (from.into(), to.into(), packet.next_header(), packet.payload())
                }
            };
        let (ports, transport) = match protocol {
            IpProtocol::Tcp => {
                let tcp = TcpPacket::new_checked(payload).ok()?;
                ((tcp.src_port(), tcp.dst_port()), Transport::Tcp(tcp))
            }
            IpProtocol::Udp => {
                let udp = UdpPacket::new_checked(payload).ok()?;
                ((udp.src_port(), udp.dst_port()), Transport::Udp(udp.payload()))
            }
            _ => return None,
        };
        if ports.0 == 0 || ports.1 == 0 {
            return None;
        }
        let from = SocketAddr::new(from.into(), ports.0);
        Some(Self { bytes, from, to: SocketAddr::new(to.into(), ports.1), transport })
    }
}

/// A UDP packet into a sandbox. `None` if the payload is too long.
pub(super) fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
    let repr = UdpRepr { src_port: from.port(), dst_port: to.port() };
    let length = repr.header_len() + payload.len();
    u16::try_from(length + 40).ok()?;
    Some(ip(from, to, IpProtocol::Udp, length, |packet, source, destination| {
        let mut packet = UdpPacket::new_unchecked(packet);
        let fill = |bytes: &mut [u8]| bytes.copy_from_slice(payload);
        repr.emit(&mut packet, source, destination, payload.len(), fill, &checksums());
    }))
}

/// The answer to a segment that no connection takes (RFC 9293, section 3.5.2).
pub(super) fn reset(packet: &Packet<'_>, segment: &TcpPacket<&[u8]>) -> Vec<u8> {
    let (seq_number, ack_number) = match segment.ack() {
        true => (segment.ack_number(), None),
        false => (TcpSeqNumber(0), Some(segment.seq_number() + segment.segment_len())),
    };
    let repr = TcpRepr {
        src_port: packet.to.port(),
        dst_port: packet.from.port(),
        control: TcpControl::Rst,
        seq_number,
        ack_number,
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let length = repr.buffer_len();
    ip(packet.to, packet.from, IpProtocol::Tcp, length, |bytes, source, destination| {
        let mut segment = TcpPacket::new_unchecked(bytes);
        repr.emit(&mut segment, source, destination, &checksums());
    })
}

/// A packet with a payload of this length, which `fill` writes.
pub(super) fn ip(
    from: SocketAddr,
    to: SocketAddr,
    protocol: IpProtocol,
    length: usize,
    fill: impl FnOnce(&mut [u8], &IpAddress, &IpAddress),
) -> Vec<u8> {
    let (source, destination) = (from.ip().into(), to.ip().into());
    let header = IpRepr::new(source, destination, protocol, length, HOPS);
    let mut bytes = vec![0; header.buffer_len()];
    header.emit(&mut bytes, &checksums());
    if let Some(payload) = bytes.get_mut(header.header_len()..) {
        fill(payload, &source, &destination);
    }
    bytes
}

pub(super) fn checksums() -> ChecksumCapabilities {
    ChecksumCapabilities::default()
}
