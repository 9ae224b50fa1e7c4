//! Sandboxes over HTTP (protocol, section 10).

use super::App;
use super::request::{Json, Segments, json};
use crate::error::{ApiError, Result};
use crate::sandbox::{EndReason, Filter};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::wire::sandbox::{CreateRequest, CreateResponse, SandboxList, Status};
use std::sync::Arc;

pub(super) async fn create(
    State(app): State<Arc<App>>,
    Json(request): Json<CreateRequest>,
) -> Result<Response> {
    refuse_what_is_not_done(&request, app.registry.isolation.is_none())?;
    let sandbox = app.registry.create(request)?;
    let answer = CreateResponse {
        sandbox_id: sandbox.id.clone(),
        status: Status::Running,
        name: sandbox.name.clone(),
        sandbox_url: sandbox.url(&app.url),
    };
    json(StatusCode::OK, &answer)
}

/// What a sandbox would seem to have and has not is refused.
fn refuse_what_is_not_done(request: &CreateRequest, open: bool) -> Result<()> {
    let network = request.network.clone().unwrap_or_default();
    let lists = !network.allow_out.is_empty() || !network.deny_out.is_empty();
    let parts = [
        (request.snapshot_id.is_some(), "snapshots (`snapshot_id`)"),
        (!request.secret_names.is_empty(), "secrets (`secret_names`): pass them in `env`"),
        (!request.entrypoint.is_empty(), "an `entrypoint`: start it as a process"),
        (
            !request.exposed_ports.is_empty(),
            "exposed ports: a port opened inside is one of this machine",
        ),
        (!request.file_systems.is_empty(), "file systems"),
        (lists, "a `network` restricted to some hosts"),
        (open && !network.allow_internet_access, "a sandbox without network: install bubblewrap"),
    ];
    match parts.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(ApiError::unsupported(what)),
        None => Ok(()),
    }
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    status: Option<String>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    query: std::result::Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response> {
    let Query(query) =
        query.map_err(|error| ApiError::new(ServerCode::InvalidRequest, error.body_text()))?;
    let filter = match query.status.as_deref() {
        None => Filter::All,
        Some(status) if status.eq_ignore_ascii_case("running") => Filter::Running,
        Some(status) if status.eq_ignore_ascii_case("terminated") => Filter::Terminated,
        Some(_) => Filter::None,
    };
    let limit = query.limit.unwrap_or(100).clamp(1, 1000);
    let page = app.registry.list(&filter, query.cursor.as_deref(), limit);
    let answer = SandboxList {
        sandboxes: page.sandboxes.iter().map(|sandbox| sandbox.info(&app.url)).collect(),
        prev_cursor: None,
        next_cursor: page.next,
    };
    json(StatusCode::OK, &answer)
}

pub(super) async fn get(State(app): State<Arc<App>>, segments: Segments) -> Result<Response> {
    let sandbox = app.registry.get(segments.get("sandbox").unwrap_or_default())?;
    json(StatusCode::OK, &sandbox.info(&app.url))
}

pub(super) async fn delete(State(app): State<Arc<App>>, segments: Segments) -> Result<()> {
    let sandbox = app.registry.get(segments.get("sandbox").unwrap_or_default())?;
    // Also if whoever asked does not wait for it.
    let ended = tokio::spawn(async move { sandbox.terminate(EndReason::UserTerminated).await });
    ended.await.map_err(|error| ApiError::internal(&error.into()))
}
