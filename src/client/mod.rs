//! The API's calls, on top of `transport`.

mod follow;
mod lifecycle;
pub(crate) mod process;
mod run;

pub(crate) use follow::{Follow, cursor_to_js};
pub(crate) use run::Run;

use crate::error::{Error, Result};
use crate::transport::{Answer, Key, Payload, Request, Transport};
use crate::types::{self, ConnectionOptions, Seconds};
use js_sys::{Function, JSON, Reflect};
use serde::Serialize;
use shoreline_protocol::endpoint::{self, Lifecycle, SandboxBase};
use shoreline_protocol::error::Code;
use shoreline_protocol::failure::RequestKind;
use shoreline_protocol::limits;
use shoreline_protocol::retry::Policy;
use shoreline_protocol::route::Route;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

/// How long is waited, in ms.
#[derive(Clone, Copy)]
struct Waits {
    /// For the head of a stream or of a quick answer.
    connect: f64,
    /// For the head of an answer that may take long.
    request: f64,
    /// For the next bytes.
    idle: f64,
}

pub(crate) struct Client {
    transport: Transport,
    lifecycle: Lifecycle,
    proxy_url: Option<String>,
    waits: Waits,
}

impl Client {
    /// `options` is a `ConnectionOptions` with, beside it, `apiKey` and `fetch`, which are no data.
    pub(crate) fn new(options: &JsValue) -> Result<Self> {
        let read: ConnectionOptions = types::read_options(options)?;
        let get = |name: &str| Reflect::get(options, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let fetch = match get("fetch") {
            none if none.is_undefined() => None,
            value => Some(
                value
                    .dyn_into::<Function>()
                    .map_err(|_| Error::argument("`fetch` must be a function"))?,
            ),
        };
        let lifecycle = Lifecycle::resolve(
            read.api_url.as_deref().unwrap_or(endpoint::PUBLIC_API),
            read.sandbox_api_url.as_deref(),
            read.namespace.as_deref().unwrap_or("default"),
        )
        .map_err(invalid_url)?;
        let mut headers = Vec::new();
        if let (Some(organization), Some(project)) = (read.organization_id, read.project_id) {
            headers.push(("X-Forwarded-Organization-Id", organization));
            headers.push(("X-Forwarded-Project-Id", project));
        }
        let ms = |seconds: Option<Seconds>, default: f64| seconds.map_or(default, Seconds::ms);
        Ok(Self {
            transport: Transport {
                fetch,
                key: Key::from_js(&get("apiKey"))?,
                headers,
                policy: Policy { max_retries: read.max_retries.unwrap_or(3), ..Policy::default() },
            },
            lifecycle,
            proxy_url: read.proxy_url,
            waits: Waits {
                connect: ms(read.connect_timeout, 60_000.0),
                request: ms(read.request_timeout, 300_000.0),
                idle: ms(read.idle_timeout, (limits::IDLE_TIMEOUT_SECONDS * 1000) as f64),
            },
        })
    }

    /// A key is needed wherever the address is not this machine.
    fn check_key(&self, url: &str) -> Result<()> {
        if self.transport.key.is_none() && endpoint::requires_key(url) {
            return Err(Error::new(
                Code::MissingApiKey,
                "no API key: pass `apiKey`, set TENSORLAKE_API_KEY, or start a local server (see shoreline/local)",
            ));
        }
        Ok(())
    }
}

/// One sandbox: its address and how to talk to it.
pub(crate) struct Sandbox {
    client: Rc<Client>,
    pub(crate) id: String,
    pub(crate) name: RefCell<Option<String>>,
    base: RefCell<SandboxBase>,
}

/// What differs between the calls to a sandbox.
struct Call<'a> {
    route: Route,
    segments: &'a [&'a str],
    query: Option<String>,
    payload: Payload,
    patient: bool,
}

impl<'a> Call<'a> {
    fn new(route: Route, segments: &'a [&'a str]) -> Self {
        Self { route, segments, query: None, payload: Payload::None, patient: false }
    }

    fn body<T: Serialize>(mut self, body: &T) -> Result<Self> {
        self.payload = Payload::Json(to_json(body)?);
        Ok(self)
    }

    fn patient(mut self) -> Self {
        self.patient = true;
        self
    }
}

impl Sandbox {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.borrow().url)
    }

    async fn send(&self, call: Call<'_>, signal: Option<&AbortSignal>) -> Result<Answer> {
        let waits = self.client.waits;
        let mut url = self.url(&call.route.fill(call.segments));
        if let Some(query) = &call.query {
            url.push('?');
            url.push_str(query);
        }
        let headers = self.base.borrow().headers.clone();
        let request = Request {
            method: call.route.method,
            url,
            headers: &headers,
            payload: call.payload,
            events: false,
            last_event_id: None,
            kind: RequestKind::SandboxPlane,
            head_ms: if call.patient { waits.request } else { waits.connect },
            idle_ms: waits.idle,
            retry: true,
        };
        self.client.transport.send(&request, signal).await
    }

    async fn json(&self, call: Call<'_>, signal: Option<&AbortSignal>) -> Result<JsValue> {
        types::answer(&json_of(self.send(call, signal).await?).await?)
    }

    /// A call whose answer has nothing in it.
    async fn done(&self, call: Call<'_>, signal: Option<&AbortSignal>) -> Result<()> {
        let mut answer = self.send(call, signal).await?;
        answer.body.bytes(limits::BODY_BYTES).await.map(drop)
    }
}

fn to_json<T: Serialize>(body: &T) -> Result<String> {
    let object = types::write(body)?;
    JSON::stringify(&object)
        .map(String::from)
        .map_err(|e| Error::argument("the request cannot be written as JSON").with_cause(e))
}

/// An answer's body as a JavaScript value.
async fn json_of(mut answer: Answer) -> Result<JsValue> {
    let bytes = answer.body.bytes(limits::BODY_BYTES).await?;
    let text = String::from_utf8_lossy(&bytes);
    JSON::parse(&text).map_err(|e| {
        let content_type = answer.headers.get("content-type").unwrap_or_default();
        Error::new(
            Code::InvalidResponse,
            format!(
                "the answer is not JSON (content type {content_type:?}): is a proxy in between?"
            ),
        )
        .with_cause(e)
    })
}

fn invalid_url(error: endpoint::EndpointError) -> Error {
    Error::new(Code::InvalidUrl, error.to_string())
}
