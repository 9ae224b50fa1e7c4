//! Terminals over HTTP (protocol, section 8).

use super::app::App;
use super::request::{Found, Json, NO_CONTENT, Segments, Target, json};
use crate::error::{ApiError, Result};
use crate::pty::{At, CreateRequest, Session};
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json as object;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use shoreline_protocol::pty::{Input, Output, Size};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use tokio::time::{Instant, interval_at};

/// Between pings; a client that has shown no life by the next one is gone.
const PING: Duration = Duration::from_secs(30);

pub(super) async fn create(
    Target(sandbox): Target,
    Json(request): Json<CreateRequest>,
) -> Result<Response> {
    let session = sandbox.terminals.create(request).await?;
    let answer = object!({ "session_id": session.id, "token": session.token });
    json(StatusCode::CREATED, &answer)
}

pub(super) async fn list(Target(sandbox): Target) -> Result<Response> {
    let sessions: Vec<_> = sandbox.terminals.all().iter().map(|session| session.info()).collect();
    json(StatusCode::OK, &object!({ "sessions": sessions }))
}

pub(super) async fn get(Target(sandbox): Target, segments: Segments) -> Result<Response> {
    json(StatusCode::OK, &named(&sandbox, &segments, ServerCode::NotFound)?.info())
}

pub(super) async fn kill(Target(sandbox): Target, segments: Segments) -> Result<StatusCode> {
    named(&sandbox, &segments, ServerCode::NotFound)?.kill();
    Ok(NO_CONTENT)
}

#[derive(Deserialize)]
pub(super) struct ResizeRequest {
    rows: u16,
    cols: u16,
}

pub(super) async fn resize(
    Target(sandbox): Target,
    segments: Segments,
    Json(ResizeRequest { rows, cols }): Json<ResizeRequest>,
) -> Result<StatusCode> {
    named(&sandbox, &segments, ServerCode::NotFound)?.resize(rows, cols)?;
    Ok(NO_CONTENT)
}

fn named(
    sandbox: &crate::sandbox::Sandbox,
    segments: &Segments,
    missing: ServerCode,
) -> Result<Arc<Session>> {
    let id = segments.get("session").unwrap_or_default();
    sandbox
        .terminals
        .get(id)
        .ok_or_else(|| ApiError::new(missing, format!("PTY session {id} not found")))
}

#[derive(Deserialize)]
pub(super) struct SocketQuery {
    token: Option<String>,
}

/// Attaches to a terminal. The session's token is enough, since a page cannot send a header here. Without
/// the token the answer is the same for every sandbox and session, whether they exist or not, unless the
/// request has the key.
pub(super) async fn socket(
    State(app): State<Arc<App>>,
    found: Result<Found>,
    segments: Segments,
    headers: HeaderMap,
    query: std::result::Result<Query<SocketQuery>, QueryRejection>,
    upgrade: std::result::Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    let by_header = headers.get("x-pty-token").and_then(|token| token.to_str().ok());
    let by_query = query.as_ref().ok().and_then(|query| query.token.as_deref());
    let is_token = |session: &Session| {
        [by_header, by_query]
            .into_iter()
            .flatten()
            .any(|token| token.as_bytes().ct_eq(session.token.as_bytes()).into())
    };
    let session = found.and_then(|Found(sandbox)| {
        let session = named(&sandbox, &segments, ServerCode::SessionNotFound)?;
        Ok((sandbox, session))
    });
    let (sandbox, session) = match session {
        Ok((sandbox, session)) if is_token(&session) => (sandbox, session),
        Err(error) if app.guard.is_key(&headers) => return Err(error),
        _ => return Err(ApiError::new(ServerCode::InvalidToken, "wrong PTY token")),
    };
    let upgrade = upgrade.map_err(|_| {
        ApiError::new(ServerCode::UpgradeRequired, "this route speaks WebSocket only")
    })?;
    sandbox.resume().await?;
    let upgrade = upgrade
        .max_message_size(limits::PTY_HISTORY_BYTES)
        .max_frame_size(limits::PTY_HISTORY_BYTES);
    Ok(upgrade.on_upgrade(|socket| attach(socket, session)))
}

