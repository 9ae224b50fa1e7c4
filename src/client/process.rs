//! Processes: start, look at, signal, feed, and read what they wrote.

use super::{Call, Sandbox, Shape, to_json};
use crate::error::{Error, Result};
use crate::js;
use crate::transport::{Answer, CancelToken, Payload, Reading, Request};
use crate::types::{self, ProcessState, StartOptions};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use js_sys::Object;
use shoreline_protocol::error::Code;
use shoreline_protocol::name;
use shoreline_protocol::route::{self, Route};
use shoreline_protocol::run;
use shoreline_protocol::signal;
use shoreline_protocol::standing::Standing;
use shoreline_protocol::tally::{Held, TallyReader};
use shoreline_protocol::text::digits;
use wasm_bindgen::prelude::*;

/// A new process. `body` is what [`command`] made.
pub(crate) fn start(body: &Object) -> Result<Call> {
    let payload = Payload::Json(to_json(body)?);
    Ok(Call { payload, patient: true, ..Call::new(route::START_PROCESS, Shape::Process) })
}

/// The body of a request to start `command`, with `options` that have been read.
pub(crate) fn command(command: &JsValue, options: Object) -> Result<Object> {
    match command.as_string() {
        None => return Err(Error::argument("`command` must be a string")),
        Some(text) if text.is_empty() => {
            return Err(Error::argument("`command` must not be empty"));
        }
        Some(text) if text.bytes().any(|byte| byte == 0) => {
            return Err(Error::argument("`command` must be without NUL characters"));
        }
        Some(_) => js::set(&options, "command", command),
    }
    Ok(options)
}

/// Says what a command that was not found may have been meant as.
pub(super) fn explained(mut error: Error, request: &Object) -> Error {
    let has_spaces = js::text(request, "command").is_some_and(|command| command.contains(' '));
    if error.code == Code::NotFound && has_spaces {
        let hint = ". A command is one program: pass its arguments as `args`, or a line of shell to `sandbox.sh`";
        error.message.push_str(hint);
    }
    error
}

/// Reads the options of a start.
pub(crate) fn start_options(command: &JsValue, options: &JsValue) -> Result<Object> {
    self::command(command, types::read("", options, StartOptions::FIELDS)?)
}

pub(crate) fn list() -> Call {
    Call::new(route::LIST_PROCESSES, Shape::Processes("processes"))
}

/// A call about one process, with an object for an answer.
pub(crate) fn about(route: Route, process: &JsValue) -> Result<Call> {
    Ok(Call { process: address(process)?, ..Call::new(route, Shape::Object) })
}

/// A call that is answered with the record of a process.
pub(crate) fn record(route: Route, process: &JsValue) -> Result<Call> {
    Ok(Call { shape: Shape::Process, ..about(route, process)? })
}

/// A call about one process, without an answer.
pub(crate) fn order(route: Route, process: &JsValue) -> Result<Call> {
    Ok(Call { process: address(process)?, ..Call::new(route, Shape::Nothing) })
}

pub(crate) fn restart(process: &JsValue) -> Result<Call> {
    Ok(Call { patient: true, ..record(route::RESTART_PROCESS, process)? })
}

/// `signal` is the name or the number of a classic signal.
pub(crate) fn signal(process: &JsValue, signal: &JsValue) -> Result<Call> {
    let number = match signal.as_string() {
        Some(name) => signal::number(&name).map(|number| number as f64),
        None => signal.as_f64().filter(|n| n % 1.0 == 0.0 && (1.0..=31.0).contains(n)),
    };
    let Some(number) = number else {
        return Err(Error::argument(
            "a signal is a name such as \"SIGTERM\", or a whole number from 1 to 31",
        ));
    };
    let body = Object::new();
    js::set(&body, "signal", &number.into());
    let payload = Payload::Json(to_json(&body)?);
    Ok(Call { payload, ..about(route::SIGNAL_PROCESS, process)? })
}

pub(crate) fn write_stdin(process: &JsValue, data: JsValue) -> Result<Call> {
    let payload = Payload::Bytes(data);
    Ok(Call { payload, patient: true, ..order(route::WRITE_STDIN, process)? })
}

pub(crate) fn health() -> Call {
    Call::new(route::HEALTH, Shape::Object)
}

pub(crate) fn usage() -> Call {
    Call::new(route::USAGE, Shape::Object)
}

pub(crate) fn daemon_info() -> Call {
    Call::new(route::INFO, Shape::Object)
}

/// A pid or a managed process's name, as a path segment.
pub(crate) fn address(process: &JsValue) -> Result<String> {
    if let Some(pid) = process.as_f64() {
        if pid % 1.0 == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&pid) {
            return Ok(digits(pid as u64));
        }
    } else if let Some(text) = process.as_string() {
        if !name::is_pid(&text) {
            name::check_process_name(&text)?;
        }
        return Ok(text);
    }
    Err(Error::argument("a process is given by its pid (a whole number) or its name (a string)"))
}

impl Sandbox {
    /// Reads the lines that the server has of these streams. Each comes with the number of its delivered lines.
    pub(super) async fn held(
        &self,
        process: &str,
        streams: &[(Route, u64)],
        cancel: &CancelToken,
    ) -> Result<Vec<Held>> {
        let mut all = Vec::new();
        for (route, delivered) in streams {
            let request = self.request(*route, process, Reading::Chunks);
            let mut answer = self.client.transport.send(&request, cancel).await?;
            let mut reader = TallyReader::new(*delivered);
            let mut read = Ok(());
            while let (Ok(()), Some(chunk)) = (read, answer.body.chunk(cancel).await?) {
                read = reader.push(chunk);
            }
            let held = read.and_then(|()| reader.finish());
            all.push(held.map_err(|_| {
                let what = "the server's answer does not have the output's `lines`";
                Error::new(Code::InvalidResponse, what)
            })?);
        }
        Ok(all)
    }

    /// Reads whether a process runs, or how it ended, from its record.
    pub(super) async fn standing(
        self: &Rc<Self>,
        process: &JsValue,
        cancel: &CancelToken,
    ) -> Result<Standing> {
        let record = self.clone().call(about(route::GET_PROCESS, process)?, cancel.clone()).await?;
        Ok(ProcessState::read(&record)?.standing)
    }

    /// Finds out whether the server has the endpoint `run`: a server that has it rejects a run without a command.
    pub(super) async fn has_run(&self, cancel: &CancelToken) -> Result<bool> {
        if let Some(known) = self.has_run.get() {
            return Ok(known);
        }
        let request = Request {
            payload: Payload::Json("{}".into()),
            ..self.request(route::RUN, "", Reading::Events)
        };
        let answer = self.client.transport.send(&request, cancel).await;
        let has_run = match answer.and_then(Answer::event_stream) {
            Ok(_) => true,
            Err(error) => match error.status.unwrap_or_default() {
                400 | 415 | 422 => true,
                status if run::lacks_run(status, error.server_code.as_deref()) => false,
                _ => return Err(error),
            },
        };
        self.has_run.set(Some(has_run));
        Ok(has_run)
    }
}
