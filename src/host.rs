//! The runtime's functions. No other module uses globals.

use crate::error::{Error, Result};
use crate::js;
use alloc::boxed::Box;
use core::future::Future;
use core::pin::Pin;
use js_sys::Function;
use js_sys::WebAssembly::Memory;
use shoreline_protocol::error::Code;
use shoreline_protocol::utf8::{latin1, utf16_len, utf16le};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Closure<dyn FnMut()>, ms: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
    #[wasm_bindgen(js_namespace = performance, js_name = now, catch)]
    fn performance_now() -> core::result::Result<f64, JsValue>;
    /// Node's class, or an instance of it.
    type Buffer;
    #[wasm_bindgen(method, js_name = from, catch)]
    fn over(
        this: &Buffer,
        memory: &JsValue,
        at: usize,
        length: usize,
    ) -> core::result::Result<Buffer, JsValue>;
    #[wasm_bindgen(method, js_name = toString, catch)]
    fn to_text(this: &Buffer, encoding: &str) -> core::result::Result<JsValue, JsValue>;
}

/// The runtime's `fetch`, looked up at each call so that a later replacement is used.
pub(crate) fn fetch() -> Result<Function> {
    js::get(&js_sys::global(), "fetch").dyn_into().map_err(|_| {
        Error::new(
            Code::MissingCapability,
            "this runtime has no global `fetch`: pass one as the `fetch` option, or use Node 20 or later",
        )
    })
}

/// Whether the code belongs to a web page, whose origin servers must allow (the Fetch standard, 3.3: CORS).
pub(crate) fn is_in_page() -> bool {
    let global: JsValue = js_sys::global().into();
    js::text(&js::get(&global, "location"), "origin").is_some()
}

/// A random number in 0..1, for jitter only.
pub(crate) fn random() -> f64 {
    js_sys::Math::random()
}

/// Milliseconds of a monotonic clock. In Workers it stands still between I/O, as `Date.now()` does.
pub(crate) fn now() -> f64 {
    performance_now().unwrap_or_else(|_| js_sys::Date::now())
}

/// Converts `text` to a JavaScript string. Where Node's `Buffer` exists, text that is not ASCII is passed in Latin-1 or
/// UTF-16, which `Buffer` converts ten times as fast as decoders convert UTF-8.
pub(crate) fn string(text: &str) -> JsValue {
    let is_ascii = || utf16_len(text) == text.len();
    let class = js::get(&js_sys::global(), "Buffer");
    if class.is_undefined() || is_ascii() {
        return text.into();
    }
    let (bytes, encoding) =
        latin1(text).map_or_else(|| (utf16le(text), "utf16le"), |bytes| (bytes, "latin1"));
    let memory = wasm_bindgen::memory().unchecked_into::<Memory>().buffer();
    let class = class.unchecked_into::<Buffer>();
    let made = class.over(&memory, bytes.as_ptr() as usize, bytes.len());
    let made = made.and_then(|bytes| bytes.to_text(encoding));
    // A page can have another global with that name.
    made.ok().filter(JsValue::is_string).unwrap_or_else(|| text.into())
}

/// A running `setTimeout`. Dropping it clears the timer, so that it keeps no process alive.
pub(crate) struct Timer(JsValue);

impl Timer {
    /// Longest delay of browsers and Node, in ms (2^31 - 1). A longer timer fires immediately.
    pub(crate) const LONGEST_MS: f64 = 2_147_483_647.0;

    /// Calls `callback` once after `ms` milliseconds.
    pub(crate) fn start(ms: f64, callback: &Closure<dyn FnMut()>) -> Self {
        Self(set_timeout(callback, ms))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.0);
    }
}

/// Runs `future` in the background. Boxed, so that the wasm holds once what drives it.
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) {
    fn spawn(future: Pin<Box<dyn Future<Output = ()>>>) {
        spawn_local(future);
    }
    spawn(Box::pin(future));
}
