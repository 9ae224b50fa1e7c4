//! Sandboxes: create, connect, list, terminate.

use super::{Client, Sandbox, invalid_url, json_of, to_json};
use crate::error::{Error, Result};
use crate::host;
use crate::transport::{Payload, Request, Scope};
use crate::types::{self, CreateOptions, ListOptions, SandboxState, Seconds};
use js_sys::{Array, Reflect};
use serde::Serialize;
use shoreline_protocol::endpoint::SandboxBase;
use shoreline_protocol::error::Code;
use shoreline_protocol::failure::RequestKind;
use shoreline_protocol::route::{self, Route};
use shoreline_protocol::{limits, name};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

/// Between two looks at a sandbox that is coming up, ms.
const POLL_MS: f64 = 500.0;

/// The parts of a new sandbox that the wire groups.
#[derive(Serialize)]
struct CreateBody<'a> {
    #[serde(flatten)]
    plain: &'a CreateOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<ResourcesBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<NetworkBody<'a>>,
}

#[derive(Serialize)]
struct ResourcesBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mb: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_mb: Option<u32>,
}

#[derive(Serialize)]
struct NetworkBody<'a> {
    allow_internet_access: bool,
    allow_out: &'a [String],
    deny_out: &'a [String],
}

impl<'a> CreateBody<'a> {
    fn new(plain: &'a CreateOptions) -> Result<Self> {
        if let Some(name) = &plain.name {
            name::check_sandbox_name(name).map_err(|e| Error::argument(e.sentence()))?;
        }
        if plain.cpus.is_some_and(|cpus| !(cpus.is_finite() && cpus > 0.0)) {
            return Err(Error::argument("`cpus` must be a number above 0"));
        }
        if plain.exposed_ports.iter().flatten().any(|port| *port == limits::MANAGEMENT_PORT) {
            return Err(Error::argument("port 9501 is reserved for sandbox management"));
        }
        let CreateOptions { cpus, memory_mb, disk_mb, .. } = *plain;
        let some = cpus.is_some() || memory_mb.is_some() || disk_mb.is_some();
        let CreateOptions { allow_internet_access: allow, allow_out, deny_out, .. } = plain;
        let network = allow.is_some() || allow_out.is_some() || deny_out.is_some();
        Ok(Self {
            plain,
            resources: some.then_some(ResourcesBody { cpus, memory_mb, disk_mb }),
            network: network.then(|| NetworkBody {
                allow_internet_access: allow.unwrap_or(true),
                allow_out: allow_out.as_deref().unwrap_or_default(),
                deny_out: deny_out.as_deref().unwrap_or_default(),
            }),
        })
    }
}

impl Client {
    async fn lifecycle_call(
        &self,
        route: Route,
        segments: &[&str],
        query: &str,
        body: Option<String>,
        signal: Option<&AbortSignal>,
    ) -> Result<JsValue> {
        let url = format!("{}{query}", self.lifecycle.url(&route.fill(segments)));
        self.check_key(&url)?;
        let request = Request {
            method: route.method,
            url,
            headers: &[],
            payload: body.map_or(Payload::None, Payload::Json),
            events: false,
            last_event_id: None,
            kind: match route {
                route::GET_SANDBOX => RequestKind::LifecycleGet,
                route::DELETE_SANDBOX => RequestKind::LifecycleDelete,
                _ => RequestKind::Lifecycle,
            },
            head_ms: self.waits.request,
            idle_ms: self.waits.idle,
            retry: true,
        };
        let mut answer = self.transport.send(&request, signal).await?;
        if route == route::DELETE_SANDBOX {
            answer.body.bytes(limits::BODY_BYTES).await?;
            return Ok(JsValue::UNDEFINED);
        }
        let answer = types::answer(&json_of(answer).await?)?;
        types::sandbox_names(&answer);
        Ok(answer)
    }

    /// Makes a sandbox and waits until it runs. One that does not come up is terminated.
    pub(crate) async fn create(
        self: Rc<Self>,
        options: &JsValue,
        signal: Option<&AbortSignal>,
    ) -> Result<Sandbox> {
        let options: CreateOptions = types::read_options(options)?;
        let body = to_json(&CreateBody::new(&options)?)?;
        let answer =
            self.lifecycle_call(route::CREATE_SANDBOX, &[], "", Some(body), signal).await?;
        let made: SandboxState = types::read_answer(&answer)?;
        let id = made.sandbox_id.clone();
        let deadline = host::now() + options.startup_timeout.map_or(300_000.0, Seconds::ms);
        match self.wait_until_running(made, deadline, signal).await {
            Ok(info) => self.attach(
                &id,
                info.name.or(options.name),
                info.sandbox_url.as_deref(),
                info.routing_hint,
            ),
            Err(error) => {
                // Nobody but this call knows the id: left alone it would be leaked.
                let ended = self.terminate(&id, None).await;
                let note = match ended {
                    Ok(()) => "it was terminated",
                    Err(_) => "it could not be terminated",
                };
                let message = format!("{} (sandbox {id}; {note})", error.message);
                Err(Error { message, ..error })
            }
        }
    }

