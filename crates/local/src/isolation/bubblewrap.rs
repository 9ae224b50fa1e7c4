//! A sandbox's namespaces, by bubblewrap (bwrap(1)).

use super::{Place, UID};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What an isolated sandbox sees of `/etc`: what programs need to start and to reach the network.
const ETC: [&str; 24] = [
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "default",
    "host.conf",
    "inputrc",
    "issue",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "networks",
    "nsswitch.conf",
    "os-release",
    "pki",
    "profile",
    "protocols",
    "resolv.conf",
    "services",
    "ssl",
    "timezone",
];

/// Bytes that programs can share through `/dev/shm`.
const SHARED_MEMORY: &str = "268435456";
/// What is in memory would otherwise be a place to fill it up.
const READ_ONLY: [&str; 8] =
    ["--remount-ro", "/run", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/workspace"];

/// Where the agent's executable is inside.
pub(super) const AGENT: &str = "/run/shoreline/agent";

/// A root of its own: the system's programs read-only, and nothing of anybody's data.
pub(super) fn view(command: &mut Command, place: &Place, executable: &Path) {
    command.args([
        "--unshare-all",
        "--unshare-user",
        // The agent: as the init of its namespace it cannot be killed or stopped from within (pid_namespaces(7)).
        "--as-pid-1",
        "--uid",
        UID,
        "--gid",
        UID,
        "--hostname",
        "sandbox",
        "--cap-drop",
        "ALL",
        "--new-session",
        "--ro-bind",
        "/usr",
        "/usr",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--size",
        SHARED_MEMORY,
        "--tmpfs",
        "/dev/shm",
        "--tmpfs",
        "/run",
        "--dir",
        "/root",
    ]);
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let path = Path::new("/").join(name);
        match fs::read_link(&path) {
            Ok(target) => command.arg("--symlink").arg(target).arg(&path),
            Err(_) => command.arg("--ro-bind-try").arg(&path).arg(&path),
        };
    }
    command.args(["--ro-bind-try", "/opt", "/opt"]);
    for name in ETC {
        let path = Path::new("/etc").join(name);
        // A link is followed: what it names may lie outside the view.
        command
            .arg("--ro-bind-try")
            .arg(fs::canonicalize(&path).unwrap_or_else(|_| path.clone()))
            .arg(&path);
    }
    for name in ["passwd", "group", "hosts"] {
        let inside = Path::new("/etc").join(name);
        command.arg("--ro-bind").arg(place.host("etc").join(name)).arg(inside);
    }
    for (name, inside) in [
        ("workspace", "/workspace"),
        ("tmp", "/tmp"),
        ("tmp", "/var/tmp"),
        ("home", "/home/tl-user"),
    ] {
        command.arg("--bind").arg(place.host(name)).arg(inside);
    }
    command.arg("--ro-bind").arg(executable).arg(AGENT).args(READ_ONLY);
}
