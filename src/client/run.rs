//! A command run to its end: one POST, ever, and the same result however the connection fares.

use super::follow::{Follow, Plan, stream_error};
use super::{Sandbox, process, to_json};
use crate::error::{Error, Result};
use crate::host;
use crate::transport::{Answer, Body, Cause, Leash, Payload, Request, Scope};
use crate::types::{self, ProcessState, RunOptions, StartOptions};
use futures::future::{self, AbortHandle, Abortable, Either, FutureExt, LocalBoxFuture};
use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use shoreline_protocol::error::{Code, Kind};
use shoreline_protocol::exit::{Exit, Reason};
use shoreline_protocol::failure::RequestKind;
use shoreline_protocol::follow::{Cursor, Skip};
use shoreline_protocol::output::{Batch, End, Mode, OutputDecoder};
use shoreline_protocol::route;
use shoreline_protocol::stream::Stream;
use shoreline_protocol::transcript::{Piece, Transcript, Truncated};
use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// After the time limit, how long the server has to end the command itself.
const SERVER_GRACE_MS: f64 = 5_000.0;
/// Between SIGTERM and SIGKILL, where the client enforces the limit.
const TERM_GRACE_MS: f64 = 2_000.0;
/// After SIGKILL, how long the end may take to be reported.
const REPORT_GRACE_MS: f64 = 5_000.0;
/// For a server that reports the end of the output before the end of the process, ms.
const EXIT_POLL_MS: [f64; 8] = [0.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0];

const SIGTERM: i32 = 15;

/// What the enforcer of the time limit and the run share.
#[derive(Default)]
struct Limit {
    pid: Cell<Option<u32>>,
    /// The client had to enforce the limit.
    enforced: Cell<bool>,
    /// Even that brought no answer.
    given_up: Cell<bool>,
}

enum Phase {
    /// The POST is on its way.
    Starting(LocalBoxFuture<'static, Result<Answer>>),
    Streaming(Streaming),
    /// The run's stream is gone, or the server has none: its output is followed by pid.
    Following(Box<Follow>),
    Ended(Exit),
    Failed(Error),
}

struct Streaming {
    body: Body,
    decoder: OutputDecoder,
    exit: Option<Exit>,
}

pub(crate) struct Run {
    sandbox: Rc<Sandbox>,
    request: StartOptions,
    plan: Plan,
    leash: Rc<Leash>,
    /// Ends waiting when the leash is pulled, but not the POST: its pid may be needed to kill.
    guard: Scope,
    kill_on_abort: bool,
    phase: Phase,
    /// How the run's own stream broke.
    broken: Option<Error>,
    cursor: Cursor,
    handle: Option<u64>,
    limit: Rc<Limit>,
    enforcer: Option<AbortHandle>,
    transcript: Transcript,
    collected: [Collected; 2],
    began: f64,
}

#[derive(Default)]
struct Collected {
    text: Array,
    raw: Array,
    truncated: Option<Truncated>,
}

impl Run {
    pub(crate) fn new(
        sandbox: Rc<Sandbox>,
        command: &JsValue,
        options: &JsValue,
        on_reconnect: Option<Function>,
        leash: Rc<Leash>,
    ) -> Result<Self> {
        let read: RunOptions = types::read_options(options)?;
        let kill_on_abort = match read.on_abort.as_deref() {
            None | Some("kill") => true,
            Some("detach") => false,
            Some(_) => return Err(Error::argument("`onAbort` is \"kill\" or \"detach\"")),
        };
        let plan = Plan::new(
            &sandbox,
            read.reconnect.as_ref(),
            read.idle_timeout,
            read.max_line_bytes,
            read.long_line.as_deref(),
            on_reconnect,
        )?;
        let request = StartOptions {
            command: process::command_text(command)?,
            args: read.args,
            env: read.env,
            working_dir: read.working_dir,
            user: read.user,
            timeout: read.timeout,
            ..StartOptions::default()
        };
        request.check()?;
        let guard = Scope::new(Some(&leash.signal()))?;
        let payload = to_json(&request)?;
        let idle_ms = plan.idle_ms;
        let from = sandbox.clone();
        let post = async move {
            let headers = from.base.borrow().headers.clone();
            let request = Request {
                method: route::RUN.method,
                url: from.url(&route::RUN.fill(&[])),
                headers: &headers,
                payload: Payload::Json(payload),
                events: true,
                last_event_id: None,
                kind: RequestKind::SandboxPlane,
                head_ms: from.client.waits.connect,
                idle_ms,
                retry: true,
            };
            from.client.transport.send(&request, None).await
        };
        let mut run = Self {
            sandbox,
            transcript: Transcript::new(read.max_output_bytes.map(|n| n as usize)),
            request,
            plan,
            leash,
            guard,
            kill_on_abort,
            phase: Phase::Starting(post.boxed_local()),
            broken: None,
            cursor: Cursor::default(),
            handle: None,
            limit: Rc::default(),
            enforcer: None,
            collected: Default::default(),
            began: host::now(),
        };
        if let Some(timeout) = run.request.timeout {
            run.enforce(timeout.ms() + SERVER_GRACE_MS, None);
        }
        Ok(run)
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.limit.pid.get()
    }

