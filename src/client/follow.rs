//! A process's output, followed through broken connections to the server's own end.

use super::Sandbox;
use crate::error::{Error, Result};
use crate::host;
use crate::transport::{Body, Leash, Payload, Request, Scope};
use crate::types::{self, FollowOptions, Reconnect, Seconds};
use js_sys::{Function, Object, Reflect};
use shoreline_protocol::error::{Code, Kind};
use shoreline_protocol::failure::RequestKind;
use shoreline_protocol::follow::{Cursor, Skip};
use shoreline_protocol::limits;
use shoreline_protocol::output::{Batch, End, LongLine, Mode, OutputDecoder};
use shoreline_protocol::retry::{self, Policy};
use shoreline_protocol::route::{self, Method, Route};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// How a stream is read and taken up again.
#[derive(Clone)]
pub(crate) struct Plan {
    policy: Policy,
    pub(super) idle_ms: f64,
    line_limit: usize,
    long_line: LongLine,
    on_reconnect: Option<Function>,
}

impl Plan {
    pub(super) fn new(
        sandbox: &Sandbox,
        reconnect: Option<&Reconnect>,
        idle: Option<Seconds>,
        max_line_bytes: Option<u32>,
        long_line: Option<&str>,
        on_reconnect: Option<Function>,
    ) -> Result<Self> {
        let long_line = match long_line {
            None | Some("error") => LongLine::Refuse,
            Some("cut") => LongLine::Cut,
            Some(_) => return Err(Error::argument("`longLine` is \"error\" or \"cut\"")),
        };
        let line_limit = match max_line_bytes.map(|n| n as usize) {
            None => limits::LINE_BYTES,
            Some(n) if (1..=limits::LINE_BYTES).contains(&n) => n,
            Some(_) => {
                return Err(Error::argument(format!(
                    "`maxLineBytes` is from 1 to {}",
                    limits::LINE_BYTES
                )));
            }
        };
        Ok(Self {
            policy: Policy {
                max_retries: reconnect.and_then(|r| r.max_attempts).unwrap_or(10),
                base_ms: 100,
                max_delay_ms: reconnect.and_then(|r| r.max_delay_ms).unwrap_or(5000).into(),
            },
            idle_ms: idle.map_or(sandbox.client.waits.idle, Seconds::ms),
            line_limit,
            long_line,
            on_reconnect,
        })
    }

    pub(super) fn decoder(&self, mode: Mode) -> OutputDecoder {
        OutputDecoder::new(mode, self.line_limit, self.long_line)
    }
}

struct Connection {
    body: Body,
    decoder: OutputDecoder,
    skip: Skip,
}

pub(crate) struct Follow {
    sandbox: Rc<Sandbox>,
    route: Route,
    process: String,
    plan: Plan,
    leash: Rc<Leash>,
    cursor: Cursor,
    connection: Option<Connection>,
    /// Broken connections in a row that brought no new event.
    failures: u32,
    /// Whether the process was ever seen, so that a 404 means that it is gone, and a web page that
    /// something is in between for a while.
    pub(super) begun: bool,
    /// Whether output was asked for before, so that it now comes again.
    pub(super) again: bool,
    /// Whether output came again that has no ids.
    counted: bool,
    done: bool,
    failed: Option<Error>,
}

impl Follow {
    pub(crate) fn new(
        sandbox: Rc<Sandbox>,
        route: Route,
        process: String,
        options: &FollowOptions,
        on_reconnect: Option<Function>,
        leash: Rc<Leash>,
    ) -> Result<Self> {
        let plan = Plan::new(
            &sandbox,
            options.reconnect.as_ref(),
            options.idle_timeout,
            options.max_line_bytes,
            options.long_line.as_deref(),
            on_reconnect,
        )?;
        let cursor = options.after.as_ref().map(cursor_from).transpose()?.unwrap_or_default();
        Ok(Self::continue_from(sandbox, route, process, plan, cursor, leash))
    }

