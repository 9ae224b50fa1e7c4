//! What can end a call early, and waiting for anything but that.

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

/// One thing to pull that ends everything a call does. The caller's own signal pulls it too.
#[derive(Clone)]
pub(crate) struct Leash(Rc<Inner>);

#[derive(Default)]
struct Inner {
    /// Why it was pulled, once it was.
    pulled: RefCell<Option<JsValue>>,
    /// Who waits. A call does one thing at a time.
    waker: Cell<Option<Waker>>,
    hook: Cell<Option<Box<dyn FnOnce()>>>,
    /// Whether the wait that goes on is too long, and what a timer calls then. One for all waits:
    /// each that JavaScript is given costs its collector more than a short wait does.
    late: Cell<bool>,
    alarm: OnceCell<Listener>,
    /// What the caller's signal has as its `call`: by it a tracer knows whose requests these are.
    call: JsValue,
    /// The caller's signal, and what listens to it.
    signal: RefCell<Option<(AbortSignal, Listener)>>,
}

type Listener = Closure<dyn FnMut()>;

impl Leash {
    /// That nobody but its holders can pull.
    pub(crate) fn own() -> Self {
        Self(Rc::default())
    }

    fn of(call: JsValue) -> Self {
        let mut inner = Inner::default();
        inner.call = call;
        Self(Rc::new(inner))
    }

    /// Of the same call, for what goes on when that is aborted.
    pub(crate) fn apart(&self) -> Self {
        Self::of(self.0.call.clone())
    }

    /// Undefined unless the call is traced.
    pub(super) fn call(&self) -> &JsValue {
        &self.0.call
    }

    /// For the signal that a caller gave, if it is one.
    pub(crate) fn new(signal: JsValue) -> Result<Self> {
        if js::is_none(&signal) {
            return Ok(Self::own());
        }
        // By what it can do, not by its class: runtimes have several.
        if !(signal.is_object() && Reflect::has(&signal, &"aborted".into()).unwrap_or(false)) {
            return Err(Error::argument("`signal` must be an AbortSignal"));
        }
        let leash = Self::of(js::get(&signal, "call"));
        let signal: AbortSignal = signal.unchecked_into();
        let (weak, from) = (Rc::downgrade(&leash.0), signal.clone());
        let listener = Listener::new(move || {
            if let Some(inner) = weak.upgrade() {
                inner.pull(js::get(&from, "reason"));
            }
        });
        if js::get(&signal, "aborted").is_truthy() {
            leash.0.pull(js::get(&signal, "reason"));
        }
        let function = listener.as_ref().unchecked_ref();
        let _ = signal.add_event_listener_with_callback("abort", function);
        leash.0.signal.replace(Some((signal, listener)));
        Ok(leash)
    }

    /// Ends the call.
    pub(crate) fn pull(&self) {
        self.0.pull(JsValue::UNDEFINED);
    }

    /// What to do when it is pulled, whoever pulls it: between two calls of `next` nobody waits.
    pub(crate) fn on_pull(&self, hook: impl FnOnce() + 'static) {
        self.0.hook.set(Some(Box::new(hook)));
    }

    /// The call is over: the caller's signal, which may live long, is left alone.
    pub(crate) fn release(&self) {
        self.0.release();
    }

    /// # Errors
    /// `aborted`, once it was pulled.
    pub(crate) fn check(&self) -> Result<()> {
        match &*self.0.pulled.borrow() {
            None => Ok(()),
            Some(reason) => Err(Error::new(Code::Aborted, "the call was aborted by its signal")
                .with_cause(reason.clone())),
        }
    }

    /// Waits for `promise`, for at most `ms` milliseconds (0 = for ever), unless it is pulled: a
    /// promise from outside may not know of that.
    ///
    /// # Errors
    /// `aborted`.
    pub(crate) fn wait(&self, promise: Promise, ms: f64) -> Waiting<'_> {
        Waiting { leash: self, promise: Some(promise.into()), ms, timer: None }
    }

    /// Waits for so many milliseconds.
    ///
    /// # Errors
    /// `aborted`.
    pub(crate) fn sleep(&self, ms: f64) -> Waiting<'_> {
        Waiting { leash: self, promise: None, ms: ms.max(1.0), timer: None }
    }

    /// Wakes who waits after so many milliseconds.
    fn timer(&self, ms: f64) -> Timer {
        self.0.late.set(false);
        let alarm = self.0.alarm.get_or_init(|| {
            let weak = Rc::downgrade(&self.0);
            Listener::new(move || {
                if let Some(inner) = weak.upgrade() {
                    inner.late.set(true);
                    inner.wake();
                }
            })
        });
        Timer::start(ms, alarm)
    }

    /// Waits for `future`, which is not ended by a pull.
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

    fn pull(&self, reason: JsValue) {
        self.pulled.borrow_mut().get_or_insert(reason);
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

/// What came of waiting.
pub(crate) enum Waited {
    /// The promise was kept.
    Kept(JsValue),
    /// The promise was broken.
    Broken(JsValue),
    /// It took too long.
    Late,
}

pub(crate) struct Waiting<'a> {
    leash: &'a Leash,
    promise: Option<JsFuture>,
    /// What no timer waits for yet; 0 for ever where there is no timer.
    ms: f64,
    timer: Option<Timer>,
}

impl Future for Waiting<'_> {
    type Output = Result<Waited>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Err(error) = self.leash.check() {
            return Poll::Ready(Err(error));
        }
        if let Some(promise) = &mut self.promise
            && let Poll::Ready(result) = Pin::new(promise).poll(context)
        {
            return Poll::Ready(Ok(result.map_or_else(Waited::Broken, Waited::Kept)));
        }
        if self.timer.is_some() && self.leash.0.late.get() {
            if self.ms <= 0.0 {
                return Poll::Ready(Ok(Waited::Late));
            }
            self.timer = None;
        }
        if self.timer.is_none() && self.ms > 0.0 {
            let part = self.ms.min(Timer::LONGEST_MS);
            self.ms -= part;
            self.timer = Some(self.leash.timer(part));
        }
        self.leash.0.waker.set(Some(context.waker().clone()));
        Poll::Pending
    }
}