    /// Appends the next events to `batch`; `false` once the command has ended.
    ///
    /// # Errors
    /// Whatever keeps the result from being known; the error carries what there is.
    pub(crate) async fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        loop {
            match &self.phase {
                Phase::Ended(_) => return Ok(false),
                Phase::Failed(error) => return Err(error.clone()),
                _ => {}
            }
            batch.clear();
            let step = self.step(batch).await;
            if !batch.is_empty() {
                self.collect(batch)?;
            }
            if let Err(error) = step {
                self.fail(error);
            }
            if matches!(self.phase, Phase::Ended(_) | Phase::Failed(_)) {
                self.stop_enforcing();
            }
            if !batch.is_empty() {
                return Ok(true);
            }
        }
    }

    async fn step(&mut self, batch: &mut Batch) -> Result<()> {
        match &mut self.phase {
            Phase::Starting(post) => {
                match self.guard.guard(post).await? {
                    Ok(answer) => {
                        let body = answer.event_stream()?;
                        let decoder = self.plan.decoder(Mode::Run);
                        self.phase = Phase::Streaming(Streaming { body, decoder, exit: None });
                    }
                    Err(error) if has_no_run(&error) => self.start_instead().await?,
                    Err(error) => return Err(of_start(error)),
                }
                Ok(())
            }
            Phase::Streaming(_) => self.stream(batch).await,
            Phase::Following(follow) => {
                let more = follow.next(batch).await;
                self.cursor = follow.cursor().clone();
                if !more? {
                    let exit = exit_by_pid(&self.sandbox, &self.leash, follow).await?;
                    self.phase = Phase::Ended(exit);
                }
                Ok(())
            }
            Phase::Ended(_) | Phase::Failed(_) => Ok(()),
        }
    }

    async fn stream(&mut self, batch: &mut Batch) -> Result<()> {
        let Phase::Streaming(streaming) = &mut self.phase else { return Ok(()) };
        let read = self.guard.guard(streaming.body.chunk()).await?;
        let mut broken = match read {
            Ok(Some(chunk)) => {
                let decoded = streaming.decoder.push(chunk, &mut Skip::default(), batch);
                self.cursor.delivered(batch, 0, &streaming.decoder);
                if let Some(started) = streaming.decoder.started() {
                    self.limit.pid.set(Some(started.pid));
                    self.handle = started.handle;
                }
                decoded.map_err(stream_error)?;
                if let Some(End::Exit(exit)) = streaming.decoder.end() {
                    streaming.exit = Some(exit);
                }
                return Ok(());
            }
            Ok(None) => Error::new(
                Code::StreamEndedWithoutExit,
                "the stream ended before the command's exit was reported",
            ),
            Err(error) => error,
        };
        // Output may still follow the exit, so that only the stream's end ends it.
        if let Some(exit) = streaming.exit {
            self.phase = Phase::Ended(exit);
            return Ok(());
        }
        let Some(pid) = self.limit.pid.get() else {
            broken = match broken.code {
                Code::StreamEndedWithoutExit => Error::new(
                    broken.code,
                    "the stream ended before the command was seen to start: it is unknown whether it ran",
                ),
                _ => unknown_outcome(broken),
            };
            return Err(broken);
        };
        if broken.code == Code::ConnectionLost {
            broken.code = Code::StreamBroken;
        }
        self.broken = Some(broken);
        self.follow(pid);
        Ok(())
    }

    /// Goes on by pid from where the stream is.
    fn follow(&mut self, pid: u32) {
        let mut follow = Follow::continue_from(
            self.sandbox.clone(),
            route::FOLLOW_OUTPUT,
            pid.to_string(),
            self.plan.clone(),
            self.cursor.clone(),
            self.leash.clone(),
        );
        follow.begun = true;
        follow.again = self.broken.is_some();
        self.phase = Phase::Following(Box::new(follow));
    }