/// From the first message to the last.
async fn attach(socket: WebSocket, session: Arc<Session>) {
    let _attached = session.attach();
    let (mut to_client, from_client) = socket.split();
    // Where the client wants to begin, once it has said that it is ready.
    let (ready, begin) = watch::channel(None);
    let (alive, life) = watch::channel(Instant::now());
    let close = tokio::select! {
        close = read_input(from_client, &session, &ready, &alive) => close,
        close = write_output(&mut to_client, &session, begin, life) => close,
    };
    if let Some(close) = close {
        let _ = to_client.send(Message::Close(Some(close))).await;
        // Taken by the client, or given up: a close that is torn off loses what came before it.
        let _ = tokio::time::timeout(Duration::from_secs(2), to_client.close()).await;
    }
}

/// What the client types, as fast as the program takes it.
async fn read_input(
    mut from_client: SplitStream<WebSocket>,
    session: &Session,
    ready: &watch::Sender<Option<Begin>>,
    alive: &watch::Sender<Instant>,
) -> Option<CloseFrame> {
    while let Some(message) = from_client.next().await {
        let message = match message {
            Ok(message) => message,
            Err(error) if error.to_string().contains("too long") => {
                return Some(frame(1009, "message too big"));
            }
            Err(_) => return None,
        };
        alive.send_replace(Instant::now());
        match message {
            Message::Close(_) => return None,
            Message::Binary(bytes) => match Input::decode(&bytes) {
                Some(Input::Data(data)) => {
                    // Of a terminal that has ended nothing is to be taken; its end is told elsewhere.
                    let _ = session.type_in(data).await;
                    alive.send_replace(Instant::now());
                }
                Some(Input::Resize(Size { cols, rows })) => {
                    let _ = session.resize(rows, cols);
                }
                Some(Input::Ready(position)) => {
                    ready.send_if_modified(|begin| {
                        let first = begin.is_none();
                        begin.get_or_insert(Begin(position));
                        first
                    });
                }
                None => {}
            },
            _ => {}
        }
    }
    None
}

/// Where a client begins: at the start of what is kept, or at a position that it names.
#[derive(Clone, Copy, Debug)]
struct Begin(Option<u64>);

/// The session's output from where the client begins, to its end.
async fn write_output(
    to_client: &mut SplitSink<WebSocket, Message>,
    session: &Session,
    mut begin: watch::Receiver<Option<Begin>>,
    life: watch::Receiver<Instant>,
) -> Option<CloseFrame> {
    let mut watch = session.watch();
    let mut ping = interval_at(Instant::now() + PING, PING);
    let mut next = None;
    loop {
        watch.mark_unchanged();
        let begun = *begin.borrow_and_update();
        if let (None, Some(Begin(wanted))) = (next, begun) {
            let (start, end) = session.positions();
            let from = wanted.unwrap_or(start).clamp(start, end);
            let position = Output::Position(from).encode();
            to_client.send(Message::Binary(position.into())).await.ok()?;
            next = Some(from);
        }
        if let Some(position) = next {
            match session.at(position) {
                At::Bytes(bytes) => {
                    next = Some(position + bytes.len() as u64);
                    let data = Bytes::from(Output::Data(&bytes).encode());
                    to_client.send(Message::Binary(data)).await.ok()?;
                    continue;
                }
                At::Lost(kept) => {
                    let lost = kept - position;
                    return Some(frame(1008, &format!("output lagged by {lost} bytes")));
                }
                At::End(exited) => {
                    let code = exited.code.unwrap_or(-1);
                    let exit = Output::Exit(code).encode();
                    to_client.send(Message::Binary(exit.into())).await.ok()?;
                    return Some(frame(1000, &format!("exit:{code}")));
                }
                At::Nothing => {}
            }
        }
        tokio::select! {
            _ = watch.changed() => {}
            _ = begin.changed() => {}
            _ = ping.tick() => {
                if life.borrow().elapsed() > PING + PING {
                    return None;
                }
                to_client.send(Message::Ping(Bytes::new())).await.ok()?;
            }
        }
    }
}

fn frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame { code, reason: reason.into() }
}
