//! What can end a request early: the caller's signal, a deadline, or nobody wanting it any more.

use crate::error::{Error, Result};
use crate::host::Timer;
use shoreline_protocol::error::Code;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AbortSignal};

/// Why a request was ended from this side. The first cause wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Caller,
    Connect,
    Idle,
    Deadline,
}

struct Inner {
    controller: AbortController,
    caller: Option<AbortSignal>,
    cause: Cell<Option<Cause>>,
    wakers: RefCell<Vec<Waker>>,
}

impl Inner {
    fn end(&self, cause: Cause) {
        if self.cause.get().is_none() {
            self.cause.set(Some(cause));
            self.controller.abort();
            for waker in self.wakers.take() {
                waker.wake();
            }
        }
    }

    fn error(&self, cause: Cause) -> Error {
        match cause {
            Cause::Caller => {
                let reason = self.caller.as_ref().map_or(JsValue::UNDEFINED, AbortSignal::reason);
                Error::new(Code::Aborted, "the call was aborted by its signal").with_cause(reason)
            }
            Cause::Connect => Error::new(
                Code::ConnectTimeout,
                "the server did not answer within the connect timeout: check the address, or raise `connectTimeout`",
            ),
            Cause::Idle => Error::new(
                Code::IdleTimeout,
                "the connection was silent for longer than `idleTimeout`",
            ),
            Cause::Deadline => Error::new(
                Code::RunTimeout,
                "the command's time limit passed and the server did not report its end",
            ),
        }
    }
}

/// The life of one request. Dropping it ends the request underneath.
pub(crate) struct Scope {
    inner: Rc<Inner>,
    listener: Option<Closure<dyn FnMut()>>,
    finished: Cell<bool>,
}

impl Scope {
    /// # Errors
    /// `aborted` when the caller's signal has fired already.
    pub(crate) fn new(caller: Option<&AbortSignal>) -> Result<Self> {
        let controller = AbortController::new().map_err(|e| {
            Error::new(Code::MissingCapability, "this runtime has no AbortController").with_cause(e)
        })?;
        let inner = Rc::new(Inner {
            controller,
            caller: caller.cloned(),
            cause: Cell::new(None),
            wakers: RefCell::default(),
        });
        if caller.is_some_and(AbortSignal::aborted) {
            return Err(inner.error(Cause::Caller));
        }
        let listener = caller.map(|signal| {
            let weak = Rc::downgrade(&inner);
            let listener = Closure::<dyn FnMut()>::new(move || {
                if let Some(inner) = weak.upgrade() {
                    inner.end(Cause::Caller);
                }
            });
            let _ =
                signal.add_event_listener_with_callback("abort", listener.as_ref().unchecked_ref());
            listener
        });
        Ok(Self { inner, listener, finished: Cell::new(false) })
    }

    /// What `fetch` gets as its signal.
    pub(crate) fn signal(&self) -> AbortSignal {
        self.inner.controller.signal()
    }

    /// Ends the request with `cause` after `ms`, unless the timer is dropped before. 0 = never.
    pub(crate) fn timer(&self, ms: f64, cause: Cause) -> Result<Option<Timer>> {
        if ms <= 0.0 || !ms.is_finite() {
            return Ok(None);
        }
        let weak = Rc::downgrade(&self.inner);
        Timer::start(ms, move || {
            if let Some(inner) = weak.upgrade() {
                inner.end(cause);
            }
        })
        .map(Some)
    }

    /// Runs `future` until it is done or the request is ended, whichever comes first: an injected
    /// `fetch` may not know its signal.
    ///
    /// # Errors
    /// The cause, as the caller is told it.
    pub(crate) async fn guard<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            if let Some(cause) = self.inner.cause.get() {
                return Poll::Ready(Err(self.inner.error(cause)));
            }
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                // An abort that made `future` fail is told as what it is.
                return Poll::Ready(match self.inner.cause.get() {
                    Some(cause) => Err(self.inner.error(cause)),
                    None => Ok(value),
                });
            }
            let mut wakers = self.inner.wakers.borrow_mut();
            wakers.retain(|waker| !waker.will_wake(context.waker()));
            wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The answer has been read to its end: there is nothing to cancel, and the connection can be
    /// used again.
    pub(crate) fn finish(&self) {
        self.finished.set(true);
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if let (Some(signal), Some(listener)) = (&self.inner.caller, &self.listener) {
            let _ = signal
                .remove_event_listener_with_callback("abort", listener.as_ref().unchecked_ref());
        }
        if !self.finished.get() {
            self.inner.controller.abort();
        }
    }
}
