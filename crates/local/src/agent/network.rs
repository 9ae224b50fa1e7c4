//! The network of a sandbox: a namespace with loopback and a TUN device, which the server reads.
//!
//! The agent makes the namespace. One made by bubblewrap would belong to a user namespace in which the agent
//! has no capabilities, since bubblewrap changes to another user namespace after it has mounted everything.

use super::message::{Asked, From, Request, answer, receive};
use crate::error::ApiError;
use crate::netlink::Netlink;
use crate::network::{ADDRESSES, MTU};
use nix::sched::CloneFlags;
use rustix::fd::{AsFd, AsRawFd as _, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::ioctl::{Updater, ioctl, opcode};
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
use std::io;

/// The capabilities that bubblewrap leaves to the agent for this. The agent drops them before it starts a process.
pub(crate) const CAPABILITIES: [&str; 2] = ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"];

/// The device that makes TUN devices. Its path does not exist in the sandbox, so the server sends the open file.
const CLONE_DEVICE: &str = "/dev/net/tun";
const NAME: &str = "tun0";
const LOOPBACK: u32 = 1;

/// Opens the device that the server sends with its first request.
pub(crate) fn clone_device() -> io::Result<OwnedFd> {
    // The device belongs to the network namespace of the process that opens it for reading and writing: the agent.
    Ok(open(CLONE_DEVICE, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// Answers the first request with the sandbox's TUN device. The process must have one thread, since namespaces and
/// capabilities are per thread.
pub(super) fn enter(socket: impl AsFd) -> io::Result<()> {
    let asked = receive::<Asked>(&socket, From::Server)?;
    let Some((Asked { id, request: Request::Network }, files)) = asked else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let made = files.into_iter().next().ok_or(io::ErrorKind::InvalidInput.into()).and_then(make);
    let failed = made.as_ref().err().map(|error| io::Error::new(error.kind(), error.to_string()));
    let result = made.map(|tun| (0, Some(tun))).map_err(|error| ApiError::internal(&error));
    answer(&socket, id, result)?;
    failed.map_or(Ok(()), Err)
}

fn make(clone_device: OwnedFd) -> io::Result<OwnedFd> {
    let cause = |what: &'static str| {
        move |error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"))
    };
    let left = nix::sched::unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from);
    left.map_err(cause("no network namespace"))?;
    let tun = make_tun(&clone_device).map_err(cause("no TUN device"))?;
    configure().map_err(cause("the network could not be configured"))?;
    Ok(tun)
}

/// The part of `struct ifreq` (linux/if.h) that TUNSETIFF reads.
#[repr(C)]
struct Ifreq {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

fn make_tun(clone_device: &OwnedFd) -> io::Result<OwnedFd> {
    // From linux/if_tun.h.
    const TUNSETIFF: u32 = opcode::write::<i32>(b'T', 202);
    const IFF_TUN: u16 = 0x1;
    const IFF_NO_PI: u16 = 0x1000;
    let path = format!("/proc/self/fd/{}", clone_device.as_raw_fd());
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let tun = open(path, flags, Mode::empty())?;
    let mut request = Ifreq { name: [0; 16], flags: IFF_TUN | IFF_NO_PI, rest: [0; 22] };
    request.name.iter_mut().zip(NAME.bytes()).for_each(|(to, from)| *to = from);
    // SAFETY: TUNSETIFF reads and writes a `struct ifreq`, 40 bytes with every ABI of Linux on 64 bits.
    unsafe { ioctl(&tun, Updater::<TUNSETIFF, Ifreq>::new(&mut request))? };
    Ok(tun)
}

fn configure() -> io::Result<()> {
    let netlink = Netlink::new()?;
    netlink.up(LOOPBACK, None)?;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let tun = netdevice::name_to_index(&socket, NAME)?;
    netlink.up(tun, Some(MTU))?;
    for address in ADDRESSES {
        let done = netlink.address(tun, address).and_then(|()| netlink.default_route(tun, address));
        // Not every machine has IPv6.
        if address.is_ipv4() {
            done?;
        }
    }
    Ok(())
}
