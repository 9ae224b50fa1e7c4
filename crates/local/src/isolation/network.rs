//! The kinds of network of a sandbox.

use super::Isolation;
use crate::agent::CAPABILITIES;
use crate::network::GATEWAY;
use std::fs;
use std::io;
use std::process::Command;

/// The requested network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WantedNetwork {
    /// `own` with bubblewrap if this machine can make TUN devices, otherwise `host`
    Auto,
    /// A network for each sandbox, with access to the internet but not to this machine
    Own,
    /// This machine's network, including its loopback ports
    Host,
}

/// The network in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Own,
    Host,
    /// No network, chosen for a sandbox of a server that shares this machine's.
    None,
}

impl Network {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Host => "host",
            Self::None => "none",
        }
    }

    /// Chooses the requested network.
    ///
    /// # Errors
    /// The network does not work with this isolation.
    pub(crate) fn choose(wanted: WantedNetwork, isolation: &Isolation) -> io::Result<Self> {
        let why = match (wanted, isolation.is_wrapped()) {
            (WantedNetwork::Host, _) | (WantedNetwork::Auto, false) => return Ok(Self::Host),
            (WantedNetwork::Own, false) => "it takes bubblewrap: install it (bwrap)".to_owned(),
            (_, true) => match isolation.probe(Self::Own, &[]) {
                Ok(()) => return Ok(Self::Own),
                Err(error) => {
                    format!("make /dev/net/tun usable, `modprobe tun` and mode 0666 ({error})")
                }
            },
        };
        let text = format!("sandboxes cannot have a network of their own here: {why}");
        if wanted == WantedNetwork::Own {
            return Err(io::Error::other(format!("{text}, or leave out `--network own`")));
        }
        eprintln!("shoreline-local: warning: {text}; they share this machine's");
        Ok(Self::Host)
    }

    /// The sandbox's resolv.conf(5).
    pub(super) fn resolver(self) -> String {
        let host = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        if self != Self::Own {
            return host;
        }
        // Names without a dot mean the same as outside.
        let search = host.lines().rfind(|line| line.starts_with("search "));
        let search = search.map_or_else(String::new, |line| format!("{line}\n"));
        format!("nameserver {GATEWAY}\n{search}")
    }

    /// Adds bubblewrap's arguments. For a network of its own the agent leaves this machine's.
    pub(super) fn share(self, command: &mut Command) {
        if self != Self::None {
            command.arg("--share-net");
        }
        if self == Self::Own {
            for capability in CAPABILITIES {
                command.args(["--cap-add", capability]);
            }
        }
    }
}
