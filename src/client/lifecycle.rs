//! Sandboxes: create, connect, list, terminate.

use super::{Client, Sandbox, json_of, support, to_json};
use crate::error::{Error, Result};
use crate::transport::{CancelToken, Payload, Reading, Request};
use crate::types::{
    self, CopyOptions, CreateOptions, Field, ListOptions, SandboxState, SnapshotOptions,
    TurnOptions, UpdateOptions,
};
use crate::{host, js};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use js_sys::{Array, Object};
use shoreline_protocol::endpoint::SandboxBase;
use shoreline_protocol::error::Code;
use shoreline_protocol::failure::RequestKind;
use shoreline_protocol::lacking::Asked;
use shoreline_protocol::route::{self, Route};
use shoreline_protocol::text::{digits, joined};
use shoreline_protocol::{limits, name};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// Between two looks at a sandbox that is coming up, ms.
const POLL_MS: f64 = 500.0;
/// How long a sandbox may take to come up, in seconds.
const STARTUP_SECONDS: f64 = 300.0;

const NO_ENV: &str =
    "this server does not set variables for a whole sandbox: pass `env` to each command instead";

/// The calls that are one request about a sandbox or a snapshot, as the shim numbers them, and their options.
const CALLS: [(Route, &[Field]); 8] = [
    (route::GET_SANDBOX, &[]),
    (route::DELETE_SANDBOX, &[]),
    (route::UPDATE_SANDBOX, UpdateOptions::FIELDS),
    (route::SNAPSHOT_SANDBOX, SnapshotOptions::FIELDS),
    (route::COPY_SANDBOX, CopyOptions::FIELDS),
    (route::LIST_SNAPSHOTS, &[]),
    (route::GET_SNAPSHOT, &[]),
    (route::DELETE_SNAPSHOT, &[]),
];

/// Moves members into an object of their own, where there are any of them.
fn group(options: &Object, group: &str, names: [&str; 3]) {
    let out = Object::new();
    for name in names {
        js::set(&out, name, &js::get(options, name));
        js::delete(options, name);
    }
    if Object::keys(&out).length() > 0 {
        js::set(options, group, &out);
    }
}

fn check_ports(options: &Object) -> Result<()> {
    let ports = js::get(options, "exposed_ports");
    if Array::is_array(&ports)
        && ports.unchecked_ref::<Array>().includes(&limits::MANAGEMENT_PORT.into(), 0)
    {
        return Err(Error::argument("port 9501 is reserved for sandbox management"));
    }
    Ok(())
}

/// The path of a route about one sandbox, by id or name.
fn path_of(route: Route, sandbox: &str) -> Result<String> {
    name::check_sandbox_id_or_name(sandbox)?;
    Ok(route.fill(&[sandbox]))
}

/// A call of [`CALLS`] about the sandbox or snapshot `id`: its route, path and body.
pub(crate) fn single(which: u8, id: &str, options: &JsValue) -> Result<(Route, String, Payload)> {
    let call = CALLS.get(usize::from(which));
    let (route, fields) = *call.ok_or_else(|| Error::argument("no such call"))?;
    let body = types::read("", options, fields)?;
    let of_snapshot = matches!(route, route::GET_SNAPSHOT | route::DELETE_SNAPSHOT);
    // A URL takes dots for a directory.
    if of_snapshot && id.bytes().all(|byte| byte == b'.') {
        return Err(Error::argument("`snapshotId` must be the id of a snapshot"));
    }
    let mut path = if of_snapshot || route == route::LIST_SNAPSHOTS {
        route.fill(&[id])
    } else {
        path_of(route, id)?
    };
    if route == route::COPY_SANDBOX {
        path.push_str("?times=");
        path.push_str(&digits(js::number(&body, "times").unwrap_or(1.0) as u64));
    } else if !fields.is_empty() {
        check_ports(&body)?;
        group(&body, "resources", ["cpus", "memory_mb", "disk_mb"]);
        if js::get(options, "network").is_null() {
            js::set(&body, "network", &JsValue::NULL);
        }
        return Ok((route, path, Payload::Json(to_json(&body)?)));
    }
    Ok((route, path, Payload::None))
}

