use super::{promise, stop_on_pull};
use crate::client::{Follow, Run, Sandbox, cursor_to_js};
use crate::error::Result;
use crate::transport::Leash;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::RefCell;
use futures::lock::Mutex;
use js_sys::{Array, Float64Array, Function, Promise, Uint8Array, Uint32Array};
use shoreline_protocol::batch::Batch;
use shoreline_protocol::cursor::Cursor;
use shoreline_protocol::route::Route;
use wasm_bindgen::prelude::*;

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

/// A source of events, and where they are put.
struct Reader<T> {
    source: T,
    batch: Batch,
}

/// What a call of `next` gives, and the end of the call's hold on the caller's signal with the last.
fn handed_over(more: Result<bool>, batch: &Batch, leash: &Leash) -> Result<JsValue> {
    if !matches!(more, Ok(true)) {
        leash.release();
    }
    Ok(if more? { batch_to_js(batch) } else { JsValue::UNDEFINED })
}

/// Output that is followed.
#[wasm_bindgen]
pub struct OutputStream {
    reader: Rc<Mutex<Reader<Follow>>>,
    leash: Leash,
    handed: Rc<RefCell<Handed>>,
}

/// What was handed over last, and where it began.
struct Handed {
    cursor: Cursor,
    batch: Batch,
}

impl OutputStream {
    pub(super) fn new(
        sandbox: Rc<Sandbox>,
        route: Route,
        process: String,
        options: &JsValue,
        functions: [Option<Function>; 2],
        leash: Leash,
    ) -> Result<Self> {
        let source = Follow::new(sandbox, route, process, options, functions, leash.clone())?;
        let handed = Handed { cursor: source.cursor(), batch: Batch::default() };
        let handed = Rc::new(RefCell::new(handed));
        let reader = Rc::new(Mutex::new(Reader { source, batch: Batch::default() }));
        stop_on_pull(&leash, &reader, |reader| reader.source.stop());
        Ok(Self { reader, leash, handed })
    }
}

#[wasm_bindgen]
impl OutputStream {
    /// A promise of the next batch; `undefined` at the server's end of the output.
    pub fn next(&self) -> Promise {
        let (reader, leash, handed) =
            (self.reader.clone(), self.leash.clone(), self.handed.clone());
        promise(async move {
            let mut reader = reader.lock().await;
            let Reader { source, batch } = &mut *reader;
            let cursor = source.cursor();
            batch.clear();
            let more = source.next(batch).await;
            let given = handed_over(more, batch, &leash);
            let Handed { cursor: from, batch: last } = &mut *handed.borrow_mut();
            *from = cursor;
            core::mem::swap(last, batch);
            given
        })
    }

    /// How far it has been read once so many events of the last batch are taken, as `Cursor`.
    #[must_use]
    pub fn cursor(&self, taken: usize) -> JsValue {
        let handed = self.handed.borrow();
        cursor_to_js(&handed.cursor.after(&handed.batch, taken))
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
    leash: Leash,
}

impl RunStream {
    pub(super) fn new(
        sandbox: Rc<Sandbox>,
        command: &JsValue,
        options: &JsValue,
        functions: [Option<Function>; 3],
        leash: Leash,
    ) -> Result<Self> {
        let source = Run::new(sandbox, command, options, functions, leash.clone())?;
        let reader = Rc::new(Mutex::new(Reader { source, batch: Batch::default() }));
        stop_on_pull(&leash, &reader, |reader| reader.source.stop());
        Ok(Self { reader, leash })
    }
}

#[wasm_bindgen]
impl RunStream {
    /// A promise of the next batch; `undefined` once the command has ended.
    pub fn next(&self) -> Promise {
        let (reader, leash) = (self.reader.clone(), self.leash.clone());
        promise(async move {
            let mut reader = reader.lock().await;
            let Reader { source, batch } = &mut *reader;
            let more = source.next(batch).await;
            handed_over(more, batch, &leash)
        })
    }

    /// A promise of the result, for a caller that takes no events on the way.
    pub fn finish(&self) -> Promise {
        let (reader, leash) = (self.reader.clone(), self.leash.clone());
        promise(async move {
            let mut reader = reader.lock().await;
            let Reader { source, batch } = &mut *reader;
            while matches!(source.next(batch).await, Ok(true)) {}
            leash.release();
            source.result().map(JsValue::from)
        })
    }

    /// Ends it as an abort does.
    pub fn close(&self) {
        self.leash.pull();
    }
}
