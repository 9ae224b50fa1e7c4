//! Processes: start, look at, signal, feed, and read what they wrote.

use super::{Call, Sandbox, Shape, to_json};
use crate::error::{Error, Result};
use crate::js;
use crate::transport::{Leash, Payload, Reading};
use crate::types::{self, StartOptions};
use alloc::string::String;
use alloc::vec::Vec;
use js_sys::Object;
use shoreline_protocol::error::Code;
use shoreline_protocol::name;
use shoreline_protocol::route::{self, Route};
use shoreline_protocol::text::{self, digits};
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

/// Reads the options of a start.
pub(crate) fn start_options(command: &JsValue, options: &JsValue) -> Result<Object> {
    self::command(command, types::read("", options, StartOptions::FIELDS)?)
}

pub(crate) fn list() -> Call {
    Call::new(route::LIST_PROCESSES, Shape::Processes)
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

/// `number` is a classic signal number.
pub(crate) fn signal(process: &JsValue, number: f64) -> Result<Call> {
    if !(number % 1.0 == 0.0 && (1.0..=31.0).contains(&number)) {
        return Err(Error::argument(
            "a signal is a whole number from 1 to 31, for example 15 for SIGTERM",
        ));
    }
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
    /// How many lines the server counts. The body is not kept: only its ends can hold the count.
    pub(super) async fn line_count(
        &self,
        route: Route,
        process: &str,
        leash: &Leash,
    ) -> Result<u64> {
        const KEPT: usize = 128;
        let request = self.request(route, process, Reading::Chunks);
        let mut answer = self.client.transport.send(&request, leash).await?;
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        while let Some(chunk) = answer.body.chunk(leash).await? {
            head.extend(chunk.iter().take(KEPT - head.len().min(KEPT)));
            tail.extend(chunk.iter().skip(chunk.len().saturating_sub(KEPT)));
            tail.drain(..tail.len().saturating_sub(KEPT));
        }
        let count = count_in(&tail).or_else(|| count_in(&head));
        count.ok_or_else(|| {
            Error::new(Code::InvalidResponse, "the server's answer has no `line_count`")
        })
    }
}

/// The number after `"line_count":`; within a line's text its quotes would be escaped.
fn count_in(answer: &[u8]) -> Option<u64> {
    const KEY: &[u8] = b"\"line_count\"";
    let at = answer.windows(KEY.len()).rposition(|window| window == KEY)?;
    let after =
        answer.get(at + KEY.len()..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let digits = after.iter().take_while(|byte| byte.is_ascii_digit());
    text::decimal(after.get(..digits.count())?)
}

#[cfg(test)]
mod tests {
    use super::count_in;

    #[test]
    fn counts_are_read_from_either_end_of_an_answer() {
        for (text, count) in [
            ("\"],\"line_count\":3}", Some(3)),
            ("{\"line_count\" : 12 ,\"lines\":[", Some(12)),
            ("{\"pid\":1,\"line_count\":0}", Some(0)),
            // What a process wrote, which looks like it.
            ("x\\\"line_count\\\":9\"],", None),
            ("[\"\\\\\",\"line_count\":4}", Some(4)),
            ("\"line_count\":null}", None),
            ("\"lines\":[]}", None),
        ] {
            assert_eq!(count_in(text.as_bytes()), count, "{text}");
        }
    }
}