    async fn wait_until_running(
        &self,
        mut info: SandboxState,
        deadline: f64,
        signal: Option<&AbortSignal>,
    ) -> Result<SandboxState> {
        loop {
            let status = info.status;
            match status.as_str() {
                "running" if info.sandbox_url.is_some() || self.proxy_url.is_some() => {
                    return Ok(SandboxState { status, ..info });
                }
                "running" | "pending" | "snapshotting" => {}
                _ => {
                    let why = info.termination_reason.or(info.pending_reason).unwrap_or_default();
                    return Err(Error::new(
                        Code::Unavailable,
                        format!("the sandbox did not come up: it is {status} {why}").trim_end(),
                    ));
                }
            }
            if host::now() > deadline {
                let why = info.pending_reason.unwrap_or_else(|| "no reason was given".into());
                return Err(Error::new(
                    Code::StartTimeout,
                    format!("the sandbox did not run in time: {why}"),
                ));
            }
            let before = status == "running";
            if !before {
                Scope::new(signal)?.guard(host::sleep(POLL_MS)).await??;
            }
            info = types::read_answer(&self.info(&info.sandbox_id, signal).await?)?;
            if before && info.status == "running" {
                return Ok(info);
            }
        }
    }

    /// What the server says of a sandbox.
    pub(crate) async fn info(
        &self,
        id_or_name: &str,
        signal: Option<&AbortSignal>,
    ) -> Result<JsValue> {
        check_id(id_or_name)?;
        self.lifecycle_call(route::GET_SANDBOX, &[id_or_name], "", None, signal).await
    }

    /// Attaches to a sandbox; with an explicit proxy address no lifecycle call is made.
    pub(crate) async fn connect(
        self: Rc<Self>,
        id_or_name: &str,
        direct: bool,
        signal: Option<&AbortSignal>,
    ) -> Result<Sandbox> {
        check_id(id_or_name)?;
        if direct && self.proxy_url.is_some() {
            return self.attach(id_or_name, None, None, None);
        }
        let info: SandboxState =
            types::read_answer(&self.info(id_or_name, signal).await?)?;
        let id = info.sandbox_id.clone();
        self.attach(&id, info.name, info.sandbox_url.as_deref(), info.routing_hint)
    }

    fn attach(
        self: Rc<Self>,
        id: &str,
        name: Option<String>,
        sandbox_url: Option<&str>,
        routing_hint: Option<String>,
    ) -> Result<Sandbox> {
        let url = sandbox_url.filter(|url| !url.is_empty());
        let mut base = SandboxBase::choose(&self.lifecycle, url, self.proxy_url.as_deref(), id)
            .map_err(invalid_url)?;
        if let Some(hint) = routing_hint.filter(|hint| !hint.is_empty()) {
            base.headers.push(("X-Tensorlake-Route-Hint", hint));
        }
        self.check_key(&base.url)?;
        Ok(Sandbox {
            client: self,
            id: id.to_owned(),
            name: RefCell::new(name),
            base: RefCell::new(base),
        })
    }

    /// Every sandbox, from all pages.
    pub(crate) async fn list(
        &self,
        options: &JsValue,
        signal: Option<&AbortSignal>,
    ) -> Result<Array> {
        let options: ListOptions = types::read_options(options)?;
        let all = Array::new();
        let mut cursor: Option<String> = None;
        for _ in 0..limits::LIST_PAGES {
            let mut query = String::new();
            let limit = options.limit.map(|limit| limit.to_string());
            for (key, value) in
                [("limit", &limit), ("status", &options.status), ("cursor", &cursor)]
            {
                if let Some(value) = value {
                    query.push(if query.is_empty() { '?' } else { '&' });
                    query.push_str(key);
                    query.push('=');
                    route::percent_encode(value, &mut query);
                }
            }
            let answer =
                self.lifecycle_call(route::LIST_SANDBOXES, &[], &query, None, signal).await?;
            for sandbox in types::array_in(&answer, "sandboxes")?.iter() {
                types::sandbox_names(&sandbox);
                all.push(&sandbox);
            }
            // Servers call it either way.
            let next = ["nextCursor", "nextToken"].iter().find_map(|name| {
                Reflect::get(&answer, &(*name).into()).ok()?.as_string()
            });
            match next.filter(|next| !next.is_empty()) {
                None => return Ok(all),
                next if next == cursor => {
                    return Err(Error::new(
                        Code::InvalidResponse,
                        "the server's list repeats its cursor without an end",
                    ));
                }
                next => cursor = next,
            }
        }
        Err(Error::new(Code::InvalidResponse, "the server's list of sandboxes does not end"))
    }

    /// Terminates a sandbox. One that has ended already is no error.
    pub(crate) async fn terminate(&self, id: &str, signal: Option<&AbortSignal>) -> Result<()> {
        check_id(id)?;
        self.lifecycle_call(route::DELETE_SANDBOX, &[id], "", None, signal).await.map(drop)
    }
}

impl Sandbox {
    pub(crate) async fn info(&self, signal: Option<&AbortSignal>) -> Result<JsValue> {
        self.client.info(&self.id, signal).await
    }

    pub(crate) async fn terminate(&self, signal: Option<&AbortSignal>) -> Result<()> {
        self.client.terminate(&self.id, signal).await
    }
}

fn check_id(id_or_name: &str) -> Result<()> {
    name::check_sandbox_id_or_name(id_or_name).map_err(|e| Error::argument(e.sentence()))
}
