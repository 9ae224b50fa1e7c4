//! Sandboxes that do what they can to harm the server and their neighbours.
//!
//! In each test two sandboxes attack. Afterwards another sandbox answers in time, one of the two is
//! ended by DELETE and the other by SIGTERM to the server, and nothing of either is left behind.
//!
//! Without isolation (`none`), a sandbox's processes may signal, trace and read everything that their
//! user may, the server included. Those tests run with bubblewrap only: signals to every process,
//! and the agent's memory, descriptors and messages.
#![allow(missing_docs, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

mod agents;
mod arena;
mod endings;
mod files;
mod hunger;
mod signals;