impl Client {
    /// Makes one lifecycle call.
    pub(crate) async fn lifecycle(
        self: Rc<Self>,
        route: Route,
        path: String,
        payload: Payload,
        cancel: CancelToken,
    ) -> Result<JsValue> {
        let kind = match route {
            route::GET_SANDBOX => RequestKind::LifecycleGet,
            route::DELETE_SANDBOX => RequestKind::LifecycleDelete,
            _ => RequestKind::Lifecycle,
        };
        self.check_key(self.lifecycle.needs_key())?;
        let request = Request {
            asked: Asked { kind, route, by_name: false },
            url: self.lifecycle.url(&path),
            headers: Vec::new(),
            payload,
            reading: Reading::Whole,
            head_ms: self.waits.request,
            idle_ms: self.waits.idle,
            retry: true,
            via: None,
        };
        let answer = self.transport.send(&request, &cancel).await?;
        if matches!(
            route,
            route::DELETE_SANDBOX
                | route::SUSPEND_SANDBOX
                | route::RESUME_SANDBOX
                | route::DELETE_SNAPSHOT
        ) {
            return Ok(JsValue::UNDEFINED);
        }
        let answer = json_of(answer)?;
        if matches!(route, route::LIST_SNAPSHOTS | route::GET_SNAPSHOT) {
            types::snapshot_names(&answer);
        } else {
            types::sandbox_names(&answer);
        }
        Ok(answer)
    }

    /// Makes a sandbox and unless `wait` is false waits until it runs. One that does not come up is terminated.
    pub(crate) async fn create(
        self: Rc<Self>,
        options: JsValue,
        cancel: CancelToken,
    ) -> Result<Sandbox> {
        let options = types::read("", &options, CreateOptions::FIELDS)?;
        check_ports(&options)?;
        let seconds = js::number(&options, "startup_timeout").unwrap_or(STARTUP_SECONDS);
        js::delete(&options, "startup_timeout");
        let no_wait = js::get(&options, "wait").as_bool() == Some(false);
        let name = js::text(&options, "name");
        let env = js::get(&options, "env");
        let has_env = env.is_object() && js::entries(&env).is_some_and(|all| all.length() > 0);
        group(&options, "resources", ["cpus", "memory_mb", "disk_mb"]);
        // Indexify has this name for it, and ignores the other one.
        if self.lifecycle.is_namespaced()
            && let Some(resources) = js::get(&options, "resources").dyn_ref::<Object>()
        {
            js::set(resources, "ephemeral_disk_mb", &js::get(resources, "disk_mb"));
        }
        group(&options, "network", ["allow_internet_access", "allow_out", "deny_out"]);
        let body = Payload::Json(to_json(&options)?);

        let deadline = host::now() + seconds * 1000.0;
        let path = route::CREATE_SANDBOX.fill(&[]);
        cancel.check()?;
        // An abort does not take the request back: what it makes is ended once its id is known.
        let request = self.clone().lifecycle(route::CREATE_SANDBOX, path, body, cancel.detached());
        let mut request: Pin<Box<dyn Future<Output = Result<JsValue>>>> = Box::pin(request);
        let mut answer = match cancel.race(&mut request).await {
            Ok(answer) => answer,
            Err(aborted) => {
                let detached = cancel.detached();
                host::spawn(async move {
                    if let Ok(made) = request.await.and_then(|made| SandboxState::read(&made)) {
                        self.end(&made.sandbox_id, detached);
                    }
                });
                return Err(aborted);
            }
        };
        // `env` is an extension of the API. A server that knows it answers with the names.
        let ignores_env =
            has_env && answer.as_ref().is_ok_and(|answer| js::get(answer, "env").is_undefined());
        let mut id = None;
        let mut failed = loop {
            let record = match answer {
                Ok(record) => record,
                Err(error) => break error,
            };
            let mut info = match SandboxState::read(&record) {
                Ok(info) => info,
                Err(error) => break error,
            };
            let no_env = || Error::new(Code::NotSupportedByServer, NO_ENV);
            if let Some(error) =
                ignores_env.then(no_env).or_else(|| support::misses(&options, &record))
            {
                id = Some(info.sandbox_id);
                break error;
            }
            let running = info.status == "running";
            // A record that does not say where the sandbox is may only be young. An answer without the name may only
            // be short.
            let is_told = (info.sandbox_url.is_some() || self.proxy_url.is_some())
                && (name.is_none() || info.name.is_some());
            let is_coming = running || matches!(info.status.as_str(), "pending" | "snapshotting");
            if running && id.is_some() || (running || no_wait && is_coming) && is_told {
                id = Some(info.sandbox_id.clone());
                info.name = info.name.or(name);
                match self.clone().attach(info) {
                    Ok(sandbox) => return Ok(sandbox),
                    Err(error) => break error,
                }
            }
            let path = route::GET_SANDBOX.fill(&[&info.sandbox_id]);
            id = Some(info.sandbox_id.clone());
            let reason = info.reason().unwrap_or("no reason was given");
            if !is_coming {
                let text = ["the sandbox did not come up: it is ", &info.status, ", ", reason];
                break Error::of(Code::Unavailable, &text);
            }
            if host::now() > deadline {
                break Error::of(
                    Code::StartTimeout,
                    &["the sandbox did not run in time: ", reason],
                );
            }
            if let Err(error) = cancel.sleep(if running { 0.0 } else { POLL_MS }).await {
                break error;
            }
            answer = self
                .clone()
                .lifecycle(route::GET_SANDBOX, path, Payload::None, cancel.clone())
                .await;
        };
        // Nobody but this call knows the id: the sandbox would be leaked.
        if let Some(id) = id {
            failed.message =
                joined(&[&failed.message, " (sandbox ", &id, ", which is being terminated)"]);
            self.end(&id, cancel.detached());
        }
        Err(failed)
    }

