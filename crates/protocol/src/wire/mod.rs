//! The server's event streams.

pub mod event;
