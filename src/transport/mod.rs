//! One request and its answer: the key, deadlines, retries and errors of HTTP.

mod body;
mod leash;
mod scope;

pub(crate) use body::Body;
pub(crate) use leash::Leash;
pub(crate) use scope::{Cause, Scope};

use crate::error::{Error, Result};
use crate::host;
use gloo_net::http::{Headers, Response};
use js_sys::{Array, Function, Object, Promise, Reflect};
use shoreline_protocol::error::Code;
use shoreline_protocol::failure::{self, RequestKind};
use shoreline_protocol::limits;
use shoreline_protocol::retry::{self, Policy};
use shoreline_protocol::route::Method;
use std::cell::RefCell;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

/// Where the API key comes from.
pub(crate) enum Key {
    None,
    Fixed(String),
    /// Asked when first needed, and once more after a 401.
    Ask {
        ask: Function,
        last: RefCell<Option<String>>,
    },
}

impl Key {
    pub(crate) fn from_js(value: &JsValue) -> Result<Self> {
        if value.is_undefined() || value.is_null() {
            return Ok(Self::None);
        }
        if let Some(ask) = value.dyn_ref::<Function>() {
            return Ok(Self::Ask { ask: ask.clone(), last: RefCell::default() });
        }
        match value.as_string() {
            Some(text) if text.is_empty() => Ok(Self::None),
            Some(text) => check_key(&text).map(|()| Self::Fixed(text)),
            None => Err(Error::argument("`apiKey` must be a string or a function that gives one")),
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    async fn get(&self, again: bool) -> Result<Option<String>> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(key) => Ok(Some(key.clone())),
            Self::Ask { ask, last } => {
                if let (false, Some(key)) = (again, last.borrow().clone()) {
                    return Ok(Some(key));
                }
                let failed = |e| {
                    Error::new(Code::MissingApiKey, "the `apiKey` function failed").with_cause(e)
                };
                let answer = ask.call0(&JsValue::UNDEFINED).map_err(failed)?;
                let answer = JsFuture::from(Promise::resolve(&answer)).await.map_err(failed)?;
                let key = answer.as_string().filter(|key| !key.is_empty()).ok_or_else(|| {
                    Error::new(Code::MissingApiKey, "the `apiKey` function gave no string")
                })?;
                check_key(&key)?;
                *last.borrow_mut() = Some(key.clone());
                Ok(Some(key))
            }
        }
    }
}

/// The message must not hold the key, which the runtime's own complaint about a header would.
fn check_key(key: &str) -> Result<()> {
    if key.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Error::argument(
            "`apiKey` has characters that no key has: look for spaces and line ends",
        ))
    }
}

/// What is sent as the body.
pub(crate) enum Payload {
    None,
    Json(String),
    Bytes(JsValue),
}

pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: &'a [(&'static str, String)],
    pub(crate) payload: Payload,
    /// The answer is an event stream.
    pub(crate) events: bool,
    /// Continue an event stream after this event.
    pub(crate) last_event_id: Option<String>,
    pub(crate) kind: RequestKind,
    /// How long the answer's head may take, in ms; 0 = for ever.
    pub(crate) head_ms: f64,
    /// How long the answer's body may be silent, in ms; 0 = for ever.
    pub(crate) idle_ms: f64,
    /// Whether to try again here where that is safe.
    pub(crate) retry: bool,
}

pub(crate) struct Answer {
    pub(crate) headers: Headers,
    pub(crate) body: Body,
}

impl Answer {
    /// The body of an answer that must be an event stream.
    ///
    /// # Errors
    /// `unexpected_content_type`, naming what it is instead.
    pub(crate) fn event_stream(self) -> Result<Body> {
        let content_type = self.headers.get("content-type").unwrap_or_default();
        if content_type.to_ascii_lowercase().contains("text/event-stream") {
            return Ok(self.body);
        }
        Err(Error::new(
            Code::UnexpectedContentType,
            format!("expected an event stream, got {content_type:?}: is a proxy in between?"),
        ))
    }
}

pub(crate) struct Transport {
    pub(crate) fetch: Option<Function>,
    pub(crate) key: Key,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) policy: Policy,
}

/// What came of one try.
enum Try {
    Answer(Answer),
    Failed(Error),
}

impl Transport {
    /// Sends `request`, again where that is safe, and gives the answer if its status is 2xx.
    ///
    /// # Errors
    /// Connection, timeout, abort and API errors.
    pub(crate) async fn send(
        &self,
        request: &Request<'_>,
        signal: Option<&AbortSignal>,
    ) -> Result<Answer> {
        let mut asked_again = false;
        let mut attempt = 0;
        loop {
            let error = match self.once(request, signal, asked_again).await? {
                Try::Answer(answer) => return Ok(answer),
                Try::Failed(error) => error,
            };
            if error.status == Some(401) && matches!(self.key, Key::Ask { .. }) && !asked_again {
                asked_again = true;
                continue;
            }
            let (failure, random) = (error.failure(), host::random());
            let delay = retry::decide(request.method, &failure, attempt, random, &self.policy);
            let Some(delay) = delay.filter(|_| request.retry) else { return Err(error) };
            attempt += 1;
            Scope::new(signal)?.guard(host::sleep(delay as f64)).await??;
        }
    }

