//! Extractors of the parts of a request. Each refuses wrong values with an error.

use super::app::App;
use super::host::Address;
use super::ignored;
use crate::error::{ApiError, Result};
use crate::process::Process;
use crate::sandbox::Sandbox;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use shoreline_protocol::text::replace_lone_surrogates;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A segment of the path, by its name in the route.
pub(super) struct Segments(RawPathParams);

impl Segments {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

impl FromRequestParts<Arc<App>> for Segments {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        match RawPathParams::from_request_parts(parts, app).await {
            Ok(segments) => Ok(Self(segments)),
            Err(_) => Err(ApiError::new(ServerCode::InvalidPath, "the path is not UTF-8")),
        }
    }
}

/// The sandbox of a request, named by the path's prefix, else by header, else by host. It can be
/// suspended.
pub(super) struct Found(pub(super) Arc<Sandbox>);

impl FromRequestParts<Arc<App>> for Found {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let segments = Segments::from_request_parts(parts, app).await?;
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let by_host = || match parts.extensions.get() {
            Some(Address::Sandbox(sandbox) | Address::DotLocal(sandbox)) => Some(sandbox.as_str()),
            _ => None,
        };
        let named = segments
            .get("sandbox")
            .or_else(|| header("x-tensorlake-sandbox-id"))
            .or_else(by_host)
            .ok_or_else(|| {
                ApiError::new(
                    ServerCode::MissingSandboxId,
                    "the request names no sandbox: use its `sandbox_url`, or the header X-Tensorlake-Sandbox-Id",
                )
            })?;
        app.registry.get(named).map(Self)
    }
}

/// The sandbox of an authorized request. A suspended sandbox is resumed.
pub(super) struct Target(pub(super) Arc<Sandbox>);

impl FromRequestParts<Arc<App>> for Target {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Found(sandbox) = Found::from_request_parts(parts, app).await?;
        sandbox.resume().await?;
        Ok(Self(sandbox))
    }
}

/// The process that the path names.
pub(super) fn process(sandbox: &Sandbox, segments: &Segments) -> Result<Arc<Process>> {
    sandbox.processes.get(segments.get("process").unwrap_or_default())
}

/// A JSON body with the shape of `T`.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media != "application/json"
            && !(media.starts_with("application/") && media.ends_with("+json"))
        {
            return Err(ApiError::new(
                ServerCode::UnsupportedMediaType,
                "the body must be JSON, with `Content-Type: application/json`",
            ));
        }
        let (parts, body) = request.into_parts();
        let mut body = read(body).await?;
        replace_lone_surrogates(&mut body);
        // serde would accept an array for a structure, field by field.
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(ApiError::new(ServerCode::InvalidShape, "the body must be a JSON object"));
        }
        ignored::parse(&body, &parts.extensions).map(Self).map_err(|error| {
            let code = match error.classify() {
                serde_json::error::Category::Data => ServerCode::InvalidShape,
                _ => ServerCode::InvalidRequest,
            };
            ApiError::new(code, format!("the body is not as it should be: {error}"))
        })
    }
}

/// A whole body.
async fn read(body: Body) -> Result<Vec<u8>> {
    let (mut data, mut whole) = (body.into_data_stream(), Vec::new());
    while let Some(part) = next_part(&mut data).await? {
        if whole.len() + part.len() > limits::REQUEST_BYTES {
            let text = format!("a JSON body has at most {} bytes", limits::REQUEST_BYTES);
            return Err(ApiError::new(ServerCode::PayloadTooLarge, text));
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole)
}

/// The next part of a body, `None` at its end.
///
/// # Errors
/// `REQUEST_TIMEOUT` if the client sends nothing for [`limits::BODY_SILENCE_SECONDS`]; `INVALID_REQUEST` if
/// the body breaks off.
pub(super) async fn next_part(data: &mut BodyDataStream) -> Result<Option<Bytes>> {
    let silence = Duration::from_secs(limits::BODY_SILENCE_SECONDS);
    let part = timeout(silence, data.next()).await.map_err(|_| {
        let text = format!("the client sent nothing for {} s", limits::BODY_SILENCE_SECONDS);
        ApiError::new(ServerCode::RequestTimeout, text)
    })?;
    part.transpose().map_err(|_| ApiError::new(ServerCode::InvalidRequest, "the body broke off"))
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    let text = serde_json::to_vec(body).map_err(|error| ApiError::internal(&error.into()))?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// The answer without a body.
pub(super) const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;
