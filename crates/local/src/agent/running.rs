//! The running agents of a server, and the orphans of lost agents.

use super::tree;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::time::Duration;
use tokio::process::{Child, Command};

/// The time limit for orphans to die: no signal interrupts a wait for a device.
const KILL: Duration = Duration::from_secs(1);

/// The pids of the running agents. Every other child of the server is an orphan.
#[derive(Debug)]
pub(crate) struct Agents(Mutex<HashSet<u32>>);

impl Agents {
    /// Makes this process a subreaper, the parent of its agents' orphans (PR_SET_CHILD_SUBREAPER(2const)).
    /// Without a PID namespace, processes of a sandbox become orphans. With one, a bubblewrap that is killed
    /// during its start leaves a child that waits for it.
    pub(crate) fn new() -> io::Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self(Mutex::default()))
    }

    /// Starts an agent. Blocks.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
        // Locked during the start, so that the new agent is not treated as an orphan.
        let mut running = self.0.lock();
        // In a process group of its own, so that Ctrl-C in the server's terminal does not signal the agent.
        let child = command.process_group(0).spawn()?;
        running.extend(child.id());
        Ok(child)
    }

    /// Removes an agent that was reaped, and kills every orphan. Blocks.
    pub(super) fn kill_orphans(&self, agent: Option<u32>) {
        let mut running = self.0.lock();
        if let Some(pid) = agent {
            running.remove(&pid);
        }
        tree::kill_everything(|pid| running.contains(&pid), KILL);
    }
}
