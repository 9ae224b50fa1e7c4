use super::{promise, stop_on_cancel};
use crate::client::files;
use crate::transport::CancelToken;
use alloc::rc::Rc;
use futures::lock::Mutex;
use js_sys::Promise;
use wasm_bindgen::prelude::*;

/// A file that is read, or what a search finds.
#[wasm_bindgen]
pub struct Download {
    source: Rc<Mutex<files::Download>>,
    size: Option<f64>,
    cancel: CancelToken,
}

impl Download {
    pub(super) fn new(source: files::Download, cancel: CancelToken) -> Self {
        let size = source.size;
        let source = Rc::new(Mutex::new(source));
        stop_on_cancel(&cancel, &source, files::Download::stop);
        Self { source, size, cancel }
    }
}

#[wasm_bindgen]
impl Download {
    /// How many bytes it has, where the server says so.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn size(&self) -> Option<f64> {
        self.size
    }

    /// A promise of the next bytes; `undefined` at the end.
    pub fn next(&self) -> Promise {
        let (source, cancel) = (self.source.clone(), self.cancel.clone());
        promise(async move {
            let next = source.lock().await.next().await;
            cancel.rest();
            Ok(next?.into())
        })
    }

    /// Closes the connection at once.
    pub fn close(&self) {
        self.cancel.cancel();
    }
}
