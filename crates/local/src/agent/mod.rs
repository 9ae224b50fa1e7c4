//! The agent: one small process in every sandbox. It does what must happen inside the sandbox:
//! it starts, signals and reaps processes, and opens files and sockets. The server sends
//! requests over a socket and gets open files back, so data does not pass through the agent.
//!
//! The agent ends when its socket closes, so at the latest with the server. It then kills every process of the sandbox.
//! That includes processes that left their group, since orphans become the agent's children.

mod confine;
mod files;
mod filter;
mod fs;
mod handle;
mod holders;
mod inside;
mod interpreter;
mod landlock;
mod limits;
mod link;
mod message;
mod network;
mod place;
mod running;
mod spawn;
mod start;
mod terminal;
mod threads;
mod tree;
mod usage;
mod work;

pub(crate) use fs::{BEGIN_ERROR, BEGIN_RESULT, Lines, Operation, Search};
pub(crate) use handle::{Agent, Host, Spawned, try_out};
pub(crate) use link::{Leader, refusal};
pub(crate) use message::{Beside, Exited, Holder, How, Size, Spawn, Usage, Used};
pub(crate) use network::CAPABILITIES;
pub(crate) use running::Agents;
pub(crate) use spawn::{LAUNCH, launch};
pub(crate) use start::{Args, main};
