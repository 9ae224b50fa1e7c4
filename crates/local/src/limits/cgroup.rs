//! Control groups (cgroup v2). A sandbox has one with its limits, and in it each process that was started has
//! one of its own, so that what runs out of memory is killed as a whole and is known to have been. Agents stay
//! outside: they must outlive what they start.

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
/// Microseconds over which the use of processors is counted.
const PERIOD: u64 = 100_000;
/// How long stopping a group may take, and between looks at it.
const FREEZE: Duration = Duration::from_secs(2);
const FREEZE_POLL: Duration = Duration::from_millis(2);

/// Where the groups of sandboxes are made, beside the server's own.
#[derive(Debug)]
pub(crate) struct Cgroups {
    directory: PathBuf,
    /// What the group above gives on only because of this server.
    given: Vec<&'static str>,
}

/// The server's own, and its agents'.
fn home(directory: &Path) -> PathBuf {
    directory.join("server")
}

fn set(group: &Path, file: &str, value: impl AsRef<[u8]>) -> io::Result<()> {
    let path = group.join(file);
    fs::write(&path, value)
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
}

/// Lets a group limit those in it (`+`), or no longer (`-`).
fn give(group: &Path, sign: char, controllers: &[&str]) -> io::Result<()> {
    let all: String = controllers.iter().map(|name| format!("{sign}{name} ")).collect();
    set(group, "cgroup.subtree_control", all)
}

/// Those of the needed controllers that a file of a group does not name.
fn missing(group: &Path, file: &str) -> io::Result<Vec<&'static str>> {
    let there = fs::read_to_string(group.join(file))?;
    let is_there = |name| there.split_whitespace().any(|other| other == name);
    Ok(CONTROLLERS.into_iter().filter(|name| !is_there(*name)).collect())
}

impl Cgroups {
    /// A place below the group that the server was started in, made sure of by using it.
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
        // A group with processes in it cannot give controllers on.
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
            // Where there is any.
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
        // The server goes back to where it came from, so that it leaves nothing behind.
        let _ = give(&self.directory, '-', &CONTROLLERS);
        let _ = give(own, '-', &self.given);
        let _ = set(own, "cgroup.procs", "0");
        remove(&self.directory);
    }
}

/// Removes what servers left behind that did not end by themselves, with an agent that was stopped in the
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

/// Removes a group and those in it, as far as nobody is there.
fn remove(group: &Path) {
    below(group).iter().for_each(|group| remove(group));
    let _ = fs::remove_dir(group);
}

/// The group of one sandbox. Dropping it kills what is left in it and removes it.
#[derive(Debug)]
pub(crate) struct Group {
    directory: PathBuf,
    home: PathBuf,
}

impl Group {
    /// The group of one process, and the files by which the agent goes into it and back.
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

    /// Continues everything in it; whether it was stopped by [`Group::freeze`].
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

    /// Removes it once nothing is in it.
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

/// The group of one process and its descendants. What outlives it stays there, to the sandbox's end.
#[derive(Debug)]
pub(crate) struct Unit {
    directory: PathBuf,
}

impl Unit {
    /// Whether it was killed for want of memory.
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
