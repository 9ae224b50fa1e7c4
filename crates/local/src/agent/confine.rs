//! Confines the agent before it starts any process: it drops its privileges, leaves the caller's session keyring
//! and installs the seccomp filter. Set-up that needs privileges runs first.

use super::filter::{self, Scope};
use super::landlock;
use super::start::Args;
use super::terminal::Terminals;
use nix::sched::CloneFlags;
use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use std::fs;
use std::io;

/// The isolation level that the agent enforces on itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Level {
    /// Namespaces, made by the bubblewrap that started the agent.
    Bubblewrap,
    /// Landlock, in the host's namespaces.
    Landlock,
}

/// Drops all rights that the sandbox must not have. The calling thread must be the only one.
pub(super) fn confine(args: &Args) -> io::Result<Terminals> {
    // Bubblewrap may leave descriptors open. The server has closed those of its own caller.
    close_fds::set_fds_cloexec(3, &[]);
    let Some(level) = args.level else { return Ok(Terminals::here()) };
    // The caller's keyring can contain keys of file systems and of Kerberos (session-keyring(7)). An error is ignored, since
    // kernels can be built without keys.
    let _ = keyutils::Keyring::join_anonymous_session();
    match args.host_uid {
        Some(uid) => change_user(uid, level)?,
        // Bubblewrap leaves capabilities only with `--network`.
        None => have(CapabilitySet::empty())?,
    }
    let own_uid = args.host_uid.is_some();
    match level {
        Level::Bubblewrap => {
            filter::apply(Scope::Namespaces)?;
            Ok(Terminals::here())
        }
        Level::Landlock => {
            let terminals = Terminals::elsewhere()?;
            let mut writable = args.writable.clone();
            writable.push(args.workspace.clone());
            landlock::restrict(&writable, own_uid)?;
            filter::apply(Scope::Shared { own_uid, network: !args.no_network })?;
            Ok(terminals)
        }
    }
}

/// Changes from root to an unprivileged user. With bubblewrap, also makes a user namespace, with the same uid inside as
/// in a user namespace of bubblewrap.
fn change_user(uid: u32, level: Level) -> io::Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    // A host can allow user namespaces to root only.
    set_keep_capabilities(level == Level::Bubblewrap)?;
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    if level == Level::Bubblewrap {
        have(CapabilitySet::SYS_ADMIN)?;
        nix::sched::unshare(CloneFlags::CLONE_NEWUSER)?;
        // A process is not dumpable after it changed its user, and root owns the files in /proc/self of such a process
        // (PR_SET_DUMPABLE(2const)).
        set_dumpable_behavior(DumpableBehavior::Dumpable)?;
        let inside = crate::isolation::UID;
        fs::write("/proc/self/setgroups", "deny")?;
        for map in ["/proc/self/uid_map", "/proc/self/gid_map"] {
            fs::write(map, format!("{inside} {uid} 1"))?;
        }
        have(CapabilitySet::empty())?;
    }
    Ok(())
}

fn have(capabilities: CapabilitySet) -> io::Result<()> {
    let sets = CapabilitySets {
        effective: capabilities,
        permitted: capabilities,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}
