//! Checks host, origin and key before every route, and adds the CORS headers.

use super::app::App;
use super::host::Address;
use super::member::Peer;
use super::ports;
use crate::error::ApiError;
use axum::Extension;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::route;
use std::sync::Arc;

const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("Retry-After, Shoreline-Ignored-Fields");
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Last-Event-ID, Traceparent, X-Forwarded-Organization-Id, X-Forwarded-Project-Id, X-Tensorlake-Sandbox-Id, X-Tensorlake-Route-Hint",
);

/// Passes a request on to its route or to a port of a sandbox, or refuses it. What the request addresses
/// is added to its extensions.
pub(super) async fn check(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let guard = &app.guard;
    match guard.address(request.headers(), peer.local.ip()) {
        Ok(Address::Port { port, sandbox }) => {
            // Pages of a server in the sandbox have the origin of their port.
            return match ports::forward(&app, &peer, port, &sandbox, request).await {
                Ok(response) => response,
                Err(error) => error.into_response(),
            };
        }
        Ok(address) => request.extensions_mut().insert(address),
        Err(error) => return error.into_response(),
    };
    let headers = request.headers();
    let origin = match guard.check_origin(headers, peer.local.ip()) {
        Ok(origin) => origin.cloned(),
        Err(error) => return error.into_response(),
    };
    let preflight = origin.is_some()
        && request.method() == Method::OPTIONS
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    // The handlers of these routes check a terminal's token or a proof of the key. Each channel of a socket with channels
    // passes this check itself.
    let path = matched.as_ref().map(MatchedPath::as_str).unwrap_or_default();
    let has_channels = path.ends_with(route::CHANNELS.path);
    let checks_itself =
        has_channels || path.ends_with(route::PTY_SOCKET.path) || path == route::PROVE_KEY.path;
    let is_authorized = guard.is_authorized(headers);
    let mut response = if preflight {
        preflight_answer()
    } else if is_authorized || checks_itself {
        if is_authorized {
            app.is_asked();
            peer.member.prove();
        }
        let response = next.run(request).await;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && !has_channels {
            peer.member.prove();
        }
        response
    } else {
        let text = "the server's key is missing or wrong: send `Authorization: Bearer <key>` with the key that the server printed at its start";
        ApiError::new(ServerCode::Unauthorized, text).into_response()
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
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
