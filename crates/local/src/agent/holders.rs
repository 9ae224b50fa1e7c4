//! Finds the processes of the sandbox that hold pipes open for writing. Processes choose their names and descriptors, so
//! everything here is bounded.

use super::message::Holder;
use super::tree;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

/// The time limit for a search. A process can have a million descriptors.
const SEARCH: Duration = Duration::from_millis(300);
/// The maximum number of holders listed for one pipe.
const PER_PIPE: usize = 8;
/// The maximum number of holders listed by one search. An answer of this size fits into one packet.
pub(super) const HOLDERS: usize = 64;
/// Characters of a command.
pub(super) const COMMAND_CHARS: usize = 120;

/// Finds the holders of pipes, which are named by inode.
pub(super) fn of(pipes: &[u64]) -> Vec<Holder> {
    let end = Instant::now() + SEARCH;
    let mut counts: HashMap<u64, usize> = pipes.iter().map(|pipe| (*pipe, 0)).collect();
    let mut holders = Vec::new();
    for pid in tree::descendants(tree::own()) {
        let mut command = None;
        for pipe in held(pid, &counts, end) {
            let count = counts.entry(pipe).or_default();
            if *count == PER_PIPE {
                continue;
            }
            *count += 1;
            let command = command.get_or_insert_with(|| command_of(pid)).clone();
            holders.push(Holder { pipe, pid, command });
        }
        if holders.len() >= HOLDERS || Instant::now() > end {
            break;
        }
    }
    holders.truncate(HOLDERS);
    holders
}

/// The wanted pipes that a process can write to, each once.
fn held(pid: u32, wanted: &HashMap<u64, usize>, end: Instant) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let mut held = Vec::new();
    for entry in entries.flatten() {
        if Instant::now() > end {
            break;
        }
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let inode = target.to_str().and_then(|text| text.strip_prefix("pipe:[")?.strip_suffix(']'));
        let Some(inode) = inode.and_then(|text| text.parse().ok()) else { continue };
        if wanted.contains_key(&inode)
            && !held.contains(&inode)
            // The link's own mode says how the file is open (proc_pid_fd(5)).
            && fs::symlink_metadata(entry.path()).is_ok_and(|link| link.mode() & 0o200 != 0)
        {
            held.push(inode);
        }
    }
    held
}

/// A process's command line, or its name where it has none.
pub(super) fn command_of(pid: u32) -> String {
    let mut bytes = Vec::new();
    let most = COMMAND_CHARS as u64 * 4;
    for name in ["cmdline", "comm"] {
        if let Ok(file) = File::open(format!("/proc/{pid}/{name}")) {
            let _ = file.take(most).read_to_end(&mut bytes);
        }
        if !bytes.is_empty() {
            break;
        }
    }
    bytes.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    String::from_utf8_lossy(&bytes).trim().chars().take(COMMAND_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;
    use std::process::{Command, Stdio};

    #[test]
    fn writers_are_found_and_readers_are_not() {
        let (read, write) = pipe().unwrap();
        let inode = rustix::fs::fstat(&write).unwrap().st_ino;
        let mut sleep = Command::new("sleep");
        let mut writer = sleep.arg("1000").stdout(Stdio::from(write)).spawn().unwrap();
        // The command holds the pipe too, in this process.
        drop(sleep);
        let mut reader =
            Command::new("sleep").arg("1001").stdin(Stdio::from(read)).spawn().unwrap();
        // A child that has begun to execute its program has no command line for a moment.
        while fs::read(format!("/proc/{}/cmdline", writer.id())).unwrap().is_empty() {
            std::thread::yield_now();
        }
        let found = of(&[inode, 1]);
        for child in [&mut writer, &mut reader] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let holder = Holder { pipe: inode, pid: writer.id(), command: "sleep 1000".to_owned() };
        assert_eq!(found, [holder]);
    }
}
