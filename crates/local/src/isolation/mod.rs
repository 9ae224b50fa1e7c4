//! What keeps a sandbox apart from the machine and from other sandboxes.

mod bubblewrap;

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
                bubblewrap::view(&mut command, place, &executable);
                if network {
                    command.arg("--share-net");
                }
                command.args(["--", bubblewrap::AGENT]);
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
