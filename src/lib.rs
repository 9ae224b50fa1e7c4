//! The WebAssembly core of Shoreline: `exports -> client -> transport -> host`.
//!
//! Only `exports` is seen from JavaScript, and only `host` names the global object. Decisions about
//! bytes are `shoreline-protocol`'s; here bytes and futures are moved.
//!
//! Small before all else, since every page that uses it downloads it: what options must look like is a
//! table with one reader, and text is joined, not formatted.
#![forbid(unsafe_code)]
// A panic kills the instance for good.
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
// The exports are reached from JavaScript.
#![allow(unreachable_pub)]

extern crate alloc;

// The standard library's is three times as large.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static HEAP: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();

mod client;
mod error;
mod exports;
mod host;
mod js;
mod transport;
pub mod types;

pub use exports::*;
