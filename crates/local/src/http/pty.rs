//! Terminals over HTTP (docs/protocol.md, section 8).

use super::app::App;
use super::pty_socket;
use super::request::{Found, Json, NO_CONTENT, Segments, Target, json};
use crate::error::{ApiError, Result};
use crate::pty::{CreateRequest, Session};
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json as object;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

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
    /// With flow control: the number of bytes of output that the client accepts at first.
    credit: Option<String>,
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
    let credit = query.ok().and_then(|Query(query)| query.credit);
    let credit = credit.map(|bytes| bytes.parse()).transpose().map_err(|_| {
        ApiError::new(ServerCode::InvalidRequest, "`credit` must be a whole number of bytes")
    })?;
    sandbox.resume().await?;
    let upgrade = upgrade
        .max_message_size(limits::PTY_HISTORY_BYTES)
        .max_frame_size(limits::PTY_HISTORY_BYTES);
    Ok(upgrade.on_upgrade(move |socket| pty_socket::attach(socket, session, credit)))
}
