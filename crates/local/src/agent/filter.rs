//! The system calls that are denied in a sandbox, by seccomp (seccomp(2)). One table: the filter and the list
//! in SECURITY.md are made from it.

use seccompiler::SeccompCmpOp::{self, Eq, MaskedEq, Ne};
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter, sock_filter,
};
use std::collections::BTreeMap;
use std::io;

/// The isolation level and the settings that select the rules of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The sandbox has namespaces of its own.
    Namespaces,
    /// The sandbox shares the host's namespaces, so calls that reach other processes by name are denied too.
    Shared {
        /// The sandbox has a uid of its own, so permissions protect the host's sockets.
        own_uid: bool,
        network: bool,
    },
}

type Calls = &'static [(&'static str, libc::c_long)];

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

/// Denied in every isolated sandbox, with EPERM.
const DENIED: [(&str, Calls); 8] = [
    ("Keys", calls![SYS_add_key SYS_keyctl SYS_request_key]),
    (
        "Mounts",
        calls![
            SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_move_mount SYS_mount_setattr SYS_open_tree
            SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick SYS_open_by_handle_at
        ],
    ),
    ("Namespaces", calls![SYS_setns]),
    ("Kernel interfaces", calls![SYS_bpf SYS_perf_event_open SYS_userfaultfd SYS_syslog]),
    ("io_uring", calls![SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register]),
    (
        "Modules and kernels",
        &[
            ("SYS_init_module", libc::SYS_init_module),
            ("SYS_finit_module", libc::SYS_finit_module),
            ("SYS_delete_module", libc::SYS_delete_module),
            ("SYS_kexec_load", libc::SYS_kexec_load),
            ("SYS_kexec_file_load", KEXEC_FILE_LOAD),
        ],
    ),
    (
        "The machine",
        calls![
            SYS_reboot SYS_swapon SYS_swapoff SYS_acct SYS_quotactl SYS_settimeofday
            SYS_clock_settime SYS_sethostname SYS_setdomainname SYS_vhangup
        ],
    ),
    #[cfg(target_arch = "x86_64")]
    ("Ports of the processor", calls![SYS_iopl SYS_ioperm]),
    #[cfg(not(target_arch = "x86_64"))]
    ("Ports of the processor", &[]),
];

/// Defined here, since the libc crate lacks it for musl on arm64.
const KEXEC_FILE_LOAD: libc::c_long = if cfg!(target_arch = "x86_64") { 320 } else { 294 };

/// Denied where sandboxes share the host's IPC namespace.
const DENIED_SHARED: (&str, Calls) = (
    "System V IPC and POSIX queues",
    calls![SYS_shmget SYS_shmat SYS_shmctl SYS_msgget
        SYS_msgsnd SYS_msgrcv SYS_msgctl SYS_semget SYS_semop SYS_semtimedop SYS_semctl SYS_mq_open SYS_mq_unlink],
);

/// The rules that check arguments, as SECURITY.md words them.
#[cfg(test)]
const BY_ARGUMENT: [&str; 7] = [
    "`clone` and `unshare` with a flag for a new namespace",
    "`clone3`, as if the kernel did not have it (libraries then use `clone`, whose flags can be checked)",
    "`ioctl` with TIOCSTI or TIOCLINUX, which type into a terminal",
    "`socket` and `socketpair` of other families than UNIX, IPv4, IPv6 and NETLINK_ROUTE",
    "Calls newer than Linux 6.13 and the x32 ABI, as if the kernel did not have them",
    "32-bit calls and other architectures, which end the process",
    "At the `landlock` level: `prlimit64` of other processes; UNIX sockets that can be connected, unless root \
     started the server; IPv4 and IPv6 sockets in a sandbox without network",
];

/// Flags of clone(2) and unshare(2). CLONE_NEWTIME is among the exit signal's bits in `clone`.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];
const NEWTIME: u64 = 0x80;
/// TIOCSTI and TIOCLINUX (ioctl_tty(2), ioctl_console(2)); their types in the libc crate depend on the C library.
const TYPING: [u64; 2] = [0x5412, 0x541C];
/// The last system call that is allowed: `removexattrat` of Linux 6.13. The next one is of the mount API, and later
/// ones are unknown.
const LAST: u32 = 466;

/// Applies the filter to this thread and everything that it starts.
pub(super) fn apply(scope: Scope) -> io::Result<()> {
    let program = program(scope).map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}

