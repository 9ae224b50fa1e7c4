//! One request and its answer: the key, deadlines, retries and errors of HTTP.

mod body;
mod cancel;
mod key;
mod reader;
mod sent;

pub(crate) use body::Body;
pub(crate) use cancel::{CancelToken, Waited};
pub(crate) use key::Key;

use crate::error::{Error, Result};
use crate::{host, js};
use alloc::string::String;
use alloc::vec::Vec;
use gloo_net::http::Headers;
use js_sys::{Date, Function, Object, Promise};
use shoreline_protocol::error::Code;
use shoreline_protocol::failure;
use shoreline_protocol::lacking::{self, Asked};
use shoreline_protocol::limits;
use shoreline_protocol::retry::{self, Policy};
use shoreline_protocol::text::{self, joined};
use shoreline_protocol::trace;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::AbortController;

/// Characters of a content type that are shown.
const SHOWN_CHARS: usize = 100;
/// Timeout of the body of an error, ms.
const ERROR_BODY_MS: f64 = 10_000.0;

/// The body of a request.
pub(crate) enum Payload {
    None,
    Json(String),
    Bytes(JsValue),
}

impl Payload {
    /// Whether the body can be sent again.
    fn is_whole(&self) -> bool {
        !matches!(self, Self::Bytes(body) if js::get(body, "getReader").is_function())
    }
}

/// How the answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Completely, as part of each attempt.
    Whole,
    /// By the caller, as it arrives.
    Chunks,
    /// By the caller, as an event stream.
    Events,
}

pub(crate) struct Request {
    pub(crate) asked: Asked,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) payload: Payload,
    pub(crate) reading: Reading,
    /// Timeout of the answer's head, in ms; 0 means none.
    pub(crate) head_ms: f64,
    /// Idle timeout of the answer's body, in ms; 0 means none.
    pub(crate) idle_ms: f64,
    /// Whether to retry here if that is safe.
    pub(crate) retry: bool,
    /// Function to use instead of `fetch`.
    pub(crate) via: Option<Via>,
}

/// Function that sends stream requests instead of `fetch`.
#[derive(Clone)]
pub(crate) struct Via {
    pub(crate) fetch: Function,
    /// Whether it sends no headers.
    pub(crate) bare: bool,
}

pub(crate) struct Answer {
    /// A printable part of it.
    pub(crate) content_type: String,
    /// Length in bytes, if the server sends it.
    pub(crate) length: Option<f64>,
    /// The whole body, for [`Reading::Whole`].
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Body,
    /// The id of the server's trace of the request; undefined if the server sends none.
    pub(crate) trace_id: JsValue,
}

pub(crate) struct Transport {
    pub(crate) fetch: Option<Function>,
    pub(crate) key: Key,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) policy: Policy,
}

/// The id of the server's trace in an answer's headers; undefined if there is none.
pub(crate) fn trace_id(headers: &web_sys::Headers) -> JsValue {
    let header = |name| headers.get(name).ok().flatten();
    let header = header("traceresponse").or_else(|| header("traceparent"));
    header.as_deref().and_then(trace::trace_id).into()
}

/// The length of an answer in bytes, if the server sends it.
fn length(headers: &web_sys::Headers) -> Option<f64> {
    let header = |name| headers.get(name).ok().flatten();
    // With Content-Encoding, Content-Length counts compressed bytes.
    let plain = header("content-encoding").is_none();
    let length = header("content-length").filter(|_| plain)?;
    text::decimal(length.as_bytes()).map(|length| length as f64)
}

impl Transport {
    /// Sends `request`, retries it if that is safe, and returns the answer if its status is 2xx.
    ///
    /// # Errors
    /// Connection, timeout, abort and API errors.
    pub(crate) async fn send(&self, request: &Request, cancel: &CancelToken) -> Result<Answer> {
        let mut asked_again = false;
        let mut attempt = 0;
        loop {
            let mut error = match self.once(request, cancel, asked_again).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = self.key.may_change() && request.payload.is_whole();
            if error.status == Some(401) && again && !asked_again {
                asked_again = true;
                continue;
            }
            // Timeouts are not retried: the caller set the deadline.
            let failure = error.failure().filter(|_| request.retry && !error.is_timeout());
            let delay = failure.and_then(|failure| {
                retry::decide(
                    request.asked.route.method,
                    &failure,
                    attempt,
                    host::random(),
                    &self.policy,
                )
            });
            let Some(delay) = delay else {
                error.unrepeatable = !retry::is_harmless(request.asked.route.method, error.code);
                return Err(error);
            };
            attempt += 1;
            cancel.sleep(delay as f64).await?;
        }
    }

