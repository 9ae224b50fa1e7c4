//! The Tensorlake sandbox protocol without I/O and without a clock.
//!
//! Parsing, limits and state machines are here, once, for the WebAssembly client and
//! the local server. `docs/protocol.md` describes the public protocol, and `docs/api.md` the local server's
//! extensions.
#![no_std]
#![forbid(unsafe_code)]
// A panic kills the wasm instance that this crate is part of.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod base64;
pub mod batch;
pub mod channel;
pub mod cursor;
mod deliver;
pub mod endpoint;
pub mod error;
pub mod exit;
pub mod failure;
pub mod fault;
mod fields;
pub mod follow;
pub mod json;
pub mod lacking;
pub mod limits;
pub mod name;
pub mod output;
mod pieces;
pub mod pty;
pub mod record;
pub mod retry;
pub mod route;
pub mod run;
mod scan;
pub mod signal;
pub mod sse;
pub mod standing;
pub mod stream;
pub mod tally;
pub mod terminal;
pub mod text;
pub mod trace;
pub mod transcript;
pub mod tunnel;
pub mod utf8;
pub mod wire;
