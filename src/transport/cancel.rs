//! Cancellation token of a call, and waits that it interrupts.

use crate::error::{Error, Result};
use crate::host::Timer;
use crate::{host, js};
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
    /// The timer that runs, and when it fires. A wait that ends early leaves it to the next one: to start a timer takes
    /// longer than to read a short chunk.
    timer: RefCell<Option<(Timer, f64)>>,
    /// All timers share one callback: a closure that JavaScript owns costs the garbage collector more than a short wait.
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

    /// Waits until `promise` is settled, for at most `ms` milliseconds (0: no limit). Cancellation ends the wait
    /// even if that never happens.
    ///
    /// # Errors
    /// `aborted`.
    pub(crate) async fn wait(&self, promise: Promise, ms: f64) -> Result<Waited> {
        self.wait_for(&mut JsFuture::from(promise), ms).await
    }

    /// As [`Self::wait`], for a future of what a promise is settled with.
    pub(super) fn wait_for<'a>(&'a self, settled: &'a mut Settled, ms: f64) -> Waiting<'a> {
        Waiting { cancel: self, settled: Some(settled), ms, until: None }
    }

    /// Waits for `ms` milliseconds.
    ///
    /// # Errors
    /// `aborted`.
    pub(crate) fn sleep(&self, ms: f64) -> Waiting<'_> {
        Waiting { cancel: self, settled: None, ms: ms.max(1.0), until: None }
    }

    /// Clears the timer that the last wait has left. Until the next wait, which may never come, it would keep the
    /// program running.
    pub(crate) fn rest(&self) {
        self.0.timer.take();
    }

    /// Wakes the waiting task at `until`, or earlier.
    fn wake_at(&self, now: f64, until: f64) {
        if self.0.timer.borrow().as_ref().is_some_and(|(_, at)| *at < until + 1.0) {
            return;
        }
        let on_timeout = self.0.on_timeout.get_or_init(|| {
            let weak = Rc::downgrade(&self.0);
            Listener::new(move || {
                if let Some(inner) = weak.upgrade() {
                    inner.timer.take();
                    inner.wake();
                }
            })
        });
        // Rounded up, since timers that fire early by part of a millisecond would be started again.
        let ms = (until - now).ceil().min(Timer::LONGEST_MS);
        self.0.timer.replace(Some((Timer::start(ms, on_timeout), now + ms)));
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
        self.timer.take();
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

/// What a promise is settled with.
type Settled = dyn Future<Output = core::result::Result<JsValue, JsValue>> + Unpin;

pub(crate) struct Waiting<'a> {
    cancel: &'a CancelToken,
    settled: Option<&'a mut Settled>,
    /// 0: no limit.
    ms: f64,
    /// The end of that time, once the wait has begun.
    until: Option<f64>,
}

impl Future for Waiting<'_> {
    type Output = Result<Waited>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Err(error) = self.cancel.check() {
            return Poll::Ready(Err(error));
        }
        if let Some(settled) = &mut self.settled
            && let Poll::Ready(result) = Pin::new(settled).poll(context)
        {
            return Poll::Ready(Ok(result.map_or_else(Waited::Rejected, Waited::Resolved)));
        }
        if self.ms > 0.0 {
            let now = host::now();
            let ms = self.ms;
            let until = *self.until.get_or_insert(now + ms);
            if now >= until {
                return Poll::Ready(Ok(Waited::TimedOut));
            }
            self.cancel.wake_at(now, until);
        }
        self.cancel.0.waker.set(Some(context.waker().clone()));
        Poll::Pending
    }
}
