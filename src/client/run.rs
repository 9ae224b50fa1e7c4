//! Runs a command to its end: one POST, and the same result whether or not connections break. [`Machine`]
//! decides the next step.

use super::collected::Collected;
use super::follow::{Follow, Plan};
use super::limit::Limit;
use super::under_way::{Io, kill, sent, unknown_outcome};
use super::{Sandbox, gate, json_of, process, to_json};
use crate::error::{Error, Result};
use crate::transport::{CancelToken, Payload};
use crate::types::{self, ProcessState, RunOptions};
use crate::{host, js};
use alloc::boxed::Box;
use alloc::rc::Rc;
use js_sys::{Function, Object, Reflect};
use shoreline_protocol::batch::Batch;
use shoreline_protocol::cursor::Position;
use shoreline_protocol::error::{Code, Kind};
use shoreline_protocol::exit::Exit;
use shoreline_protocol::fault::StreamError;
use shoreline_protocol::route;
use shoreline_protocol::run::{Over, Run as Machine, Step};
use shoreline_protocol::text::joined;
use wasm_bindgen::prelude::*;

pub(crate) struct Run {
    sandbox: Rc<Sandbox>,
    /// The body of the request.
    request: Object,
    /// Whether the command gets input.
    input: bool,
    /// Called with the pid once the command runs, and with its exit.
    tells: Option<Function>,
    started: bool,
    plan: Plan,
    cancel: CancelToken,
    kill_on_abort: bool,
    machine: Machine,
    io: Io,
    /// The error that broke the run's own stream.
    broken: Option<Error>,
    failed: Option<Error>,
    limit: Limit,
    collected: Collected,
    began: f64,
    /// The trace id of the answer with the output; see `Answer`.
    trace_id: JsValue,
}

impl Run {
    pub(crate) fn new(
        sandbox: Rc<Sandbox>,
        command: &JsValue,
        options: &JsValue,
        [on_reconnect, via, tells]: [Option<Function>; 3],
        cancel: CancelToken,
    ) -> Result<Self> {
        // The shim sends the input itself.
        let input = !js::get(options, "input").is_undefined();
        let options = types::read("", options, RunOptions::FIELDS)?;
        let plan = Plan::new(&sandbox, &options, [on_reconnect, via])?;
        let kept = js::number(&options, "max_output_bytes").map(|bytes| bytes as usize);
        let request = Object::new();
        for name in ["args", "env", "working_dir", "user", "timeout"] {
            js::set(&request, name, &js::get(&options, name));
        }
        let request = process::command(command, request)?;
        let payload = Payload::Json(to_json(&request)?);
        cancel.check()?;
        let machine = Machine::new(plan.lines);
        let (machine, io) = if input {
            js::set(&request, "stdin_mode", &"pipe".into());
            (machine.with_input(), Io::Nothing)
        } else {
            (machine, Io::Post(sent(&sandbox, route::RUN, payload, &plan, cancel.detached())))
        };
        let mut run = Self {
            io,
            machine,
            input,
            tells,
            started: false,
            kill_on_abort: js::text(&options, "on_abort").as_deref() != Some("detach"),
            limit: Limit::default(),
            collected: Collected::new(kept),
            broken: None,
            failed: None,
            began: host::now(),
            trace_id: JsValue::UNDEFINED,
            sandbox,
            request,
            plan,
            cancel,
        };
        if !input {
            run.enforce(true);
        }
        Ok(run)
    }

    fn enforce(&mut self, by_server: bool) {
        if let Some(seconds) = js::number(&self.request, "timeout") {
            self.limit.begin(&self.sandbox, &self.cancel, seconds * 1000.0, by_server);
        }
    }

