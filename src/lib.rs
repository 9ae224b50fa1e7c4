//! The WebAssembly core of Shoreline: `exports -> client -> transport -> host`.
//!
//! Only `exports` is seen from JavaScript, and only `host` names the global object. Decisions about
//! bytes are `shoreline-protocol`'s; here bytes and futures are moved.

mod client;
mod error;
mod exports;
mod host;
mod transport;
pub mod types;

pub use exports::*;
