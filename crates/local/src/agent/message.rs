//! Messages between server and agent. Each is one packet of a SEQPACKET socket, so that it arrives whole or
//! not at all (unix(7)): JSON, with the files that belong to it attached. JSON that is too large for a packet
//! travels as a memfd, from the server to the agent only: the server does not trust the agent, and a file from
//! there could block its reader.

use super::fs::{Operation, Search};
use crate::error::Result;
use crate::wire::process::User;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shoreline_protocol::limits::{ERROR_TEXT_CHARS, REQUEST_BYTES};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt as _;

/// A process to start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spawn {
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) working_dir: Option<String>,
    pub(crate) user: Option<User>,
    /// Whether stdin, stdout and stderr are sent with the request. The others are empty.
    pub(crate) files: [bool; 3],
    /// Whether two more files come last: the `cgroup.procs` of the group to enter before the start, and of the group to
    /// return to.
    pub(crate) group: bool,
    /// A terminal of this size instead of the three. The answer has its other end.
    pub(crate) terminal: Option<Size>,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) rows: u16,
    pub(crate) cols: u16,
}

/// An operation on a path.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FileRequest {
    pub(crate) path: String,
    pub(crate) how: How,
    /// Whether the code of an error is the name of the error number (`ENOENT`).
    pub(crate) errno: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum How {
    Read,
    List,
    Remove,
    /// Opens a new file beside the path. If a rename would lose the owner or hard links of the file, truncates the file
    /// itself and opens it for appending.
    Create {
        beside: Beside,
        mode: u32,
        /// Makes missing parent directories.
        parents: bool,
    },
    /// Opens the file for appending, and makes it if it does not exist.
    Append {
        mode: u32,
    },
    /// Renames the file beside the path to the path.
    Commit {
        beside: Beside,
    },
    /// Removes the file beside the path.
    Discard {
        beside: Beside,
    },
}

/// Identifies a new file beside a path.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Beside {
    /// A part of its name.
    pub(crate) mark: String,
    /// Whether the path must not exist. Links are then not followed.
    pub(crate) exclusive: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// The first request to an agent with its own network. The server sends `/dev/net/tun`; the agent returns the
    /// sandbox's TUN device.
    Network,
    Spawn(Spawn),
    File(FileRequest),
    /// Performs an operation on files. The answer confirms that the operation has begun; its result is written to the pipe sent with the request.
    Operate(Operation),
    /// Watches files. The answer confirms that the watch is being set up; the pipe sent with the request says when it is.
    Watch {
        path: String,
        recursive: bool,
    },
    /// Begins a search. The answer confirms that; its results are written to the pipe sent with the request.
    Search(Search),
    /// Stops every process of the sandbox with SIGSTOP.
    Freeze,
    /// Continues every process of the sandbox with SIGCONT.
    Thaw,
    /// Opens an unconnected TCP socket in the sandbox's network.
    Socket {
        v6: bool,
    },
    /// Signals a leader that is not reaped yet, or its whole process group.
    Signal {
        pid: u32,
        signal: i32,
        group: bool,
    },
    /// Asks which processes hold these pipes, named by their inodes, open for writing.
    Holders {
        pipes: Vec<u64>,
    },
    /// Asks what the processes of the sandbox use.
    Usage,
    /// Reaps a leader. With `kill`, kills the leader and its process group first.
    Reap {
        pid: u32,
        kill: bool,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) request: Request,
}

/// Why a request failed: a code of the error table, and a sentence.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) text: String,
}

/// A message of the agent: an answer, or the end of a process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AgentMessage {
    Answer {
        id: u64,
        /// The pid of a started process; 0 for every other request.
        result: std::result::Result<u32, Refusal>,
    },
    /// Answers [`Request::Holders`].
    Holders {
        id: u64,
        holders: Vec<Holder>,
    },
    /// Answers [`Request::Usage`].
    Usage {
        id: u64,
        usage: Usage,
    },
    Exited {
        pid: u32,
        exited: Exited,
    },
    /// The process group of an exited leader is empty.
    Emptied {
        pid: u32,
    },
}

/// A process that holds a pipe open for writing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) pipe: u64,
    pub(crate) pid: u32,
    /// The command line, or the first part of it.
    pub(crate) command: String,
}

/// The resource usage of the processes in a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) processes: Vec<Used>,
    /// Not every process is listed.
    pub(crate) truncated: bool,
}

/// The resource usage of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Used {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// The command line, or the first part of it.
    pub(crate) command: String,
    pub(crate) cpu_ms: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) threads: u32,
}

/// The exit of the leader of a group.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Exited {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Whether the group still has processes. [`AgentMessage::Emptied`] follows.
    pub(crate) left: bool,
}

/// Bytes of a packet. The kernel's default socket buffer (net.core.wmem_default, 212,992 bytes) takes it.
const PACKET_BYTES: usize = 64 * 1024;
/// Bytes of JSON in a memfd: a request body in which every byte is escaped, and its frame.
const MEMFD_BYTES: usize = 6 * REQUEST_BYTES;
/// stdin, stdout, stderr, two control groups, and the memfd.
const FILES: usize = 6;

