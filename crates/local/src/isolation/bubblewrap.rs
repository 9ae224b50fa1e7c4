//! A sandbox's namespaces, by bubblewrap (bwrap(1)).

use super::environment::{HOME, PROGRAMS, PROGRAMS_INSIDE};
use super::{Mount, Place, UID};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What an isolated sandbox sees of `/etc`: what programs need to start and to reach the network. Of OpenSSL's
/// directories that is certificates and settings: private keys lie beside them.
pub(crate) const ETC: [&str; 28] = [
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
    "pki/ca-trust",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "profile",
    "protocols",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
];

/// Of /proc: the machine's memory, and what describes the keys of the caller.
const HIDDEN: [&str; 3] = ["/proc/kcore", "/proc/keys", "/proc/key-users"];

/// Bytes that programs can share through `/dev/shm`.
const SHARED_MEMORY: &str = "268435456";
/// What is in memory would otherwise be a place to fill it up.
const READ_ONLY: [&str; 8] =
    ["--remount-ro", "/run", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/workspace"];

/// Where the agent's executable is inside.
pub(super) const AGENT: &str = "/run/shoreline/agent";

/// A bubblewrap that works here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bubblewrap {
    pub(super) program: PathBuf,
    /// Whether it knows `--disable-userns` (0.8). Where it does not, only seccomp denies user namespaces.
    pub(super) disables_userns: bool,
}

/// What the sandbox runs as: the user who started the server, in a user namespace, or another user of the host
/// who the agent becomes (`--host-uid`).
fn user(command: &mut Command, place: &Place, disable_userns: bool) {
    if place.host_uid.is_some() {
        // For a user namespace that root could make in any case, which the agent makes.
        command.args(["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]);
        command.args(["--cap-add", "CAP_SYS_ADMIN"]);
        return;
    }
    command.args(["--unshare-user", "--uid", UID, "--gid", UID]);
    if disable_userns {
        command.arg("--disable-userns");
    }
}

/// A root of its own: the system's programs read-only, and nothing of anybody's data.
///
/// # Errors
/// What a mount names has been removed since the server started.
pub(super) fn view(
    command: &mut Command,
    place: &Place,
    executable: &Path,
    disable_userns: bool,
    mounts: &[Mount],
) -> io::Result<()> {
    command.args([
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
        "--unshare-cgroup-try",
        // The agent: as the init of its namespace it cannot be killed or stopped from within (pid_namespaces(7)).
        "--as-pid-1",
        "--hostname",
        "sandbox",
        "--cap-drop",
        "ALL",
    ]);
    user(command, place, disable_userns);
    command.args([
        "--new-session",
        "--ro-bind",
        "/usr",
        "/usr",
        "--proc",
        "/proc",
        "--ro-bind",
        "/proc/sys",
        "/proc/sys",
        "--dev",
        "/dev",
        "--perms",
        "1777",
        "--size",
        SHARED_MEMORY,
        "--tmpfs",
        "/dev/shm",
        "--tmpfs",
        "/run",
    ]);
    // Directories that only contain mounts are closed to all but their owner, who can be root, unless made before.
    for path in ["/root", "/home", "/etc", "/var", "/run/shoreline"] {
        command.args(["--dir", path]);
    }
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let path = Path::new("/").join(name);
        match fs::read_link(&path) {
            Ok(target) => command.arg("--symlink").arg(target).arg(&path),
            Err(_) => command.arg("--ro-bind-try").arg(&path).arg(&path),
        };
    }
    command.args(["--ro-bind-try", "/opt", "/opt"]);
    for path in HIDDEN.iter().filter(|path| Path::new(path).exists()) {
        command.args(["--ro-bind", "/dev/null", path]);
    }
    for name in ETC {
        let path = Path::new("/etc").join(name);
        if let Some(directory) = path.parent().filter(|_| path.exists()) {
            command.arg("--dir").arg(directory);
        }
        // A link is followed: what it names may lie outside the view.
        command
            .arg("--ro-bind-try")
            .arg(fs::canonicalize(&path).unwrap_or_else(|_| path.clone()))
            .arg(&path);
    }
    for name in ["passwd", "group", "hosts", "resolv.conf"] {
        let inside = Path::new("/etc").join(name);
        command.arg("--ro-bind").arg(place.host("etc").join(name)).arg(inside);
    }
    for (name, inside) in
        [("workspace", "/workspace"), ("tmp", "/tmp"), ("tmp", "/var/tmp"), ("home", HOME)]
    {
        command.arg("--bind").arg(place.host(name)).arg(inside);
    }
    for Mount { source, target, writable } in mounts {
        if !source.exists() {
            let text = format!("{} cannot be mounted: it is gone from the host", target.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        let parents: Vec<_> = target.ancestors().skip(1).collect();
        for parent in parents.iter().rev().skip(1) {
            command.arg("--dir").arg(parent);
        }
        command.arg(if *writable { "--bind" } else { "--ro-bind" }).arg(source).arg(target);
    }
    command.arg("--ro-bind").arg(place.host(PROGRAMS)).arg(PROGRAMS_INSIDE);
    command.arg("--ro-bind").arg(executable).arg(AGENT).args(READ_ONLY);
    Ok(())
}
