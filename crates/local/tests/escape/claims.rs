//! The claims of SECURITY.md for each isolation level.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Yes,
    No,
}
use Held::{No, Yes};

/// Held at the level `bubblewrap` where sandboxes have a network of their own.
const NETWORK: [&str; 3] = ["abstract", "loopback", "host-addresses"];

/// Distributions let everyone use the device. Where it is root's only, the server warns that sandboxes share the
/// machine's network.
fn has_own_network(user: &str) -> bool {
    let mode = std::fs::metadata("/dev/net/tun").map_or(0, |device| device.permissions().mode());
    user == "root" || mode & 0o6 == 0o6
}

/// One line of the table.
pub struct Claim {
    pub id: &'static str,
    text: &'static str,
    bubblewrap: Held,
    /// With Landlock, as root starts the server, and as a user does.
    landlock: [Held; 2],
}

impl Claim {
    pub fn held(&self, level: &str, user: &str) -> Held {
        match (level, user) {
            ("bubblewrap", user) if NETWORK.contains(&self.id) && !has_own_network(user) => No,
            ("bubblewrap", _) => self.bubblewrap,
            (_, "root") => self.landlock[0],
            _ => self.landlock[1],
        }
    }
}

const fn held(id: &'static str, text: &'static str) -> Claim {
    Claim { id, text, bubblewrap: Yes, landlock: [Yes, Yes] }
}

const fn partly(id: &'static str, text: &'static str, held: [Held; 3]) -> Claim {
    Claim { id, text, bubblewrap: held[0], landlock: [held[1], held[2]] }
}

pub const CLAIMS: [Claim; 27] = [
    held("descriptors", "Descriptors of the server and of the shell that started it are closed"),
    held("agent", "The agent's memory, descriptors and environment are out of reach"),
    held("processes", "So are those of the server, of other programs, and of other sandboxes"),
    held("signals", "Their processes cannot be signalled"),
    held("limits", "Their resource limits cannot be changed"),
    partly("scheduling", "Their priority and processors cannot be changed", [Yes, Yes, No]),
    partly("list", "They and their arguments cannot be seen", [Yes, No, No]),
    held(
        "privileges",
        "There are no capabilities, no set-uid programs, and nothing runs as the host's root",
    ),
    held("namespaces", "Namespaces cannot be made or entered"),
    held("mounts", "Nothing can be mounted"),
    held("keys", "The keys of the user who started the server cannot be used"),
    partly("key-list", "Nor can their descriptions be seen", [Yes, Yes, No]),
    held("interfaces", "What the kernel offers to administrators is denied"),
    held("settings", "Settings of the kernel cannot be changed"),
    held("machine-memory", "The machine's memory cannot be read"),
    held("devices", "Devices cannot be opened or made"),
    held("reading", "Files of users, of the server and of other sandboxes cannot be read"),
    held("listing", "Their directories cannot be listed"),
    held("writing", "Their files and those of the system cannot be changed, made, moved or linked"),
    partly(
        "attributes",
        "Their modes, times and attributes cannot be seen or changed",
        [Yes, Yes, No],
    ),
    held("ipc", "Shared memory and message queues of other programs cannot be used"),
    held(
        "terminals",
        "Terminals of other programs cannot be opened, and nothing can be typed into one's own",
    ),
    held("unix", "UNIX sockets of the user's programs cannot be connected to"),
    held("abstract", "Nor can abstract UNIX sockets"),
    partly(
        "loopback",
        "Ports of the host and of other sandboxes cannot be reached on loopback",
        [Yes, No, No],
    ),
    partly(
        "host-addresses",
        "Nor can they by the host's other addresses and its name",
        [Yes, No, No],
    ),
    held("socket-kinds", "Sockets of other kinds than UNIX, TCP and UDP cannot be made"),
];

/// Attempts that succeed nowhere on some machines: their kernels are built without what is tried, or hide it.
pub const UNCONTROLLED: [&str; 14] = [
    "bluetooth-socket",
    "gateway",
    "init-module",
    "kcore",
    "kernel-crypto-socket",
    "kexec",
    "key-socket",
    "load-module",
    "mem",
    "other-architectures",
    "port",
    "sysrq",
    "uevent-helper",
    "x32-calls",
];

/// The table's rows: what is held at which level, and the attempts that prove it.
fn rows(names: &BTreeMap<String, String>) -> Vec<String> {
    let said = |held: Held| if held == Yes { "held" } else { "**not held**" };
    let row = |claim: &Claim| {
        let count = names.values().filter(|of| *of == claim.id).count();
        let [as_root, as_user] = claim.landlock.map(said);
        let (text, id) = (claim.text, claim.id);
        let bubblewrap = said(claim.bubblewrap);
        format!("| {text} | {bubblewrap} | {as_root} | {as_user} | `{id}` ({count}) |")
    };
    CLAIMS.iter().map(row).collect()
}

pub fn check_security_md(names: &BTreeMap<String, String>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../SECURITY.md");
    let security = std::fs::read_to_string(path).unwrap();
    // Prettier aligns tables.
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = security.lines().map(plain).collect();
    let rows = rows(names);
    let missing = rows.iter().filter(|row| !lines.contains(row)).count();
    assert!(missing == 0, "SECURITY.md lacks {missing} of these rows:\n{}", rows.join("\n"));
}
