//! A response body as chunks. Dropping it cancels it.

use super::scope::{Cause, Scope};
use crate::error::{Error, Result};
use js_sys::{Reflect, Uint8Array};
use shoreline_protocol::error::Code;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{ReadableStream, ReadableStreamDefaultReader};

pub(crate) struct Body {
    reader: Option<ReadableStreamDefaultReader>,
    scope: Scope,
    idle_ms: f64,
    buffer: Vec<u8>,
}

impl Body {
    pub(super) fn new(stream: Option<ReadableStream>, scope: Scope, idle_ms: f64) -> Result<Self> {
        let reader = match stream {
            None => None,
            Some(stream) => Some(
                stream.get_reader().dyn_into::<ReadableStreamDefaultReader>().map_err(|e| {
                    Error::new(
                        Code::MissingCapability,
                        "the response body is not a readable stream: pass a `fetch` that streams",
                    )
                    .with_cause(e.into())
                })?,
            ),
        };
        Ok(Self { reader, scope, idle_ms, buffer: Vec::new() })
    }

    /// The scope that ends this body.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The next chunk; `None` at a clean end.
    ///
    /// # Errors
    /// `connection_lost` when it breaks, or what ended the request from this side.
    pub(crate) async fn chunk(&mut self) -> Result<Option<&[u8]>> {
        let Some(reader) = &self.reader else {
            self.scope.finish();
            return Ok(None);
        };
        let idle = self.scope.timer(self.idle_ms, Cause::Idle)?;
        let read = self.scope.guard(JsFuture::from(reader.read())).await?.map_err(|e| {
            Error::new(Code::ConnectionLost, "the connection broke while its answer was read")
                .with_cause(e)
        })?;
        drop(idle);
        let get = |key: &str| Reflect::get(&read, &key.into()).unwrap_or(JsValue::UNDEFINED);
        if get("done").is_truthy() {
            self.scope.finish();
            self.reader = None;
            return Ok(None);
        }
        let value = get("value").dyn_into::<Uint8Array>().map_err(|e| {
            Error::new(Code::MissingCapability, "the response body does not give bytes")
                .with_cause(e)
        })?;
        let length = value.length() as usize;
        self.buffer.resize(length, 0);
        value.copy_to(&mut self.buffer);
        Ok(Some(&self.buffer))
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`Self::chunk`]; `invalid_response` over `limit` bytes.
    pub(crate) async fn bytes(&mut self, limit: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if all.len() + chunk.len() > limit {
                return Err(Error::new(
                    Code::InvalidResponse,
                    format!("the answer is larger than {limit} bytes"),
                ));
            }
            all.extend_from_slice(chunk);
        }
        Ok(all)
    }

    /// Reads what little is left in the background, so that the connection can be used again; gives
    /// up and closes it when the end does not come soon.
    pub(crate) fn finish_later(mut self) {
        self.idle_ms = 1000.0;
        spawn_local(async move {
            for _ in 0..16 {
                match self.chunk().await {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return,
                }
            }
        });
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            let cancelled = reader.cancel();
            // The stream may have failed already; its rejection is nobody's news any more.
            spawn_local(async move {
                let _ = JsFuture::from(cancelled).await;
            });
        }
    }
}
