//! Files and ports of a sandbox, opened inside it.

use super::Sandbox;
use crate::agent::{Agent, How};
use crate::error::{ApiError, Result};
use crate::network::Policy;
use std::fs::{File, FileType};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;

impl Sandbox {
    /// Opens a file for reading. What was opened can be anything that a path can name: a process of the
    /// sandbox can have replaced it.
    pub(crate) async fn open_file(&self, path: &str) -> Result<OpenFile> {
        let file = opened(&self.agent, path, How::Read).await?;
        // A file system that a process serves (FUSE) can take its time to answer.
        let looked = tokio::task::spawn_blocking(move || OpenFile::look_at(file));
        let looked = looked.await.map_err(|error| ApiError::internal(&error.into()))?;
        looked.map_err(|error| ApiError::internal(&error))
    }

    /// Opens a directory for listing.
    pub(crate) async fn open_directory(&self, path: &str) -> Result<File> {
        opened(&self.agent, path, How::List).await
    }

    /// Removes a file.
    pub(crate) async fn remove_file(&self, path: &str) -> Result<()> {
        self.agent.file(path, How::Remove).await.map(drop)
    }

    /// Creates a file beside `path`, for writing. It replaces `path` when it is committed, and is removed
    /// when it is dropped before.
    pub(crate) async fn create_file(&self, path: &str) -> Result<(NewFile, File)> {
        let mark = crate::random::bytes::<8>().map_err(|error| ApiError::internal(&error))?;
        let mark = crate::random::hex(mark);
        // Before it is asked for: an answer that does not come in time may still have created it.
        let (agent, path) = (self.agent.clone(), path.to_owned());
        let new = NewFile { agent, path, mark: Some(mark.clone()) };
        let file = opened(&self.agent, &new.path, How::Create { mark }).await?;
        Ok((new, file))
    }

    /// Connects to a port of the sandbox's loopback.
    pub(crate) async fn connect(&self, port: u16) -> Result<TcpStream> {
        self.agent.connect(port).await
    }

    /// Returns once the sandbox has lost its agent, with which everything in it ends.
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

    /// Changes what new connections may reach.
    pub(crate) fn set_rules(&self, rules: Policy) {
        if let Some(network) = &self.network {
            network.set_policy(rules);
        }
    }

    /// Whether the ports of the machine are the sandbox's too.
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

async fn opened(agent: &Agent, path: &str, how: How) -> Result<File> {
    let file = agent.file(path, how).await?;
    let missing = || ApiError::internal(&io::Error::other("the sandbox opened no file"));
    file.map(File::from).ok_or_else(missing)
}

/// A file that is being written.
pub(crate) struct NewFile {
    agent: Arc<Agent>,
    path: String,
    mark: Option<String>,
}

impl NewFile {
    /// Puts the file in the place of the one that its path names.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let Some(mark) = self.mark.clone() else { return Ok(()) };
        self.agent.file(&self.path, How::Commit { mark }).await?;
        self.mark = None;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(mark) = self.mark.take() {
            let (agent, path) = (self.agent.clone(), std::mem::take(&mut self.path));
            tokio::spawn(async move { agent.file(&path, How::Discard { mark }).await });
        }
    }
}
