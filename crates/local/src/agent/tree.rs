//! The process tree below a process, as the kernel lists it (proc_pid_task(5), `children`).

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, pidfd_open, pidfd_send_signal, waitid,
};
use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

/// Returns the direct children of a process, of all its threads.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// Returns every descendant of `root`, parents before their children.
pub(super) fn descendants(root: u32) -> Vec<u32> {
    let mut found = children(root);
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let below = children(*pid);
        found.extend(below);
        next += 1;
    }
    found
}

pub(super) fn own() -> u32 {
    getpid().as_raw_nonzero().get().unsigned_abs()
}

pub(super) fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Reaps children that the agent did not start: orphans that were reparented to it.
pub(super) fn reap_orphans(is_leader: impl Fn(u32) -> bool) {
    for pid in children(own()).into_iter().filter(|pid| !is_leader(*pid)) {
        reap(pid);
    }
}

fn reap(pid: u32) {
    if let Some(pid) = raw(pid) {
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
}

/// Whether a process group has a child that is alive. Orphans of the group are children of this process. Without
/// `EXITED`, waitid(2) ignores zombies: it fails with ECHILD if the group has no other process.
pub(super) fn has_members(group: u32) -> bool {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    raw(group).is_some_and(|group| {
        !matches!(waitid(WaitId::Pgid(Some(group)), options), Err(Errno::CHILD))
    })
}

/// The time limit for one process to stop before the next one is stopped. A process that waits for a device stops
/// later.
const STOP: Duration = Duration::from_millis(50);

/// Stops every descendant of this process, including those that start meanwhile.
pub(super) fn stop_everything() {
    let mut stopped = HashSet::new();
    loop {
        let mut new = descendants(own());
        new.retain(|pid| stopped.insert(*pid));
        if new.is_empty() {
            return;
        }
        for pid in new {
            signal(pid, own(), Signal::STOP);
            // Parents first: a shell must not see that its child was stopped.
            let end = Instant::now() + STOP;
            while !matches!(state(pid), None | Some('T' | 't' | 'Z' | 'X')) && Instant::now() < end
            {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }
}

/// Continues every descendant of this process.
pub(super) fn continue_everything() {
    // Children first: a shell that runs again must not find its child stopped.
    for pid in descendants(own()).into_iter().rev() {
        signal(pid, own(), Signal::CONT);
    }
}

/// Signals a process if it is still a descendant of `root`: the pid can have been reused since it was listed.
fn signal(pid: u32, root: u32, signal: Signal) {
    let Some(pid) = raw(pid) else { return };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if is_below(pid, root) {
        let _ = pidfd_send_signal(pidfd, signal);
    }
}

fn is_below(pid: Pid, root: u32) -> bool {
    let mut pid = pid.as_raw_nonzero().get().unsigned_abs();
    // The maximum depth of a process tree.
    for _ in 0..1 << 22 {
        match parent(pid) {
            Some(parent) if parent == root => return true,
            Some(parent) if parent > 1 => pid = parent,
            _ => return false,
        }
    }
    false
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last parenthesis can contain any character.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The state character of proc_pid_stat(5), or `None` if the process is gone.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Kills every descendant of `root` except `spared` until only zombies are left or `limit` has passed. Returns whether
/// only zombies are left. Blocks.
pub(super) fn kill_below(root: u32, spared: Option<u32>, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let mut alive = descendants(root);
        alive.retain(|pid| Some(*pid) != spared && !matches!(state(*pid), None | Some('Z' | 'X')));
        if alive.is_empty() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        alive.into_iter().for_each(|pid| signal(pid, root, Signal::KILL));
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Kills every descendant of this process except the children in `spared`, and reaps orphans that become its children,
/// until none is left or `limit` has passed. Blocks.
pub(super) fn kill_everything(spared: impl Fn(u32) -> bool, limit: Duration) {
    let end = Instant::now() + limit;
    loop {
        let mut left = children(own());
        left.retain(|pid| !spared(*pid));
        if left.is_empty() || Instant::now() > end {
            return;
        }
        for pid in left {
            for below in descendants(pid) {
                signal(below, own(), Signal::KILL);
            }
            signal(pid, own(), Signal::KILL);
            reap(pid);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}
