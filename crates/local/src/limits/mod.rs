//! Limits on the resources of a sandbox, and their enforcement: by control groups for the whole sandbox if the server can
//! make them, otherwise by rlimits for each process.

mod cgroup;

use cgroup::Cgroups;
pub(crate) use cgroup::{Group, Unit};

use crate::isolation::Isolation;
use shoreline_protocol::limits::SANDBOX_TASKS;
use shoreline_protocol::record::{EnforcedLimits, LimitScope};
use std::io;
use std::process::Command;

/// The requested enforcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wanted {
    /// The best that works here
    Auto,
    /// Control groups (cgroup v2), which must be writable
    Cgroups,
    /// Limits on each process
    Rlimits,
}

/// The limits of one sandbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of memory.
    pub(crate) memory: Option<u64>,
    /// The size of a file, in bytes.
    pub(crate) file_size: Option<u64>,
    /// The number of processors.
    pub(crate) cpus: Option<f64>,
}

/// The enforcement in force.
#[derive(Debug)]
pub(crate) enum Enforcement {
    Cgroups(Cgroups),
    Rlimits {
        /// Whether a limit on tasks counts those of one sandbox.
        tasks: bool,
    },
}

impl Enforcement {
    /// Chooses the requested enforcement.
    ///
    /// # Errors
    /// The enforcement does not work here.
    pub(crate) fn choose(wanted: Wanted) -> io::Result<Self> {
        if wanted == Wanted::Rlimits {
            return Ok(Self::Rlimits { tasks: false });
        }
        match Cgroups::find() {
            Ok(cgroups) => Ok(Self::Cgroups(cgroups)),
            Err(_) if wanted == Wanted::Auto => Ok(Self::Rlimits { tasks: false }),
            Err(error) => Err(io::Error::other(format!(
                "control groups do not work here: mount cgroup v2 writable and start the server in a group \
                 without other processes ({error})"
            ))),
        }
    }

    /// Without control groups, the kernel counts tasks by user (RLIMIT_NPROC in getrlimit(2)). That is a limit on one
    /// sandbox if the sandbox has users of its own.
    pub(crate) fn with(self, isolation: &Isolation) -> Self {
        match self {
            Self::Rlimits { .. } => Self::Rlimits { tasks: isolation.counts_tasks() },
            cgroups => cgroups,
        }
    }

    /// The scopes of the limits of a sandbox.
    pub(crate) fn scopes(&self, limits: &Limits) -> EnforcedLimits {
        let given = |asked: bool, scope| if asked { scope } else { LimitScope::Nothing };
        let by_cgroups = matches!(self, Self::Cgroups(_));
        let [memory, cpus] = match self {
            Self::Cgroups(_) => [LimitScope::Sandbox; 2],
            // A process can give itself more processors (sched_setaffinity(2)).
            Self::Rlimits { .. } => [LimitScope::Process, LimitScope::Nothing],
        };
        let counts_tasks = by_cgroups || matches!(self, Self::Rlimits { tasks: true });
        EnforcedLimits {
            memory: given(limits.memory.is_some(), memory),
            processes: given(counts_tasks, LimitScope::Sandbox),
            cpus: given(limits.cpus.is_some(), cpus),
            disk: given(limits.file_size.is_some(), LimitScope::File),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Cgroups(_) => "cgroups",
            Self::Rlimits { .. } => "rlimits",
        }
    }

    /// Makes the control group of a sandbox, if groups are used, and passes the other limits to its agent.
    pub(crate) fn hold(
        &self,
        id: &str,
        limits: &Limits,
        agent: &mut Command,
    ) -> io::Result<Option<Group>> {
        let mut own = vec![("--file-size", limits.file_size)];
        let group = match self {
            Self::Cgroups(cgroups) => Some(cgroups.make(id, limits)?),
            Self::Rlimits { tasks } => {
                own.push(("--tasks", tasks.then_some(SANDBOX_TASKS as u64)));
                // Rounded up: affinity counts whole processors.
                let cpus = limits.cpus.map(|cpus| cpus.ceil() as u64);
                own.extend([("--memory", limits.memory), ("--cpus", cpus)]);
                None
            }
        };
        for (flag, value) in own {
            if let Some(value) = value {
                agent.arg(flag).arg(value.to_string());
            }
        }
        Ok(group)
    }
}
