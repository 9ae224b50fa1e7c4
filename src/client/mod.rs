//! The API's calls, on top of `transport`.

mod collected;
pub(crate) mod files;
mod follow;
mod gate;
mod lifecycle;
mod limit;
pub(crate) mod process;
pub(crate) mod pty;
mod run;
mod support;
mod under_way;

pub(crate) use follow::{Follow, cursor_to_js};
pub(crate) use lifecycle::single;
pub(crate) use run::Run;

use crate::error::{Error, Result};
use crate::js;
use crate::transport::{Answer, CancelToken, Key, Payload, Reading, Request, Transport};
use crate::types::{self, ConnectionOptions};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use js_sys::{Function, JSON};
use shoreline_protocol::endpoint::{self, EndpointError, Lifecycle, SandboxBase, Url};
use shoreline_protocol::error::Code;
use shoreline_protocol::failure::RequestKind;
use shoreline_protocol::lacking::Asked;
use shoreline_protocol::retry::Policy;
use shoreline_protocol::route::Route;
use shoreline_protocol::text::{joined, replace_lone_surrogates};
use shoreline_protocol::{limits, name, utf8};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// Timeouts, in ms.
#[derive(Clone, Copy)]
struct Waits {
    /// Until the head of a stream or of a short answer.
    connect: f64,
    /// Until the head of an answer that can take long.
    request: f64,
    /// Until the next bytes.
    idle: f64,
}

pub(crate) struct Client {
    transport: Transport,
    lifecycle: Lifecycle,
    proxy_url: Option<String>,
    waits: Waits,
}

impl Client {
    /// `options` is a `ConnectionOptions` with `apiKey` and `fetch`, which are functions.
    pub(crate) fn new(options: &JsValue) -> Result<Self> {
        let read = types::read("", options, ConnectionOptions::FIELDS)?;
        let fetch = js::get(options, "fetch");
        let fetch = if js::is_none(&fetch) {
            None
        } else {
            let what = |_| Error::argument("`fetch` must be a function");
            Some(fetch.dyn_into::<Function>().map_err(what)?)
        };
        let text = |name| js::text(&read, name);
        let lifecycle = Lifecycle::resolve(
            text("api_url").as_deref().unwrap_or(endpoint::PUBLIC_API),
            text("sandbox_api_url").as_deref(),
            text("namespace").as_deref().unwrap_or("default"),
        )?;
        let proxy_url = text("proxy_url");
        if let Some(url) = &proxy_url {
            Url::parse("`proxyUrl`", url)?;
        }
        let mut headers = Vec::new();
        if let (Some(organization), Some(project)) = (text("organization_id"), text("project_id")) {
            headers.push(("X-Forwarded-Organization-Id", organization));
            headers.push(("X-Forwarded-Project-Id", project));
        }
        let ms = |name, default: f64| js::number(&read, name).unwrap_or(default) * 1000.0;
        let retries = js::number(&read, "max_retries").unwrap_or(3.0);
        Ok(Self {
            transport: Transport {
                fetch,
                key: Key::from_js(&js::get(options, "apiKey"))?,
                headers,
                policy: Policy { max_retries: retries as u32, ..Policy::default() },
            },
            lifecycle,
            proxy_url,
            waits: Waits {
                connect: ms("connect_timeout", 60.0),
                request: ms("request_timeout", 300.0),
                idle: ms("idle_timeout", limits::IDLE_TIMEOUT_SECONDS as f64),
            },
        })
    }

    fn check_key(&self, needed: bool) -> Result<()> {
        if needed && self.transport.key.is_none() {
            return Err(Error::new(
                Code::MissingApiKey,
                "no API key: pass `apiKey`, set TENSORLAKE_API_KEY, or start a local server (see shoreline/local)",
            ));
        }
        Ok(())
    }
}

/// One sandbox: its address and the facts known of its server.
pub(crate) struct Sandbox {
    client: Rc<Client>,
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    /// The address can change when the sandbox is resumed.
    base: RefCell<Rc<SandboxBase>>,
    /// Whether the server has the endpoint `run`, once known.
    has_run: Cell<Option<bool>>,
    /// Whether its server is known to have processes with names.
    has_names: Cell<bool>,
}

/// A call to a sandbox that is one request.
pub(crate) struct Call {
    route: Route,
    process: String,
    /// The query of its address, `?` included.
    query: String,
    payload: Payload,
    /// Whether its answer can take long, and has the longer timeout.
    patient: bool,
    shape: Shape,
}

/// The type of a call's answer.
enum Shape {
    Nothing,
    Object,
    Process,
    /// The array with that name, of processes or terminals.
    Processes(&'static str),
}

impl Call {
    fn new(route: Route, shape: Shape) -> Self {
        Self {
            route,
            process: String::new(),
            query: String::new(),
            payload: Payload::None,
            patient: false,
            shape,
        }
    }
}

impl Sandbox {
    /// Makes a call.
    pub(crate) async fn call(self: Rc<Self>, call: Call, cancel: CancelToken) -> Result<JsValue> {
        let head_ms =
            if call.patient { self.client.waits.request } else { self.client.waits.connect };
        let mut request = Request {
            head_ms,
            payload: call.payload,
            ..self.request(call.route, &call.process, Reading::Whole)
        };
        request.url.push_str(&call.query);
        let answer = self.client.transport.send(&request, &cancel).await?;
        match call.shape {
            Shape::Nothing if answer.content_type.starts_with("text/html") => {
                Err(answer.unexpected(Code::UnexpectedContentType, "a page"))
            }
            Shape::Nothing => Ok(JsValue::UNDEFINED),
            Shape::Object => json_of(answer),
            Shape::Process => json_of(answer).inspect(types::complete_process),
            Shape::Processes(name) => {
                let processes = types::array_in(&json_of(answer)?, name)?;
                processes.iter().for_each(|process| types::complete_process(&process));
                Ok(processes.into())
            }
        }
    }

    fn base(&self) -> Rc<SandboxBase> {
        self.base.borrow().clone()
    }

    fn request(&self, route: Route, process: &str, reading: Reading) -> Request {
        let base = self.base();
        Request {
            asked: Asked {
                kind: RequestKind::SandboxPlane,
                route,
                by_name: !process.is_empty() && !name::is_pid(process),
            },
            url: joined(&[&base.url, &route.fill(&[process])]),
            headers: base.headers.clone(),
            payload: Payload::None,
            reading,
            head_ms: self.client.waits.connect,
            idle_ms: self.client.waits.idle,
            retry: true,
            via: None,
        }
    }
}

fn to_json(body: &JsValue) -> Result<String> {
    let wrong = || Error::argument("the request cannot be written as JSON");
    let json = JSON::stringify(body).map_err(|cause| wrong().with_cause(cause))?;
    let mut json = String::from(json).into_bytes();
    replace_lone_surrogates(&mut json);
    String::from_utf8(json).map_err(|_| wrong())
}

/// An answer that must be a JSON object.
fn json_of(mut answer: Answer) -> Result<JsValue> {
    replace_lone_surrogates(&mut answer.bytes);
    let parsed = JSON::parse(&utf8::lossy(&answer.bytes));
    let parsed = parsed
        .map_err(|cause| answer.unexpected(Code::InvalidResponse, "not JSON").with_cause(cause))?;
    let object = types::answer(&parsed)?;
    js::set(object.unchecked_ref(), "traceId", &answer.trace_id);
    Ok(object)
}

impl From<EndpointError> for Error {
    fn from(error: EndpointError) -> Self {
        Self::new(Code::InvalidUrl, &error.0)
    }
}
