//! Access to the files and ports of a sandbox, through its agent.

use super::Sandbox;
use crate::agent::{Agent, BEGIN_ERROR, BEGIN_RESULT, Beside, How, Operation, Search, Usage, Used};
use crate::error::{ApiError, Result};
use crate::log::now_ms;
use crate::network::Policy;
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use serde::de::IgnoredAny;
use shoreline_protocol::limits;
use shoreline_protocol::record::{ProcessUsage, SandboxUsage};
use std::fs::{File, FileType};
use std::io;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::unix::pipe;

impl Sandbox {
    /// Opens a file for reading. It can be a file of any type, since a process of the
    /// sandbox can have replaced it.
    pub(crate) async fn open_file(&self, path: &str) -> Result<OpenFile> {
        let file = opened(&self.agent, path, How::Read, false).await?;
        // A file system in user space (FUSE) can be slow to answer.
        let looked = tokio::task::spawn_blocking(move || OpenFile::look_at(file));
        let looked = looked.await.map_err(|error| ApiError::internal(&error.into()))?;
        looked.map_err(|error| ApiError::internal(&error))
    }

    /// Measures the resource usage of the processes.
    pub(crate) async fn usage(&self) -> Result<SandboxUsage> {
        let Usage { processes, truncated } = self.agent.usage().await?;
        let record = |used: Used| ProcessUsage {
            pid: used.pid,
            parent_pid: used.parent,
            command: used.command,
            cpu_ms: used.cpu_ms,
            memory_bytes: used.memory_bytes,
            threads: used.threads,
        };
        Ok(SandboxUsage {
            measured_at: now_ms(),
            processes: processes.into_iter().map(record).collect(),
            truncated: truncated.then_some(true),
        })
    }

    /// Opens a directory for listing.
    pub(crate) async fn open_directory(&self, path: &str) -> Result<File> {
        opened(&self.agent, path, How::List, false).await
    }

    /// Removes a file.
    pub(crate) async fn remove_file(&self, path: &str) -> Result<()> {
        self.agent.file(path, How::Remove, false).await.map(drop)
    }

    /// Opens a file for writing. A new file beside `path` replaces it when it is committed, and is removed when it is
    /// dropped before. A file that can only be written in place has been emptied.
    pub(crate) async fn create_file(&self, path: &str, how: Writing) -> Result<(NewFile, File)> {
        let errno = how != Writing::PLAIN;
        if how.append {
            let file = opened(&self.agent, path, How::Append { mode: how.mode }, errno).await?;
            return Ok((NewFile::in_place(&self.agent), file));
        }
        let mark = crate::random::bytes::<8>().map_err(|error| ApiError::internal(&error))?;
        let beside = Beside { mark: crate::random::hex(mark), exclusive: how.exclusive };
        // Before the request, since a request that times out can still have created the file.
        let (agent, path) = (self.agent.clone(), path.to_owned());
        let mut new = NewFile { agent, path, errno, beside: Some(beside.clone()) };
        let create = How::Create { beside, mode: how.mode, parents: how.parents };
        let file = opened(&self.agent, &new.path, create, errno).await?;
        let flags = rustix::fs::fcntl_getfl(&file).map_err(|e| ApiError::internal(&e.into()))?;
        if flags.contains(OFlags::APPEND) {
            new.beside = None;
        }
        Ok((new, file))
    }

