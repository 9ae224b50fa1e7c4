//! Runs requests that change something to their end. When a client disconnects, hyper drops the handler at its next
//! await, which would leave an incomplete change. A handler on a task of its own
//! continues, and notices that its client is gone only when it reads the body: hyper (1.12) ends the body of a
//! dropped connection with an error.

use super::app::App;
use crate::error::ApiError;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

pub(super) async fn run(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // Safe methods change nothing (RFC 9110, section 9.2.1), and upgrades are GETs.
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    match app.tasks.spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => ApiError::internal(&error.into()).into_response(),
    }
}
