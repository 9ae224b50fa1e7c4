//! The classes that JavaScript sees. Every method clones its handle first, so that freeing an
//! object while a call is under way harms nothing.

mod output;
mod sandbox;

pub use output::*;
pub use sandbox::*;

use crate::error::{Error, Result};
use futures::future::{FutureExt, LocalBoxFuture};
use js_sys::Promise;
use std::future::Future;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::AbortSignal;

/// The version of the package, for the check that shim and core belong together.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// A promise of what `future` gives. Boxed, so that the wasm holds what drives a promise once.
fn promise(future: impl Future<Output = Result<JsValue>> + 'static) -> Promise {
    fn drive(future: LocalBoxFuture<'static, Result<JsValue>>) -> Promise {
        future_to_promise(async { future.await.map_err(JsValue::from) })
    }
    drive(future.boxed_local())
}

/// A promise of nothing.
fn promise_done(future: impl Future<Output = Result<()>> + 'static) -> Promise {
    promise(async { future.await.map(|()| JsValue::UNDEFINED) })
}

fn abort_signal(value: JsValue) -> Result<Option<AbortSignal>> {
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    // By what it can do, not by its class: runtimes have several.
    let works = js_sys::Reflect::has(&value, &"aborted".into()).unwrap_or(false);
    if works {
        Ok(Some(value.unchecked_into()))
    } else {
        Err(Error::argument("`signal` must be an AbortSignal"))
    }
}
