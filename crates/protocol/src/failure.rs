//! Error answers of servers and proxies (docs/protocol.md, section 4), reduced to one form.

use alloc::string::String;

use crate::error::Code;
use crate::json::{Invalid, Members, Value};
use crate::limits;
use crate::text::{digits, joined};
use crate::{text, utf8};

/// The kinds of request that give an error answer different meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A request to a sandbox.
    SandboxPlane,
    /// Get a sandbox's record.
    LifecycleGet,
    /// Terminate a sandbox.
    LifecycleDelete,
    /// A lifecycle call that names no sandbox.
    Lifecycle,
    /// Delete a pool.
    PoolDelete,
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiFailure {
    /// The client's code.
    pub code: Code,
    /// The server's own code.
    pub server_code: Option<String>,
    /// The text to show.
    pub message: String,
}

/// Classifies an error answer. A body that is neither JSON nor text is not shown.
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
    let mut texts = Texts::default();
    match Value::parse(body) {
        Ok(Value::Object(object)) => texts.read(object, false),
        Ok(Value::String(text)) => texts.message = Some(text.text()),
        Ok(_) => {}
        Err(Invalid) => texts.message = plain_text(content_type.unwrap_or_default(), body),
    }
    let code = code(request, status, texts.code.as_deref());
    let shown = texts.message.unwrap_or_default();
    let shown = shown.trim_ascii();
    let message = if shown.is_empty() {
        joined(&["HTTP ", &digits(status.into())])
    } else {
        shown.chars().take(limits::ERROR_TEXT_CHARS).collect()
    };
    ApiFailure { code, server_code: texts.code, message }
}

/// Whether an error answer names sandboxes that exist despite the error: one that did not start in time, or
/// some of the requested copies. The caller needs their ids to terminate them.
///
/// ```
/// use shoreline_protocol::failure::{RequestKind, has_sandboxes};
/// let body = br#"{"sandbox_id":"x","status":"timeout"}"#;
/// assert!(has_sandboxes(RequestKind::Lifecycle, 504, body));
/// assert!(!has_sandboxes(RequestKind::Lifecycle, 504, b"Bad gateway"));
/// assert!(!has_sandboxes(RequestKind::Lifecycle, 409, body));
/// ```
#[must_use]
pub fn has_sandboxes(request: RequestKind, status: u16, body: &[u8]) -> bool {
    let made = request == RequestKind::Lifecycle && matches!(status, 422 | 504);
    made && body.windows(SANDBOX_ID.len()).any(|part| part == SANDBOX_ID)
}

/// Only such an answer contains this member. In a string of JSON, the quote would be escaped.
const SANDBOX_ID: &[u8] = b"sandbox_id\":";

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

/// The message and the code of an error object.
#[derive(Default)]
struct Texts {
    message: Option<String>,
    /// The preference of the member that the message is from; higher wins.
    rank: usize,
    code: Option<String>,
}

impl Texts {
    /// Reads an object. Its error may itself be an object, whose members are preferred.
    fn read(&mut self, object: &[u8], within: bool) {
        const RANKS: [&[u8]; 3] = [b"detail", b"message", b"error"];
        let base = if within { RANKS.len() } else { 0 };
        let Ok(mut members) = Members::new(object) else { return };
        while let Ok(Some((key, value))) = members.read() {
            let key = key.plain().unwrap_or_default();
            match (value, RANKS.iter().position(|name| *name == key)) {
                (Value::Object(inner), Some(2)) if !within => self.read(inner, true),
                (Value::String(text), Some(rank)) if base + rank >= self.rank => {
                    self.rank = base + rank;
                    self.message = Some(text.text());
                }
                (Value::String(text), None) if key == b"code" => self.code = Some(text.text()),
                _ => {}
            }
        }
    }
}

fn plain_text(content_type: &str, body: &[u8]) -> Option<String> {
    let page = text::contains(content_type, "html") || body.trim_ascii_start().starts_with(b"<");
    (!page && !body.contains(&0)).then(|| utf8::lossy(body))
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