    /// Terminates a sandbox that nobody waits for.
    fn end(self: Rc<Self>, id: &str, cancel: CancelToken) {
        let path = route::DELETE_SANDBOX.fill(&[id]);
        let end = self.lifecycle(route::DELETE_SANDBOX, path, Payload::None, cancel);
        host::spawn(async move {
            let _ = end.await;
        });
    }

    /// Attaches to a sandbox; with an explicit proxy address no lifecycle call is made.
    pub(crate) async fn connect(
        self: Rc<Self>,
        id_or_name: String,
        direct: bool,
        cancel: CancelToken,
    ) -> Result<Sandbox> {
        let path = path_of(route::GET_SANDBOX, &id_or_name)?;
        if direct && self.proxy_url.is_some() {
            return self.attach(SandboxState { sandbox_id: id_or_name, ..SandboxState::default() });
        }
        let call = self.clone().lifecycle(route::GET_SANDBOX, path, Payload::None, cancel);
        let info = SandboxState::read(&call.await?)?;
        self.attach(info)
    }

    fn attach(self: Rc<Self>, info: SandboxState) -> Result<Sandbox> {
        let (url, proxy) = (info.sandbox_url.as_deref(), self.proxy_url.as_deref());
        let mut base = SandboxBase::choose(&self.lifecycle, url, proxy, &info.sandbox_id)?;
        if let Some(hint) = info.routing_hint {
            base.headers.push(("X-Tensorlake-Route-Hint", hint));
        }
        self.check_key(base.needs_key)?;
        let (name, base) = (info.name, RefCell::new(Rc::new(base)));
        let (has_run, has_names) = (Cell::default(), Cell::new(false));
        Ok(Sandbox { client: self, id: info.sandbox_id, name, base, has_run, has_names })
    }

