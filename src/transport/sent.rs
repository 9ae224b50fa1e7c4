//! Whether a failed request was sent.

use crate::error::Error;
use crate::host;
use crate::js;
use js_sys::Array;
use shoreline_protocol::error::Code;
use shoreline_protocol::text;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// Classifies a rejected `fetch`: only a request that was certainly not sent can always be retried.
pub(super) fn failed(cause: JsValue) -> Error {
    let (code, message) = if never_connected(&cause, 4) {
        (
            Code::ConnectFailed,
            "no connection could be made: check the address and that the server is running",
        )
    } else if host::is_in_page() {
        // Scripts cannot tell a refused origin from a broken connection.
        (
            Code::ConnectionLost,
            "the server could not be reached, or it does not allow this page's origin, or the connection broke before the response: check the address and the server's allowed origins",
        )
    } else {
        (
            Code::ConnectionLost,
            "the server could not be reached, or the connection broke before the response: check the address and that the server is running",
        )
    };
    // The shim's own transports report more.
    let code = match js::text(&cause, "code").as_deref() {
        Some("CORS") => code,
        Some("NO_CHANNELS") => Code::Unsupported,
        _ => return Error::new(code, message).with_cause(cause),
    };
    let told = js::text(&cause, "message");
    Error::new(code, told.as_deref().unwrap_or(message)).with_cause(cause)
}

/// Whether the runtime says that no connection was made: by `code` on the error or its causes (Node,
/// Bun), or in the words of their messages (Deno, workerd, and Node for ports that `fetch` refuses).
fn never_connected(error: &JsValue, depth: u32) -> bool {
    /// Codes that only mean that no connection could be made.
    const CODES: [&str; 7] = [
        "ECONNREFUSED",
        "ENOTFOUND",
        "EAI_AGAIN",
        "UND_ERR_CONNECT_TIMEOUT",
        "ConnectionRefused",
        "FailedToOpenSocket",
        "ERR_INVALID_URL",
    ];
    /// Codes of any system call.
    const ROUTE_CODES: [&str; 2] = ["EHOSTUNREACH", "ENETUNREACH"];
    const WORDS: [&str; 4] =
        ["client error (Connect)", "Connection refused", "dns error", "bad port"];
    if depth == 0 || !error.is_object() {
        return false;
    }
    let of = |key| js::text(error, key).unwrap_or_default();
    let (code, message) = (of("code"), of("message"));
    if CODES.contains(&code.as_str())
        || ROUTE_CODES.contains(&code.as_str()) && of("syscall") == "connect"
        || WORDS.iter().any(|word| text::contains(&message, word))
    {
        return true;
    }
    // Several addresses were tried: every one must have failed to connect.
    if let Ok(errors) = js::get(error, "errors").dyn_into::<Array>() {
        return errors.length() > 0 && errors.iter().all(|each| never_connected(&each, depth - 1));
    }
    never_connected(&js::get(error, "cause"), depth - 1)
}
