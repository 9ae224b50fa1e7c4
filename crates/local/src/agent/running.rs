//! The agents of a server that run, and what lost ones leave behind.

use super::tree;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long killing orphans may take: a process that waits for a device ends when that answers.
const KILL: Duration = Duration::from_secs(1);

/// The agents that run, by pid. Every other child of the server is an orphan.
#[derive(Debug)]
pub(crate) struct Agents(Mutex<HashSet<u32>>);

impl Agents {
    /// Makes this process a subreaper, the parent of its agents' orphans (PR_SET_CHILD_SUBREAPER(2const)).
    /// Without a PID namespace these are processes of a sandbox; with one, a bubblewrap that was killed
    /// while it started leaves a child that waits for it.
    pub(crate) fn new() -> io::Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self(Mutex::default()))
    }

    /// Starts an agent. Blocks.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
        // Held meanwhile, so that an agent is not taken for an orphan.
        let mut running = self.0.lock();
        // In a process group of its own: Ctrl-C in the server's terminal is for the server.
        let child = command.process_group(0).spawn()?;
        running.extend(child.id());
        Ok(child)
    }

    /// Forgets an agent that was reaped, and kills every orphan. Blocks.
    pub(super) fn kill_orphans(&self, agent: Option<u32>) {
        let mut running = self.0.lock();
        if let Some(pid) = agent {
            running.remove(&pid);
        }
        tree::kill_everything(|pid| running.contains(&pid), KILL);
    }
}
