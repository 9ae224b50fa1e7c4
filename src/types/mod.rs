//! What crosses the boundary as plain objects. Options come in camelCase and leave as the wire's
//! snake_case; answers the other way round. The TypeScript types are generated from these.

mod answers;
mod options;
#[cfg(feature = "ts")]
mod results;
mod shape;
mod values;

pub(crate) use answers::*;
pub(crate) use options::option_names;
pub use options::*;
#[cfg(feature = "ts")]
pub use results::*;
pub(crate) use shape::camel;
pub use shape::*;
pub use values::*;

/// The TypeScript declarations of everything here.
#[cfg(feature = "ts")]
#[must_use]
pub fn typescript() -> alloc::string::String {
    use ts_rs::{Config, TS};
    let config = Config::new();
    let mut out = alloc::string::String::new();
    macro_rules! declare {
        ($($type:ty),* $(,)?) => { $(
            if let Some(docs) = <$type as TS>::docs() { out.push_str(&docs); }
            out.push_str("export ");
            out.push_str(&<$type as TS>::decl(&config));
            out.push_str("\n\n");
        )* };
    }
    declare!(
        ConnectionOptions,
        CreateOptions,
        ListOptions,
        UpdateOptions,
        NetworkRules,
        SnapshotOptions,
        CopyOptions,
        TurnOptions,
        StartOptions,
        RunOptions,
        CreatePtyOptions,
        FollowOptions,
        Reconnect,
        Cursor,
        RestartPolicy,
        HealthCheck,
        ProcessUser,
        ProcessUserParts,
        ProcessInfo,
        OutputHolder,
        SandboxUsage,
        ProcessUsage,
        ManagedProcessInfo,
        RestartPolicyInfo,
        HealthCheckInfo,
        ManagedProcessExit,
        OutputResponse,
        HealthResponse,
        DaemonInfo,
        SendSignalResponse,
        Resources,
        EnforcedLimits,
        NetworkPolicy,
        SandboxInfo,
        SnapshotInfo,
        SandboxCopy,
        SandboxCopies,
        PtySessionInfo,
        PtyInfo,
        DirectoryEntry,
        ListDirectoryResponse,
    );
    out.push_str("/** The name of a classic signal of Linux. */\nexport type SignalName = ");
    out.push_str(&union(shoreline_protocol::signal::NAMES));
    out.push_str(";\n");
    out
}
