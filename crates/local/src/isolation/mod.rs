//! The isolation of sandboxes from the machine and from each other.

mod bubblewrap;
mod environment;
mod mount;
mod network;
mod user;

use bubblewrap::Bubblewrap;
pub(crate) use bubblewrap::ETC;
use environment::USER;
pub(crate) use mount::Mount;
pub(crate) use network::{Network, WantedNetwork};

use crate::agent;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The requested isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wanted {
    /// The best level that works here, or `none`
    Auto,
    /// The best level that works here, or an error
    Required,
    /// Namespaces, by bubblewrap
    Bubblewrap,
    /// Landlock and seccomp, in the host's namespaces
    Landlock,
    /// No isolation: commands run with the rights of the user who starts the server
    None,
}

/// The isolation in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    Bubblewrap(Bubblewrap),
    Landlock,
    None,
}

pub(crate) const UID: &str = "1000";

impl Isolation {
    /// Chooses the requested isolation.
    ///
    /// # Errors
    /// The isolation does not work here.
    pub(crate) fn choose(wanted: Wanted) -> io::Result<Self> {
        let levels: &[fn() -> io::Result<Self>] = match wanted {
            Wanted::Auto => &[Self::bubblewrap, Self::landlock, || Ok(Self::None)],
            Wanted::Required => &[Self::bubblewrap, Self::landlock],
            Wanted::Bubblewrap => &[Self::bubblewrap],
            Wanted::Landlock => &[Self::landlock],
            Wanted::None => &[|| Ok(Self::None)],
        };
        let mut causes = Vec::new();
        for level in levels {
            match level() {
                Ok(Self::None) if wanted == Wanted::Auto => {
                    eprintln!(
                        "shoreline-local: warning: sandboxes are not isolated, commands run with your rights; \
                         {}",
                        causes.join("; ")
                    );
                    return Ok(Self::None);
                }
                Ok(isolation) => return Ok(isolation),
                Err(error) => causes.push(error.to_string()),
            }
        }
        Err(io::Error::other(causes.join("; ")))
    }

    fn bubblewrap() -> io::Result<Self> {
        let program = which::which("bwrap")
            .map_err(|_| io::Error::other("bubblewrap is not installed: install it (bwrap)"))?;
        // The best first. The error of the simplest one is the most helpful.
        let found = [true, false].map(|disables_userns| {
            let program = program.clone();
            let isolation = Self::Bubblewrap(Bubblewrap { program, disables_userns });
            move || isolation.probe(Network::None, &[]).map(|()| isolation)
        });
        let [best, plain] = found;
        best().or_else(|_| plain()).map_err(|error| {
            io::Error::other(format!(
                "bubblewrap does not work here: allow user namespaces ({error})"
            ))
        })
    }

