//! Processes over HTTP (docs/protocol.md, section 6), except their output.

use super::app::App;
use super::request::{Json, NO_CONTENT, Segments, Target, json, process as named};
use super::stream;
use super::unfinished::WantsUnfinished;
use crate::error::{ApiError, Result};
use crate::process::records;
use crate::wire::process::{OutputMode, ProcessList, SignalRequest, StartRequest, StdinMode};
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use rustix::process::Signal;
use serde_json::json as object;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use std::sync::Arc;

pub(super) async fn health(_: Target) -> Result<Response> {
    json(StatusCode::OK, &object!({ "healthy": true }))
}

pub(super) async fn info(State(app): State<Arc<App>>, Target(sandbox): Target) -> Result<Response> {
    let processes = sandbox.processes.all();
    let running = processes.iter().filter(|process| process.is_running()).count();
    let answer = object!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_secs": app.started.elapsed().as_secs(),
        "running_processes": running,
        "total_processes": processes.len(),
        "isolation": app.registry.isolation().name(),
        "network": app.registry.network().name(),
        "limits": app.registry.enforcement().name(),
        "enforced": sandbox.enforced,
        "tunnel_half_close": true,
        "channels": limits::CHANNELS,
    });
    json(StatusCode::OK, &answer)
}

pub(super) async fn usage(Target(sandbox): Target) -> Result<Response> {
    json(StatusCode::OK, &sandbox.usage().await?)
}

pub(super) async fn start(
    Target(sandbox): Target,
    Json(request): Json<StartRequest>,
) -> Result<Response> {
    if request.timeout.is_some() {
        let text = "a time limit is a run's: leave out `timeout`, or use /processes/run";
        return Err(ApiError::new(ServerCode::InvalidRequest, text));
    }
    let process = sandbox.processes.start(request).await?;
    json(StatusCode::CREATED, &process.info())
}

pub(super) async fn run(
    Target(sandbox): Target,
    unfinished: WantsUnfinished,
    Json(request): Json<StartRequest>,
) -> Result<Response> {
    let StartRequest { name, restart, health_check, .. } = &request;
    if name.is_some() || restart.is_some() || health_check.is_some() {
        let text = "a run has one process and an end: start what is to be managed by /processes";
        return Err(ApiError::new(ServerCode::InvalidRequest, text));
    }
    // `run` sets these itself; values in the body are ignored.
    let request = StartRequest {
        stdin_mode: StdinMode::Closed,
        stdout_mode: OutputMode::Capture,
        stderr_mode: OutputMode::Capture,
        ..request
    };
    Ok(stream::run(sandbox.processes.start(request).await?, unfinished))
}

pub(super) async fn list(Target(sandbox): Target) -> Result<Response> {
    let processes = records(&sandbox.processes.all()).await;
    json(StatusCode::OK, &ProcessList { processes })
}

pub(super) async fn get(Target(sandbox): Target, segments: Segments) -> Result<Response> {
    let records = records(&[named(&sandbox, &segments)?]).await;
    json(StatusCode::OK, &records.first())
}

pub(super) async fn kill(Target(sandbox): Target, segments: Segments) -> Result<StatusCode> {
    let process = named(&sandbox, &segments)?;
    match &process.managed {
        // A managed process can be between two runs: no process to kill, but supervision to end.
        Some(managed) => managed.stop().await,
        None => process.signal(Signal::KILL).await?,
    }
    Ok(NO_CONTENT)
}

pub(super) async fn restart(Target(sandbox): Target, segments: Segments) -> Result<Response> {
    let process = named(&sandbox, &segments)?;
    let managed = process.managed.as_ref().ok_or_else(|| {
        let text =
            "only a managed process can be started again: start it with a `name` or `restart`";
        ApiError::new(ServerCode::Conflict, text)
    })?;
    json(StatusCode::OK, &managed.restart().await?.info())
}

pub(super) async fn signal(
    Target(sandbox): Target,
    segments: Segments,
    Json(request): Json<SignalRequest>,
) -> Result<Response> {
    let process = named(&sandbox, &segments)?;
    let signal = i32::try_from(request.signal).ok().and_then(Signal::from_named_raw);
    let signal = signal.ok_or_else(|| {
        ApiError::new(ServerCode::InvalidSignal, "Invalid signal number: it is from 1 to 31")
    })?;
    process.signal(signal).await?;
    json(StatusCode::OK, &object!({ "success": true }))
}

pub(super) async fn write_stdin(
    Target(sandbox): Target,
    segments: Segments,
    body: Body,
) -> Result<StatusCode> {
    named(&sandbox, &segments)?.stdin.write(body).await?;
    Ok(NO_CONTENT)
}

pub(super) async fn close_stdin(Target(sandbox): Target, segments: Segments) -> Result<StatusCode> {
    named(&sandbox, &segments)?.stdin.close().await?;
    Ok(NO_CONTENT)
}