    async fn once(
        &self,
        request: &Request<'_>,
        signal: Option<&AbortSignal>,
        new_key: bool,
    ) -> Result<Try> {
        let scope = Scope::new(signal)?;
        let key = scope.guard(self.key.get(new_key)).await??;
        let fetch = match &self.fetch {
            Some(fetch) => fetch.clone(),
            None => host::fetch()?,
        };
        let init = self.init(request, key.as_deref(), &scope)?;
        let deadline = scope.timer(request.head_ms, Cause::Connect)?;
        let answer = async {
            let answer = fetch.call2(&JsValue::UNDEFINED, &request.url.as_str().into(), &init)?;
            JsFuture::from(Promise::resolve(&answer)).await
        };
        let answer = match scope.guard(answer).await? {
            Ok(answer) => answer,
            Err(cause) => return Ok(Try::Failed(unsent(cause))),
        };
        drop(deadline);
        let raw = answer.dyn_into::<web_sys::Response>().or_else(|other| {
            // A `fetch` of another realm, or a stand-in for one, gives its own kind of Response.
            if other.is_object() { Ok(other.unchecked_into()) } else { Err(other) }
        });
        let raw = raw.map_err(|e| {
            Error::new(Code::MissingCapability, "`fetch` did not give a Response").with_cause(e)
        })?;
        let stream = raw.body();
        let response = Response::from(raw);
        let (status, headers) = (response.status(), response.headers());
        let mut body = Body::new(stream, scope, request.idle_ms)?;
        if response.ok() {
            return Ok(Try::Answer(Answer { headers, body }));
        }
        if status < 400 {
            return Err(Error::new(
                Code::InvalidResponse,
                "the server answered with a redirect, which is not followed, so that the API key goes nowhere else",
            ));
        }
        let retry_after_ms = headers
            .get("retry-after")
            .and_then(|text| retry::parse_retry_after(&text, host::now() as u64));
        // An error whose text cannot be read is still that error.
        let text = body.bytes(limits::ERROR_BODY_BYTES).await.unwrap_or_default();
        let content_type = headers.get("content-type");
        let failure = failure::classify(request.kind, status, content_type.as_deref(), &text);
        Ok(Try::Failed(Error { retry_after_ms, ..Error::api(status, failure) }))
    }

    fn init(&self, request: &Request<'_>, key: Option<&str>, scope: &Scope) -> Result<Object> {
        let headers = Headers::new();
        for (name, value) in self.headers.iter().chain(request.headers) {
            headers.set(name, value);
        }
        if let Some(key) = key {
            headers.set("Authorization", &format!("Bearer {key}"));
        }
        if request.events {
            headers.set("Accept", "text/event-stream");
        }
        if let Some(id) = &request.last_event_id {
            headers.set("Last-Event-ID", id);
        }
        let init = Object::new();
        let set = |name: &str, value: &JsValue| {
            let _ = Reflect::set(&init, &name.into(), value);
        };
        match &request.payload {
            Payload::None => {}
            Payload::Json(text) => {
                headers.set("Content-Type", "application/json");
                set("body", &text.as_str().into());
            }
            Payload::Bytes(bytes) => {
                headers.set("Content-Type", "application/octet-stream");
                set("body", bytes);
            }
        }
        set("method", &request.method.as_str().into());
        set("headers", &headers.into_raw().into());
        set("redirect", &"manual".into());
        set("signal", &scope.signal().into());
        Ok(init)
    }
}

/// Sorts a rejected `fetch`: only what certainly never left may be sent again blindly.
fn unsent(cause: JsValue) -> Error {
    let error = if is_connect_failure(&cause) {
        Error::new(
            Code::ConnectFailed,
            "no connection could be made: check the address and that the server is running",
        )
    } else {
        Error::new(
            Code::ConnectionLost,
            "the server could not be reached, or the connection broke before its answer (in a browser, a server that does not allow this page's origin looks the same)",
        )
    };
    error.with_cause(cause)
}

/// Whether the runtime says that no connection was made: by `code` on the error or its causes (Node,
/// Bun), or in the words of Deno's and workerd's messages.
fn is_connect_failure(error: &JsValue) -> bool {
    const CODES: [&str; 9] = [
        "ECONNREFUSED",
        "ENOTFOUND",
        "EAI_AGAIN",
        "EHOSTUNREACH",
        "ENETUNREACH",
        "UND_ERR_CONNECT_TIMEOUT",
        "ConnectionRefused",
        "FailedToOpenSocket",
        "ERR_INVALID_URL",
    ];
    const WORDS: [&str; 3] = ["client error (Connect)", "Connection refused", "dns error"];
    let get = |from: &JsValue, key: &str| Reflect::get(from, &key.into()).ok();
    let mut level = error.clone();
    for _ in 0..4 {
        if !level.is_object() {
            break;
        }
        let text = |key| get(&level, key).and_then(|value| value.as_string()).unwrap_or_default();
        let (code, message) = (text("code"), text("message"));
        if CODES.contains(&code.as_str()) || WORDS.iter().any(|word| message.contains(word)) {
            return true;
        }
        // Several addresses were tried: every one must have failed to connect.
        if let Some(errors) = get(&level, "errors").and_then(|e| e.dyn_into::<Array>().ok()) {
            return errors.length() > 0 && errors.iter().all(|error| is_connect_failure(&error));
        }
        level = get(&level, "cause").unwrap_or(JsValue::UNDEFINED);
    }
    false
}
