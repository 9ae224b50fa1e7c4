use super::{promise, stop_on_cancel};
use crate::client::{Follow, Run, Sandbox, cursor_to_js};
use crate::error::{Error, Result};
use crate::host;
use crate::transport::CancelToken;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use futures::lock::Mutex;
use js_sys::{Array, Function, Promise, Uint8Array};
use shoreline_excerpt::{Budget, Excerpt, Finished, from_text, to_text};
use shoreline_protocol::batch::Batch;
use shoreline_protocol::cursor::Cursor;
use shoreline_protocol::route::Route;
use wasm_bindgen::prelude::*;

/// A batch as `[text, columns, raw]`: one string for all events, and one array of bytes with the columns of numbers, one
/// after the other: the events' times (f64), where they end in the text (u32), and their flags (u8). Nothing else is paid
/// per line across the boundary, and the collector has one buffer to free.
fn batch_to_js(batch: &Batch) -> JsValue {
    let raw = Array::new();
    for (index, bytes) in &batch.raw {
        raw.push(&Array::of2(&(*index).into(), &Uint8Array::from(bytes.as_slice())));
    }
    let mut columns = Vec::with_capacity(batch.len() * 13);
    batch.times.iter().for_each(|time| columns.extend_from_slice(&time.to_le_bytes()));
    batch.ends.iter().for_each(|end| columns.extend_from_slice(&end.to_le_bytes()));
    columns.extend_from_slice(&batch.flags);
    Array::of3(&host::string(&batch.text), &Uint8Array::from(columns.as_slice()), &raw).into()
}

/// A source of events, and where they are put.
struct Reader<T> {
    source: T,
    batch: Batch,
}

/// What a call of `next` gives, and the end of the call's hold on the caller's signal with the last.
fn handed_over(more: Result<bool>, batch: &Batch, cancel: &CancelToken) -> Result<JsValue> {
    match more {
        Ok(true) => cancel.rest(),
        _ => cancel.release(),
    }
    Ok(if more? { batch_to_js(batch) } else { JsValue::UNDEFINED })
}

/// Output that is followed.
#[wasm_bindgen]
pub struct OutputStream {
    reader: Rc<Mutex<Reader<Follow>>>,
    cancel: CancelToken,
    handed: Rc<RefCell<Handed>>,
    excerpt: Rc<RefCell<Option<Excerpt>>>,
}

/// The last batch that was handed over, and the cursors before and after it.
struct Handed {
    batch: Batch,
    before: Cursor,
    after: Cursor,
}

impl Handed {
    /// All of it was taken.
    fn taken(&mut self) {
        self.batch = Batch::default();
        self.before = self.after;
    }
}

impl OutputStream {
    pub(super) fn new(
        sandbox: Rc<Sandbox>,
        route: Route,
        process: String,
        options: &JsValue,
        functions: [Option<Function>; 2],
        cancel: CancelToken,
    ) -> Result<Self> {
        let source = Follow::new(sandbox, route, process, options, functions, cancel.clone())?;
        let (before, after) = (source.cursor(), source.cursor());
        let handed = Rc::new(RefCell::new(Handed { batch: Batch::default(), before, after }));
        let reader = Rc::new(Mutex::new(Reader { source, batch: Batch::default() }));
        stop_on_cancel(&cancel, &reader, |reader| reader.source.stop());
        Ok(Self { reader, cancel, handed, excerpt: Rc::default() })
    }
}

#[wasm_bindgen]
impl OutputStream {
    /// A promise of the next batch; `undefined` at the server's end of the output. All of the last batch was taken: what
    /// waits for output holds none.
    pub fn next(&self) -> Promise {
        let (reader, cancel, handed) =
            (self.reader.clone(), self.cancel.clone(), self.handed.clone());
        handed.borrow_mut().taken();
        promise(async move {
            let mut reader = reader.lock().await;
            let Reader { source, batch } = &mut *reader;
            let more = source.next(batch).await;
            let given = handed_over(more, batch, &cancel);
            let mut handed = handed.borrow_mut();
            handed.after = source.cursor();
            handed.batch = core::mem::take(batch);
            given
        })
    }

    /// The `Cursor` after `taken` events of the last batch. While the next batch is awaited, `taken` is 0.
    #[must_use]
    pub fn cursor(&self, taken: usize) -> JsValue {
        let handed = self.handed.borrow();
        cursor_to_js(&handed.before.after(&handed.batch, taken))
    }

