//! Sandboxes over HTTP (docs/protocol.md, section 10).

use super::app::App;
use super::request::{Json, Segments, json};
use crate::error::{ApiError, Result};
use crate::isolation::Network;
use crate::network::Policy;
use crate::process::check_env;
use crate::sandbox::{Direction, Filter, Sandbox};
use crate::wire::sandbox::{
    CreateRequest, CreateResponse, NetworkPolicy, Resources, SandboxInfo, SandboxList, Status,
    UpdateRequest,
};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use std::sync::Arc;

pub(super) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Json(request): Json<CreateRequest>,
) -> Result<Response> {
    refuse_what_is_not_done(&request)?;
    let policy = policy(&app, request.network.as_ref())?;
    let shares_network = app.registry.network_for(&policy) == Network::Host;
    check_ports(&app, &request.exposed_ports, shares_network)?;
    if request.allow_unauthenticated_access || !request.exposed_ports.is_empty() {
        check_opening(&app, &headers)?;
    }
    check_resources(&request.resources)?;
    check_env(&request.env)?;
    let env = request.env.keys().cloned().collect();
    let sandbox = app.registry.create(request, policy).await?;
    let answer = CreateResponse {
        sandbox_id: sandbox.id.clone(),
        status: Status::Running,
        name: sandbox.name(),
        sandbox_url: sandbox.url(&app.url),
        ingress_endpoint: app.ingress.clone(),
        env,
    };
    json(StatusCode::OK, &answer)
}

/// `shares_network`: whether the sandbox has the host's ports, including the server's own.
fn check_ports(app: &App, ports: &[u16], shares_network: bool) -> Result<()> {
    let wrong = |text: &str| Err(ApiError::new(ServerCode::InvalidRequest, text));
    if ports.contains(&limits::MANAGEMENT_PORT) {
        return wrong("port 9501 is reserved for sandbox management");
    }
    // A request to the server's own port would be forwarded to the server in a loop.
    if shares_network && ports.contains(&app.guard.port()) {
        return wrong("the server itself listens on this port: expose another one");
    }
    if ports.contains(&0) { wrong("a port must be from 1 to 65535") } else { Ok(()) }
}

/// Refuses to expose ports for a page token. Exposed ports outlive the token, and can be opened to everyone
/// later.
fn check_opening(app: &App, headers: &HeaderMap) -> Result<()> {
    if app.guard.is_key(headers) {
        return Ok(());
    }
    let text = "a page token cannot expose ports, or open them to everyone (`allow_unauthenticated_access`): use the server's key";
    Err(ApiError::new(ServerCode::Unauthorized, text))
}

/// Refuses a limit of zero, with which no process could start.
fn check_resources(resources: &Resources) -> Result<()> {
    let Resources { cpus, memory_mb, .. } = *resources;
    if cpus.is_none_or(|cpus| cpus > 0.0) && memory_mb != Some(0) && resources.disk_mb() != Some(0)
    {
        return Ok(());
    }
    Err(ApiError::new(ServerCode::InvalidRequest, "`resources` must be numbers above 0"))
}

/// Refuses options that the local server does not implement.
fn refuse_what_is_not_done(request: &CreateRequest) -> Result<()> {
    let parts = [
        (request.snapshot_id.is_some(), "snapshots (`snapshot_id`)"),
        (request.template_id.is_some(), "templates (`template_id`)"),
        (request.image.as_deref().is_some_and(|image| image != DEFAULT_IMAGE), IMAGES),
        (request.resources.gpus, "GPUs (`gpus`)"),
        (request.auto_resume == Some(false), NOT_WOKEN),
        (!request.secret_names.is_empty(), "secrets (`secret_names`): pass them in `env`"),
        (!request.entrypoint.is_empty(), "an `entrypoint`: start it as a process"),
        (!request.file_systems.is_empty(), "file systems"),
    ];
    match parts.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(ApiError::unsupported(what)),
        None => Ok(()),
    }
}

/// The cloud's default image. A local sandbox has only the machine's programs.
const DEFAULT_IMAGE: &str = "tensorlake/ubuntu-minimal";
const IMAGES: &str = "images (`image`): every sandbox has this machine's programs; leave it out";
/// The rules of a sandbox's network. Without network namespaces only "all" and "nothing" are possible.
fn policy(app: &App, asked: Option<&NetworkPolicy>) -> Result<Policy> {
    let policy = Policy::parse(asked)?;
    let all_or_nothing =
        policy == Policy::OPEN || policy == Policy::CLOSED && !app.registry.isolation().is_none();
    if app.registry.network() == Network::Own || all_or_nothing {
        return Ok(policy);
    }
    Err(ApiError::unsupported(
        "`network` rules where sandboxes share this machine's network: install bubblewrap, and start the \
         server without `--network host`",
    ))
}

const NOT_WOKEN: &str = "a sandbox that requests do not wake (`auto_resume`)";

