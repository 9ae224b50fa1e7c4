//! The server's end of a sandbox's TUN device. A read is one packet, and a write is (tun.rst of the kernel).

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{FileType, fstat, major, minor};
use rustix::io::{Errno, ioctl_fionbio, write};
use std::io;
use tokio::net::unix::pipe;

/// Polled and read like a pipe, one packet at a time.
pub(super) struct Tun(pipe::Receiver);

impl Tun {
    /// Takes the device that an agent sent. Other files are refused, since reading them could block.
    pub(super) fn new(device: OwnedFd) -> io::Result<Self> {
        // Documentation/admin-guide/devices.txt of the kernel.
        const TUN: (u32, u32) = (10, 200);
        let stat = fstat(&device)?;
        let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
        if !is_device || (major(stat.st_rdev), minor(stat.st_rdev)) != TUN {
            return Err(io::Error::other("the agent passed on something else than a TUN device"));
        }
        ioctl_fionbio(&device, true)?;
        Ok(Self(pipe::Receiver::from_owned_fd_unchecked(device)?))
    }

    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.0.readable().await?;
            match self.0.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    /// Sends a packet into the sandbox. If the kernel does not accept it, it is lost, as on any network.
    pub(super) fn write(&self, packet: &[u8]) {
        while write(self.0.as_fd(), packet) == Err(Errno::INTR) {}
    }
}
