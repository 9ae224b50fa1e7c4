//! The requests of a run: the one that starts the command, then its output; and killing the command when the call fails.

use super::follow::{Follow, Plan};
use super::{Sandbox, json_of, process};
use crate::error::{Error, Result};
use crate::transport::{Answer, Body, CancelToken, Payload, Reading, Request};
use crate::types::ProcessState;
use alloc::boxed::Box;
use alloc::rc::Rc;
use core::future::Future;
use core::pin::Pin;
use shoreline_protocol::batch::Batch;
use shoreline_protocol::error::Code;
use shoreline_protocol::route::{self, Route};
use shoreline_protocol::run::Run as Machine;

/// A request that continues when the call is canceled: killing the command needs its pid.
pub(super) type Pending = Pin<Box<dyn Future<Output = Result<Answer>>>>;

/// The current request.
pub(super) enum Io {
    Nothing,
    /// The run's POST.
    Post(Pending),
    /// For servers without `run`, the start of a process.
    Start(Pending),
    /// The run's own stream.
    Stream(Body),
    /// The stream broke, or the server has none: the output is followed by pid.
    Follow(Box<Follow>),
}

/// Sends the request that starts a command.
pub(super) fn sent(
    sandbox: &Rc<Sandbox>,
    route: Route,
    payload: Payload,
    plan: &Plan,
    cancel: CancelToken,
) -> Pending {
    let sandbox = sandbox.clone();
    let reading = if route == route::RUN { Reading::Events } else { Reading::Whole };
    let idle_ms = plan.idle_ms;
    let mut request = Request { payload, idle_ms, ..sandbox.request(route, "", reading) };
    if route == route::RUN {
        plan.ask_for_pieces(&mut request.url);
        request.via = plan.via.clone();
    }
    Box::pin(async move { sandbox.client.transport.send(&request, &cancel).await })
}

/// The error for a command that may have been started.
pub(super) fn unknown_outcome(error: Error) -> Error {
    // An error status is a definite outcome, as is a request that was certainly not sent.
    let unknown =
        error.failure().is_some() && error.status.is_none() && error.code != Code::ConnectFailed;
    if !unknown {
        return error;
    }
    let text = ["it is unknown whether the command ran: ", &error.message];
    Error::of(Code::RunOutcomeUnknown, &text).with_cause(error.into())
}

/// Kills the command. If its pid is not known yet, waits for it a little.
pub(super) async fn kill(sandbox: Rc<Sandbox>, mut machine: Machine, io: Io, cancel: CancelToken) {
    let pid = match machine.pid() {
        Some(pid) => {
            drop(io);
            Some(pid)
        }
        None => pid_of(&mut machine, io).await,
    };
    if let Some(call) = pid.and_then(|pid| process::order(route::KILL_PROCESS, &pid.into()).ok()) {
        let _ = sandbox.call(call, cancel).await;
    }
}

/// Reads a running stream up to the event with the pid.
async fn pid_of(machine: &mut Machine, io: Io) -> Option<u32> {
    let mut body = match io {
        Io::Post(post) => post.await.ok()?.body,
        Io::Start(start) => {
            return Some(ProcessState::read(&json_of(start.await.ok()?).ok()?).ok()?.pid);
        }
        Io::Stream(body) => body,
        Io::Nothing | Io::Follow(_) => return None,
    };
    let cancel = CancelToken::new();
    let mut batch = Batch::default();
    while machine.pid().is_none() {
        let chunk = body.chunk(&cancel).await.ok()??;
        machine.push(chunk, &mut batch).ok()?;
        batch.clear();
    }
    machine.pid()
}
