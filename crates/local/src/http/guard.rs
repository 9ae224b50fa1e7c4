//! Who may use this server: those who know the token. And no web page, unless its origin is allowed:
//! a browser sends what a page tells it, so a page that can reach a port can try tokens.

use super::pages::PageTokens;
use super::{App, ports};
use crate::error::ApiError;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::route;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// What requests are checked against.
pub(crate) struct Guard {
    token: String,
    /// Origins of web pages, such as `http://localhost:5173`.
    origins: Vec<String>,
    pub(super) pages: PageTokens,
}

/// This machine's names for itself.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Last-Event-ID, Traceparent, X-Forwarded-Organization-Id, X-Forwarded-Project-Id, X-Tensorlake-Sandbox-Id, X-Tensorlake-Route-Hint",
);

impl Guard {
    pub(crate) fn new(token: String, origins: Vec<String>) -> Self {
        Self { token, origins, pages: PageTokens::default() }
    }

    /// A name that an attacker could point at this machine is refused (DNS rebinding).
    fn check_host(headers: &HeaderMap) -> Result<(), ApiError> {
        let host =
            headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = host_name(host);
        let known =
            LOOPBACK.contains(&name) || name.ends_with(".localhost") || name.ends_with(".local");
        if known {
            return Ok(());
        }
        Err(ApiError::new(
            ServerCode::ForbiddenHost,
            "this server answers to localhost, 127.0.0.1 and [::1] only",
        ))
    }

    fn check_origin<'a>(
        &self,
        headers: &'a HeaderMap,
        url: &str,
    ) -> Result<Option<&'a HeaderValue>, ApiError> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(None) };
        let bytes = origin.as_bytes();
        let allowed = self.origins.iter().any(|allowed| allowed.as_bytes() == bytes);
        if allowed || self.pages.allow(bytes) || is_own(bytes, url) {
            return Ok(Some(origin));
        }
        Err(ApiError::new(
            ServerCode::ForbiddenOrigin,
            "pages of this origin may not use this server: start it with `--allow-origin`",
        ))
    }

    /// Whether a request carries the key, or what stands for it in a page of its origin.
    pub(super) fn lets_in(&self, headers: &HeaderMap) -> bool {
        if is_key(self, headers) {
            return true;
        }
        let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
        let (Some(token), Some(origin)) = (bearer(headers), origin) else { return false };
        self.pages.is_known(token, origin)
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.lets_in(headers) {
            return Ok(());
        }
        Err(ApiError::new(
            ServerCode::Unauthorized,
            "this server wants its key: `Authorization: Bearer <key>`, as it printed at its start",
        ))
    }
}

/// Whether an origin is where this server listens. No page comes from there, but clients that are no
/// browser name the address that they connect to (Python's `websocket-client` does).
fn is_own(origin: &[u8], url: &str) -> bool {
    let port = url.rsplit_once(':').map_or("", |(_, port)| port);
    LOOPBACK.iter().any(|name| origin == format!("http://{name}:{port}").as_bytes())
}

/// Whether a request carries the server's key.
pub(super) fn is_key(guard: &Guard, headers: &HeaderMap) -> bool {
    bearer(headers).is_some_and(|token| token.ct_eq(guard.token.as_bytes()).into())
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let given = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = given.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// A Host header's name without its port.
pub(super) fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Lets a request pass, or answers it.
pub(super) async fn check(
    State(app): State<Arc<App>>,
    matched: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    if let Some((port, sandbox)) = ports::named(request.headers()) {
        // Pages of what runs inside are of that port's own origin.
        return match ports::forward(&app, port, &sandbox, request).await {
            Ok(response) => response,
            Err(error) => error.into_response(),
        };
    }
    let guard = &app.guard;
    // It has a token of its own, which it checks.
    let is_socket = matched.is_some_and(|path| path.as_str().ends_with(route::PTY_SOCKET.path));
    let headers = request.headers();
    let origin =
        match Guard::check_host(headers).and_then(|()| guard.check_origin(headers, &app.url)) {
            Ok(origin) => origin.cloned(),
            Err(error) => return error.into_response(),
        };
    let preflight = request.method() == Method::OPTIONS
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight && origin.is_some() {
        preflight_answer()
    } else {
        match guard.check_token(headers) {
            Err(error) if !is_socket => error.into_response(),
            checked => {
                // A terminal that is there keeps its sandbox, and that the server.
                if checked.is_ok() {
                    app.is_asked();
                }
                next.run(request).await
            }
        }
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        headers
            .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }
    response
}

fn preflight_answer() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    headers.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
    response
}