    /// For servers without `run`: start, follow, and keep the time limit from here.
    async fn start_instead(&mut self) -> Result<()> {
        let timeout = self.request.timeout.take();
        let signal = self.leash.signal();
        let started = self.sandbox.start(&self.request, Some(&signal)).await.map_err(of_start)?;
        let started: ProcessState = types::read_answer(&started)?;
        self.limit.pid.set(Some(started.pid));
        self.handle = started.handle.map(|handle| handle as u64);
        if let Some(timeout) = timeout {
            self.stop_enforcing();
            self.enforce(timeout.ms(), Some(TERM_GRACE_MS));
        }
        self.follow(started.pid);
        Ok(())
    }

    /// Ends the command when nobody else has after `after_ms`: by SIGTERM first, where `term_grace`
    /// says how long that may take, then by SIGKILL.
    fn enforce(&mut self, after_ms: f64, term_grace: Option<f64>) {
        let (handle, registration) = AbortHandle::new_pair();
        let (sandbox, limit, leash) =
            (self.sandbox.clone(), self.limit.clone(), Rc::downgrade(&self.leash));
        let work = async move {
            host::sleep(after_ms).await?;
            if let Some(pid) = limit.pid.get() {
                let pid = pid.to_string();
                limit.enforced.set(true);
                // A process that has just ended refuses the signal, which is as good.
                if let Some(grace) = term_grace {
                    during(grace, sandbox.send_signal(&pid, SIGTERM, None)).await?;
                }
                during(REPORT_GRACE_MS, sandbox.kill(&pid, None)).await?;
            }
            limit.given_up.set(true);
            if let Some(leash) = leash.upgrade() {
                leash.pull();
            }
            Ok::<_, Error>(())
        };
        spawn_local(async move {
            let _ = Abortable::new(work, registration).await;
        });
        self.enforcer = Some(handle);
    }

    fn stop_enforcing(&mut self) {
        if let Some(enforcer) = self.enforcer.take() {
            enforcer.abort();
        }
    }

    fn collect(&mut self, batch: &Batch) -> Result<()> {
        self.transcript.push(batch).map_err(stream_error)?;
        for (stream, collected) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&self.collected)
        {
            collected.add(self.transcript.take_ready(stream));
        }
        Ok(())
    }

    /// Ends what is under way, and tells the failure with everything received.
    fn fail(&mut self, error: Error) {
        let phase = std::mem::replace(&mut self.phase, Phase::Failed(error.clone()));
        let mut error = error;
        if self.limit.given_up.get() && error.code == Code::Aborted {
            let what = match self.pid() {
                Some(_) => {
                    "the command's time limit passed; it was killed, but its end was not reported"
                }
                None => {
                    "the command's time limit passed without an answer: it is unknown whether it ran"
                }
            };
            error = Error::new(Code::RunTimeout, what);
        } else if error.code == Code::Aborted && self.kill_on_abort {
            self.end_in_background(phase);
        }
        if let Some(broken) = self.broken.take()
            && (matches!(error.code.kind(), Kind::Api | Kind::Connection)
                || error.code == Code::ProcessGone)
        {
            let message =
                format!("{}; it could not be continued by pid: {}", broken.message, error.message);
            error = Error { message, ..broken }.with_cause(error.into());
        }
        let partial = self.outcome(None);
        self.phase = Phase::Failed(error.with_partial(partial));
    }

    /// After an abort: kills the command, and where its pid is not known yet, waits for it.
    fn end_in_background(&self, phase: Phase) {
        let (sandbox, known) = (self.sandbox.clone(), self.pid());
        spawn_local(async move {
            let pid = match (known, phase) {
                (Some(pid), phase) => {
                    drop(phase);
                    Some(pid)
                }
                (None, Phase::Starting(post)) => match post.await {
                    Ok(answer) => pid_of(answer.body).await,
                    Err(_) => None,
                },
                (None, Phase::Streaming(streaming)) => pid_of(streaming.body).await,
                _ => None,
            };
            if let Some(pid) = pid {
                let _ = sandbox.kill(&pid.to_string(), None).await;
            }
        });
    }

    /// The result. Only after [`Self::next`] gave `false`.
    pub(crate) fn result(&mut self) -> Result<Object> {
        match &self.phase {
            Phase::Ended(exit) => {
                let exit = *exit;
                Ok(self.outcome(Some(exit)))
            }
            Phase::Failed(error) => Err(error.clone()),
            _ => Err(Error::argument("the command has not ended")),
        }
    }

    fn outcome(&mut self, exit: Option<Exit>) -> Object {
        for (stream, collected) in
            [Stream::Stdout, Stream::Stderr].into_iter().zip(&mut self.collected)
        {
            let tail = self.transcript.finish(stream);
            collected.add(tail.piece);
            collected.truncated = tail.truncated;
        }
        let out = Object::new();
        let set = |key: &str, value: JsValue| {
            let _ = Reflect::set(&out, &key.into(), &value);
        };
        if let Some(exit) = exit {
            set("exitCode", exit.exit_code().map_or(JsValue::NULL, JsValue::from));
            set("signal", exit.signal().map_or(JsValue::NULL, JsValue::from));
            set("oomKilled", exit.oom_killed().into());
            let timed_out = if self.limit.enforced.get() { Some(true) } else { exit.timed_out() };
            set("timedOut", timed_out.map_or(JsValue::UNDEFINED, JsValue::from));
        }
        set("pid", self.pid().map_or(JsValue::UNDEFINED, JsValue::from));
        set("handle", self.handle.map_or(JsValue::UNDEFINED, |handle| (handle as f64).into()));
        set("durationMs", (host::now() - self.began).max(0.0).into());
        let [stdout, stderr] = &self.collected;
        set("stdout", stdout.to_js());
        set("stderr", stderr.to_js());
        out
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop_enforcing();
    }
}

