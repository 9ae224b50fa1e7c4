//! Processes: start, look at, signal, feed, and read what they wrote.

use super::{Call, Sandbox};
use crate::error::{Error, Result};
use crate::transport::Payload;
use crate::types::{self, StartOptions};
use serde::Serialize;
use shoreline_protocol::error::Code;
use shoreline_protocol::name;
use shoreline_protocol::route::{self, Route};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

#[derive(Serialize)]
struct SignalBody {
    signal: i32,
}

type Signal<'a> = Option<&'a AbortSignal>;

impl Sandbox {
    pub(crate) async fn start(
        &self,
        options: &StartOptions,
        signal: Signal<'_>,
    ) -> Result<JsValue> {
        options.check()?;
        self.json(Call::new(route::START_PROCESS, &[]).body(options)?.patient(), signal).await
    }

    pub(crate) async fn processes(&self, signal: Signal<'_>) -> Result<JsValue> {
        let list = self.json(Call::new(route::LIST_PROCESSES, &[]), signal).await?;
        types::array_in(&list, "processes").map(JsValue::from)
    }

    pub(crate) async fn process(&self, process: &str, signal: Signal<'_>) -> Result<JsValue> {
        self.json(Call::new(route::GET_PROCESS, &[process]), signal).await
    }

    pub(crate) async fn kill(&self, process: &str, signal: Signal<'_>) -> Result<()> {
        self.done(Call::new(route::KILL_PROCESS, &[process]), signal).await
    }

    pub(crate) async fn restart(&self, process: &str, signal: Signal<'_>) -> Result<JsValue> {
        self.json(Call::new(route::RESTART_PROCESS, &[process]).patient(), signal).await
    }

    pub(crate) async fn send_signal(
        &self,
        process: &str,
        number: i32,
        signal: Signal<'_>,
    ) -> Result<JsValue> {
        let address = [process];
        let call = Call::new(route::SIGNAL_PROCESS, &address);
        self.json(call.body(&SignalBody { signal: number })?, signal).await
    }

    pub(crate) async fn write_stdin(
        &self,
        process: &str,
        data: JsValue,
        signal: Signal<'_>,
    ) -> Result<()> {
        let address = [process];
        let mut call = Call::new(route::WRITE_STDIN, &address).patient();
        call.payload = Payload::Bytes(data);
        self.done(call, signal).await
    }

    pub(crate) async fn close_stdin(&self, process: &str, signal: Signal<'_>) -> Result<()> {
        self.done(Call::new(route::CLOSE_STDIN, &[process]), signal).await
    }

    pub(crate) async fn output(
        &self,
        route: Route,
        process: &str,
        signal: Signal<'_>,
    ) -> Result<JsValue> {
        self.json(Call::new(route, &[process]), signal).await
    }

    /// How many lines the server counts. The body is not kept: only its ends can hold the count.
    pub(crate) async fn line_count(
        &self,
        route: Route,
        process: &str,
        signal: &AbortSignal,
    ) -> Result<u64> {
        const KEPT: usize = 128;
        let mut answer = self.send(Call::new(route, &[process]), Some(signal)).await?;
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        while let Some(chunk) = answer.body.chunk().await? {
            head.extend(chunk.iter().take(KEPT - head.len().min(KEPT)));
            tail.extend_from_slice(chunk);
            tail.drain(..tail.len().saturating_sub(KEPT));
        }
        [tail, head].iter().find_map(|end| count_in(&String::from_utf8_lossy(end))).ok_or_else(
            || Error::new(Code::InvalidResponse, "the server's answer has no `line_count`"),
        )
    }

    pub(crate) async fn health(&self, signal: Signal<'_>) -> Result<JsValue> {
        self.json(Call::new(route::HEALTH, &[]), signal).await
    }

    pub(crate) async fn daemon_info(&self, signal: Signal<'_>) -> Result<JsValue> {
        self.json(Call::new(route::INFO, &[]), signal).await
    }
}

/// The number after `"line_count":`; within a line's text the quotes would be escaped.
fn count_in(text: &str) -> Option<u64> {
    let (before, after) = text.rsplit_once("\"line_count\"")?;
    if before.ends_with('\\') {
        return None;
    }
    let digits = after.trim_start().strip_prefix(':')?.trim_start();
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A pid or a managed process's name, as a path segment.
pub(crate) fn address(process: &JsValue) -> Result<String> {
    if let Some(pid) = process.as_f64() {
        if pid.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&pid) {
            return Ok((pid as u32).to_string());
        }
    } else if let Some(text) = process.as_string() {
        if !name::is_pid(&text) {
            name::check_process_name(&text).map_err(|e| Error::argument(e.sentence()))?;
        }
        return Ok(text);
    }
    Err(Error::argument("a process is given by its pid (a whole number) or its name (a string)"))
}

/// A classic signal number.
pub(crate) fn signal_number(number: f64) -> Result<i32> {
    if number.fract() == 0.0 && (1.0..=31.0).contains(&number) {
        Ok(number as i32)
    } else {
        Err(Error::argument("a signal is a whole number from 1 to 31, for example 15 for SIGTERM"))
    }
}

/// Reads the options of a start.
pub(crate) fn start_options(command: &JsValue, options: &JsValue) -> Result<StartOptions> {
    let mut read: StartOptions = types::read_options(options)?;
    read.command = command_text(command)?;
    read.check()?;
    Ok(read)
}

pub(crate) fn command_text(command: &JsValue) -> Result<String> {
    command.as_string().ok_or_else(|| Error::argument("`command` must be a string"))
}
