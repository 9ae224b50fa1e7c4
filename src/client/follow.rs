//! Follows a process's output across broken connections to the server's end of output. [`Machine`] decides the
//! next step.

use super::Sandbox;
use crate::error::{Error, Result};
use crate::transport::{Body, CancelToken, Reading, Request, Via, Waited};
use crate::types::{self, FollowOptions};
use crate::{host, js};
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::Cell;
use js_sys::{Array, Function, Object, Promise};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use shoreline_protocol::batch::Batch;
use shoreline_protocol::cursor::{Cursor, Position};
use shoreline_protocol::error::{Code, Kind};
use shoreline_protocol::follow::{Exited, Follow as Machine, Lines, Step};
use shoreline_protocol::limits;
use shoreline_protocol::output::LongLine;
use shoreline_protocol::retry::{Failure, Policy};
use shoreline_protocol::route::{self, Route};
use shoreline_protocol::standing::Standing;
use shoreline_protocol::text::{self, digits, joined};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// How a stream is read and resumed.
#[derive(Clone)]
pub(super) struct Plan {
    policy: Policy,
    pub(super) idle_ms: f64,
    pub(super) lines: Lines,
    on_reconnect: Option<Function>,
    /// Function that sends stream requests instead of `fetch`.
    pub(super) via: Option<Via>,
}

impl Plan {
    /// Makes a plan from parsed options.
    pub(super) fn new(
        sandbox: &Sandbox,
        options: &Object,
        [on_reconnect, via]: [Option<Function>; 2],
    ) -> Result<Self> {
        let limit =
            js::number(options, "max_line_bytes").unwrap_or(limits::LINE_BYTES as f64) as usize;
        if !(1..=limits::LINE_BYTES).contains(&limit) {
            return Err(Error::argument("`maxLineBytes` must be from 1 to 16777216"));
        }
        let cut = js::text(options, "long_line").as_deref() == Some("cut");
        let reconnect = js::get(options, "reconnect");
        let number = |name, default| js::number(&reconnect, name).unwrap_or(default);
        let bare = js::text(options, "transport").as_deref() == Some("eventsource");
        let via = via.map(|fetch| Via { fetch, bare });
        // An EventSource does not report keep-alives, so silence does not mean a broken connection.
        let usual = if via.is_some() && bare { 0.0 } else { sandbox.client.waits.idle };
        let idle = js::number(options, "idle_timeout").map(|seconds| seconds * 1000.0);
        Ok(Self {
            policy: Policy {
                max_retries: number("max_attempts", 10.0) as u32,
                base_ms: 100,
                max_delay_ms: number("max_delay_ms", 5000.0) as u64,
            },
            idle_ms: idle.unwrap_or(usual),
            lines: Lines {
                limit,
                long: if cut { LongLine::Cut } else { LongLine::Refuse },
                pieces: js::get(options, "pieces").is_truthy(),
            },
            on_reconnect,
            via,
        })
    }
}

impl Plan {
    /// Adds the request for unfinished lines to the address of a stream. Servers that do not support it
    /// ignore it.
    pub(super) fn ask_for_pieces(&self, url: &mut String) {
        if self.lines.pieces {
            url.push_str("?unfinished=true");
        }
    }
}

pub(crate) struct Follow {
    sandbox: Rc<Sandbox>,
    route: Route,
    process: String,
    plan: Plan,
    cancel: CancelToken,
    machine: Machine,
    body: Option<Body>,
    /// The error that broke the connection, until it is resumed.
    broken: Option<Error>,
    failed: Option<Error>,
    /// Set once the output and the process have ended.
    ended: Rc<Cell<bool>>,
}

impl Follow {
    pub(crate) fn new(
        sandbox: Rc<Sandbox>,
        route: Route,
        process: String,
        options: &JsValue,
        functions: [Option<Function>; 2],
        cancel: CancelToken,
    ) -> Result<Self> {
        let options = types::read("", options, FollowOptions::FIELDS)?;
        let plan = Plan::new(&sandbox, &options, functions)?;
        let position = cursor_from(&js::get(&options, "after"))?.into();
        let machine = Machine::new(position, plan.lines, plan.policy);
        let until_exit = js::text(&options, "until").as_deref() == Some("exit");
        let machine = if until_exit { machine.until_exit() } else { machine };
        Ok(Self::with(sandbox, route, process, plan, cancel, machine))
    }