    /// Goes on where another reader of the same output stopped.
    pub(super) fn continue_from(
        sandbox: Rc<Sandbox>,
        route: Route,
        process: String,
        plan: Plan,
        cursor: Cursor,
        leash: Rc<Leash>,
    ) -> Self {
        Self {
            sandbox,
            route,
            process,
            plan,
            leash,
            begun: cursor.total() > 0,
            again: cursor.total() > 0,
            cursor,
            connection: None,
            failures: 0,
            counted: false,
            done: false,
            failed: None,
        }
    }

    pub(super) fn process(&self) -> &str {
        &self.process
    }

    pub(crate) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Appends the next events to `batch`; `false` at the server's end of the output.
    ///
    /// # Errors
    /// When it is certain that not every event can be had, or the call was ended.
    pub(crate) async fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        loop {
            if let Some(error) = self.failed.clone() {
                return Err(error);
            }
            if self.done {
                return Ok(false);
            }
            let before = batch.len();
            if let Err(error) = self.step(batch).await {
                // What came with the failure is delivered first.
                self.connection = None;
                if !self.may_heal(&error) {
                    self.failed = Some(self.with_progress(error));
                } else if let Err(error) = self.back_off(error).await {
                    self.failed = Some(error);
                }
            }
            if batch.len() > before {
                self.failures = 0;
                return Ok(true);
            }
        }
    }

    /// One read, with a new connection where there is none.
    async fn step(&mut self, batch: &mut Batch) -> Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let from = batch.len();
        let read = match connection.body.chunk().await? {
            None => Err(Error::new(
                Code::StreamBroken,
                "the stream ended before the server's own end of output",
            )),
            Some(chunk) => {
                self.begun = true;
                connection.decoder.push(chunk, &mut connection.skip, batch).map_err(stream_error)
            }
        };
        self.cursor.delivered(batch, from, &connection.decoder);
        read?;
        match connection.decoder.end() {
            None => self.connection = Some(connection),
            Some(end) => {
                if connection.skip.unused() > 0 {
                    return Err(Error::new(
                        Code::OutputGap,
                        "the server replayed fewer events than it had sent before",
                    ));
                }
                if (self.counted || connection.skip.counted()) && end == End::Eof {
                    self.settle().await?;
                }
                connection.body.finish_later();
                self.done = true;
            }
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<Connection> {
        let (last_event_id, skip) = self.cursor.resume();
        self.counted |= self.again && last_event_id.is_none();
        let sandbox = &self.sandbox;
        let headers = sandbox.base.borrow().headers.clone();
        let request = Request {
            method: self.route.method,
            url: sandbox.url(&self.route.fill(&[&self.process])),
            headers: &headers,
            payload: Payload::None,
            events: true,
            last_event_id,
            kind: RequestKind::SandboxPlane,
            head_ms: sandbox.client.waits.connect,
            idle_ms: self.plan.idle_ms,
            // Retries are this loop's, so that they are counted once.
            retry: false,
        };
        let answer = sandbox.client.transport.send(&request, Some(&self.leash.signal())).await?;
        let body = answer.event_stream()?;
        self.again = true;
        Ok(Connection { body, decoder: self.plan.decoder(Mode::Follow), skip })
    }

    fn may_heal(&self, error: &Error) -> bool {
        !self.leash.is_pulled()
            && (error.code.is_retryable()
                || error.code.kind() == Kind::Connection
                || (self.begun
                    && matches!(error.code, Code::UnexpectedContentType | Code::InvalidResponse)))
    }

    /// Makes a request that belongs to the same call, as often as it takes.
    pub(super) async fn heal<T>(
        &mut self,
        mut request: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        loop {
            match request().await {
                Err(error) if self.may_heal(&error) => self.back_off(error).await?,
                other => return other.map_err(|error| self.with_progress(error)),
            }
        }
    }

    async fn back_off(&mut self, error: Error) -> Result<()> {
        let delay = retry::decide(
            Method::Get,
            &error.failure(),
            self.failures,
            host::random(),
            &self.plan.policy,
        );
        let Some(delay) = delay else {
            return Err(self.given_up(error));
        };
        self.failures += 1;
        if let Some(callback) = &self.plan.on_reconnect {
            let info = Object::new();
            let _ = Reflect::set(&info, &"attempt".into(), &self.failures.into());
            let _ = Reflect::set(&info, &"delayMs".into(), &(delay as f64).into());
            let _ = Reflect::set(&info, &"error".into(), &error.into());
            callback
                .call1(&JsValue::UNDEFINED, &info)
                .map_err(|e| Error::argument("`onReconnect` threw an error").with_cause(e))?;
        }
        Scope::new(Some(&self.leash.signal()))?.guard(host::sleep(delay as f64)).await?
    }

    fn given_up(&self, error: Error) -> Error {
        // A deadline keeps its name; everything else is a stream that broke.
        if error.code.kind() == Kind::Timeout || error.code.kind() == Kind::Api {
            return self.with_progress(error);
        }
        let tries = self.failures;
        let message = format!(
            "the output stream broke and could not be taken up again ({tries} tries): {}",
            error.message
        );
        let broken = Error::new(Code::StreamBroken, message).with_cause(error.into());
        self.with_progress(broken)
    }

    /// Says how much was delivered, and tells a process that is gone from one that never was.
    fn with_progress(&self, mut error: Error) -> Error {
        if error.status == Some(404) && self.begun {
            error.code = Code::ProcessGone;
        } else if error.status == Some(410) {
            error.code = Code::OutputGap;
        }
        if error.partial.is_undefined() {
            let partial = Object::new();
            let events = self.cursor.total() as f64;
            let _ = Reflect::set(&partial, &"events".into(), &events.into());
            if let Ok(cursor) = cursor_to_js(&self.cursor) {
                let _ = Reflect::set(&partial, &"cursor".into(), &cursor);
            }
            return error.with_partial(partial);
        }
        error
    }

    /// After a replay without event ids, the server's own count must be ours.
    async fn settle(&self) -> Result<()> {
        let route = match self.route {
            route::FOLLOW_STDOUT => route::GET_STDOUT,
            route::FOLLOW_STDERR => route::GET_STDERR,
            _ => route::GET_OUTPUT,
        };
        let signal = self.leash.signal();
        let total = self.sandbox.line_count(route, &self.process, &signal).await?;
        if self.cursor.settles(total) {
            return Ok(());
        }
        Err(Error::new(
            Code::OutputGap,
            format!(
                "after a reconnect the server counts {total} lines where {} were delivered",
                self.cursor.total()
            ),
        ))
    }
}

pub(super) fn stream_error(error: shoreline_protocol::output::StreamError) -> Error {
    Error::new(error.code(), error.to_string())
}

pub(super) fn cursor_from(cursor: &types::Cursor) -> Result<Cursor> {
    let mut counts = [0; 3];
    for (count, given) in counts.iter_mut().zip(cursor.counts.iter().flatten()) {
        if !(given.is_finite() && *given >= 0.0) {
            return Err(Error::argument("`after` is not a cursor that `cursor()` gave"));
        }
        *count = *given as u64;
    }
    Ok(Cursor { last_id: cursor.last_id.clone(), first_id: cursor.first_id.clone(), counts })
}

pub(crate) fn cursor_to_js(cursor: &Cursor) -> Result<JsValue> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Out<'a> {
        last_id: &'a Option<String>,
        first_id: &'a Option<String>,
        counts: [f64; 3],
    }
    types::write(&Out {
        last_id: &cursor.last_id,
        first_id: &cursor.first_id,
        counts: cursor.counts.map(|count| count as f64),
    })
}
