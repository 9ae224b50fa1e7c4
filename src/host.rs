//! The runtime's own abilities. No other module names the global object.

use crate::error::{Error, Result};
use js_sys::{Function, Promise, Reflect};
use shoreline_protocol::error::Code;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

fn global(name: &str) -> Option<Function> {
    Reflect::get(&js_sys::global(), &name.into()).ok()?.dyn_into().ok()
}

/// The runtime's `fetch`, looked up as late as possible so that one installed later is found.
pub(crate) fn fetch() -> Result<Function> {
    global("fetch").ok_or_else(|| {
        Error::new(
            Code::MissingCapability,
            "this runtime has no global `fetch`: pass one as the `fetch` option, or use Node 20 or later",
        )
    })
}

/// A random number in 0..1, for jitter only.
pub(crate) fn random() -> f64 {
    js_sys::Math::random()
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> f64 {
    js_sys::Date::now()
}

/// A running `setTimeout`; dropping it clears it, so that it keeps no process alive.
pub(crate) struct Timer {
    id: JsValue,
    _callback: Closure<dyn FnMut()>,
}

impl Timer {
    /// Calls `callback` once after `ms` milliseconds.
    pub(crate) fn start(ms: f64, callback: impl FnMut() + 'static) -> Result<Self> {
        /// What browsers and Node take: more would fire at once.
        const LONGEST: f64 = 2_147_483_647.0;
        let callback = Closure::<dyn FnMut()>::new(callback);
        let set = global("setTimeout").ok_or_else(|| {
            Error::new(Code::MissingCapability, "this runtime has no global `setTimeout`")
        })?;
        let id = set
            .call2(&JsValue::UNDEFINED, callback.as_ref(), &ms.clamp(0.0, LONGEST).into())
            .map_err(|e| Error::new(Code::MissingCapability, "setTimeout failed").with_cause(e))?;
        Ok(Self { id, _callback: callback })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(clear) = global("clearTimeout") {
            let _ = clear.call1(&JsValue::UNDEFINED, &self.id);
        }
    }
}

/// Resolves after `ms` milliseconds.
pub(crate) async fn sleep(ms: f64) -> Result<()> {
    let mut timer = None;
    let promise = Promise::new(&mut |resolve, _| {
        timer = Some(Timer::start(ms, move || {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }));
    });
    let timer = timer.transpose()?;
    let _ = JsFuture::from(promise).await;
    drop(timer);
    Ok(())
}