    /// Continues a run's output where its own stream stopped, until the exit.
    pub(super) fn of_run(
        sandbox: Rc<Sandbox>,
        pid: u32,
        plan: Plan,
        position: Position,
        cancel: CancelToken,
        ended: Rc<Cell<bool>>,
    ) -> Self {
        let machine = Machine::of_known_process(position, plan.lines, plan.policy).until_exit();
        let process = digits(pid.into());
        let with = Self::with(sandbox, route::FOLLOW_OUTPUT, process, plan, cancel, machine);
        Self { ended, ..with }
    }

    fn with(
        sandbox: Rc<Sandbox>,
        route: Route,
        process: String,
        plan: Plan,
        cancel: CancelToken,
        machine: Machine,
    ) -> Self {
        Self {
            sandbox,
            route,
            process,
            plan,
            cancel,
            machine,
            body: None,
            broken: None,
            failed: None,
            ended: Rc::default(),
        }
    }

    /// The exit of the process, if the server's mark of it ended the follow.
    pub(super) fn exited(&self) -> Option<Exited> {
        self.machine.exited()
    }

    pub(crate) fn cursor(&self) -> Cursor {
        self.machine.position().cursor()
    }

    /// Appends the next events to `batch`. Returns `false` at the server's end of the output.
    ///
    /// # Errors
    /// When some events are certainly lost, or the call was canceled.
    pub(crate) async fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        loop {
            let more = match (&self.failed, self.broken.take()) {
                (Some(error), _) => return Err(error.clone()),
                (None, Some(error)) => {
                    self.failed = self.heal(error).await.err();
                    Ok(true)
                }
                (None, None) => self.step(batch).await,
            };
            // Events received before a failure or the end are delivered first.
            match more {
                Ok(false) if batch.is_empty() => return Ok(false),
                Ok(_) => {}
                Err(error) => self.broken = Some(error),
            }
            if !batch.is_empty() {
                return Ok(true);
            }
        }
    }

    /// Takes the next step. Returns `false` if there is none.
    async fn step(&mut self, batch: &mut Batch) -> Result<bool> {
        match self.machine.step() {
            Step::Connect { last_event_id } => {
                let mut request = Request {
                    idle_ms: self.plan.idle_ms,
                    // The machine counts the attempts.
                    retry: false,
                    via: self.plan.via.clone(),
                    ..self.sandbox.request(self.route, &self.process, Reading::Events)
                };
                self.plan.ask_for_pieces(&mut request.url);
                match last_event_id.map(digits) {
                    Some(id) if request.via.as_ref().is_some_and(|via| via.bare) => {
                        let mark = if self.plan.lines.pieces { "&" } else { "?" };
                        request.url = joined(&[&request.url, mark, "last_event_id=", &id]);
                    }
                    Some(id) => request.headers.push(("Last-Event-ID", id)),
                    None => {}
                }
                let answer = self.sandbox.client.transport.send(&request, &self.cancel).await?;
                self.body = Some(answer.event_stream()?);
                self.machine.connected();
            }
            Step::Read => {
                let chunk = match &mut self.body {
                    Some(body) => body.chunk(&self.cancel).await?,
                    None => None,
                };
                match chunk {
                    Some(chunk) => self.machine.push(chunk, batch)?,
                    None => self.machine.ended()?,
                }
            }
            Step::Probe => {
                self.finish_body();
                let has_run = self.sandbox.has_run(&self.cancel).await?;
                self.machine.probed(has_run)?;
            }
            Step::Settle { wait_ms, look } => {
                self.finish_body();
                self.cancel.sleep(wait_ms as f64).await?;
                let process = JsValue::from(self.process.as_str());
                let running = look
                    && self.sandbox.standing(&process, &self.cancel).await? == Standing::Running;
                self.ended.set(look && !running);
                let [stdout, stderr] = self.machine.delivered();
                let streams = match self.route {
                    route::FOLLOW_STDOUT => &[(route::GET_STDOUT, stdout + stderr)][..],
                    route::FOLLOW_STDERR => &[(route::GET_STDERR, stdout + stderr)][..],
                    _ => &[(route::GET_STDOUT, stdout), (route::GET_STDERR, stderr)][..],
                };
                let held = self.sandbox.held(&self.process, streams, &self.cancel).await?;
                self.machine.settled(running, &held)?;
            }
            Step::Done => {
                self.finish_body();
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Connects, and retries failed connections.
    ///
    /// # Errors
    /// If connecting fails for good, or the call was canceled.
    pub(super) async fn attach(&mut self) -> Result<()> {
        let mut nothing = Batch::default();
        while let Step::Connect { .. } = self.machine.step() {
            if let Err(error) = self.step(&mut nothing).await {
                self.heal(error).await?;
            }
        }
        Ok(())
    }

    fn finish_body(&mut self) {
        let goes_on = self.exited().is_some_and(|exited| exited.output_open);
        if let Some(body) = self.body.take().filter(|_| !goes_on) {
            body.finish_later();
        }
    }

    /// Waits until the next attempt.
    ///
    /// # Errors
    /// The final error, if there is no next attempt.
    pub(super) async fn heal(&mut self, error: Error) -> Result<()> {
        self.body = None;
        // A page instead of an answer in the middle of a stream is from a proxy.
        let page = matches!(error.code, Code::UnexpectedContentType | Code::InvalidResponse);
        let passing = (page && self.machine.has_begun()).then_some(Failure::Lost);
        let wait = error
            .failure()
            .or(passing)
            .and_then(|failure| self.machine.broke(&failure, host::random()));
        let Some(wait) = wait else { return Err(self.final_of(error)) };
        if let Some(callback) = &self.plan.on_reconnect {
            let info = Object::new();
            js::set(&info, "attempt", &wait.attempt.into());
            js::set(&info, "delayMs", &(wait.delay_ms as f64).into());
            js::set(&info, "error", &error.into());
            let told = match callback.call1(&JsValue::UNDEFINED, &info) {
                Ok(told) => match self.cancel.wait(Promise::resolve(&told), 0.0).await {
                    Ok(Waited::Rejected(cause)) => Err(cause),
                    Ok(_) => Ok(()),
                    Err(error) => return Err(self.final_of(error)),
                },
                Err(cause) => Err(cause),
            };
            if let Err(cause) = told {
                let error = Error::argument("`onReconnect` threw an error").with_cause(cause);
                return Err(self.final_of(error));
            }
        }
        let waited = self.cancel.sleep(wait.delay_ms as f64).await;
        waited.map(drop).map_err(|error| self.final_of(error))
    }

    /// Ends the stream now, as cancellation does.
    pub(crate) fn stop(&mut self) {
        self.body = None;
        self.cancel.release();
    }

    /// A final failure, with the position of the delivered output.
    fn final_of(&self, mut error: Error) -> Error {
        let code = self.machine.verdict(error.code, error.status);
        if code == Code::StreamBroken && error.code.kind() == Kind::Connection {
            let tries = digits(self.machine.failures().into());
            let message = [
                "the output stream broke and could not be resumed (",
                &tries,
                " tries): ",
                &error.message,
            ];
            error = Error::of(code, &message).with_cause(error.into());
        }
        error.code = code;
        let partial = Object::new();
        let cursor = self.cursor();
        js::set(&partial, "events", &(cursor.counts.iter().sum::<u64>() as f64).into());
        js::set(&partial, "cursor", &cursor_to_js(&cursor));
        error.partial = partial.into();
        error
    }
}

/// Reads a cursor that [`cursor_to_js`] made.
fn cursor_from(value: &JsValue) -> Result<Cursor> {
    let mut cursor = Cursor::default();
    let counts = js::get(value, "counts").dyn_into::<Array>().unwrap_or_default();
    for (index, count) in cursor.counts.iter_mut().enumerate() {
        *count = counts.get(index as u32).as_f64().unwrap_or_default() as u64;
    }
    let unfinished = js::get(value, "unfinished").dyn_into::<Array>().unwrap_or_default();
    for (index, bytes) in cursor.unfinished.iter_mut().enumerate() {
        *bytes = unfinished.get(index as u32).as_f64().unwrap_or_default() as u64;
    }
    if let Some(id) = js::text(value, "last_id") {
        cursor.last_id = text::decimal(id.as_bytes());
        if cursor.last_id.is_none() {
            return Err(Error::argument("`after` is not what `cursor()` gave"));
        }
    }
    Ok(cursor)
}

/// Converts a cursor to JavaScript. Built as a map: serializing a struct adds a cache of its field names to the wasm.
struct CursorObject<'a>(&'a Cursor);

impl Serialize for CursorObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        let Cursor { last_id, counts, unfinished } = self.0;
        let mut map = serializer.serialize_map(None)?;
        if let Some(id) = last_id {
            map.serialize_entry("lastId", &digits(*id))?;
        }
        map.serialize_entry("counts", &counts.map(|n| n as f64))?;
        if *unfinished != [0, 0] {
            map.serialize_entry("unfinished", &unfinished.map(|n| n as f64))?;
        }
        map.end()
    }
}

pub(crate) fn cursor_to_js(cursor: &Cursor) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_maps_as_objects(true);
    CursorObject(cursor).serialize(&serializer).unwrap_or(JsValue::UNDEFINED)
}