    async fn once(&self, request: &Request, cancel: &CancelToken, new_key: bool) -> Result<Answer> {
        cancel.check()?;
        let key = self.key.get(new_key, cancel).await?;
        let controller = AbortController::new().map_err(|_| {
            Error::new(Code::MissingCapability, "this runtime has no AbortController")
        })?;
        let init = self.init(request, key.as_deref(), &controller)?;
        js::set(&init, "call", cancel.call());
        let mut body = Body::new(controller, request.idle_ms);
        let fetch = match (&request.via, &self.fetch) {
            (Some(via), _) if via.bare && key.is_some() => {
                let what = "an EventSource cannot send the API key: connect without `apiKey` to an address that needs none, such as a relay's, or leave `transport` out";
                return Err(Error::new(Code::MissingCapability, what));
            }
            (Some(Via { fetch, .. }), _) | (None, Some(fetch)) => fetch.clone(),
            (None, None) => host::fetch()?,
        };
        let answer = fetch
            .call2(&JsValue::UNDEFINED, &request.url.as_str().into(), &init)
            .map_err(sent::failed)?;
        let answer = match cancel.wait(Promise::resolve(&answer), request.head_ms).await? {
            Waited::Resolved(answer) => answer,
            Waited::Rejected(cause) => return Err(sent::failed(cause)),
            Waited::TimedOut => {
                body.time_out();
                let what = "the server did not answer within the connect timeout: check the address, or raise `connectTimeout`";
                return Err(Error::new(Code::ConnectTimeout, what));
            }
        };
        if !answer.is_object() {
            let what = "`fetch` did not give a Response";
            return Err(Error::new(Code::MissingCapability, what));
        }
        // Not checked by class: a `fetch` of another realm, or a replacement, returns another class.
        body.open(&answer)?;
        let status = js::number(&answer, "status").unwrap_or_default() as u16;
        let is_error = status >= 400;
        if !is_error && !(200..300).contains(&status) {
            let what = "the server answered with a redirect, which is not followed, so that the API key goes nowhere else";
            return Err(Error::new(Code::InvalidResponse, what));
        }
        let headers = js::get(&answer, "headers").unchecked_into::<web_sys::Headers>();
        let header = |name| headers.get(name).ok().flatten();
        let content_type: String =
            header("content-type").unwrap_or_default().chars().take(SHOWN_CHARS).collect();
        let length = if request.reading == Reading::Chunks { length(&headers) } else { None };
        let trace_id = trace_id(&headers);
        if !is_error && request.reading != Reading::Whole {
            return Ok(Answer { content_type, length, bytes: Vec::new(), body, trace_id });
        }
        let (limit, ms) = if is_error {
            (limits::ERROR_BODY_BYTES, ERROR_BODY_MS)
        } else {
            (limits::BODY_BYTES + 1, f64::INFINITY)
        };
        let read = body.bytes(limit, ms, cancel).await;
        if !is_error {
            let bytes = read?;
            if bytes.len() == limit {
                return Err(Error::new(Code::InvalidResponse, "the answer is too large"));
            }
            return Ok(Answer { content_type, length, bytes, body, trace_id });
        }
        // If the body cannot be read, the status still makes the error.
        let read = read.unwrap_or_default();
        if failure::has_sandboxes(request.asked.kind, status, &read) {
            return Ok(Answer { content_type, length, bytes: read, body, trace_id });
        }
        let mut failure = lacking::classify(&request.asked, status, &content_type, &read);
        // What is shorter may be any word.
        let secret = key.filter(|key| key.len() >= 8);
        if secret.is_some_and(|key| text::contains(&failure.message, &key)) {
            failure.message = "the server's text, which holds the API key, is not shown".into();
        }
        let mut error = Error::api(status, failure);
        error.trace_id = trace_id;
        error.retry_after_ms = header("retry-after").and_then(|text| {
            retry::retry_after_ms(&text).or_else(|| {
                let ms = Date::parse(&text) - Date::now();
                (!ms.is_nan()).then_some(ms as u64)
            })
        });
        Err(error)
    }

    fn init(
        &self,
        request: &Request,
        key: Option<&str>,
        controller: &AbortController,
    ) -> Result<Object> {
        let headers = Headers::new();
        for (name, value) in self.headers.iter().chain(&request.headers) {
            if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                let text = ["`", name, "` would hold characters that no HTTP header can"];
                return Err(Error::of(Code::InvalidArgument, &text));
            }
            headers.set(name, value);
        }
        if let Some(key) = key {
            headers.set("Authorization", &joined(&["Bearer ", key]));
        }
        if request.reading == Reading::Events {
            headers.set("Accept", "text/event-stream");
        }
        let init = Object::new();
        match &request.payload {
            Payload::None => {}
            Payload::Json(text) => {
                headers.set("Content-Type", "application/json");
                js::set(&init, "body", &text.as_str().into());
            }
            Payload::Bytes(bytes) => {
                headers.set("Content-Type", "application/octet-stream");
                js::set(&init, "body", bytes);
                // A stream is sent as it produces.
                js::set(&init, "duplex", &"half".into());
            }
        }
        js::set(&init, "method", &request.asked.route.method.as_str().into());
        js::set(&init, "headers", &headers.into_raw());
        js::set(&init, "redirect", &"manual".into());
        js::set(&init, "signal", &controller.signal());
        Ok(init)
    }
}

impl Answer {
    /// The body of an answer that must be an event stream.
    ///
    /// # Errors
    /// `unexpected_content_type`, with the actual content type.
    pub(crate) fn event_stream(self) -> Result<Body> {
        if text::contains(&self.content_type, "text/event-stream") {
            return Ok(self.body);
        }
        Err(self.unexpected(Code::UnexpectedContentType, "not an event stream"))
    }

    /// Description of an unexpected answer, for the error message.
    pub(crate) fn unexpected(&self, code: Code, what: &str) -> Error {
        let text = [
            "the answer is ",
            what,
            " (content type \"",
            &self.content_type,
            "\"): is a proxy in between?",
        ];
        Error::of(code, &text)
    }
}
