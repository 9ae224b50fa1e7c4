//! Error answers, from whichever producer (protocol, section 4), as one thing.

use alloc::string::{String, ToString};

use crate::error::Code;
use crate::json::{Invalid, Members, Value};
use crate::limits;
use crate::{sse, utf8};

/// What was asked, as far as it changes what an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// Something inside a sandbox.
    SandboxPlane,
    /// A sandbox's record.
    LifecycleGet,
    /// A sandbox's end.
    LifecycleDelete,
    /// Another lifecycle call on no sandbox in particular.
    Lifecycle,
    /// A pool's end.
    PoolDelete,
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiFailure {
    /// What callers see.
    pub code: Code,
    /// The server's own code.
    pub server_code: Option<String>,
    /// The text to show.
    pub message: String,
}

/// Makes sense of an error answer. A body that is neither JSON nor text is not shown.
///
/// ```
/// use shoreline_protocol::{error::Code, failure::{classify, RequestKind}};
/// let body = br#"{"error":"Process 7 not found","code":"NOT_FOUND"}"#;
/// let failure = classify(RequestKind::SandboxPlane, 404, Some("application/json"), body);
/// assert_eq!((failure.code, failure.message.as_str()), (Code::NotFound, "Process 7 not found"));
/// ```
#[must_use]
pub fn classify(
    request: RequestKind,
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
) -> ApiFailure {
    let (message, server_code) = match Value::parse(body) {
        Ok(Value::Object(object)) => texts(object, 1),
        Ok(Value::String(text)) => (Some(text.text()), None),
        Ok(_) => (None, None),
        Err(Invalid) => (plain_text(content_type, body), None),
    };
    let code = code(request, status, server_code.as_deref());
    let message = message.filter(|text| !text.trim().is_empty());
    let message = message.map_or_else(
        || ["HTTP ", &status.to_string()].concat(),
        |text| text.trim().chars().take(limits::ERROR_TEXT_CHARS).collect(),
    );
    ApiFailure { code, server_code, message }
}

fn code(request: RequestKind, status: u16, server_code: Option<&str>) -> Code {
    match status {
        401 => Code::Authentication,
        403 => Code::Permission,
        404 | 410 if server_code == Some("SANDBOX_NOT_FOUND") => Code::SandboxNotFound,
        404 => match request {
            RequestKind::LifecycleGet | RequestKind::LifecycleDelete => Code::SandboxNotFound,
            _ => Code::NotFound,
        },
        405 | 501 => Code::Unsupported,
        409 if request == RequestKind::PoolDelete => Code::PoolInUse,
        409 => Code::Conflict,
        413 => Code::PayloadTooLarge,
        429 => Code::RateLimited,
        502 | 504 => Code::Gateway,
        503 => Code::Unavailable,
        400..=499 => Code::InvalidRequest,
        _ => Code::Server,
    }
}

/// The message and the code of an error object; the error may itself be an object.
fn texts(object: &[u8], depth: u32) -> (Option<String>, Option<String>) {
    let (mut error, mut message, mut detail, mut code) = (None, None, None, None);
    let Ok(mut members) = Members::new(object) else { return (None, None) };
    while let Ok(Some((key, value))) = members.read() {
        let text = || value.as_text().map(|text| text.text());
        match key.plain().unwrap_or_default() {
            b"error" => match value {
                Value::Object(inner) if depth > 0 => {
                    let (inner_message, inner_code) = texts(inner, depth - 1);
                    error = inner_message;
                    code = code.or(inner_code);
                }
                _ => error = text(),
            },
            b"message" => message = text(),
            b"detail" => detail = text(),
            b"code" => code = text().or(code),
            _ => {}
        }
    }
    (error.or(message).or(detail), code)
}

fn plain_text(content_type: Option<&str>, body: &[u8]) -> Option<String> {
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let start = body.trim_ascii_start();
    if utf8::contains(&content_type, "html") || start.starts_with(b"<") || start.contains(&0) {
        return None;
    }
    Some(sse::text(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_up_to_its_limit() {
        let message = |length: usize| {
            let body = "é".repeat(length);
            classify(RequestKind::Lifecycle, 500, None, body.as_bytes()).message
        };
        for length in [limits::ERROR_TEXT_CHARS, limits::ERROR_TEXT_CHARS + 1] {
            assert_eq!(message(length).chars().count(), limits::ERROR_TEXT_CHARS);
        }
    }

    #[test]
    fn what_is_no_text_is_not_shown() {
        for body in [&b"<html>"[..], b"\x1f\x8b\x08\x00\x00", b"  ", b"", b"[1]", b"null"] {
            let failure = classify(RequestKind::SandboxPlane, 502, None, body);
            assert_eq!((failure.message.as_str(), failure.server_code), ("HTTP 502", None));
        }
    }
}