/// A packet's first byte: where its JSON is.
const INLINE: u8 = 0;
const IN_MEMFD: u8 = 1;

/// The two ends of a link.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// An encoded message.
#[derive(Debug)]
pub(super) struct Packet {
    bytes: Vec<u8>,
    files: Vec<OwnedFd>,
}

impl Packet {
    pub(super) fn new(message: &impl Serialize, mut files: Vec<OwnedFd>) -> io::Result<Self> {
        let mut bytes = vec![INLINE];
        serde_json::to_writer(&mut bytes, message)?;
        if bytes.len() > PACKET_BYTES {
            let memfd = File::from(memfd_create("message", MemfdFlags::CLOEXEC)?);
            memfd.write_all_at(bytes.get(1..).unwrap_or_default(), 0)?;
            bytes = vec![IN_MEMFD];
            files.push(memfd.into());
        }
        Ok(Self { bytes, files })
    }

    /// Sends the whole packet. `WouldBlock` if the socket is non-blocking and full.
    pub(super) fn send(&self, to: impl AsFd) -> io::Result<()> {
        let files: Vec<BorrowedFd<'_>> = self.files.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(io::Error::other("too many files for a message"));
        }
        sendmsg(to, &[IoSlice::new(&self.bytes)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

/// Answers a request, with the pid of a started process or with an opened file.
pub(super) fn answer(
    socket: impl AsFd,
    id: u64,
    result: Result<(u32, Option<OwnedFd>)>,
) -> io::Result<()> {
    let (result, file) = match result {
        Ok((pid, file)) => (Ok(pid), file),
        Err(error) => {
            let (code, text) = error.into_parts();
            // The text can contain a path as long as a request.
            let text = text.chars().take(ERROR_TEXT_CHARS).collect();
            (Err(Refusal { code: code.as_str().to_owned(), text }), None)
        }
    };
    Packet::new(&AgentMessage::Answer { id, result }, file.into_iter().collect())?.send(socket)
}

/// The sender of packets. Only the trusted side can use a memfd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Server,
    Agent,
}

/// Receives one message and its files; `None` after the other side has closed.
pub(super) fn receive<T: DeserializeOwned>(
    socket: impl AsFd,
    from: From,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    BUFFER.with_borrow_mut(|bytes| receive_into(socket, from, bytes))
}

thread_local! {
    // Zeroing a buffer for each message would take longer than most messages.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; PACKET_BYTES + 1]);
}

fn receive_into<T: DeserializeOwned>(
    socket: impl AsFd,
    from: From,
    bytes: &mut [u8],
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut files: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        })
        .flatten()
        .collect();
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        // If files are missing, the remaining ones would get the wrong meaning.
        return Err(io::Error::other("a message was cut off"));
    }
    let Some((kind, inline)) = bytes.get(..received.bytes).and_then(<[u8]>::split_first) else {
        return Ok(None);
    };
    let message = match (*kind, from) {
        (INLINE, _) => serde_json::from_slice(inline)?,
        (IN_MEMFD, From::Server) => {
            let memfd = files.pop().ok_or_else(|| io::Error::other("a message has no memfd"))?;
            serde_json::from_slice(&read_memfd(&File::from(memfd))?)?
        }
        _ => return Err(io::Error::other("a message of an unknown kind")),
    };
    Ok(Some((message, files)))
}

fn read_memfd(memfd: &File) -> io::Result<Vec<u8>> {
    let length = usize::try_from(memfd.metadata()?.len()).unwrap_or(usize::MAX);
    if length > MEMFD_BYTES {
        return Err(io::Error::other("a message is too large"));
    }
    let mut bytes = vec![0; length];
    memfd.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_every_size_arrive_whole_with_their_files() {
        let (ours, theirs) = pair().unwrap();
        for length in [0, 1, PACKET_BYTES - 3, PACKET_BYTES - 2, PACKET_BYTES, REQUEST_BYTES] {
            let text = "x".repeat(length);
            let file = OwnedFd::from(File::open("/dev/null").unwrap());
            Packet::new(&text, vec![file]).unwrap().send(&ours).unwrap();
            let (seen, files) = receive::<String>(&theirs, From::Server).unwrap().unwrap();
            assert!(seen == text && files.len() == 1, "{length}");
        }
        drop(ours);
        assert!(receive::<String>(&theirs, From::Server).unwrap().is_none());
    }

    #[test]
    fn a_forged_message_is_an_error() {
        let (ours, theirs) = pair().unwrap();
        let memfd = OwnedFd::from(File::open("/dev/null").unwrap());
        let forged = [
            Packet { bytes: vec![IN_MEMFD], files: vec![memfd] },
            Packet { bytes: vec![7, b'1'], files: vec![] },
            Packet { bytes: vec![INLINE], files: vec![] },
            Packet { bytes: vec![INLINE; PACKET_BYTES + 2], files: vec![] },
        ];
        for packet in forged {
            packet.send(&theirs).unwrap();
            assert!(receive::<u32>(&ours, From::Agent).is_err(), "{packet:?}");
        }
    }
}
