//! Requests and answers as JSON has them, for the server, and the server's event streams.

pub mod event;
pub mod process;
pub mod sandbox;
