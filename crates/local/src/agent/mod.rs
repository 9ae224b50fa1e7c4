//! The agent: one small process in every sandbox, which does there what must be seen from inside:
//! starting processes, signalling and reaping them, opening files and sockets. The server sends it
//! requests over a socket and gets open files back, so that bytes do not pass through it.
//!
//! It ends with the server, since its socket ends, and takes with it everything that was started,
//! what left its process group included: orphans become its children.

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
mod work;

pub(crate) use fs::{BEGIN_ERROR, BEGIN_RESULT, Lines, Operation, Search};
pub(crate) use handle::{Agent, Host, Spawned, try_out};
pub(crate) use link::{Leader, refusal};
pub(crate) use message::{Beside, Exited, Holder, How, Size, Spawn};
pub(crate) use network::CAPABILITIES;
pub(crate) use running::Agents;
pub(crate) use spawn::{LAUNCH, launch};
pub(crate) use start::{Args, main};