#[derive(Deserialize)]
pub(super) struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    #[serde(default)]
    direction: Direction,
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
        Some(status) => match status.to_ascii_lowercase().as_str() {
            "running" => Filter::In(Status::Running),
            "suspended" => Filter::In(Status::Suspended),
            "terminated" => Filter::In(Status::Terminated),
            "pending" | "snapshotting" | "suspending" | "timeout" | "failed" => Filter::None,
            other => {
                let text = format!("no sandbox is ever {other:?}: ask for running ones");
                return Err(ApiError::new(ServerCode::InvalidRequest, text));
            }
        },
    };
    let limit = query.limit.unwrap_or(100).clamp(1, 1000);
    let page = app.registry.list(&filter, query.cursor.as_deref(), query.direction, limit)?;
    let answer = SandboxList {
        sandboxes: page.sandboxes.iter().map(|sandbox| info(&app, sandbox)).collect(),
        prev_cursor: page.previous,
        next_cursor: page.next,
    };
    json(StatusCode::OK, &answer)
}

fn info(app: &App, sandbox: &Sandbox) -> SandboxInfo {
    sandbox.info(&app.url, app.ingress.as_deref())
}

pub(super) async fn get(State(app): State<Arc<App>>, segments: Segments) -> Result<Response> {
    let sandbox = app.registry.get(segments.get("sandbox").unwrap_or_default())?;
    json(StatusCode::OK, &info(&app, &sandbox))
}

pub(super) async fn delete(State(app): State<Arc<App>>, segments: Segments) -> Result<()> {
    let sandbox = app.registry.get(segments.get("sandbox").unwrap_or_default())?;
    sandbox.terminate().await
}

pub(super) async fn update(
    State(app): State<Arc<App>>,
    segments: Segments,
    headers: HeaderMap,
    Json(request): Json<UpdateRequest>,
) -> Result<Response> {
    let sandbox = app.registry.get(segments.get("sandbox").unwrap_or_default())?;
    if request.resources.is_some() {
        return Err(ApiError::unsupported("changing the resources of a sandbox"));
    }
    let rules = request.network.as_ref().map(|asked| policy(&app, asked.as_ref())).transpose()?;
    if let Some(rules) = &rules {
        sandbox.check_rules(rules)?;
    }
    if request.auto_resume == Some(false) {
        return Err(ApiError::unsupported(NOT_WOKEN));
    }
    let ports = request.exposed_ports.as_deref();
    check_ports(&app, ports.unwrap_or_default(), sandbox.shares_network())?;
    let exposed = sandbox.settings().exposed_ports;
    let exposes = ports.is_some_and(|ports| ports.iter().any(|port| !exposed.contains(port)));
    if exposes || request.allow_unauthenticated_access == Some(true) {
        check_opening(&app, &headers)?;
    }
    app.registry.update(&sandbox, request.name, |settings| {
        if let Some(ports) = request.exposed_ports {
            settings.exposed_ports = ports;
        }
        if let Some(allow) = request.allow_unauthenticated_access {
            settings.allow_unauthenticated_access = allow;
        }
        if request.timeout_secs.is_some() {
            settings.timeout_secs = request.timeout_secs;
        }
        if let (Some(asked), Some(rules)) = (request.network, rules) {
            settings.network_policy = asked;
            sandbox.set_rules(rules);
        }
    })?;
    if request.timeout_secs.is_some() {
        sandbox.restart_time_limit();
    }
    json(StatusCode::OK, &info(&app, &sandbox))
}

pub(super) async fn suspend(State(app): State<Arc<App>>, segments: Segments) -> Result<Response> {
    let sandbox = app.registry.get(segments.get("sandbox").unwrap_or_default())?;
    changed(&app, &sandbox, sandbox.suspend().await)
}

pub(super) async fn resume(State(app): State<Arc<App>>, segments: Segments) -> Result<Response> {
    let sandbox = app.registry.get(segments.get("sandbox").unwrap_or_default())?;
    changed(&app, &sandbox, sandbox.resume().await)
}

/// Answers a change of state. For a terminated sandbox the error is final: clients retry a 503, but the sandbox never
/// runs again.
fn changed(app: &App, sandbox: &Sandbox, changed: Result<bool>) -> Result<Response> {
    match changed {
        Ok(changed) => {
            let status = if changed { StatusCode::ACCEPTED } else { StatusCode::OK };
            json(status, &info(app, sandbox))
        }
        Err(_) if !sandbox.is_alive() => {
            let text = "the sandbox is terminated: make another";
            Err(ApiError::new(ServerCode::Conflict, text))
        }
        Err(error) => Err(error),
    }
}

/// Describes the one user of a local server, who has its key.
pub(super) async fn introspect_key() -> Result<Response> {
    let answer = serde_json::json!({
        "id": "local", "organizationId": "local", "projectId": "default",
    });
    json(StatusCode::OK, &answer)
}
