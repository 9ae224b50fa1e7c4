//! The server as its clients meet it: the real binary, over HTTP.
#![allow(missing_docs, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

use support::{channels as socket, machine, server, terminal, wait};

mod access;
mod bounds;
mod channel_rules;
mod channels;
mod connections;
mod ending;
mod environment;
mod files;
mod flow;
mod fs;
mod holders;
mod ignored;
mod isolation;
mod lifecycle;
mod limits;
mod managed;
mod mounts;
mod output;
mod ports;
mod processes;
mod proof;
mod search;
mod staying;
mod stdin;
mod supervision;
mod suspension;
mod terminals;
mod tunnels;
mod unfinished;
mod updates;
mod watches;
