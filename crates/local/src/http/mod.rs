//! The API over HTTP: connections, authorization, routes and answers.

mod app;
mod body;
mod captured;
mod channels;
mod complete;
mod connection;
mod files;
mod fs;
mod gate;
mod guard;
mod host;
mod ignored;
mod lifecycle;
mod member;
mod page_tokens;
mod pages;
mod ports;
mod process;
mod proof;
mod pty;
mod pty_socket;
mod request;
mod routes;
mod search;
mod serve;
mod stream;
mod tunnel;
mod unfinished;
mod unread;
mod watches;

pub(crate) use app::App;
pub(crate) use serve::serve;
