//! What keeps a sandbox apart from the machine and from other sandboxes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wanted {
    /// The best that works here
    Auto,
    /// Namespaces, by bubblewrap
    Bubblewrap,
    /// Nothing: commands run as the user who starts the server
    None,
}

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    Bubblewrap(PathBuf),
    None,
}

/// The user of an isolated sandbox, as the cloud has it.
const USER: &str = "tl-user";
const UID: &str = "1000";

/// What a process sees of the server's own environment: nothing that may be a secret.
const INHERITED: [&str; 4] = ["LANG", "LC_ALL", "LC_CTYPE", "TZ"];
/// Without isolation the user's tools are to be found too.
const INHERITED_OPEN: [&str; 4] = ["PATH", "USER", "LOGNAME", "SHELL"];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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

impl Isolation {
    /// What is wanted, where it works.
    pub(crate) fn choose(wanted: Wanted) -> io::Result<Self> {
        if wanted == Wanted::None {
            return Ok(Self::None);
        }
        let found = which::which("bwrap").map_err(io::Error::other).and_then(|bwrap| {
            let isolation = Self::Bubblewrap(bwrap);
            isolation.probe().map(|()| isolation)
        });
        match found {
            Err(_) if wanted == Wanted::Auto => Ok(Self::None),
            Err(error) => Err(io::Error::other(format!(
                "bubblewrap does not work here: install it (bwrap) and allow user namespaces ({error})"
            ))),
            found => found,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Bubblewrap(_) => "bubblewrap",
            Self::None => "none",
        }
    }

    /// Whether isolation is off.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }

    fn probe(&self) -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let place = self.prepare(directory.path())?;
        let mut agent = self.agent(&place, false)?;
        // Without a socket the agent ends at once, and without an error.
        let done =
            agent.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
        if !done.status.success() {
            let text = String::from_utf8_lossy(&done.stderr);
            return Err(io::Error::other(text.trim().to_owned()));
        }
        Ok(())
    }

    /// Makes a sandbox's files in its directory.
    pub(crate) fn prepare(&self, directory: &Path) -> io::Result<Place> {
        let place = Place { directory: directory.to_owned() };
        fs::create_dir(place.host("workspace"))?;
        if !self.is_none() {
            for name in ["home", "tmp", "etc"] {
                fs::create_dir(place.host(name))?;
            }
            let users = format!(
                "root:x:0:0:root:/root:/bin/sh\n{USER}:x:{UID}:{UID}::/home/{USER}:/bin/bash\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            );
            fs::write(place.host("etc/passwd"), users)?;
            fs::write(
                place.host("etc/group"),
                format!("root:x:0:\n{USER}:x:{UID}:\nnogroup:x:65534:\n"),
            )?;
            fs::write(place.host("etc/hosts"), "127.0.0.1 localhost sandbox\n::1 localhost\n")?;
        }
        Ok(place)
    }

    /// The command that starts a sandbox's agent.
    pub(crate) fn agent(&self, place: &Place, network: bool) -> io::Result<Command> {
        let executable = std::env::current_exe()?;
        let mut command = match self {
            Self::None => Command::new(executable),
            Self::Bubblewrap(bwrap) => {
                let mut command = Command::new(bwrap);
                view(&mut command, place, &executable);
                if network {
                    command.arg("--share-net");
                }
                command.args(["--", AGENT]);
                command
            }
        };
        command.arg("agent").arg("--workspace");
        let workspace = place.host("workspace");
        let home = match self {
            Self::None => workspace.clone(),
            Self::Bubblewrap(_) => format!("/home/{USER}").into(),
        };
        command.arg(if self.is_none() { workspace } else { "/workspace".into() });
        command.env_clear().env("PATH", PATH);
        let open: &[&str] = if self.is_none() { &INHERITED_OPEN } else { &[] };
        for name in INHERITED.iter().chain(open) {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if !self.is_none() {
            command.envs([("USER", USER), ("LOGNAME", USER), ("SHELL", "/bin/bash")]);
        }
        command.env("HOME", home);
        Ok(command)
    }
}

/// Bytes that programs can share through `/dev/shm`.
const SHARED_MEMORY: &str = "268435456";
/// What is in memory would otherwise be a place to fill it up.
const READ_ONLY: [&str; 8] =
    ["--remount-ro", "/run", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/workspace"];

/// Where the agent's executable is inside.
const AGENT: &str = "/run/shoreline/agent";

/// A root of its own: the system's programs read-only, and nothing of anybody's data.
fn view(command: &mut Command, place: &Place, executable: &Path) {
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

/// A sandbox's directory on the host.
#[derive(Debug)]
pub(crate) struct Place {
    directory: PathBuf,
}

impl Place {
    fn host(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}
