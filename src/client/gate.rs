//! A command that waits for a line before it runs, so that its output can be followed from the start.

use super::{Sandbox, process};
use crate::error::Result;
use crate::js;
use crate::transport::CancelToken;
use alloc::rc::Rc;
use js_sys::{Array, Object, Uint8Array};
use shoreline_protocol::cursor::Position;
use shoreline_protocol::route;
use shoreline_protocol::run::gate;
use shoreline_protocol::standing::Standing;
use shoreline_protocol::text::digits;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// Puts a shell before the command of a request, which runs the command once it has read a line.
pub(super) fn wait_at(request: &Object, input: bool) {
    let (shell, before) = gate(input);
    let before = before.map(JsValue::from);
    let own = js::get(request, "args").dyn_into::<Array>().unwrap_or_default();
    let args = Array::from_iter(before.iter().chain([&js::get(request, "command")])).concat(&own);
    js::set(request, "command", &shell.into());
    js::set(request, "args", &args);
    js::set(request, "stdin_mode", &"pipe".into());
}

/// Returns the position before the first output of a new process. The open-source daemon keeps output by pid, so an
/// earlier process can have left lines.
pub(super) async fn position(
    sandbox: &Sandbox,
    pid: u32,
    cancel: &CancelToken,
) -> Result<Position> {
    let streams = [(route::GET_STDOUT, u64::MAX), (route::GET_STDERR, u64::MAX)];
    let held = sandbox.held(&digits(pid.into()), &streams, cancel).await?;
    Ok(Position::from(
        [0, 1].map(|stream| held.get(stream).map(|held| held.all).unwrap_or_default()),
    ))
}

/// Opens the gate. The line is sent again if its outcome is unknown: a second line has no effect, unless it would be
/// input of the command.
pub(super) async fn open(
    sandbox: &Rc<Sandbox>,
    pid: u32,
    input: bool,
    cancel: &CancelToken,
) -> Result<()> {
    const WAITS_MS: [f64; 4] = [0.0, 100.0, 400.0, 1600.0];
    let mut result = Ok(());
    for wait_ms in WAITS_MS {
        cancel.sleep(wait_ms).await?;
        let line = Uint8Array::from(b"\n".as_slice());
        let call = process::write_stdin(&pid.into(), line.into())?;
        result = sandbox.clone().call(call, cancel.clone()).await.map(drop);
        if result.is_ok() || input || cancel.check().is_err() {
            break;
        }
        // Another client can have killed the process.
        let standing = sandbox.standing(&pid.into(), cancel).await;
        if standing.is_ok_and(|standing| standing != Standing::Running) {
            return Ok(());
        }
    }
    result
}
