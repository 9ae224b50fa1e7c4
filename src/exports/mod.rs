//! The classes that JavaScript sees. Every method clones its handle first, so that freeing an
//! object while a call is under way harms nothing.

mod channels;
mod download;
mod output;
mod sandbox;
mod terminal;

pub use channels::*;
pub use download::*;
pub use output::*;
pub use sandbox::*;
pub use terminal::*;

use crate::error::Result;
use crate::host;
use crate::transport::{self, CancelToken};
use alloc::borrow::ToOwned;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::future::Future;
use futures::future::{FutureExt as _, LocalBoxFuture};
use futures::lock::Mutex;
use js_sys::{Object, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

/// The version of the package, for the check that shim and core belong together.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The names of the options in one of the core's tables: an object with, by each name, the names of the object that it
/// takes, or `null`.
#[wasm_bindgen(js_name = optionNames)]
#[must_use]
pub fn option_names(table: u8) -> Object {
    crate::types::option_names(table.into())
}

/// The id of the server's trace in an answer's headers, where the server sent one.
#[wasm_bindgen(js_name = traceId)]
#[must_use]
pub fn trace_id(headers: &web_sys::Headers) -> JsValue {
    transport::trace_id(headers)
}

/// Closes the connection on cancellation also between two calls of `next`, when no task polls it.
fn stop_on_cancel<T: 'static>(cancel: &CancelToken, source: &Rc<Mutex<T>>, stop: fn(&mut T)) {
    let weak = Rc::downgrade(source);
    cancel.on_cancel(move || {
        if let Some(source) = weak.upgrade() {
            host::spawn(async move { stop(&mut *source.lock().await) });
        }
    });
}

/// Panics after an await. The promise never settles.
#[cfg(feature = "trap")]
#[wasm_bindgen]
#[allow(clippy::panic)]
pub fn trap() -> Promise {
    promise(async {
        CancelToken::new().sleep(1.0).await?;
        panic!("this is what it is for")
    })
}

/// The events of a followed stream by name, which an EventSource has to be asked for one by one.
#[wasm_bindgen(js_name = eventNames)]
#[must_use]
pub fn event_names() -> Vec<String> {
    ["message", "output", "unfinished", "gap", "exit", "eof"].map(ToOwned::to_owned).to_vec()
}

/// A promise of what `future` gives. Boxed, so that the wasm holds what drives a promise once.
fn promise(future: impl Future<Output = Result<JsValue>> + 'static) -> Promise {
    fn drive(future: LocalBoxFuture<'static, Result<JsValue>>) -> Promise {
        future_to_promise(async { future.await.map_err(JsValue::from) })
    }
    drive(future.boxed_local())
}
