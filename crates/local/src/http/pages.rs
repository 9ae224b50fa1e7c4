//! Tokens for web pages: each is good for one origin and a short time, in which pages of that origin may use
//! the server.

use super::App;
use super::guard::is_key;
use super::request::{Json, json};
use crate::error::{ApiError, Result};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use parking_lot::{Mutex, MutexGuard};
use serde::Deserialize;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq as _;

struct PageToken {
    token: String,
    origin: String,
    expires: Instant,
}

/// The tokens that may live, the oldest first.
#[derive(Default)]
pub(super) struct PageTokens(Mutex<VecDeque<PageToken>>);

impl PageTokens {
    /// Those that live.
    fn live(&self) -> MutexGuard<'_, VecDeque<PageToken>> {
        let mut tokens = self.0.lock();
        let now = Instant::now();
        tokens.retain(|token| token.expires > now);
        tokens
    }

    pub(super) fn allow(&self, origin: &[u8]) -> bool {
        self.live().iter().any(|known| known.origin.as_bytes() == origin)
    }

    pub(super) fn is_known(&self, token: &[u8], origin: &[u8]) -> bool {
        self.live()
            .iter()
            .filter(|known| known.origin.as_bytes() == origin)
            .any(|known| known.token.as_bytes().ct_eq(token).into())
    }

    fn add(&self, token: PageToken) {
        let mut tokens = self.live();
        if tokens.len() == limits::PAGE_TOKENS {
            tokens.pop_front();
        }
        tokens.push_back(token);
    }
}

#[derive(Deserialize)]
pub(super) struct PageRequest {
    origin: String,
    #[serde(default = "default_ttl")]
    ttl_secs: u64,
}

fn default_ttl() -> u64 {
    300
}

/// Makes one, for who has the key itself: a page cannot prolong what it was given.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Json(PageRequest { origin, ttl_secs }): Json<PageRequest>,
) -> Result<Response> {
    if !is_key(&app.guard, &headers) {
        let text = "a page's token makes no others: ask who gave it";
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
