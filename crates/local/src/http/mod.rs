//! The API over HTTP: connections, who can use them, routes, and their answers.

mod app;
mod connection;
mod files;
mod gate;
mod guard;
mod host;
mod lifecycle;
mod page_tokens;
mod pages;
mod ports;
mod process;
mod pty;
mod request;
mod routes;
mod stream;
mod tunnel;
mod unread;

pub(crate) use app::App;
pub(crate) use connection::Connections;
pub(crate) use routes::router;