    /// Reads the output to its end instead of handing it over. `budget` is one that
    /// [`excerpt_start`] has accepted. [`Self::excerpted`] is
    /// what was read, also when the call failed or was ended by `close`.
    pub fn excerpt(&self, budget: f64, in_tokens: bool) -> Promise {
        let before = self.handed.borrow().before;
        *self.excerpt.borrow_mut() = Excerpt::new(budget_of(budget, in_tokens), before);
        let (reader, cancel, excerpt) =
            (self.reader.clone(), self.cancel.clone(), self.excerpt.clone());
        promise(async move {
            let mut reader = reader.lock().await;
            let Reader { source, batch } = &mut *reader;
            while source.next(batch).await? {
                excerpt.borrow_mut().iter_mut().for_each(|excerpt| excerpt.push(batch));
                batch.clear();
            }
            cancel.release();
            Ok(JsValue::UNDEFINED)
        })
    }

    /// What [`Self::excerpt`] has read, once: `[text, cursor]`, and if text was omitted also its lines, its bytes and the
    /// cursor to read it from. Cursors are text.
    #[must_use]
    pub fn excerpted(&self) -> JsValue {
        let Some(excerpt) = self.excerpt.take() else { return JsValue::UNDEFINED };
        let Finished { text, cursor, omitted } = excerpt.finish();
        let all = Array::of2(&host::string(&text), &to_text(&cursor).into());
        if let Some(omitted) = omitted {
            all.push(&(omitted.lines as f64).into());
            all.push(&(omitted.bytes as f64).into());
            all.push(&to_text(&omitted.after).into());
        }
        all.into()
    }

    /// Closes the connection at once.
    pub fn close(&self) {
        self.cancel.cancel();
    }
}

/// Checks the budget of an excerpt. Returns the cursor where it begins, for one that may be text.
#[wasm_bindgen(js_name = excerptStart)]
pub fn excerpt_start(
    after: JsValue,
    budget: f64,
    in_tokens: bool,
) -> core::result::Result<JsValue, JsValue> {
    if Excerpt::new(budget_of(budget, in_tokens), Cursor::default()).is_none() {
        let message =
            "`maxBytes` must be from 1024 to 16777216, or `maxTokens` from 256 to 4194304";
        return Err(Error::argument(message).into());
    }
    let Some(text) = after.as_string() else { return Ok(after) };
    let wrong =
        || Error::argument("`after` must be a cursor, as an excerpt or `cursor()` returned it");
    Ok(cursor_to_js(&from_text(&text).ok_or_else(wrong)?))
}

fn budget_of(budget: f64, in_tokens: bool) -> Budget {
    let budget = budget as usize;
    if in_tokens { Budget::Tokens(budget) } else { Budget::Bytes(budget) }
}

/// A command that is run.
#[wasm_bindgen]
pub struct RunStream {
    reader: Rc<Mutex<Reader<Run>>>,
    cancel: CancelToken,
}

impl RunStream {
    pub(super) fn new(
        sandbox: Rc<Sandbox>,
        command: &JsValue,
        options: &JsValue,
        functions: [Option<Function>; 3],
        cancel: CancelToken,
    ) -> Result<Self> {
        let source = Run::new(sandbox, command, options, functions, cancel.clone())?;
        let reader = Rc::new(Mutex::new(Reader { source, batch: Batch::default() }));
        stop_on_cancel(&cancel, &reader, |reader| reader.source.stop());
        Ok(Self { reader, cancel })
    }
}

#[wasm_bindgen]
impl RunStream {
    /// A promise of the next batch; `undefined` once the command has ended.
    pub fn next(&self) -> Promise {
        let (reader, cancel) = (self.reader.clone(), self.cancel.clone());
        promise(async move {
            let mut reader = reader.lock().await;
            let Reader { source, batch } = &mut *reader;
            let more = source.next(batch).await;
            handed_over(more, batch, &cancel)
        })
    }

    /// A promise of the result, for a caller that takes no events on the way.
    pub fn finish(&self) -> Promise {
        let (reader, cancel) = (self.reader.clone(), self.cancel.clone());
        promise(async move {
            let mut reader = reader.lock().await;
            let Reader { source, batch } = &mut *reader;
            while matches!(source.next(batch).await, Ok(true)) {}
            cancel.release();
            source.result().map(JsValue::from)
        })
    }

    /// Ends it as an abort does.
    pub fn close(&self) {
        self.cancel.cancel();
    }
}