impl Collected {
    fn add(&self, piece: Piece) {
        if !piece.text.is_empty() {
            self.text.push(&piece.text.into());
        }
        for span in piece.raw {
            self.raw.push(&Array::of3(
                &(span.start_utf16 as f64).into(),
                &(span.end_utf16 as f64).into(),
                &Uint8Array::from(span.bytes.as_slice()),
            ));
        }
    }

    /// `[text with terminators, raw spans, [dropped bytes, dropped lines, at] | undefined]`
    fn to_js(&self) -> JsValue {
        let truncated = self.truncated.as_ref().map_or(JsValue::UNDEFINED, |truncated| {
            Array::of3(
                &(truncated.dropped_bytes as f64).into(),
                &(truncated.dropped_lines as f64).into(),
                &(truncated.at as f64).into(),
            )
            .into()
        });
        Array::of3(&self.text.join("").into(), &self.raw, &truncated).into()
    }
}

/// Waits for `ms`; a request that takes longer is ended.
async fn during<T>(ms: f64, request: impl Future<Output = T>) -> Result<()> {
    match future::select(pin!(request), pin!(host::sleep(ms))).await {
        Either::Left((_, wait)) => wait.await,
        Either::Right((waited, _)) => waited,
    }
}

/// Whether the server lacks the endpoint, rather than the thing asked for.
fn has_no_run(error: &Error) -> bool {
    error.code == Code::Unsupported
        || (error.status == Some(404) && error.server_code.is_none() && error.message == "HTTP 404")
}

/// A start that was sent and not answered may have been carried out.
fn of_start(error: Error) -> Error {
    match error.code {
        Code::ConnectionLost | Code::ConnectTimeout | Code::IdleTimeout => unknown_outcome(error),
        _ => error,
    }
}

fn unknown_outcome(error: Error) -> Error {
    Error::new(
        Code::RunOutcomeUnknown,
        format!("it is unknown whether the command ran: {}", error.message),
    )
    .with_cause(error.into())
}

/// Reads a run's stream only as far as its start.
async fn pid_of(mut body: Body) -> Option<u32> {
    let mut decoder =
        OutputDecoder::new(Mode::Run, usize::MAX, shoreline_protocol::output::LongLine::Cut);
    let mut batch = Batch::default();
    let _deadline = body.scope().timer(10_000.0, Cause::Deadline).ok()?;
    while let Ok(Some(chunk)) = body.chunk().await {
        decoder.push(chunk, &mut Skip::default(), &mut batch).ok()?;
        if let Some(started) = decoder.started() {
            return Some(started.pid);
        }
        batch.clear();
    }
    None
}

/// The exit as the process table has it, once the output has ended.
async fn exit_by_pid(sandbox: &Sandbox, leash: &Leash, follow: &mut Follow) -> Result<Exit> {
    let signal = leash.signal();
    let pid = follow.process().to_owned();
    for wait in EXIT_POLL_MS {
        if wait > 0.0 {
            Scope::new(Some(&signal))?.guard(host::sleep(wait)).await??;
        }
        let info = follow.heal(async || sandbox.process(&pid, Some(&signal)).await).await?;
        let info: ProcessState = types::read_answer(&info)?;
        if info.status != "running" {
            return exit_of(&info);
        }
    }
    Err(Error::new(
        Code::StreamEndedWithoutExit,
        "the output has ended, but the server still says that the command runs",
    ))
}

fn exit_of(info: &ProcessState) -> Result<Exit> {
    let oom_killed = info.oom_killed || info.status == "oom_killed";
    let reason = info.reason.as_deref().and_then(|name| Reason::from_name(name.as_bytes()));
    Exit::from_parts(info.exit_code, info.signal, oom_killed, reason).ok_or_else(|| {
        Error::new(
            Code::StreamEndedWithoutExit,
            "the command has ended, but the server lost its exit status",
        )
    })
}
