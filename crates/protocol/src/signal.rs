//! The classic signals of Linux (signal(7)), by name. Sandboxes run Linux, whatever the caller's machine has.

/// The names, in the order of their numbers, from 1.
pub const NAMES: &[&str] = &[
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// The number of a signal. An unknown name has none.
///
/// ```
/// assert_eq!(shoreline_protocol::signal::number("SIGTERM"), Some(15));
/// assert_eq!(shoreline_protocol::signal::number("TERM"), None);
/// ```
#[must_use]
pub fn number(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_number_of_linux() {
        let numbers = [
            ("SIGHUP", 1),
            ("SIGKILL", 9),
            ("SIGUSR1", 10),
            ("SIGSEGV", 11),
            ("SIGTERM", 15),
            ("SIGCHLD", 17),
            ("SIGSTOP", 19),
            ("SIGWINCH", 28),
            ("SIGSYS", 31),
        ];
        for (name, expected) in numbers {
            assert_eq!(number(name), Some(expected), "{name}");
        }
        assert_eq!(NAMES.len(), 31);
        for unknown in ["", "SIG", "KILL", "sigkill", "SIGRTMIN", "9"] {
            assert_eq!(number(unknown), None, "{unknown}");
        }
    }
}
