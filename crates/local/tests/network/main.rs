//! A sandbox's own network: what it reaches, what it does not, and what its end leaves.
#![allow(missing_docs, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

use support::{machine, server, wait};

mod carrying;
mod enduring;
mod internet;
mod reaching;
mod rules;
mod world;
