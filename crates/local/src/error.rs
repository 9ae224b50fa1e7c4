//! Error answers: a status, a code and a sentence.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use shoreline_protocol::error::ServerCode;

pub(crate) type Result<T> = std::result::Result<T, ApiError>;

/// An error answer. The client sees the text, so it must contain no secret.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    code: ServerCode,
    text: String,
}

impl ApiError {
    pub(crate) fn new(code: ServerCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(crate) fn into_parts(self) -> (ServerCode, String) {
        (self.code, self.text)
    }

    pub(crate) fn code(&self) -> ServerCode {
        self.code
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn internal(error: &std::io::Error) -> Self {
        Self::new(ServerCode::InternalError, error.to_string())
    }

    pub(crate) fn unsupported(what: &str) -> Self {
        Self::new(ServerCode::Unsupported, format!("not supported by the local server: {what}"))
    }

    pub(crate) fn not_running() -> Self {
        Self::new(ServerCode::SandboxNotRunning, "the sandbox is terminated")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::json!({ "error": self.text, "code": self.code.as_str() });
        (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}
