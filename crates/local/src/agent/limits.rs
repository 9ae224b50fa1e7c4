//! Limits that an agent sets for itself and for the processes that it starts.

use super::start::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;
use std::thread;

/// More memory than the agent needs, whose 18 threads have stacks of 2 MiB.
const PLENTY: u64 = 256 << 20;

/// Sets the limits of the arguments. Returns the limit on memory if it is too low for the agent. Each process
/// then sets it for itself: RLIMIT_DATA is a limit for one process (getrlimit(2)).
pub(super) fn set(args: &Args) -> io::Result<Option<u64>> {
    limit(Resource::Core, 0)?;
    if let Some(bytes) = args.file_size {
        limit(Resource::Fsize, bytes)?;
    }
    if let Some(tasks) = args.tasks {
        limit(Resource::Nproc, tasks)?;
    }
    args.cpus.map_or(Ok(()), take_processors)?;
    match args.memory {
        Some(bytes) if bytes >= PLENTY => limit(Resource::Data, bytes).map(|()| None),
        low => Ok(low),
    }
}

/// Sets a limit for this process and what it starts, unless there is a lower one.
fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let value = getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

/// Fails unless RLIMIT_NPROC counts only the tasks of this sandbox and is enforced. The kernel counts by user, since Linux
/// 5.14 separately in each user namespace, and does not enforce the limit for the machine's root.
pub(super) fn count_tasks() -> io::Result<()> {
    limit(Resource::Nproc, 3)?;
    let start = || thread::Builder::new().spawn(thread::park);
    let _with_this_three = (start()?, start()?);
    match start() {
        Err(_) => Ok(()),
        Ok(_) => Err(io::Error::other("a limit on tasks does not hold here")),
    }
}

/// Limits this process and everything that it starts to `count` of its processors, chosen at random.
fn take_processors(count: usize) -> io::Result<()> {
    let there = sched_getaffinity(None)?;
    let there: Vec<_> = (0..CpuSet::MAX_CPU).filter(|cpu| there.is_set(*cpu)).collect();
    let [first] = crate::random::bytes::<1>()?;
    let mut taken = CpuSet::new();
    for cpu in there.iter().cycle().skip(usize::from(first)).take(count.min(there.len())) {
        taken.set(*cpu);
    }
    Ok(sched_setaffinity(None, &taken)?)
}
