use super::promise;
use crate::client::{Follow, Run, Sandbox, cursor_to_js};
use crate::error::Result;
use crate::transport::Leash;
use crate::types::FollowOptions;
use futures::lock::Mutex;
use js_sys::{Array, Float64Array, Function, Promise, Uint8Array, Uint32Array};
use shoreline_protocol::follow::Cursor;
use shoreline_protocol::output::Batch;
use shoreline_protocol::route::Route;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

/// A batch as `[text, ends, times, flags, raw]`: one string for all events, with each event's end in
/// it, and typed arrays beside it. Nothing else is paid per line across the boundary.
fn batch_to_js(batch: &Batch) -> JsValue {
    let raw = Array::new();
    for (index, bytes) in &batch.raw {
        raw.push(&Array::of2(&(*index).into(), &Uint8Array::from(bytes.as_slice())));
    }
    Array::of5(
        &batch.text.as_str().into(),
        &Uint32Array::from(batch.ends.as_slice()),
        &Float64Array::from(batch.times.as_slice()),
        &Uint8Array::from(batch.flags.as_slice()),
        &raw,
    )
    .into()
}

struct Reader<T> {
    source: T,
    batch: Batch,
}

/// Output that is followed.
#[wasm_bindgen]
pub struct OutputStream {
    reader: Rc<Mutex<Reader<Follow>>>,
    leash: Rc<Leash>,
    cursor: Rc<RefCell<Cursor>>,
}

impl OutputStream {
    pub(super) fn new(
        sandbox: Rc<Sandbox>,
        route: Route,
        process: String,
        options: &FollowOptions,
        on_reconnect: Option<Function>,
        signal: Option<AbortSignal>,
    ) -> Result<Self> {
        let leash = Rc::new(Leash::new(signal)?);
        let source = Follow::new(sandbox, route, process, options, on_reconnect, leash.clone())?;
        let cursor = Rc::new(RefCell::new(source.cursor().clone()));
        Ok(Self {
            reader: Rc::new(Mutex::new(Reader { source, batch: Batch::default() })),
            leash,
            cursor,
        })
    }
}

#[wasm_bindgen]
impl OutputStream {
    /// A promise of the next batch; `undefined` at the server's end of the output.
    pub fn next(&self) -> Promise {
        let (reader, cursor) = (self.reader.clone(), self.cursor.clone());
        promise(async move {
            let mut reader = reader.lock().await;
            let Reader { source, batch } = &mut *reader;
            batch.clear();
            let more = source.next(batch).await;
            *cursor.borrow_mut() = source.cursor().clone();
            Ok(if more? { batch_to_js(batch) } else { JsValue::UNDEFINED })
        })
    }

    /// How far it has been read, as `Cursor`.
    pub fn cursor(&self) -> core::result::Result<JsValue, JsValue> {
        cursor_to_js(&self.cursor.borrow()).map_err(Into::into)
    }

    /// Closes the connection at once.
    pub fn close(&self) {
        self.leash.pull();
    }
}

/// A command that is run.
#[wasm_bindgen]
pub struct RunStream {
    reader: Rc<Mutex<Reader<Run>>>,
    leash: Rc<Leash>,
}

impl RunStream {
    pub(super) fn new(
        sandbox: Rc<Sandbox>,
        command: &JsValue,
        options: &JsValue,
        on_reconnect: Option<Function>,
        signal: Option<AbortSignal>,
    ) -> Result<Self> {
        let leash = Rc::new(Leash::new(signal)?);
        let source = Run::new(sandbox, command, options, on_reconnect, leash.clone())?;
        Ok(Self { reader: Rc::new(Mutex::new(Reader { source, batch: Batch::default() })), leash })
    }
}

#[wasm_bindgen]
impl RunStream {
    /// A promise of the next batch; `undefined` once the command has ended.
    pub fn next(&self) -> Promise {
        let reader = self.reader.clone();
        promise(async move {
            let mut reader = reader.lock().await;
            let Reader { source, batch } = &mut *reader;
            let more = source.next(batch).await?;
            Ok(if more { batch_to_js(batch) } else { JsValue::UNDEFINED })
        })
    }

    /// A promise of the result, for a caller that takes no events on the way.
    pub fn finish(&self) -> Promise {
        let reader = self.reader.clone();
        promise(async move {
            let mut reader = reader.lock().await;
            let Reader { source, batch } = &mut *reader;
            while source.next(batch).await? {}
            source.result().map(JsValue::from)
        })
    }

    /// Ends it as an abort does.
    pub fn close(&self) {
        self.leash.pull();
    }
}