    fn landlock() -> io::Result<Self> {
        let probed = Self::Landlock.probe(Network::None, &[]);
        probed
            .map(|()| Self::Landlock)
            .map_err(|error| io::Error::other(format!("Landlock does not work here ({error})")))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Bubblewrap(_) => "bubblewrap",
            Self::Landlock => "landlock",
            Self::None => "none",
        }
    }

    /// Whether isolation is off.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether agents are children of bubblewrap.
    pub(crate) fn is_wrapped(&self) -> bool {
        matches!(self, Self::Bubblewrap(_))
    }

    /// Permits sandboxes to traverse the server's directory to their own, if they share the host's view.
    pub(crate) fn open_root(&self, root: &Path) -> io::Result<()> {
        if *self == Self::Landlock && user::dedicated()?.is_some() {
            fs::set_permissions(root, Permissions::from_mode(0o711))?;
        }
        Ok(())
    }

    /// The mounts of `--mount`, checked with a trial agent.
    pub(crate) fn mounts(&self, given: &[OsString]) -> io::Result<Vec<Mount>> {
        if given.is_empty() {
            return Ok(Vec::new());
        }
        if !self.is_wrapped() {
            let text = "--mount needs isolation by bubblewrap, without which sandboxes see this machine's files \
                        where they are: install bubblewrap, or leave out --mount";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mounts = Mount::read(given, &std::env::temp_dir())?;
        self.probe(Network::None, &mounts).map_err(|error| {
            io::Error::other(format!("bubblewrap cannot mount what --mount names: {error}"))
        })?;
        Ok(mounts)
    }

    /// Whether RLIMIT_NPROC counts the tasks of each sandbox separately, and is enforced.
    pub(crate) fn counts_tasks(&self) -> bool {
        // In the host's namespaces, sandboxes of one user share a count.
        let counts_apart = self.is_wrapped() || matches!(user::dedicated(), Ok(Some(_)));
        !self.is_none()
            && counts_apart
            && self.try_agent(Network::None, &[], &["--count-tasks"]).is_ok()
    }

    fn probe(&self, network: Network, mounts: &[Mount]) -> io::Result<()> {
        self.try_agent(network, mounts, &[])
    }

    fn try_agent(&self, network: Network, mounts: &[Mount], args: &[&str]) -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let place = self.prepare(directory.path(), network)?;
        let mut command = self.agent(&place, mounts)?;
        command.args(args);
        agent::try_out(command, network == Network::Own)
    }

    /// Makes a sandbox's files in its directory.
    pub(crate) fn prepare(&self, directory: &Path, network: Network) -> io::Result<Place> {
        let host_uid = if self.is_none() { None } else { user::dedicated()? };
        let place = Place { directory: directory.to_owned(), host_uid, network };
        fs::create_dir(place.host("workspace"))?;
        environment::make(self, &place)?;
        if self.is_none() {
            return Ok(place);
        }
        fs::create_dir(place.host("tmp"))?;
        for name in ["workspace", "tmp"] {
            fs::set_permissions(place.host(name), Permissions::from_mode(0o755))?;
            chown(place.host(name), host_uid, host_uid)?;
        }
        if self.is_wrapped() {
            place.write_etc()?;
        } else if host_uid.is_some() {
            // Without a view of its own, a sandbox must be able to traverse its directory.
            chown(directory, None, host_uid)?;
            fs::set_permissions(directory, Permissions::from_mode(0o710))?;
        }
        Ok(place)
    }

    /// The command that starts a sandbox's agent.
    pub(crate) fn agent(&self, place: &Place, mounts: &[Mount]) -> io::Result<Command> {
        let executable = std::env::current_exe()?;
        let mut command = match self {
            Self::None | Self::Landlock => Command::new(executable),
            Self::Bubblewrap(bwrap) => {
                let mut command = Command::new(&bwrap.program);
                let disables_userns = bwrap.disables_userns;
                bubblewrap::view(&mut command, place, &executable, disables_userns, mounts)?;
                place.network.share(&mut command);
                command.args(["--", bubblewrap::AGENT]);
                command
            }
        };
        command.arg("agent").arg("--workspace");
        command.arg(if self.is_wrapped() { "/workspace".into() } else { place.host("workspace") });
        if place.network == Network::Own {
            command.arg("--network");
        }
        if !self.is_none() {
            command.args(["--level", self.name()]);
        }
        if let Some(uid) = place.host_uid {
            command.arg("--host-uid").arg(uid.to_string());
        }
        if *self == Self::Landlock {
            for name in ["home", "tmp", environment::PROGRAMS] {
                command.arg("--writable").arg(place.host(name));
            }
            if place.network == Network::None {
                command.arg("--no-network");
            }
        }
        environment::set(&mut command, self, place);
        if *self == Self::Landlock {
            command.env("TMPDIR", place.host("tmp"));
        }
        Ok(command)
    }
}

/// A sandbox's directory on the host.
#[derive(Debug)]
pub(crate) struct Place {
    directory: PathBuf,
    /// The host's uid and gid of the sandbox, if they are not the server's own.
    host_uid: Option<u32>,
    network: Network,
}

impl Place {
    pub(crate) fn host_uid(&self) -> Option<u32> {
        self.host_uid
    }

    /// Writes the sandbox's own files of `/etc`.
    fn write_etc(&self) -> io::Result<()> {
        fs::create_dir(self.host("etc"))?;
        let users = format!(
            "root:x:0:0:root:/root:/bin/sh\n{USER}:x:{UID}:{UID}::/home/{USER}:/bin/bash\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        );
        let groups = format!("root:x:0:\n{USER}:x:{UID}:\nnogroup:x:65534:\n");
        let hosts = "127.0.0.1 localhost sandbox\n::1 localhost\n";
        let resolver = self.network.resolver();
        for (name, text) in [
            ("passwd", users.as_str()),
            ("group", &groups),
            ("hosts", hosts),
            ("resolv.conf", &resolver),
        ] {
            let path = self.host("etc").join(name);
            fs::write(&path, text)?;
            fs::set_permissions(path, Permissions::from_mode(0o644))?;
        }
        Ok(())
    }

    fn host(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}
