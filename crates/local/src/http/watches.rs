//! Watches on files: started and ended here, followed as output is ([`super::stream`]).

use super::files::check_path;
use super::request::{Json, NO_CONTENT, Segments, Target, json};
use super::stream::{self, LastEvent};
use crate::error::Result;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json as object;

#[derive(Deserialize)]
pub(super) struct WatchRequest {
    path: String,
    #[serde(default)]
    recursive: bool,
}

pub(super) async fn start(
    Target(sandbox): Target,
    Json(WatchRequest { path, recursive }): Json<WatchRequest>,
) -> Result<Response> {
    check_path(&path)?;
    let id = sandbox.watches.start(path, recursive).await?;
    json(StatusCode::CREATED, &object!({ "watch_id": id.to_string() }))
}

pub(super) async fn follow(
    Target(sandbox): Target,
    segments: Segments,
    last: LastEvent,
) -> Result<Response> {
    stream::changes(&sandbox.watches.get(segments.get("watch").unwrap_or_default())?, last)
}

pub(super) async fn end(Target(sandbox): Target, segments: Segments) -> Result<StatusCode> {
    sandbox.watches.end(segments.get("watch").unwrap_or_default())?;
    Ok(NO_CONTENT)
}
