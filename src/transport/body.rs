//! A response body as chunks. Dropping it closes the connection, unless it was read to its end.

use super::cancel::{CancelToken, Waited};
use crate::error::{Error, Result};
use crate::{host, js};
use alloc::vec::Vec;
use js_sys::{Promise, Uint8Array};
use shoreline_protocol::error::Code;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;

pub(crate) struct Body {
    controller: AbortController,
    reader: Option<JsValue>,
    /// Whether there are bodies to read at all: an answer without one says `null`.
    streams: bool,
    idle_ms: f64,
    /// A read that a call has left: the next one takes what it brings.
    read: Option<Promise>,
    buffer: Vec<u8>,
    done: bool,
}

impl Body {
    /// Of a request whose answer has yet to come.
    pub(super) fn new(controller: AbortController, idle_ms: f64) -> Self {
        Self {
            controller,
            reader: None,
            streams: true,
            idle_ms,
            read: None,
            buffer: Vec::new(),
            done: false,
        }
    }

    /// The answer has come.
    ///
    /// # Errors
    /// `missing_capability` where its body cannot be read.
    pub(super) fn open(&mut self, response: &JsValue) -> Result<()> {
        let body = js::get(response, "body");
        self.streams = !body.is_undefined();
        if !js::is_none(&body) {
            let reader = js::call(&body, "getReader").map_err(|cause| {
                let what = "the response body cannot be read: pass a `fetch` that does not read it";
                Error::new(Code::MissingCapability, what).with_cause(cause)
            });
            self.reader = Some(reader?);
        }
        Ok(())
    }

    /// What matters has been read: the end, if it comes at all, has to come soon.
    pub(crate) fn hurry(&mut self) {
        const SOON_MS: f64 = 1000.0;
        self.idle_ms = SOON_MS;
    }

    /// The next chunk; `None` at a clean end.
    ///
    /// # Errors
    /// `connection_lost` when it breaks, `idle_timeout`, `aborted`; `missing_capability` where `fetch` does
    /// not stream.
    pub(crate) async fn chunk(&mut self, cancel: &CancelToken) -> Result<Option<&[u8]>> {
        // Thousands of bodies may wait, and most of them for long.
        self.buffer = Vec::new();
        let Some(reader) = self.reader.as_ref().filter(|_| !self.done) else {
            if !self.streams {
                let what = "this runtime's `fetch` does not stream its answers: pass one that does as the `fetch` option";
                return Err(Error::new(Code::MissingCapability, what));
            }
            self.done = true;
            return Ok(None);
        };
        let read = self.read.get_or_insert_with(|| {
            let read = js::call(reader, "read");
            read.map_or_else(|cause| Promise::reject(&cause), |read| Promise::resolve(&read))
        });
        let waited = cancel.wait(read.clone(), self.idle_ms).await?;
        self.read = None;
        let read = match waited {
            Waited::Resolved(read) => read,
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
        if js::get(&read, "done").is_truthy() {
            self.done = true;
            return Ok(None);
        }
        let Ok(value) = js::get(&read, "value").dyn_into::<Uint8Array>() else {
            let what = "the response body does not give bytes: pass a `fetch` that does";
            return Err(Error::new(Code::MissingCapability, what));
        };
        // Copying from a detached buffer throws.
        if value.length() > 0 {
            self.buffer = value.to_vec();
        }
        Ok(Some(&self.buffer))
    }

    /// Aborts the request with a reason that tells a timeout from a caller who leaves: where requests share a
    /// connection, a timeout may be the connection's fault.
    pub(super) fn time_out(&self) {
        self.controller.abort_with_reason(&"timeout".into());
    }

    /// The whole body, or `limit` bytes of it, or what comes within `ms`.
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

    /// Reads what little is left in the background, so that the connection can be used again; gives
    /// up and closes it when the end does not come soon.
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
        if let Some(reader) = self.reader.take() {
            // For a `fetch` that ignores its signal. The JsFuture handles a rejection.
            if let Ok(cancelled) = js::call(&reader, "cancel") {
                drop(JsFuture::from(Promise::resolve(&cancelled)));
            }
        }
    }
}
