//! Restricts access to files, signals and abstract sockets by Landlock (landlock(7)), without namespaces.

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};
use std::io;
use std::path::PathBuf;

/// The ABI of Linux 6.12, the first one with scopes. Without scopes, a sandbox could signal every process of its user.
const NEEDED: ABI = ABI::V6;

/// System directories that programs need to start.
const SYSTEM: [&str; 9] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/proc"];
/// The agent's own program, which starts others with limits or a terminal.
const OWN: &str = "/proc/self/exe";
/// Files of `/etc` that the view of a namespace has of its own.
const VIEW: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/hosts", "/etc/resolv.conf"];
const DEVICES: [&str; 6] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
/// The host's terminals. Their permissions exclude a sandbox with a uid of its own.
const TERMINALS: [&str; 2] = ["/dev/ptmx", "/dev/pts"];

/// Restricts this thread and everything that it starts.
pub(super) fn restrict(writable: &[PathBuf], own_uid: bool) -> io::Result<()> {
    // A path that cannot be opened would only get no rule.
    for path in writable {
        std::fs::read_dir(path).map_err(|error| {
            let path = path.display();
            let text = format!(
                "the sandbox's user cannot enter {path} ({error}): set TMPDIR to a directory that everybody can enter"
            );
            io::Error::new(error.kind(), text)
        })?;
    }
    let restricted = || -> Result<(), RulesetError> {
        let (all, read) = (AccessFs::from_all(NEEDED), AccessFs::from_read(NEEDED));
        let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
        let terminals = if own_uid { &TERMINALS[..] } else { &[] };
        let etc = crate::isolation::ETC.iter().map(|name| format!("/etc/{name}"));
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(all)?
            .scope(Scope::from_all(NEEDED))?
            .create()?
            .add_rules(path_beneath_rules(SYSTEM.iter().chain(&VIEW), read))?
            .add_rules(path_beneath_rules(etc, read))?
            .add_rules(path_beneath_rules([OWN], read))?
            .add_rules(path_beneath_rules(DEVICES.iter().chain(terminals), device))?
            .add_rules(path_beneath_rules(writable, all))?
            .restrict_self()?;
        Ok(())
    };
    restricted().map_err(|error| {
        io::Error::other(format!("Landlock with scopes is needed (Linux 6.12): {error}"))
    })
}
