//! What a lost agent leaves behind where no namespace ends with it: its processes become the server's
//! children, since the server is a subreaper (PR_SET_CHILD_SUBREAPER(2const)), and are killed.

use super::tree;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long killing may take: a process that waits for a device ends when that answers.
const KILL: Duration = Duration::from_secs(1);

/// The agents that run; every other child of the server is an orphan.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    agents: Mutex<HashSet<u32>>,
}

impl Orphans {
    /// Makes this process the parent of orphans.
    pub(crate) fn adopt() -> io::Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self::default())
    }

    /// Starts an agent. The lock is held meanwhile, so that [`Orphans::kill`] does not see a child that is
    /// not listed yet.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
        let mut agents = self.agents.lock();
        let child = command.spawn()?;
        agents.extend(child.id());
        Ok(child)
    }

    /// Forgets an agent that was reaped, and kills every orphan. Blocks.
    pub(super) fn kill(&self, ended: Option<u32>) {
        let mut agents = self.agents.lock();
        if let Some(pid) = ended {
            agents.remove(&pid);
        }
        tree::kill_everything(|pid| agents.contains(&pid), KILL);
    }
}