    /// Performs an operation on files. Returns its result, which is a JSON object. Dropping the future ends an operation that
    /// only reads.
    pub(crate) async fn operate(&self, operation: Operation) -> Result<Vec<u8>> {
        let internal = |error| ApiError::internal(&error);
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| internal(e.into()))?;
        let ours = pipe::Receiver::from_owned_fd(ours).map_err(internal)?;
        self.agent.operate(operation, theirs).await?;
        let (mut all, limit) = (Vec::new(), limits::BODY_BYTES as u64);
        ours.take(limit + 1).read_to_end(&mut all).await.map_err(internal)?;
        let wrong = || internal(io::Error::other("the sandbox gave no result"));
        match all.split_first() {
            Some((&BEGIN_RESULT, text)) => {
                let is_whole = all.len() as u64 <= limit && text.first() == Some(&b'{');
                // The sandbox is not trusted to send JSON.
                if !is_whole || serde_json::from_slice::<IgnoredAny>(text).is_err() {
                    return Err(wrong());
                }
                all.remove(0);
                Ok(all)
            }
            Some((&BEGIN_ERROR, text)) => Err(crate::agent::refusal(text).ok_or_else(wrong)?),
            // The agent has ended in the middle.
            _ => Err(ApiError::not_running()),
        }
    }

    /// Begins a search. Returns the pipe with its results, one JSON object a line, which are not trusted. Dropping the pipe
    /// ends the search.
    pub(crate) async fn search(&self, search: Search) -> Result<pipe::Receiver> {
        let internal = |error| ApiError::internal(&error);
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| internal(e.into()))?;
        let mut ours = pipe::Receiver::from_owned_fd(ours).map_err(internal)?;
        self.agent.search(search, theirs).await?;
        let mut begin = [0];
        match ours.read(&mut begin).await.map_err(internal)? {
            0 => return Err(ApiError::not_running()),
            _ if begin == [BEGIN_RESULT] => return Ok(ours),
            _ => {}
        }
        let (mut text, limit) = (Vec::new(), limits::ERROR_BODY_BYTES as u64);
        ours.take(limit).read_to_end(&mut text).await.map_err(internal)?;
        let wrong = || internal(io::Error::other("the sandbox gave no result"));
        Err(crate::agent::refusal(&text).ok_or_else(wrong)?)
    }

    /// Connects to a port of the sandbox's loopback.
    pub(crate) async fn connect(&self, port: u16) -> Result<TcpStream> {
        self.agent.connect(port).await
    }

    /// Returns once the agent is lost. Everything in the sandbox ends with it.
    pub(crate) async fn lost(&self) {
        self.agent.lost().await;
    }

    /// Refuses a change of the rules that would have no effect.
    pub(crate) fn check_rules(&self, rules: &Policy) -> Result<()> {
        if self.network.is_some()
            || Policy::parse(self.settings().network_policy.as_ref())? == *rules
        {
            return Ok(());
        }
        let text = "changing the network of a sandbox where sandboxes share this machine's";
        Err(ApiError::unsupported(text))
    }

    /// Changes the network rules for new connections.
    pub(crate) fn set_rules(&self, rules: Policy) {
        if let Some(network) = &self.network {
            network.set_policy(rules);
        }
    }

    /// Whether the sandbox shares the machine's ports.
    pub(crate) fn shares_network(&self) -> bool {
        self.shares_network
    }
}

/// A file that is open for reading.
pub(crate) struct OpenFile {
    pub(crate) file: File,
    pub(crate) kind: FileType,
    /// Bytes of the file. `None` if only reading can tell: the kernel makes the files of procfs and sysfs
    /// while they are read, and gives their size as 0 and as a page.
    pub(crate) length: Option<u64>,
}

impl OpenFile {
    fn look_at(file: File) -> io::Result<Self> {
        /// `SYSFS_MAGIC` of linux/magic.h.
        const SYSFS: i64 = 0x6265_6572;
        let metadata = file.metadata()?;
        let is_known = metadata.len() > 0 && rustix::fs::fstatfs(&file)?.f_type as i64 != SYSFS;
        let length = is_known.then_some(metadata.len());
        Ok(Self { file, kind: metadata.file_type(), length })
    }
}

async fn opened(agent: &Agent, path: &str, how: How, errno: bool) -> Result<File> {
    let file = agent.file(path, how, errno).await?;
    let missing = || ApiError::internal(&io::Error::other("the sandbox opened no file"));
    file.map(File::from).ok_or_else(missing)
}

/// The options of a write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writing {
    /// Appends to an existing file.
    pub(crate) append: bool,
    /// The path must not exist.
    pub(crate) exclusive: bool,
    /// Permissions of a new file, before the umask.
    pub(crate) mode: u32,
    /// Makes missing parent directories.
    pub(crate) parents: bool,
}

impl Writing {
    /// The options of the official API.
    pub(crate) const PLAIN: Self =
        Self { append: false, exclusive: false, mode: 0o666, parents: true };
}

/// A file that is being written.
pub(crate) struct NewFile {
    agent: Arc<Agent>,
    path: String,
    errno: bool,
    /// `None` for a file that is written in place.
    beside: Option<Beside>,
}

impl NewFile {
    fn in_place(agent: &Arc<Agent>) -> Self {
        Self { agent: agent.clone(), path: String::new(), errno: true, beside: None }
    }

    /// Renames the file to its path.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let Some(beside) = self.beside.clone() else { return Ok(()) };
        self.agent.file(&self.path, How::Commit { beside }, self.errno).await?;
        self.beside = None;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(beside) = self.beside.take() {
            let (agent, path) = (self.agent.clone(), std::mem::take(&mut self.path));
            tokio::spawn(async move { agent.file(&path, How::Discard { beside }, false).await });
        }
    }
}
