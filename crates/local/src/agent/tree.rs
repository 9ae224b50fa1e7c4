//! The processes below this one, as the kernel lists them.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, waitid};
use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

/// Direct children of a process, whichever of its threads made them.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

fn own() -> u32 {
    getpid().as_raw_nonzero().get().unsigned_abs()
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Reaps children that nobody started here: orphans whose parents have ended.
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

/// Signals every process below this one, those too that are made meanwhile.
pub(super) fn signal_everything(signal: Signal) {
    let mut done = HashSet::new();
    loop {
        let (mut next, mut found) = (vec![own()], Vec::new());
        while let Some(pid) = next.pop() {
            let below = children(pid);
            next.extend_from_slice(&below);
            found.extend(below);
        }
        let new: Vec<_> = found.into_iter().filter(|pid| done.insert(*pid)).collect();
        if new.is_empty() {
            return;
        }
        for pid in new.into_iter().filter_map(raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Kills every process below this one. What is killed leaves its children here, until none is left.
pub(super) fn kill_everything() {
    let end = Instant::now() + Duration::from_secs(4);
    loop {
        let left = children(own());
        if left.is_empty() || Instant::now() > end {
            return;
        }
        for pid in left {
            if let Some(pid) = raw(pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
            reap(pid);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
