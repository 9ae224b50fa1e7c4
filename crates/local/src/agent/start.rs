//! The start of an agent: its arguments, and what it gives up and sets up before its loop.

use super::confine::{Level, confine};
use super::inside::Inside;
use super::limits;
use super::network;
use super::threads::Threads;
use super::tree::own;
use super::work::Work;
use clap::Parser;
use parking_lot::Mutex;
use rustix::process::{
    DumpableBehavior, Signal, set_child_subreaper, set_dumpable_behavior,
    set_parent_process_death_signal,
};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::channel;

/// The arguments that the server passes to an agent.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// The directory in which processes start.
    #[arg(long)]
    pub(crate) workspace: PathBuf,
    /// Makes a network of its own first.
    #[arg(long)]
    pub(crate) network: bool,
    /// Bytes of memory that each process can use.
    #[arg(long)]
    pub(crate) memory: Option<u64>,
    /// Bytes that a file can have.
    #[arg(long)]
    pub(crate) file_size: Option<u64>,
    /// Processors that processes share.
    #[arg(long)]
    pub(crate) cpus: Option<usize>,
    /// The isolation level of the sandbox.
    #[arg(long)]
    pub(crate) level: Option<Level>,
    /// The host's uid and gid to run as, for an agent that root starts.
    #[arg(long)]
    pub(crate) host_uid: Option<u32>,
    /// Directories that can be written beside the workspace, by Landlock.
    #[arg(long)]
    pub(crate) writable: Vec<PathBuf>,
    /// Without namespaces: no sockets of the Internet.
    #[arg(long)]
    pub(crate) no_network: bool,
    /// Processes and threads of the sandbox, the agent's included.
    #[arg(long)]
    pub(crate) tasks: Option<u64>,
    /// Only tries whether `tasks` would hold for this sandbox.
    #[arg(long)]
    pub(crate) count_tasks: bool,
}

/// Answers questions until the socket ends, then ends everything and exits.
pub(crate) fn main(args: Args) -> io::Result<()> {
    if args.network {
        network::enter(io::stdin())?;
    }
    let terminals = confine(&args)?;
    if args.count_tasks {
        return limits::count_tasks();
    }
    // Another process of the sandbox must not read its memory or take its files.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // The kernel sends this when the parent ends (PR_SET_PDEATHSIG(2const)). In a namespace the parent is the
    // bubblewrap, and the agent ends with it. Without one it is a thread of the server: an agent that something
    // has stopped continues, finds its socket closed, and ends everything.
    let signal = if own() == 1 { Signal::KILL } else { Signal::CONT };
    set_parent_process_death_signal(Some(signal))?;
    // The socket comes as stdin, and must not be inherited by what is started.
    let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    set_child_subreaper(Some(rustix::process::getpid()))?;
    let memory = limits::set(&args)?;
    let (child_ended, signalled) = UnixStream::pair()?;
    child_ended.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, signalled)?;
    let (bell, ring) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    ring.set_nonblocking(true)?;
    let (report, done) = channel();
    let work = Arc::new(Work {
        socket: socket.try_clone()?,
        workspace: args.workspace,
        terminals,
        memory,
        done: report,
        bell: ring,
        answering: Mutex::default(),
        searching: Mutex::default(),
        group: Mutex::default(),
        operations: AtomicUsize::new(0),
        searches: AtomicUsize::new(0),
    });
    let inside = Inside::new(socket, work.clone(), done, bell, child_ended);
    Arc::new(Threads::new(inside, work)).main()
}
