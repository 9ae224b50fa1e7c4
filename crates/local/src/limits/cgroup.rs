//! Control groups (cgroup v2). A sandbox has one with its limits, and in it each started process has
//! one of its own, so that the kernel kills a process with its descendants when memory runs out, and counts that. Agents
//! stay outside, since they must outlive their processes.

use super::Limits;
use rustix::fd::OwnedFd;
use shoreline_protocol::limits::SANDBOX_TASKS;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ROOT: &str = "/sys/fs/cgroup";
const PREFIX: &str = "shoreline-local-";
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];
/// The period of the processor quota, in microseconds.
const PERIOD: u64 = 100_000;
/// The time limit for freezing a group.
const FREEZE: Duration = Duration::from_secs(2);
/// The interval at which the state of a group that freezes is checked.
const FREEZE_POLL: Duration = Duration::from_millis(2);

/// The parent of the sandboxes' groups and of the server's own group.
#[derive(Debug)]
pub(crate) struct Cgroups {
    directory: PathBuf,
    /// The controllers that this server enabled in the parent group.
    given: Vec<&'static str>,
}

/// The group of the server and its agents.
fn home(directory: &Path) -> PathBuf {
    directory.join("server")
}

fn set(group: &Path, file: &str, value: impl AsRef<[u8]>) -> io::Result<()> {
    let path = group.join(file);
    fs::write(&path, value)
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
}

/// Enables (`+`) or disables (`-`) controllers for the children of a group.
fn give(group: &Path, sign: char, controllers: &[&str]) -> io::Result<()> {
    let all: String = controllers.iter().map(|name| format!("{sign}{name} ")).collect();
    set(group, "cgroup.subtree_control", all)
}

/// The needed controllers that a file of a group does not list.
fn missing(group: &Path, file: &str) -> io::Result<Vec<&'static str>> {
    let there = fs::read_to_string(group.join(file))?;
    let is_there = |name| there.split_whitespace().any(|other| other == name);
    Ok(CONTROLLERS.into_iter().filter(|name| !is_there(*name)).collect())
}

impl Cgroups {
    /// Makes the groups below the server's present group, and checks that they work.
    pub(super) fn find() -> io::Result<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup")?;
        let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
        let own = Path::new(ROOT).join(own.unwrap_or_default());
        let lacks = missing(&own, "cgroup.controllers")?;
        if !lacks.is_empty() {
            return Err(io::Error::other(format!("{} lacks {lacks:?}", own.display())));
        }
        sweep(&own);
        let directory = own.join(format!("{PREFIX}{}", std::process::id()));
        let home = home(&directory);
        fs::create_dir(&directory)?;
        let mut made = Self { directory, given: Vec::new() };
        fs::create_dir(&home)?;
        // A group that has processes cannot enable controllers for its children.
        set(&home, "cgroup.procs", "0")?;
        let given = missing(&own, "cgroup.subtree_control")?;
        give(&own, '+', &given)?;
        made.given = given;
        give(&made.directory, '+', &CONTROLLERS)?;
        Ok(made)
    }

    /// A sandbox's group.
    pub(super) fn make(&self, id: &str, limits: &Limits) -> io::Result<Group> {
        let directory = self.directory.join(id);
        fs::create_dir(&directory)?;
        let group = Group { directory, home: home(&self.directory) };
        let set = |file, value: String| set(&group.directory, file, value);
        set("pids.max", SANDBOX_TASKS.to_string())?;
        if let Some(bytes) = limits.memory {
            set("memory.max", bytes.to_string())?;
            // Fails on a machine without swap.
            let _ = set("memory.swap.max", "0".to_owned());
        }
        if let Some(cpus) = limits.cpus {
            // What the kernel takes.
            let quota = ((cpus * PERIOD as f64) as u64).clamp(1000, 1024 * PERIOD);
            set("cpu.max", format!("{quota} {PERIOD}"))?;
        }
        give(&group.directory, '+', &["memory"])?;
        Ok(group)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        let Some(own) = self.directory.parent() else { return };
        // The server returns to its first group, so that its own group can be removed.
        let _ = give(&self.directory, '-', &CONTROLLERS);
        let _ = give(own, '-', &self.given);
        let _ = set(own, "cgroup.procs", "0");
        remove(&self.directory);
    }
}

/// Removes the groups of servers that were killed. An agent can be left there, stopped in the
/// group of a process that it was starting.
fn sweep(own: &Path) {
    for other in below(own) {
        let theirs =
            other.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if theirs && fs::remove_dir(home(&other)).is_ok() {
            let _ = set(&other, "cgroup.kill", "1");
            remove(&other);
        }
    }
}

fn below(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect()
}

/// Removes a group and its children, if they have no processes.
fn remove(group: &Path) {
    below(group).iter().for_each(|group| remove(group));
    let _ = fs::remove_dir(group);
}

/// The group of one sandbox. Dropping it kills the remaining processes and removes the group.
#[derive(Debug)]
pub(crate) struct Group {
    directory: PathBuf,
    home: PathBuf,
}

impl Group {
    /// Makes the group of one process. Returns also the files by which the agent enters the group and returns.
    pub(crate) fn unit(&self) -> io::Result<(Unit, [OwnedFd; 2])> {
        let directory = self.directory.join(crate::random::hex(crate::random::bytes::<8>()?));
        fs::create_dir(&directory)?;
        let unit = Unit { directory };
        set(&unit.directory, "memory.oom.group", "1")?;
        let open = |group: &Path| {
            fs::OpenOptions::new().write(true).open(group.join("cgroup.procs")).map(OwnedFd::from)
        };
        let files = [open(&unit.directory)?, open(&self.home)?];
        Ok((unit, files))
    }

    /// Stops everything in it; returns once it is stopped.
    pub(crate) async fn freeze(&self) -> io::Result<()> {
        set(&self.directory, "cgroup.freeze", "1")?;
        let frozen = async {
            loop {
                let events = fs::read_to_string(self.directory.join("cgroup.events"))?;
                if events.lines().any(|line| line == "frozen 1") {
                    return Ok(());
                }
                tokio::time::sleep(FREEZE_POLL).await;
            }
        };
        let frozen = tokio::time::timeout(FREEZE, frozen).await;
        let frozen = frozen.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if frozen.is_err() {
            self.thaw()?;
        }
        frozen
    }

    /// Continues everything in it. Returns whether [`Group::freeze`] had stopped it.
    pub(crate) fn thaw(&self) -> io::Result<bool> {
        let frozen = fs::read_to_string(self.directory.join("cgroup.freeze"))?.trim() == "1";
        if frozen {
            set(&self.directory, "cgroup.freeze", "0")?;
        }
        Ok(frozen)
    }

    /// Kills everything in it.
    pub(crate) fn kill(&self) {
        let _ = set(&self.directory, "cgroup.kill", "1");
    }

    /// Removes the group once it is empty.
    pub(crate) fn remove(&self) {
        remove(&self.directory);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        self.remove();
    }
}

/// The group of one process and its descendants. Descendants that outlive the process stay in it until the sandbox ends.
#[derive(Debug)]
pub(crate) struct Unit {
    directory: PathBuf,
}

impl Unit {
    /// Whether the kernel killed it because memory ran out.
    pub(crate) fn oom_killed(&self) -> bool {
        let events = fs::read_to_string(self.directory.join("memory.events")).unwrap_or_default();
        events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count != "0"))
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.directory);
    }
}
