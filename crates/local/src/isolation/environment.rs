//! The environment of a sandbox: the variables of its processes, and the files in its home.

use super::{Isolation, Place};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The user of an isolated sandbox, as the cloud has it.
pub(super) const USER: &str = "tl-user";
/// The home directory of [`USER`].
pub(super) const HOME: &str = "/home/tl-user";
/// The path of [`PROGRAMS`] in an isolated sandbox.
pub(super) const PROGRAMS_INSIDE: &str = "/run/shoreline/bin";
/// The directory of programs that the machine lacks, in the sandbox's directory on the host.
pub(super) const PROGRAMS: &str = "bin";

/// The variables of the server that its sandboxes inherit. None of them can be a secret.
const INHERITED: [&str; 4] = ["LANG", "LC_ALL", "LC_CTYPE", "TZ"];
/// Variables with the paths of certificates. Behind a proxy with a certificate of its own, downloads fail without them.
const CERTIFICATES: [&str; 7] = [
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];
/// Without isolation, these lead to the user's own tools.
const INHERITED_OPEN: [&str; 4] = ["PATH", "USER", "LOGNAME", "SHELL"];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Any identity will do for a first commit, and `git config --global` replaces it. A mounted directory can belong to
/// another user, which Git refuses (git-config(1), safe.directory).
const GIT_CONFIG: &str =
    "[user]\n\tname = tl-user\n\temail = tl-user@sandbox\n[safe]\n\tdirectory = *\n";
const PYTHON: &str = "#!/bin/sh\nexec python3 \"$@\"\n";
/// Without isolation, a plain `pip install` as root would change the machine's own packages. A virtual
/// environment has its own pip.
const PIP: &str = "#!/bin/sh
case \" $* \" in *' install '*)
  export PIP_USER=\"${PIP_USER-1}\" PIP_BREAK_SYSTEM_PACKAGES=\"${PIP_BREAK_SYSTEM_PACKAGES-1}\" ;;
esac
exec python3 -m pip \"$@\"
";

/// Makes the home of a sandbox and the programs that the machine lacks.
pub(super) fn make(isolation: &Isolation, place: &Place) -> io::Result<()> {
    let is_open = isolation.is_none();
    let home = place.host("home");
    let programs = place.host(PROGRAMS);
    fs::create_dir_all(home.join(".config/git"))?;
    fs::write(home.join(".config/git/config"), GIT_CONFIG)?;
    fs::write(home.join(".profile"), profile(&inside(isolation, place).programs))?;
    for path in ["", ".profile", ".config", ".config/git", ".config/git/config"] {
        let path = home.join(path);
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
        chown(path, place.host_uid, place.host_uid)?;
    }
    fs::create_dir(&programs)?;
    fs::set_permissions(&programs, Permissions::from_mode(0o755))?;
    let path = system_path(is_open);
    let has = |name: &str| which::which_in(name, Some(&path), "/").is_ok();
    let write = |name: &str, script: &str| {
        let file = programs.join(name);
        fs::write(&file, script)?;
        fs::set_permissions(file, Permissions::from_mode(0o755))
    };
    if has("python3") && !has("python") {
        write("python", PYTHON)?;
    }
    for name in ["pip", "pip3"] {
        if is_open && has("python3") && has(name) {
            write(name, PIP)?;
        }
    }
    Ok(())
}

/// Gives the agent's command the variables that processes inherit from the agent.
pub(super) fn set(command: &mut Command, isolation: &Isolation, place: &Place) {
    let is_open = isolation.is_none();
    command.env_clear();
    let open: &[&str] = if is_open { &INHERITED_OPEN } else { &[] };
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    for name in INHERITED.iter().chain(open) {
        if let Some(value) = given(name) {
            command.env(name, value);
        }
    }
    for name in CERTIFICATES {
        if let Some(value) = given(name).filter(|value| is_open || is_seen(Path::new(value))) {
            command.env(name, value);
        }
    }
    if ["LANG", "LC_ALL"].iter().all(|name| std::env::var_os(name).is_none_or(|v| v.is_empty())) {
        command.env("LANG", "C.UTF-8");
    }
    if !is_open {
        command.envs([
            ("USER", USER),
            ("LOGNAME", USER),
            ("SHELL", "/bin/bash"),
            // The system's packages are read-only, so that pip installs for the user.
            ("PIP_BREAK_SYSTEM_PACKAGES", "1"),
        ]);
    }
    let Inside { home, programs } = inside(isolation, place);
    let local = home.join(".local");
    let mut path = OsString::new();
    for part in [programs.as_os_str(), local.join("bin").as_os_str()] {
        path.push(part);
        path.push(":");
    }
    path.push(system_path(is_open));
    command
        .env("PATH", path)
        .env("HOME", home)
        .env("NPM_CONFIG_PREFIX", local)
        // Python buffers output to a pipe.
        .env("PYTHONUNBUFFERED", "1");
}

/// Whether every sandbox sees this path of the host.
fn is_seen(path: &Path) -> bool {
    let mut places = super::ETC.iter().map(|name| Path::new("/etc").join(name));
    path.starts_with("/usr") || places.any(|place| path.starts_with(place))
}

/// Directories, by their paths in the sandbox.
struct Inside {
    home: PathBuf,
    programs: PathBuf,
}

fn inside(isolation: &Isolation, place: &Place) -> Inside {
    if isolation.is_wrapped() {
        Inside { home: HOME.into(), programs: PROGRAMS_INSIDE.into() }
    } else {
        Inside { home: place.host("home"), programs: place.host(PROGRAMS) }
    }
}

/// The `PATH` of the machine's programs.
fn system_path(is_open: bool) -> OsString {
    let own = std::env::var_os("PATH").filter(|path| is_open && !path.is_empty());
    own.unwrap_or_else(|| PATH.into())
}

/// Restores `PATH` in login shells, for which `/etc/profile` replaces it.
fn profile(programs: &Path) -> Vec<u8> {
    let quoted = programs.as_os_str().as_bytes().split(|byte| *byte == b'\'');
    let quoted = quoted.collect::<Vec<_>>().join(&b"'\\''"[..]);
    let quoted = OsStr::from_bytes(&quoted);
    let mut text = OsString::from("case \":$PATH:\" in *\":$HOME/.local/bin:\"*) ;; *)\n  PATH='");
    text.push(quoted);
    text.push("':\"$HOME/.local/bin:$PATH\" ;;\nesac\n");
    text.as_bytes().to_vec()
}
