//! A sandbox's namespaces, by bubblewrap (bwrap(1)).

use super::environment::{HOME, PROGRAMS, PROGRAMS_INSIDE};
use super::{Mount, Place, UID};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The paths of `/etc` that an isolated sandbox sees: those that programs need to start and to use the network. Of
/// OpenSSL's directories only certificates and settings, since private keys are beside them.
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

/// Hidden files of /proc: the machine's memory, and descriptions of the caller's keys.
const HIDDEN: [&str; 3] = ["/proc/kcore", "/proc/keys", "/proc/key-users"];

/// Bytes that programs can share through `/dev/shm`.
const SHARED_MEMORY: &str = "268435456";
/// File systems in memory that are read-only, since writing to them could exhaust it.
const READ_ONLY: [&str; 8] =
    ["--remount-ro", "/run", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/workspace"];

/// The path of the agent's executable in the sandbox.
pub(super) const AGENT: &str = "/run/shoreline/agent";

/// A bubblewrap that works here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bubblewrap {
    pub(super) program: PathBuf,
    /// Whether it supports `--disable-userns` (0.8). Otherwise only seccomp denies user namespaces.
    pub(super) disables_userns: bool,
}

/// Adds the user of the sandbox: the user who started the server, in a user namespace, or another user of the host,
/// to whom the agent changes (`--host-uid`).
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

/// Adds a root file system: the system's programs, read-only, and no data of users.
///
/// # Errors
/// The source of a mount was removed after the server started.
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
        // As the init of its namespace, the agent cannot be killed or stopped from within (pid_namespaces(7)).
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
        // A link is resolved, since its target can be outside of the view.
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
