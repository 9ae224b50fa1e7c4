//! The machine's processes, as /proc lists them.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A process that is no zombie.
#[derive(Debug)]
pub struct Process {
    pub pid: u32,
    /// The state as /proc/PID/stat shows it: `T` is stopped, `t` is stopped by a tracer.
    pub state: char,
    pub args: Vec<String>,
}

/// Says which processes are left, or at least the first of them.
pub fn show(left: &[Process]) -> String {
    let some: Vec<_> = left.iter().take(4).map(|it| (it.pid, it.state, &it.args)).collect();
    format!("{} processes: {some:?}", left.len())
}

/// The living processes whose arguments or environment contain `text`.
pub fn mentioning(text: &str) -> Vec<Process> {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != own).filter_map(|pid| read(pid, text.as_bytes())).collect()
}

fn read(pid: u32, text: &[u8]) -> Option<Process> {
    let contains = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let line = command_line(pid);
    if !contains(&line) && !contains(&read("environ")) {
        return None;
    }
    let state = state(pid.into())?;
    let args = line.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned());
    Some(Process { pid, state, args: args.collect() })
}

/// A process's arguments, which exec sets shortly after it has told the parent that it succeeds.
fn command_line(pid: u32) -> Vec<u8> {
    for _ in 0..100 {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // A kernel thread, or a process that has ended, has no executable.
        if !line.is_empty() || std::fs::read_link(format!("/proc/{pid}/exe")).is_err() {
            return line;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Vec::new()
}

/// The state of a process that is no zombie.
pub fn state(pid: u64) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat.rsplit_once(") ")?.1.chars().next()?;
    (!matches!(state, 'Z' | 'X')).then_some(state)
}

/// Bytes of memory that a process has in use.
pub fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The process ids of the agents that a server started, or of the wrappers around them.
pub fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|it| std::fs::read_to_string(it.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()
        })
        .collect()
}

/// A text that the processes of one test carry in their arguments or environment. Dropping it kills
/// every process that does.
#[derive(Debug)]
pub struct Mark(String);

impl Mark {
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(format!("shoreline-test-{}-{count}.", std::process::id()))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// The environment of a process whose descendants all carry the mark.
    pub fn env(&self) -> Value {
        json!({ "SHORELINE_TEST_MARK": self.0 })
    }

    /// The body of a request that starts a shell's script.
    pub fn script(&self, script: &str) -> Value {
        json!({ "command": "sh", "args": ["-c", script, &self.0], "env": self.env() })
    }

    /// The living processes that carry the mark.
    pub fn processes(&self) -> Vec<Process> {
        mentioning(&self.0)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let left = self.processes();
            if left.is_empty() || Instant::now() > end {
                return;
            }
            let pids = left.iter().map(|process| process.pid.to_string());
            let _ = Command::new("kill").arg("-KILL").args(pids).output();
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A file system in memory, mounted for one test. Dropping it takes the mount away.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Nothing where this user may not mount.
    pub fn mount(megabytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(directory.path())
            .output();
        mounted.is_ok_and(|done| done.status.success()).then(|| Self(directory))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}
