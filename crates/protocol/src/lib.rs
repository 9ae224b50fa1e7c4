//! The Tensorlake sandbox protocol without I/O and without a clock.
//!
//! Everything that can be wrong about bytes is decided here, once, for the WebAssembly client and
//! for the local server. The source of every rule is the public protocol, as written down in
//! `docs/api.md`.
#![no_std]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod error;
pub mod limits;
pub mod name;
pub mod route;
pub mod wire;