fn program(scope: Scope) -> Result<BpfProgram, Error> {
    let always = DENIED.iter().flat_map(|(_, calls)| calls.iter()).map(|(_, call)| (*call, vec![]));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = always.collect();
    let new_namespace = |flag: u64| rule(&[(0, MaskedEq(flag), flag)]);
    let namespaces = || NAMESPACES.iter().map(|flag| u64::from(flag.unsigned_abs()));
    rules.insert(libc::SYS_clone, namespaces().map(new_namespace).collect::<Result<_, _>>()?);
    let with_time = namespaces().chain([NEWTIME]);
    rules.insert(libc::SYS_unshare, with_time.map(new_namespace).collect::<Result<_, _>>()?);
    let typing = TYPING.map(|request| rule(&[(1, Eq, request)]));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Result<_, _>>()?);
    sockets(scope, &mut rules)?;
    if let Scope::Shared { .. } = scope {
        rules.extend(DENIED_SHARED.1.iter().map(|(_, call)| (*call, vec![])));
        rules.insert(libc::SYS_prlimit64, vec![rule(&[(0, Ne, 0)])?]);
    }
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, arch)?;
    let mut program = unknown_calls();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

fn sockets(scope: Scope, rules: &mut BTreeMap<i64, Vec<SeccompRule>>) -> Result<(), Error> {
    let (unix, internet) = match scope {
        Scope::Namespaces => (true, true),
        Scope::Shared { own_uid, network } => (own_uid, network),
    };
    let number = |family: libc::c_int| u64::from(family.unsigned_abs());
    let mut allowed = vec![libc::AF_NETLINK];
    allowed.extend(unix.then_some(libc::AF_UNIX));
    allowed.extend(internet.then_some([libc::AF_INET, libc::AF_INET6]).into_iter().flatten());
    let others: Vec<_> = allowed.into_iter().map(|family| (0, Ne, number(family))).collect();
    let netlink = [(0, Eq, number(libc::AF_NETLINK)), (2, Ne, number(libc::NETLINK_ROUTE))];
    rules.insert(libc::SYS_socket, vec![rule(&others)?, rule(&netlink)?]);
    let mut pairs = vec![rule(&[(0, Ne, number(libc::AF_UNIX))])?];
    if !unix {
        // A pair of datagram sockets can be connected elsewhere later (unix(7)).
        pairs.push(rule(&[(1, MaskedEq(0xF), number(libc::SOCK_DGRAM))])?);
    }
    rules.insert(libc::SYS_socketpair, pairs);
    Ok(())
}

/// A rule with all of these conditions, each on the lower half of an argument: the kernel ignores the upper half of an
/// `int`.
fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, Error> {
    let condition = |(argument, operator, value): &(u8, SeccompCmpOp, u64)| {
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator.clone(), *value)
    };
    let conditions: Result<Vec<_>, _> = conditions.iter().map(condition).collect();
    Ok(SeccompRule::new(conditions?)?)
}

/// Refuses `clone3`, calls beyond the last known one, and with them the x32 ABI, whose numbers have bit 30 set,
/// as an older kernel would. seccompiler has one error for all rules, so this comes before its program.
fn unknown_calls() -> BpfProgram {
    let statement = |code: u32, k| sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let unless = |code: u32, k| sock_filter { code: code as u16, jt: 0, jf: 1, k };
    let refuse = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    vec![
        // The number is the first field of `struct seccomp_data`.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        unless(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_clone3 as u32),
        statement(libc::BPF_RET | libc::BPF_K, refuse),
        unless(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, LAST),
        statement(libc::BPF_RET | libc::BPF_K, refuse),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_md_lists_what_is_denied() {
        let names = |calls: Calls| -> Vec<_> {
            calls.iter().map(|(name, _)| format!("`{}`", name.trim_start_matches("SYS_"))).collect()
        };
        let list = |(title, calls): &(&str, Calls), note: &str| {
            format!("- {title}{note}: {}.", names(calls).join(", "))
        };
        let mut lines: Vec<_> = DENIED.iter().map(|group| list(group, "")).collect();
        lines.push(list(&DENIED_SHARED, ", at the `landlock` level"));
        lines.extend(BY_ARGUMENT.iter().map(|text| format!("- {text}.")));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../SECURITY.md");
        let security: String = std::fs::read_to_string(path).unwrap();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let missing: Vec<_> =
            lines.iter().filter(|line| !words(&security).contains(&words(line))).collect();
        assert!(missing.is_empty(), "SECURITY.md lacks:\n{missing:#?}");
    }

    #[test]
    fn filters_compile() {
        let shared = |own_uid, network| Scope::Shared { own_uid, network };
        let scopes = [shared(false, false), shared(true, true), Scope::Namespaces];
        for scope in scopes {
            assert!(program(scope).unwrap().len() < 512);
        }
    }
}
