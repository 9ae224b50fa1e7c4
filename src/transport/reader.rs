//! Reads of a body's reader, one at a time.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// A `ReadableStreamDefaultReader`, or what a `fetch` that the program passes has for it: it can throw.
    pub(super) type BodyReader;
    #[wasm_bindgen(method, catch)]
    fn read(this: &BodyReader) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn cancel(this: &BodyReader) -> Result<JsValue, JsValue>;
}

/// A future of the next read. It resolves once for each; a read that is pending when a call is canceled is the next
/// call's. All reads share the callbacks of their promises: closures that JavaScript owns cost the collector more than
/// short chunks do.
pub(super) struct Reader {
    reader: BodyReader,
    state: Rc<RefCell<State>>,
}

type Settled = Result<JsValue, JsValue>;
type Callback = Closure<dyn FnMut(JsValue)>;

#[derive(Default)]
struct State {
    /// Whether a read has not settled.
    pending: bool,
    settled: Option<Settled>,
    waker: Option<Waker>,
    /// For a resolved and a rejected promise. They hold this state, until neither is needed anymore.
    callbacks: Option<[Callback; 2]>,
    dropped: bool,
}

impl Reader {
    pub(super) fn new(reader: BodyReader) -> Self {
        let state = Rc::new(RefCell::new(State::default()));
        let callback = |settled: fn(JsValue) -> Settled| {
            let state = state.clone();
            Callback::new(move |value| settle(&state, settled(value)))
        };
        let callbacks = [callback(Ok), callback(Err)];
        state.borrow_mut().callbacks = Some(callbacks);
        Self { reader, state }
    }

    /// Cancels the stream, for a `fetch` that ignores its signal.
    pub(super) fn cancel(&self) {
        if let Ok(canceled) = self.reader.cancel() {
            // Handles a rejection.
            drop(JsFuture::from(Promise::resolve(&canceled)));
        }
    }
}

fn settle(state: &RefCell<State>, settled: Settled) {
    let mut state = state.borrow_mut();
    state.pending = false;
    let over = state.dropped.then(|| state.callbacks.take());
    state.settled = Some(settled);
    let waker = state.waker.take();
    drop(state);
    drop(over);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Future for Reader {
    type Output = Settled;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settled> {
        if let Some(settled) = self.state.borrow_mut().settled.take() {
            return Poll::Ready(settled);
        }
        if !self.state.borrow().pending {
            let read = match self.reader.read() {
                Ok(read) => Promise::resolve(&read),
                Err(cause) => return Poll::Ready(Err(cause)),
            };
            if let Some([resolved, rejected]) = &self.state.borrow().callbacks {
                let _ = read.then2(resolved, rejected);
            }
        }
        let mut state = self.state.borrow_mut();
        state.pending = true;
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.state.borrow_mut();
        state.dropped = true;
        let over = (!state.pending).then(|| state.callbacks.take());
        drop(state);
        drop(over);
    }
}