    /// Every sandbox, from all pages.
    pub(crate) async fn list(
        self: Rc<Self>,
        options: JsValue,
        cancel: CancelToken,
    ) -> Result<JsValue> {
        let options = types::read("", &options, ListOptions::FIELDS)?;
        let limit = js::number(&options, "limit").map(|limit| digits(limit as u64));
        let status = js::text(&options, "status");
        let all = Array::new();
        let mut cursor: Option<String> = None;
        for _ in 0..limits::LIST_PAGES {
            let mut path = route::LIST_SANDBOXES.fill(&[]);
            let mut mark = '?';
            for (key, value) in [("limit", &limit), ("status", &status), ("cursor", &cursor)] {
                if let Some(value) = value {
                    path.push(mark);
                    path.push_str(key);
                    path.push('=');
                    route::percent_encode(value, &mut path);
                    mark = '&';
                }
            }
            let call =
                self.clone().lifecycle(route::LIST_SANDBOXES, path, Payload::None, cancel.clone());
            let answer = call.await?;
            for sandbox in types::array_in(&answer, "sandboxes")?.iter() {
                types::sandbox_names(&sandbox);
                all.push(&sandbox);
            }
            // Servers call it either way.
            let next = js::text(&answer, "nextCursor").or_else(|| js::text(&answer, "nextToken"));
            match next.filter(|next| !next.is_empty()) {
                None => return Ok(all.into()),
                next if next == cursor => break,
                next => cursor = next,
            }
        }
        Err(Error::new(Code::InvalidResponse, "the server's list of sandboxes does not end"))
    }
}

impl Sandbox {
    /// Suspends it, or resumes it, and unless `wait` is false waits until that is done.
    pub(crate) async fn turn(
        self: Rc<Self>,
        resume: bool,
        options: JsValue,
        cancel: CancelToken,
    ) -> Result<JsValue> {
        let options = types::read("", &options, TurnOptions::FIELDS)?;
        let (route, wanted) = if resume {
            (route::RESUME_SANDBOX, "running")
        } else {
            (route::SUSPEND_SANDBOX, "suspended")
        };
        let client = &self.client;
        let path = path_of(route, &self.id)?;
        client.clone().lifecycle(route, path, Payload::None, cancel.clone()).await?;
        if js::get(&options, "wait").as_bool() == Some(false) {
            return Ok(JsValue::UNDEFINED);
        }
        let seconds = js::number(&options, "timeout").unwrap_or(STARTUP_SECONDS);
        let deadline = host::now() + seconds * 1000.0;
        loop {
            let path = path_of(route::GET_SANDBOX, &self.id)?;
            let call =
                client.clone().lifecycle(route::GET_SANDBOX, path, Payload::None, cancel.clone());
            let info = SandboxState::read(&call.await?)?;
            if info.status == wanted {
                if resume {
                    let there = client.clone().attach(info)?;
                    self.base.replace(there.base());
                }
                return Ok(JsValue::UNDEFINED);
            }
            if matches!(info.status.as_str(), "terminated" | "failed" | "timeout") {
                let text = ["the sandbox has ended: it is ", &info.status];
                return Err(Error::of(Code::Unavailable, &text));
            }
            if host::now() > deadline {
                let text = ["the sandbox was not ", wanted, " in time: it is ", &info.status];
                return Err(Error::of(Code::StartTimeout, &text));
            }
            cancel.sleep(POLL_MS).await?;
        }
    }

    /// The lifecycle API, which knows more of a sandbox than it does itself.
    pub(crate) fn client(&self) -> Rc<Client> {
        self.client.clone()
    }

    /// The address of one of its ports.
    pub(crate) fn port_url(&self, port: u16) -> Result<String> {
        self.base()
            .port_url(&self.id, port)
            .map_err(|error| Error::new(Code::Unsupported, &error.0))
    }
}
