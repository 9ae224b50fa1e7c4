//! The client's part of enforcing a run's time limit.

use super::{Sandbox, process};
use crate::host;
use crate::transport::CancelToken;
use alloc::rc::Rc;
use core::cell::Cell;
use shoreline_protocol::route;
use shoreline_protocol::run::{Act, enforcement};
use wasm_bindgen::prelude::*;

const SIGTERM: f64 = 15.0;

/// State that the run and the enforcer of its limit share.
#[derive(Default)]
struct State {
    pid: Cell<Option<u32>>,
    /// Signals sent that were not refused.
    signals: Cell<u32>,
    given_up: Cell<bool>,
    /// Whether the output and the process have ended.
    ended: Rc<Cell<bool>>,
}

#[derive(Default)]
pub(super) struct Limit {
    state: Rc<State>,
    enforcer: Option<CancelToken>,
}

impl Limit {
    /// Kills the command of `sandbox` at the time limit unless the server did, and cancels the call if the kill
    /// has no effect. Replaces an earlier limit.
    pub(super) fn begin(
        &mut self,
        sandbox: &Rc<Sandbox>,
        cancel: &CancelToken,
        limit_ms: f64,
        by_server: bool,
    ) {
        self.end();
        let enforcer = CancelToken::new();
        self.enforcer = Some(enforcer.clone());
        let (state, sandbox, cancel) = (self.state.clone(), sandbox.clone(), cancel.clone());
        host::spawn(async move {
            for (wait_ms, act) in enforcement(limit_ms, by_server) {
                if enforcer.sleep(wait_ms).await.is_err() || state.ended.get() {
                    return;
                }
                match state.pid.get() {
                    Some(pid) if act != Act::GiveUp => {
                        signal(&sandbox, &state, pid, act, cancel.detached());
                    }
                    // The last step, or no pid is known and nothing can be signaled: stop waiting for the exit.
                    _ => break,
                }
            }
            state.given_up.set(true);
            cancel.cancel();
        });
    }

    /// Ends the enforcement.
    pub(super) fn end(&mut self) {
        if let Some(enforcer) = self.enforcer.take() {
            enforcer.cancel();
        }
    }

    /// Sets the process, once it is known.
    pub(super) fn found(&self, pid: Option<u32>) {
        self.state.pid.set(pid);
    }

    /// A flag to set once the output and the process have ended. No signal is sent after that.
    pub(super) fn ended(&self) -> Rc<Cell<bool>> {
        self.state.ended.clone()
    }

    /// Whether the client ended the command.
    pub(super) fn was_enforced(&self) -> bool {
        self.state.signals.get() > 0
    }

    /// Whether the kill had no effect.
    pub(super) fn was_given_up(&self) -> bool {
        self.state.given_up.get()
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends a signal without waiting for the answer.
fn signal(sandbox: &Rc<Sandbox>, state: &Rc<State>, pid: u32, act: Act, cancel: CancelToken) {
    let pid = JsValue::from(pid);
    let call = if act == Act::Kill {
        process::order(route::KILL_PROCESS, &pid)
    } else {
        process::signal(&pid, &SIGTERM.into())
    };
    let Ok(call) = call else { return };
    let (sent, state) = (sandbox.clone().call(call, cancel), state.clone());
    state.signals.set(state.signals.get() + 1);
    host::spawn(async move {
        // The server refuses it if the process has just ended. A lost request may have arrived.
        if sent.await.is_err_and(|error| error.status.is_some()) {
            state.signals.set(state.signals.get().saturating_sub(1));
        }
    });
}
