//! A response body as chunks. Dropping it closes the connection, unless it was read to its end.

use super::cancel::{CancelToken, Waited};
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::{host, js};
use alloc::vec::Vec;
use js_sys::Uint8Array;
use shoreline_protocol::error::Code;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::AbortController;

#[wasm_bindgen]
extern "C" {
    /// What a read gives.
    type Chunk;
    #[wasm_bindgen(method, getter, catch)]
    fn done(this: &Chunk) -> core::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter, catch)]
    fn value(this: &Chunk) -> core::result::Result<JsValue, JsValue>;
}

pub(crate) struct Body {
    controller: AbortController,
    reader: Option<Reader>,
    /// Whether the runtime has readable bodies. An answer without a body has `null` there too.
    streams: bool,
    idle_ms: f64,
    buffer: Vec<u8>,
    done: bool,
}

impl Body {
    /// The body of a request without an answer yet.
    pub(super) fn new(controller: AbortController, idle_ms: f64) -> Self {
        Self { controller, reader: None, streams: true, idle_ms, buffer: Vec::new(), done: false }
    }

    /// Sets the answer.
    ///
    /// # Errors
    /// `missing_capability` if its body cannot be read.
    pub(super) fn open(&mut self, response: &JsValue) -> Result<()> {
        let body = js::get(response, "body");
        self.streams = !body.is_undefined();
        if !js::is_none(&body) {
            let reader = js::call(&body, "getReader").map_err(|cause| {
                let what = "the response body cannot be read: pass a `fetch` that does not read it";
                Error::new(Code::MissingCapability, what).with_cause(cause)
            });
            self.reader = Some(Reader::new(reader?.unchecked_into()));
        }
        Ok(())
    }

    /// The needed part has been read: from now on the end must arrive within a short timeout.
    pub(crate) fn hurry(&mut self) {
        const SOON_MS: f64 = 1000.0;
        self.idle_ms = SOON_MS;
    }

    /// The next chunk; `None` at a clean end.
    ///
    /// # Errors
    /// `connection_lost` if the connection breaks, `idle_timeout`, `aborted`; `missing_capability` if `fetch` does
    /// not stream.
    pub(crate) async fn chunk(&mut self, cancel: &CancelToken) -> Result<Option<&[u8]>> {
        // Thousands of bodies can wait at the same time, most of them for long.
        self.buffer = Vec::new();
        let Some(reader) = self.reader.as_mut().filter(|_| !self.done) else {
            if !self.streams {
                let what = "this runtime's `fetch` does not stream its answers: pass one that does as the `fetch` option";
                return Err(Error::new(Code::MissingCapability, what));
            }
            self.done = true;
            return Ok(None);
        };
        let chunk: Chunk = match cancel.wait_for(reader, self.idle_ms).await? {
            Waited::Resolved(chunk) => chunk.unchecked_into(),
            Waited::Rejected(cause) => {
                let what = "the connection broke while its answer was read";
                return Err(Error::new(Code::ConnectionLost, what).with_cause(cause));
            }
            Waited::TimedOut => {
                self.time_out();
                let what = "the connection was silent for longer than `idleTimeout`";
                return Err(Error::new(Code::IdleTimeout, what));
            }
        };
        if chunk.done().is_ok_and(|done| done.is_truthy()) {
            self.done = true;
            return Ok(None);
        }
        let Ok(value) = chunk.value().and_then(JsCast::dyn_into::<Uint8Array>) else {
            let what = "the response body does not give bytes: pass a `fetch` that does";
            return Err(Error::new(Code::MissingCapability, what));
        };
        // Copying from a detached buffer throws.
        if value.length() > 0 {
            self.buffer = value.to_vec();
        }
        Ok(Some(&self.buffer))
    }

    /// Aborts the request. The reason distinguishes a timeout from a canceled call: if requests share a connection, a
    /// timeout can mean that the connection is broken.
    pub(super) fn time_out(&self) {
        self.controller.abort_with_reason(&"timeout".into());
    }

    /// Reads the whole body, but at most `limit` bytes, and what arrives within `ms`.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub(super) async fn bytes(
        &mut self,
        limit: usize,
        ms: f64,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>> {
        let until = host::now() + ms;
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk(cancel).await? {
            let room = limit - all.len();
            all.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
            if all.len() == limit || host::now() > until {
                break;
            }
        }
        Ok(all)
    }

    /// Drains the rest in the background, so that the connection can be reused. Closes it if the end does not arrive
    /// soon.
    pub(crate) fn finish_later(mut self) {
        self.hurry();
        host::spawn(async move {
            let cancel = CancelToken::new();
            for _ in 0..16 {
                if !matches!(self.chunk(&cancel).await, Ok(Some(_))) {
                    return;
                }
            }
        });
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        self.controller.abort();
        if let Some(reader) = &self.reader {
            reader.cancel();
        }
    }
}
