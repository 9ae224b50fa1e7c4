//! Opens terminals.

use super::message::Size;
use rustix::fd::OwnedFd;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// The server's end of a terminal, and the process's end.
type Ends = (OwnedFd, OwnedFd);
type Question = (Size, Sender<io::Result<Ends>>);

/// Opens terminals, on the calling thread or on one that Landlock does not restrict. All terminals of the host
/// are in `/dev/pts`, so a rule for it would give access to those of other programs.
pub(super) struct Terminals(Option<Sender<Question>>);

impl Terminals {
    pub(super) fn here() -> Self {
        Self(None)
    }

    /// Starts a thread with the present rights of this one.
    pub(super) fn elsewhere() -> io::Result<Self> {
        let (ask, questions): (_, Receiver<Question>) = channel();
        thread::Builder::new().spawn(move || {
            for (size, reply) in questions {
                let _ = reply.send(open(size));
            }
        })?;
        Ok(Self(Some(ask)))
    }

    pub(super) fn open(&self, size: Size) -> io::Result<Ends> {
        let Some(thread) = &self.0 else { return open(size) };
        let (reply, opened) = channel();
        let _ = thread.send((size, reply));
        opened.recv().map_err(io::Error::other)?
    }
}

fn open(Size { rows, cols }: Size) -> io::Result<Ends> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let its = ioctl_tiocgptpeer(&ours, flags)?;
    tcsetwinsize(&ours, Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 })?;
    Ok((ours, its))
}
