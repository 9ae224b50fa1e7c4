//! The start of an agent: its arguments, and the set-up before its loop.

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
    /// Make a network namespace first.
    #[arg(long)]
    pub(crate) network: bool,
    /// Bytes of memory that each process can use.
    #[arg(long)]
    pub(crate) memory: Option<u64>,
    /// The largest file, in bytes.
    #[arg(long)]
    pub(crate) file_size: Option<u64>,
    /// The number of processors that processes share.
    #[arg(long)]
    pub(crate) cpus: Option<usize>,
    /// The isolation level of the sandbox.
    #[arg(long)]
    pub(crate) level: Option<Level>,
    /// The host's uid and gid to change to, if root starts the agent.
    #[arg(long)]
    pub(crate) host_uid: Option<u32>,
    /// Writable directories besides the workspace, under Landlock.
    #[arg(long)]
    pub(crate) writable: Vec<PathBuf>,
    /// Deny Internet sockets. Used without namespaces.
    #[arg(long)]
    pub(crate) no_network: bool,
    /// The most processes and threads of the sandbox, including the agent's.
    #[arg(long)]
    pub(crate) tasks: Option<u64>,
    /// Only check whether `tasks` would be enforced for this sandbox.
    #[arg(long)]
    pub(crate) count_tasks: bool,
}

/// Answers requests until the socket closes, then kills every process and exits.
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
    // The kernel sends this when the parent ends (PR_SET_PDEATHSIG(2const)). In a namespace the parent is
    // bubblewrap, and the agent is killed with it. Without one the parent is a thread of the server. SIGCONT then lets a
    // stopped agent continue, find its socket closed, and kill every process.
    let signal = if own() == 1 { Signal::KILL } else { Signal::CONT };
    set_parent_process_death_signal(Some(signal))?;
    // The socket is stdin, and processes must not inherit it.
    let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    set_child_subreaper(Some(rustix::process::getpid()))?;
    let memory = limits::set(&args)?;
    let (child_ended, signalled) = UnixStream::pair()?;
    child_ended.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, signalled)?;
    let (wake_socket, waker) = UnixStream::pair()?;
    wake_socket.set_nonblocking(true)?;
    waker.set_nonblocking(true)?;
    let (report, done) = channel();
    let work = Arc::new(Work {
        socket: socket.try_clone()?,
        workspace: args.workspace,
        terminals,
        memory,
        done: report,
        waker,
        answering: Mutex::default(),
        searching: Mutex::default(),
        group: Mutex::default(),
        operations: AtomicUsize::new(0),
        searches: AtomicUsize::new(0),
    });
    let inside = Inside::new(socket, work.clone(), done, wake_socket, child_ended);
    Arc::new(Threads::new(inside, work)).main()
}
