//! Cancellation token of a call, and waits that it interrupts.

use crate::error::{Error, Result};
use crate::host::Timer;
use crate::js;
use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::{Cell, OnceCell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use js_sys::{Promise, Reflect};
use shoreline_protocol::error::Code;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

/// Cancels everything that a call does. Clones share one state; the caller's `AbortSignal` cancels it too.
#[derive(Clone)]
pub(crate) struct CancelToken(Rc<Inner>);

#[derive(Default)]
struct Inner {
    /// The reason, once it is canceled.
    canceled: RefCell<Option<JsValue>>,
    /// The task that waits. A call does one thing at a time.
    waker: Cell<Option<Waker>>,
    hook: Cell<Option<Box<dyn FnOnce()>>>,
    /// Whether the current wait has timed out, and the callback of its timer. All waits share one
    /// callback: a closure that JavaScript owns costs the garbage collector more than a short wait.
    timed_out: Cell<bool>,
    on_timeout: OnceCell<Listener>,
    /// The property `call` of the caller's signal, by which a tracer assigns requests to the call.
    call: JsValue,
    /// The caller's signal, and our listener on it.
    signal: RefCell<Option<(AbortSignal, Listener)>>,
}

type Listener = Closure<dyn FnMut()>;

impl CancelToken {
    /// A token without a signal: only its holders can cancel it.
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    fn of(call: JsValue) -> Self {
        let mut inner = Inner::default();
        inner.call = call;
        Self(Rc::new(inner))
    }

    /// A token of the same call that its signal does not cancel, for work that must finish.
    pub(crate) fn detached(&self) -> Self {
        Self::of(self.0.call.clone())
    }

    /// The tracer's mark; undefined unless the call is traced.
    pub(super) fn call(&self) -> &JsValue {
        &self.0.call
    }

    /// A token that the caller's signal cancels. `undefined` and `null` are no signal.
    ///
    /// # Errors
    /// `invalid_argument` if `signal` is not an `AbortSignal`.
    pub(crate) fn from_signal(signal: JsValue) -> Result<Self> {
        if js::is_none(&signal) {
            return Ok(Self::new());
        }
        // Checked by its properties, not by its class: runtimes have several classes.
        if !(signal.is_object() && Reflect::has(&signal, &"aborted".into()).unwrap_or(false)) {
            return Err(Error::argument("`signal` must be an AbortSignal"));
        }
        let cancel = Self::of(js::get(&signal, "call"));
        let signal: AbortSignal = signal.unchecked_into();
        let (weak, from) = (Rc::downgrade(&cancel.0), signal.clone());
        let listener = Listener::new(move || {
            if let Some(inner) = weak.upgrade() {
                inner.cancel(js::get(&from, "reason"));
            }
        });
        if js::get(&signal, "aborted").is_truthy() {
            cancel.0.cancel(js::get(&signal, "reason"));
        }
        let function = listener.as_ref().unchecked_ref();
        let _ = signal.add_event_listener_with_callback("abort", function);
        cancel.0.signal.replace(Some((signal, listener)));
        Ok(cancel)
    }

    /// Cancels the call.
    pub(crate) fn cancel(&self) {
        self.0.cancel(JsValue::UNDEFINED);
    }

    /// Sets what to call on cancellation. Between two calls of `next` no task waits that could notice it.
    pub(crate) fn on_cancel(&self, hook: impl FnOnce() + 'static) {
        self.0.hook.set(Some(Box::new(hook)));
    }

    /// Ends the call: removes the listener from the caller's signal, which may live longer.
    pub(crate) fn release(&self) {
        self.0.release();
    }

    /// # Errors
    /// `aborted`, once it is canceled.
    pub(crate) fn check(&self) -> Result<()> {
        match &*self.0.canceled.borrow() {
            None => Ok(()),
            Some(reason) => Err(Error::new(Code::Aborted, "the call was aborted by its signal")
                .with_cause(reason.clone())),
        }
    }

    /// Waits for `promise`, for at most `ms` milliseconds (0: no limit). Cancellation ends the wait
    /// even if the promise never settles.
    ///
    /// # Errors
    /// `aborted`.
    pub(crate) fn wait(&self, promise: Promise, ms: f64) -> Waiting<'_> {
        Waiting { cancel: self, promise: Some(promise.into()), ms, timer: None }
    }

    /// Waits for `ms` milliseconds.
    ///
    /// # Errors
    /// `aborted`.
    pub(crate) fn sleep(&self, ms: f64) -> Waiting<'_> {
        Waiting { cancel: self, promise: None, ms: ms.max(1.0), timer: None }
    }

    /// Wakes the waiting task after `ms` milliseconds.
    fn timer(&self, ms: f64) -> Timer {
        self.0.timed_out.set(false);
        let on_timeout = self.0.on_timeout.get_or_init(|| {
            let weak = Rc::downgrade(&self.0);
            Listener::new(move || {
                if let Some(inner) = weak.upgrade() {
                    inner.timed_out.set(true);
                    inner.wake();
                }
            })
        });
        Timer::start(ms, on_timeout)
    }

    /// Waits for `future`. Cancellation ends the wait, not the future.
    ///
    /// # Errors
    /// `aborted`.
    pub(crate) async fn race<T>(&self, future: &mut Pin<Box<dyn Future<Output = T>>>) -> Result<T> {
        poll_fn(|context| {
            if let Err(error) = self.check() {
                return Poll::Ready(Err(error));
            }
            self.0.waker.set(Some(context.waker().clone()));
            future.as_mut().poll(context).map(Ok)
        })
        .await
    }
}

impl Inner {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn cancel(&self, reason: JsValue) {
        self.canceled.borrow_mut().get_or_insert(reason);
        self.wake();
        if let Some(hook) = self.hook.take() {
            hook();
        }
    }

    fn release(&self) {
        self.hook.take();
        if let Some((signal, listener)) = self.signal.take() {
            let function = listener.as_ref().unchecked_ref();
            let _ = signal.remove_event_listener_with_callback("abort", function);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.release();
    }
}

/// How a wait ended.
pub(crate) enum Waited {
    Resolved(JsValue),
    Rejected(JsValue),
    TimedOut,
}

pub(crate) struct Waiting<'a> {
    cancel: &'a CancelToken,
    promise: Option<JsFuture>,
    /// Milliseconds that no timer covers yet. 0 without a timer: no limit.
    ms: f64,
    timer: Option<Timer>,
}

impl Future for Waiting<'_> {
    type Output = Result<Waited>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Err(error) = self.cancel.check() {
            return Poll::Ready(Err(error));
        }
        if let Some(promise) = &mut self.promise
            && let Poll::Ready(result) = Pin::new(promise).poll(context)
        {
            return Poll::Ready(Ok(result.map_or_else(Waited::Rejected, Waited::Resolved)));
        }
        if self.timer.is_some() && self.cancel.0.timed_out.get() {
            if self.ms <= 0.0 {
                return Poll::Ready(Ok(Waited::TimedOut));
            }
            self.timer = None;
        }
        if self.timer.is_none() && self.ms > 0.0 {
            let part = self.ms.min(Timer::LONGEST_MS);
            self.ms -= part;
            self.timer = Some(self.cancel.timer(part));
        }
        self.cancel.0.waker.set(Some(context.waker().clone()));
        Poll::Pending
    }
}
