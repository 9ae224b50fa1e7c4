//! Helpers of the integration tests. No test binary uses all of them.
#![allow(dead_code)]

pub mod channels;
pub mod machine;
pub mod random;
pub mod server;
pub mod terminal;
pub mod wait;

/// Whether the suites run for longer, with other seeds and larger numbers.
pub fn soaks() -> bool {
    std::env::var_os("SHORELINE_SOAK").is_some_and(|value| !value.is_empty() && value != "0")
}
