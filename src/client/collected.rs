//! What a run has written, on its way into the result.

use crate::host;
use crate::js;
use js_sys::{Array, Object, Uint8Array};
use shoreline_protocol::batch::Batch;
use shoreline_protocol::fault::StreamError;
use shoreline_protocol::stream::Stream;
use shoreline_protocol::transcript::{Piece, Transcript, Truncated};
use wasm_bindgen::prelude::*;

/// Smaller strings would be moved about by JavaScript's collector, which grows by as much.
const PART_BYTES: usize = 1024 * 1024;

const STREAMS: [(Stream, &str); 2] = [(Stream::Stdout, "stdout"), (Stream::Stderr, "stderr")];

/// Both streams. What is certainly kept is handed over to JavaScript as it grows, as parts that are
/// joined at the end, so that it is held once.
pub(super) struct Collected {
    transcript: Transcript,
    parts: [Parts; 2],
}

#[derive(Default)]
struct Parts {
    text: Array,
    raw: Array,
}

impl Collected {
    /// Keeps so many bytes of each stream.
    pub(super) fn new(limit: Option<usize>) -> Self {
        Self { transcript: Transcript::new(limit), parts: Default::default() }
    }

    /// # Errors
    /// It is too much.
    pub(super) fn add(&mut self, batch: &Batch) -> Result<(), StreamError> {
        self.transcript.push(batch)?;
        for ((stream, _), parts) in STREAMS.into_iter().zip(&self.parts) {
            if let Some(piece) = self.transcript.take_ready(stream, PART_BYTES) {
                parts.add(piece);
            }
        }
        Ok(())
    }

    /// Sets `stdout` and `stderr` of a result, each as
    /// `[text with terminators, raw spans, [dropped bytes, dropped lines, at] | undefined]`.
    pub(super) fn finish(&mut self, result: &Object) {
        for ((stream, name), parts) in STREAMS.into_iter().zip(&self.parts) {
            let tail = self.transcript.finish(stream);
            parts.add(tail.piece);
            let truncated = tail.truncated.as_ref().map_or(JsValue::UNDEFINED, truncated);
            let whole = Array::of3(&parts.text.join("").into(), &parts.raw, &truncated);
            js::set(result, name, &whole);
        }
    }
}

impl Parts {
    fn add(&self, piece: Piece) {
        if !piece.text.is_empty() {
            self.text.push(&host::string(&piece.text));
        }
        for span in piece.raw {
            self.raw.push(&Array::of3(
                &(span.start_utf16 as f64).into(),
                &(span.end_utf16 as f64).into(),
                &Uint8Array::from(span.bytes.as_slice()),
            ));
        }
    }
}

fn truncated(truncated: &Truncated) -> JsValue {
    Array::of3(
        &(truncated.dropped_bytes as f64).into(),
        &(truncated.dropped_lines as f64).into(),
        &(truncated.at as f64).into(),
    )
    .into()
}
