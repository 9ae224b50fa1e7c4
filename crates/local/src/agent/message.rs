//! What server and agent say to each other: a length, a number of files, and JSON, with the files
//! attached to the first byte. Neither trusts the other with more than its bounds, since a process in
//! the sandbox may have taken over the agent.

use crate::wire::process::User;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shoreline_protocol::limits::REQUEST_BYTES;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

/// A process to start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spawn {
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) working_dir: Option<String>,
    pub(crate) user: Option<User>,
    /// Which of stdin, stdout and stderr come along; the others are empty.
    pub(crate) files: [bool; 3],
    /// Two more come last: what to write to go into its control group, and back.
    pub(crate) group: bool,
    /// A terminal for all three instead; its other side comes back.
    pub(crate) terminal: Option<Size>,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) rows: u16,
    pub(crate) cols: u16,
}

/// What is done with a path.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FileRequest {
    pub(crate) path: String,
    pub(crate) how: How,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum How {
    Read,
    List,
    Remove,
    /// Opens a new file beside the path, named after it and the mark.
    Create {
        mark: String,
    },
    /// Puts that file in its place.
    Commit {
        mark: String,
    },
    /// Removes that file.
    Discard {
        mark: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Spawn(Spawn),
    File(FileRequest),
    /// Stops every process of the sandbox, or lets them go on.
    Freeze,
    Thaw,
    /// A TCP socket of the sandbox's network, not connected.
    Socket,
    /// To the process, or to its whole group. Its leader is not reaped yet.
    Signal {
        pid: u32,
        signal: i32,
        group: bool,
    },
    /// Kills what is left of the group and reaps its leader.
    Reap {
        pid: u32,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) request: Request,
}

/// Why a request was not done: a code of the error table, and a sentence.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) text: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    Answer {
        id: u64,
        /// The pid of what was started; 0 for anything else.
        result: Result<u32, Refusal>,
    },
    Exited {
        pid: u32,
        exited: Exited,
    },
}

/// How the leader of a group ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Exited {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
}

/// A request body, escaped in the worst way, and what is around it.
const MESSAGE_BYTES: usize = 6 * REQUEST_BYTES;
const FILES: usize = 5;
const HEAD: usize = 5;

/// A message as bytes.
pub(super) fn encode(message: &impl Serialize, files: usize) -> io::Result<Vec<u8>> {
    let mut out = vec![0; HEAD];
    serde_json::to_writer(&mut out, message)?;
    let length = u32::try_from(out.len() - HEAD).map_err(io::Error::other)?;
    out[..HEAD - 1].copy_from_slice(&length.to_le_bytes());
    out[HEAD - 1] = u8::try_from(files).map_err(io::Error::other)?;
    Ok(out)
}

/// Sends some of `bytes`, with `files` attached, which must be left out when the rest is sent.
pub(super) fn send(
    to: impl AsFd,
    bytes: &[u8],
    files: &[BorrowedFd<'_>],
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(files));
    }
    sendmsg(to, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
}

/// Bytes and files that have arrived.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    files: VecDeque<OwnedFd>,
}

impl Inbox {
    /// Takes what has arrived; 0 at the end.
    pub(super) fn receive(&mut self, from: impl AsFd) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            from,
            &mut [IoSliceMut::new(&mut buffer)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files.extend(files);
            }
        }
        self.bytes.extend_from_slice(&buffer[..received.bytes]);
        if self.files.len() > 64 {
            return Err(io::Error::other("too many files arrived"));
        }
        Ok(received.bytes)
    }

    /// The next whole message and its files.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let Some((head, rest)) = self.bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [a, b, c, d, files] = *head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > MESSAGE_BYTES || usize::from(files) > FILES {
            return Err(io::Error::other("a message is larger than any should be"));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let message = serde_json::from_slice(body)?;
        self.bytes.drain(..HEAD + length);
        let files = usize::from(files).min(self.files.len());
        Ok(Some((message, self.files.drain(..files).collect())))
    }
}
