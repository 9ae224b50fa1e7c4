//! Makes tokens for web pages.

use super::app::App;
use super::page_tokens::PageToken;
use super::request::{Json, json};
use crate::error::{ApiError, Result};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Deserialize)]
pub(super) struct PageRequest {
    origin: String,
    #[serde(default = "default_ttl")]
    ttl_secs: u64,
}

fn default_ttl() -> u64 {
    300
}

/// Makes a token. The request needs the key, so a page cannot extend its access by its token.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Json(PageRequest { origin, ttl_secs }): Json<PageRequest>,
) -> Result<Response> {
    if !app.guard.is_key(&headers) {
        let text = "a page token cannot make page tokens: use the server's key";
        return Err(ApiError::new(ServerCode::Unauthorized, text));
    }
    check(&origin, ttl_secs)?;
    let token = crate::random::token().map_err(|error| ApiError::internal(&error))?;
    let answer = serde_json::json!({ "token": token, "expires_in": ttl_secs });
    let expires = Instant::now() + Duration::from_secs(ttl_secs);
    app.guard.pages.add(PageToken { token, origin, expires });
    json(StatusCode::CREATED, &answer)
}

fn check(origin: &str, ttl_secs: u64) -> Result<()> {
    let wrong = |text: String| Err(ApiError::new(ServerCode::InvalidRequest, text));
    // As browsers write it (HTML, "serialization of an origin").
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if !host.is_some_and(|host| (1..=255).contains(&host.len()) && host.bytes().all(plain)) {
        return wrong("`origin` must be a web origin, such as http://localhost:5173".to_owned());
    }
    if !(1..=limits::PAGE_TOKEN_SECONDS).contains(&ttl_secs) {
        return wrong(format!("`ttl_secs` must be from 1 to {}", limits::PAGE_TOKEN_SECONDS));
    }
    Ok(())
}