    /// Appends the next events to `batch`. Returns `false` once the command has ended.
    ///
    /// # Errors
    /// If the result cannot be known. The error contains the output received so far.
    pub(crate) async fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        loop {
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            if let Step::Done(_) = self.machine.step() {
                return Ok(false);
            }
            batch.clear();
            let step = self.step(batch).await;
            self.limit.found(self.machine.pid());
            self.tell();
            let collected = self.collected.add(batch).map_err(Error::from);
            if let Err(error) = step.and(collected) {
                self.fail(error);
            }
            if let Step::Done(_) = self.machine.step() {
                self.limit.end();
                self.io = Io::Nothing;
            }
            if !batch.is_empty() {
                return Ok(true);
            }
        }
    }

    /// Reports the start of the command, after the gate, and its end.
    fn tell(&mut self) {
        let pid = self.machine.pid();
        let end = match self.machine.step() {
            Step::Done(exit) => {
                let end = Object::new();
                self.end_of(exit, &end);
                end.into()
            }
            _ if self.started || pid.is_none() || self.machine.is_at_gate() => return,
            _ => JsValue::UNDEFINED,
        };
        self.started = true;
        if let Some(tells) = &self.tells {
            let _ = tells.call2(&JsValue::UNDEFINED, &pid.into(), &end);
        }
    }

    /// Takes the next step.
    async fn step(&mut self, batch: &mut Batch) -> Result<()> {
        match self.machine.step() {
            Step::Post => {
                let Io::Post(post) = &mut self.io else { return Ok(()) };
                match self.cancel.race(post).await? {
                    Ok(mut answer) => {
                        self.trace_id = core::mem::take(&mut answer.trace_id);
                        self.io = Io::Stream(answer.event_stream()?);
                        self.machine.opened();
                        self.sandbox.has_run.set(Some(true));
                    }
                    Err(error) => {
                        let server_code = error.server_code.as_deref();
                        let status = error.status.unwrap_or_default();
                        if !self.machine.refused(status, server_code) {
                            return Err(unknown_outcome(error));
                        }
                        self.sandbox.has_run.set(Some(false));
                        self.limit.end();
                    }
                }
            }
            Step::Read => self.read(batch).await?,
            Step::Start { gated } => self.start(gated).await?,
            Step::Attach { pid } => self.attach(pid).await?,
            Step::Open { pid } => {
                let opened = gate::open(&self.sandbox, pid, self.input, &self.cancel).await;
                opened.map_err(unknown_outcome)?;
                self.machine.opened_gate();
                self.enforce(false);
            }
            Step::Follow { pid } => {
                if let Io::Follow(follow) = &mut self.io {
                    if !follow.next(batch).await? {
                        self.machine.followed(follow.exited());
                    }
                } else {
                    self.io = Io::Follow(Box::new(self.follow_of(pid, self.machine.position())));
                }
            }
            Step::Look { pid, wait_ms } => {
                self.cancel.sleep(wait_ms as f64).await?;
                let standing = self.sandbox.standing(&pid.into(), &self.cancel).await;
                match (standing, &mut self.io) {
                    (Ok(standing), _) => self.machine.looked(standing)?,
                    // Failures around the output are retried as those of the output.
                    (Err(error), Io::Follow(follow)) => follow.heal(error).await?,
                    (Err(error), _) => return Err(error),
                }
            }
            Step::Done(_) => {}
        }
        Ok(())
    }

    /// Reads the run's own stream.
    async fn read(&mut self, batch: &mut Batch) -> Result<()> {
        let Io::Stream(body) = &mut self.io else { return Ok(()) };
        if self.machine.exit().is_some() {
            body.hurry();
        }
        let (over, mut error) = match body.chunk(&self.cancel).await {
            Ok(Some(chunk)) => return Ok(self.machine.push(chunk, batch)?),
            Ok(None) => (Over::Ended, StreamError::NoExit.into()),
            Err(error) if error.failure().is_none() => return Err(error),
            // A proxy can keep a stream open that the server has ended.
            Err(error) if self.machine.exit().is_some() && error.is_timeout() => {
                (Over::Ended, error)
            }
            Err(error) => (Over::Broke, error),
        };
        match self.machine.over(over) {
            Ok(()) => {
                if error.code == Code::ConnectionLost {
                    error.code = Code::StreamBroken;
                }
                self.broken = Some(error);
                Ok(())
            }
            Err(Code::RunOutcomeUnknown) => Err(unknown_outcome(error)),
            Err(code) => {
                let what = "the stream ended before the command was seen to start: it is unknown whether it ran";
                Err(Error::new(code, what))
            }
        }
    }

    fn follow_of(&self, pid: u32, position: Position) -> Follow {
        let (sandbox, cancel) = (self.sandbox.clone(), self.cancel.clone());
        Follow::of_run(sandbox, pid, self.plan.clone(), position, cancel, self.limit.ended())
    }

    /// Follows the output of a process at the gate.
    async fn attach(&mut self, pid: u32) -> Result<()> {
        let mut follow = self.follow_of(pid, Position::default());
        let position = loop {
            match gate::position(&self.sandbox, pid, &self.cancel).await {
                Ok(position) => break position,
                Err(error) => follow.heal(error).await?,
            }
        };
        let mut follow = self.follow_of(pid, position);
        follow.attach().await?;
        self.io = Io::Follow(Box::new(follow));
        self.machine.attached();
        Ok(())
    }

    /// For servers without `run`, and for input: starts a process that the client follows.
    async fn start(&mut self, gated: bool) -> Result<()> {
        // Servers that have `run` lose no output.
        let gated = gated && !(self.input && self.sandbox.has_run(&self.cancel).await?);
        // The shell would parse such a command as an option of `exec`.
        let command = js::text(&self.request, "command").unwrap_or_default();
        let gated = gated && !command.starts_with('-');
        let Io::Start(start) = &mut self.io else {
            // The run's request has ended: an abort has nothing to wait for.
            self.io = Io::Nothing;
            self.sandbox.check_start(&self.request, &self.cancel).await?;
            let request = Object::assign(&Object::new(), &self.request);
            let _ = Reflect::delete_property(&request, &"timeout".into());
            if gated {
                gate::wait_at(&request, self.input);
            }
            let payload = Payload::Json(to_json(&request)?);
            let cancel = self.cancel.detached();
            let sent = sent(&self.sandbox, route::START_PROCESS, payload, &self.plan, cancel);
            self.io = Io::Start(sent);
            return Ok(());
        };
        let answer = match self.cancel.race(start).await? {
            Err(error)
                if gated
                    && error.status.is_some_and(|status| self.machine.start_refused(status)) =>
            {
                self.io = Io::Nothing;
                return Ok(());
            }
            answer => answer.map_err(unknown_outcome)?,
        };
        let started = ProcessState::read(&json_of(answer)?)?;
        self.machine.started(started.pid, started.handle, gated);
        if !gated {
            self.enforce(false);
        }
        Ok(())
    }

    /// Ends the run now, as an abort does, unless it has ended.
    pub(crate) fn stop(&mut self) {
        if self.failed.is_none()
            && !matches!(self.machine.step(), Step::Done(_))
            && let Err(error) = self.cancel.check()
        {
            self.fail(error);
        }
        self.cancel.release();
    }

    /// Makes a failure final: ends requests under way, and attaches the received output to the error.
    fn fail(&mut self, error: Error) {
        let mut error = process::explained(error, &self.request);
        let partial = self.outcome(None).into();
        let io = core::mem::replace(&mut self.io, Io::Nothing);
        self.limit.end();
        if error.code == Code::Aborted && self.limit.was_given_up() {
            let message = match self.machine.pid() {
                Some(_) => {
                    "the command's time limit passed; it was killed, but its end was not reported"
                }
                None => {
                    "the command's time limit passed without an answer: it is unknown whether it ran"
                }
            };
            error = Error::new(Code::RunTimeout, message);
        } else if self.machine.is_at_gate() || self.gives_up(error.code) && self.kill_on_abort {
            // The machine is moved too: it can have read half of the event with the pid.
            let machine = core::mem::replace(&mut self.machine, Machine::new(self.plan.lines));
            host::spawn(kill(self.sandbox.clone(), machine, io, self.cancel.detached()));
        }
        let healing = matches!(error.code.kind(), Kind::Api | Kind::Connection)
            || error.code == Code::ProcessGone;
        if let Some(mut broken) = self.broken.take().filter(|_| healing) {
            broken.message =
                joined(&[&broken.message, "; it could not be continued by pid: ", &error.message]);
            error = broken.with_cause(error.into());
        }
        error.partial = partial;
        self.failed = Some(error);
    }

    /// Whether the client itself stopped reading a command that can still run.
    fn gives_up(&self, code: Code) -> bool {
        let ended = self.machine.exit().is_some() || matches!(self.machine.step(), Step::Done(_));
        let decided = matches!(
            code,
            Code::Aborted | Code::LineTooLong | Code::OutputTooLarge | Code::MalformedEvent
        );
        decided && !ended
    }

    /// The result. Call it only after [`Self::next`] returned `false`.
    pub(crate) fn result(&mut self) -> Result<Object> {
        match (&self.failed, self.machine.step()) {
            (Some(error), _) => Err(error.clone()),
            (None, Step::Done(exit)) => Ok(self.outcome(Some(exit))),
            _ => Err(Error::argument("the command has not ended")),
        }
    }

    fn end_of(&self, exit: Exit, out: &Object) {
        let or_null = |number: Option<i32>| number.map_or(JsValue::NULL, JsValue::from);
        js::set(out, "exitCode", &or_null(exit.exit_code()));
        js::set(out, "signal", &or_null(exit.signal()));
        js::set(out, "oomKilled", &exit.oom_killed().into());
        js::set(out, "outputOpen", &self.machine.output_open().into());
    }

    fn outcome(&mut self, exit: Option<Exit>) -> Object {
        let out = Object::new();
        if let Some(exit) = exit {
            self.end_of(exit, &out);
            let timed_out = if self.limit.was_enforced() { Some(true) } else { exit.timed_out() };
            js::set(&out, "timedOut", &timed_out.into());
        }
        js::set(&out, "pid", &self.machine.pid().into());
        let handle = self.machine.handle().map(|handle| handle as f64);
        js::set(&out, "handle", &handle.into());
        js::set(&out, "durationMs", &(host::now() - self.began).max(0.0).into());
        js::set(&out, "traceId", &self.trace_id);
        self.collected.finish(&out);
        out
    }
}
