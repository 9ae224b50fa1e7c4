//! The tables: each member's name, type, presence, default and documentation.

/// Calls `$expand!` with the records that a server answers with.
#[macro_export]
macro_rules! process_records {
    ($expand:ident) => {
        $expand! {
            /// A process.
            ProcessInfo {
                /// The server's stable number of the process. It is not an address.
                handle: Expected<Number>,
                /// The process id inside the sandbox.
                pid: Always<u32>,
                /// What the process is doing, or how it ended.
                status: Always<ProcessStatus>,
                /// The exit code, 0 to 255, once the status is `exited`. `null` before, and if the server lost it.
                exit_code: Nullable<i32>,
                /// The number of the signal that ended the process, or `null`.
                signal: Nullable<i32>,
                /// Whether the memory limit ended the process.
                oom_killed: Always<bool>,
                /// Why the process ended, if the server says so.
                reason: OrAbsent<Reason>,
                /// Whether `writeStdin` can write now.
                stdin_writable: Always<bool>,
                /// The executable.
                command: Always<String>,
                /// The arguments.
                args: Always<Vec<String>>,
                /// When the process started.
                started_at: Always<Time>,
                /// When the process ended.
                ended_at: OrNull<Time>,
                /// `true` if the process has ended and something that it started still holds its output open.
                output_open: OrAbsent<bool>,
                /// Processes that hold the output open, at most eight for each stream. The local server reports those
                /// that it finds.
                output_holders: OrAbsent<Vec<OutputHolder>>,
                /// The supervision of a managed process.
                managed: OrAbsent<ManagedProcessInfo>,
            }

            /// A process that holds the output of an ended one open.
            OutputHolder {
                /// The process id inside the sandbox.
                pid: Always<u32>,
                /// The command line, at most 120 characters of it. The process may have changed it.
                command: Always<String>,
            }

            /// What the processes of a sandbox use. Local servers measure it.
            SandboxUsage {
                /// When it was measured.
                measured_at: Always<Time>,
                /// Every process inside the sandbox, started by the API or by another process. Those that have used the
                /// most processor time come first.
                processes: Always<Vec<ProcessUsage>>,
                /// `true` if there are more processes than the server lists (a few hundred).
                truncated: OrAbsent<bool>,
            }

            /// What one process uses.
            ProcessUsage {
                /// The process id inside the sandbox.
                pid: Always<u32>,
                /// The process id of its parent.
                parent_pid: Always<u32>,
                /// The command line, at most 120 characters of it. The process may have changed it.
                command: Always<String>,
                /// The processor time that it has used since its start, in ms. A process with two busy threads gains 2000
                /// a second.
                cpu_ms: Always<Number>,
                /// The memory that it has in RAM, in bytes. Pages that processes share count for each of them.
                memory_bytes: Always<Number>,
                /// The number of its threads.
                threads: Always<u32>,
            }

            /// The supervision of a managed process.
            ManagedProcessInfo {
                /// The name, or an opaque id. Only a name is an address.
                id: Always<String>,
                /// The name.
                name: OrNull<String>,
                /// What the supervision is doing.
                status: Always<ManagedStatus>,
                /// How many times the process was restarted.
                restart_count: Always<u32>,
                /// The restart policy in force.
                restart: Always<RestartPolicy>,
                /// The health check in force.
                health_check: OrNull<HealthCheck>,
                /// The health of the process.
                health_status: Always<HealthStatus>,
                /// How many checks in a row have failed.
                consecutive_health_failures: Always<u32>,
                /// How the process ended the last time.
                last_exit: OrNull<ManagedProcessExit>,
                /// Why the last restart failed, or why the server killed the process.
                last_error: OrNull<String>,
                /// When the process is restarted next.
                next_restart_at: OrNull<Time>,
            }

            /// An earlier end of a managed process.
            ManagedProcessExit {
                /// The exit code, or `null`.
                exit_code: Nullable<i32>,
                /// The number of the signal that ended the process, or `null`.
                signal: Nullable<i32>,
                /// Whether the memory limit ended the process.
                oom_killed: Always<bool>,
                /// When the process ended.
                ended_at: Always<Time>,
            }
        }
    };
}

/// Calls `$expand!` with the records of a sandbox.
#[macro_export]
macro_rules! sandbox_records {
    ($expand:ident) => {
        $expand! {
            /// What the limits of a sandbox hold for. Local servers report it.
            EnforcedLimits {
                /// The limit on memory.
                memory: Always<LimitScope>,
                /// The limit on the number of processes and threads.
                processes: Always<LimitScope>,
                /// The limit on processors.
                cpus: Always<LimitScope>,
                /// The limit on disk space.
                disk: Always<LimitScope>,
            }
        }
    };
}

/// Calls `$expand!` with the settings of a managed process. Callers give them as options, and a record
/// shows them under the second name. The fields in the first braces are required.
#[macro_export]
macro_rules! process_settings {
    ($expand:ident) => {
        $expand! {
            /// When a managed process is restarted. Times in ms.
            RestartPolicy as RestartPolicyInfo {
                {}
                {
                    /// When to restart.
                    policy: Defaulted<RestartWhen> = on_failure,
                    /// The highest number of restarts. Absent: no limit.
                    max_restarts: OrNull<u32>,
                    /// The wait before the first restart. It doubles with each further restart.
                    initial_backoff_ms: Defaulted<Millis> = 500,
                    /// The longest wait before a restart.
                    max_backoff_ms: Defaulted<Millis> = 30000,
                }
            }

            /// How the health of a managed process is checked. Times in ms.
            HealthCheck as HealthCheckInfo {
                {
                    /// What the check requires: `http`, an answer with a status of 200 to 399; `tcp`, a
                    /// connection.
                    r#type: HealthType,
                    /// The port inside the sandbox.
                    port: u16,
                }
                {
                    /// The path that an `http` check requests. Absent: `/`.
                    path: OrAbsent<String>,
                    /// The wait before the first check.
                    initial_delay_ms: Defaulted<Millis> = 5000,
                    /// The wait between checks.
                    interval_ms: Defaulted<Millis> = 1000,
                    /// The time limit of one check.
                    timeout_ms: Defaulted<Millis> = 500,
                    /// How many failures in a row make the process unhealthy.
                    failure_threshold: Defaulted<u32> = 3,
                }
            }
        }
    };
}
