//! The requests that configure a network namespace, and the request for the route to an address (rtnetlink(7)).

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};
use std::io;
use std::net::IpAddr;

// From linux/rtnetlink.h, linux/netlink.h, linux/if_link.h and linux/if_addr.h.
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_CREATE: u16 = 0x400;
const IFLA_MTU: u16 = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const IFF_UP: u32 = 0x1;
/// Skips duplicate address detection: no other host can have the address.
const IFA_F_NODAD: u8 = 0x2;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;
/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Bytes of an answer. The kernel's answers are shorter (NLMSG_GOODSIZE).
const ANSWER: usize = 8192;

pub(crate) struct Netlink(OwnedFd);

impl Netlink {
    pub(crate) fn new() -> io::Result<Self> {
        // NETLINK_ROUTE is 0, the family's default.
        let flags = SocketFlags::CLOEXEC;
        Ok(Self(socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?))
    }

    /// Brings an interface up.
    pub(crate) fn up(&self, index: u32, mtu: Option<u32>) -> io::Result<()> {
        let mut body = vec![0; 4];
        body.extend(index.to_ne_bytes());
        body.extend(IFF_UP.to_ne_bytes());
        body.extend(IFF_UP.to_ne_bytes());
        if let Some(mtu) = mtu {
            attribute(&mut body, IFLA_MTU, &mtu.to_ne_bytes());
        }
        self.request(RTM_NEWLINK, 0, &body)
    }

    /// Adds an address to an interface, with a prefix of full length.
    pub(crate) fn address(&self, index: u32, address: IpAddr) -> io::Result<()> {
        let (family, bits, bytes) = parts(address);
        let mut body = vec![family, bits, IFA_F_NODAD, RT_SCOPE_UNIVERSE];
        body.extend(index.to_ne_bytes());
        attribute(&mut body, IFA_LOCAL, &bytes);
        attribute(&mut body, IFA_ADDRESS, &bytes);
        self.request(RTM_NEWADDR, NLM_F_CREATE, &body)
    }

    /// Makes an interface the default route of the address's family.
    pub(crate) fn default_route(&self, index: u32, like: IpAddr) -> io::Result<()> {
        let (family, ..) = parts(like);
        let scope = if like.is_ipv4() { RT_SCOPE_LINK } else { RT_SCOPE_UNIVERSE };
        let mut body = vec![family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, scope, RTN_UNICAST];
        body.extend(0_u32.to_ne_bytes());
        attribute(&mut body, RTA_OIF, &index.to_ne_bytes());
        self.request(RTM_NEWROUTE, NLM_F_CREATE, &body)
    }

    /// Whether the route to an address is a unicast route to another machine. The kernel knows the addresses that this
    /// machine has now.
    ///
    /// # Errors
    /// There is no route.
    pub(crate) fn leads_away(&self, address: IpAddr) -> io::Result<bool> {
        let (family, bits, bytes) = parts(address);
        let mut body = vec![family, bits, 0, 0, 0, 0, 0, 0];
        body.extend(0_u32.to_ne_bytes());
        attribute(&mut body, RTA_DST, &bytes);
        let answer = self.exchange(RTM_GETROUTE, 0, &body)?;
        Ok(number(&answer, 4) == Some(RTM_NEWROUTE) && answer.get(HEADER + 7) == Some(&RTN_UNICAST))
    }

    fn request(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.exchange(kind, NLM_F_ACK | flags, body).map(drop)
    }

    /// Sends a request and receives the answer. An error answer is an error.
    fn exchange(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut message = Vec::with_capacity(HEADER + body.len());
        let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        send(&self.0, &message, SendFlags::empty())?;
        let mut answer = vec![0; ANSWER];
        let (count, _) = recv(&self.0, answer.as_mut_slice(), RecvFlags::empty())?;
        answer.truncate(count);
        let code = answer.get(HEADER..HEADER + 4).and_then(|bytes| bytes.try_into().ok());
        match (number(&answer, 4), code.map(i32::from_ne_bytes)) {
            (Some(NLMSG_ERROR), Some(0)) => Ok(answer),
            (Some(NLMSG_ERROR), Some(code)) => {
                Err(Errno::from_raw_os_error(code.saturating_neg()).into())
            }
            (Some(_), _) => Ok(answer),
            (None, _) => Err(io::Error::other("the kernel's answer is cut off")),
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    bytes.try_into().ok().map(u16::from_ne_bytes)
}

/// The family, the number of bits and the bytes of an address.
fn parts(address: IpAddr) -> (u8, u8, Vec<u8>) {
    let family = |family: AddressFamily| u8::try_from(family.as_raw()).unwrap_or_default();
    match address {
        IpAddr::V4(address) => (family(AddressFamily::INET), 32, address.octets().to_vec()),
        IpAddr::V6(address) => (family(AddressFamily::INET6), 128, address.octets().to_vec()),
    }
}

/// Appends an attribute, which is a multiple of 4 bytes long.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
}
