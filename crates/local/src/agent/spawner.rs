//! Starts the agents of a server, and kills what lost ones leave behind.

use super::tree;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

/// How long killing orphans may take: a process that waits for a device ends when that answers.
const KILL: Duration = Duration::from_secs(1);

/// Starts agents, all from one thread, and knows which run.
#[derive(Debug)]
pub(crate) struct Spawner {
    starts: Sender<(Command, Sender<io::Result<Child>>)>,
    agents: Arc<Mutex<HashSet<u32>>>,
    is_subreaper: bool,
}

impl Spawner {
    /// A subreaper becomes the parent of the orphans of its agents (PR_SET_CHILD_SUBREAPER(2const)). It has
    /// to be one where the agents are in no namespace, which would end their orphans.
    pub(crate) fn new(is_subreaper: bool) -> io::Result<Self> {
        if is_subreaper {
            rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        }
        let agents = Arc::<Mutex<HashSet<u32>>>::default();
        let (starts, queue) = channel::<(Command, Sender<io::Result<Child>>)>();
        let (started, runtime) = (agents.clone(), Handle::current());
        // As long as the server: `bwrap --die-with-parent` ends when the thread that started it ends, not
        // the process (PR_SET_PDEATHSIG(2const)).
        thread::Builder::new().name("agents".to_owned()).spawn(move || {
            let _runtime = runtime.enter();
            for (mut command, reply) in queue {
                // Held meanwhile, so that an agent is not taken for an orphan.
                let mut agents = started.lock();
                let child = command.spawn();
                agents.extend(child.as_ref().ok().and_then(Child::id));
                let _ = reply.send(child);
            }
        })?;
        Ok(Self { starts, agents, is_subreaper })
    }

    /// Whether the orphans of lost agents become children of this process.
    pub(super) fn is_subreaper(&self) -> bool {
        self.is_subreaper
    }

    /// Starts an agent. Blocks.
    pub(super) fn start(&self, command: Command) -> io::Result<Child> {
        let (reply, child) = channel();
        let ended = || io::Error::other("the thread that starts agents has ended");
        self.starts.send((command, reply)).map_err(|_| ended())?;
        child.recv().map_err(|_| ended())?
    }

    /// Forgets an agent that was reaped, and kills every orphan. Blocks.
    pub(super) fn kill_orphans(&self, agent: Option<u32>) {
        let mut agents = self.agents.lock();
        if let Some(pid) = agent {
            agents.remove(&pid);
        }
        if self.is_subreaper {
            tree::kill_everything(|pid| agents.contains(&pid), KILL);
        }
    }
}
