//! The words that a record's members can have.

use alloc::string::String;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// Enums of words: how the wire spells each variant.
macro_rules! words {
    ($($(#[$attr:meta])* $name:ident {
        $($(#[$word_attr:meta])* $word:ident: $variant:ident,)*
    })*) => { $(
        $(#[$attr])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$word_attr])* $variant,)* }

        impl $name {
            /// Every variant.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
            /// Every word, in the order of [`Self::ALL`].
            pub const WORDS: &[&str] = &[$(stringify!($word)),*];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($word),)* }
            }
        }

        /// The variants by their words, for the defaults in the tables.
        #[allow(non_upper_case_globals, dead_code)]
        impl $name {
            $(pub(super) const $word: Self = Self::$variant;)*
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                let variant = Self::ALL.iter().copied().find(|variant| variant.as_str() == word);
                variant.ok_or_else(|| D::Error::unknown_variant(&word, Self::WORDS))
            }
        }
    )* };
}

words! {
    /// What a process is doing, or how it ended.
    ProcessStatus {
        /// It has not ended.
        running: Running,
        /// It returned an exit code.
        exited: Exited,
        /// A signal ended it.
        signaled: Signaled,
        /// The memory limit ended it.
        oom_killed: OomKilled,
    }

    /// What the supervision of a managed process is doing.
    ManagedStatus {
        /// The process has started and is not healthy yet.
        starting: Starting,
        /// The process runs.
        running: Running,
        /// The process has ended and is restarted after a wait.
        backing_off: BackingOff,
        /// Supervision has ended.
        stopped: Stopped,
    }

    /// The health of a managed process.
    HealthStatus {
        /// There is no health check.
        disabled: Disabled,
        /// No check has succeeded yet.
        starting: Starting,
        /// The last check succeeded, or too few have failed.
        healthy: Healthy,
        /// Too many checks in a row failed.
        unhealthy: Unhealthy,
    }

    /// When a managed process is restarted.
    RestartWhen {
        /// Never.
        never: Never,
        /// After a signal or an exit code other than 0.
        on_failure: OnFailure,
        /// After every end.
        always: Always,
    }

    /// What a health check requires.
    HealthType {
        /// An HTTP answer with a status of 200 to 399.
        http: Http,
        /// A TCP connection.
        tcp: Tcp,
    }

    /// What a limit on a resource holds for.
    LimitScope {
        /// All processes of the sandbox together.
        sandbox: Sandbox,
        /// Each process by itself.
        process: Process,
        /// Each file by itself.
        file: File,
        /// Nothing: no limit was asked for, or the server cannot enforce it.
        none: Nothing,
    }

    /// The standard input of a process.
    #[derive(Default)]
    StdinMode {
        /// Empty, as from `/dev/null`.
        #[default]
        closed: Closed,
        /// Written by requests.
        pipe: Pipe,
    }

    /// What a server does with an output stream.
    #[derive(Default)]
    OutputMode {
        /// The server logs it.
        #[default]
        capture: Capture,
        /// The server discards it.
        discard: Discard,
    }
}
