//! Files inside a sandbox, as bytes both ways.

use super::{Call, Sandbox, Shape, to_json};
use crate::error::{Error, Result};
use crate::transport::{Body, CancelToken, Payload, Reading};
use alloc::rc::Rc;
use alloc::string::String;
use js_sys::Uint8Array;
use shoreline_protocol::error::Code;
use shoreline_protocol::route::{self, Route};
use wasm_bindgen::prelude::*;

/// Names a file in the address of a request.
pub(super) fn name_in(url: &mut String, path: &str) {
    url.push_str("?path=");
    route::percent_encode(path, url);
}

fn checked(path: &JsValue) -> Result<String> {
    let path = path.as_string().filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| Error::argument("a path must be a string that is not empty"))?;
    if path.bytes().any(|byte| byte == 0) {
        return Err(Error::argument("a path must be without NUL characters"));
    }
    Ok(path)
}

fn about(route: Route, path: &JsValue, shape: Shape) -> Result<Call> {
    let mut query = String::new();
    name_in(&mut query, &checked(path)?);
    Ok(Call { query, ..Call::new(route, shape) })
}

/// `how` is added to the query.
pub(crate) fn write(path: &JsValue, content: JsValue, how: &str) -> Result<Call> {
    let payload = Payload::Bytes(content);
    let mut call = about(route::WRITE_FILE, path, Shape::Nothing)?;
    call.query.push_str(how);
    Ok(Call { payload, patient: true, ..call })
}

/// An operation on files: a query for one that only looks, an object for one that changes something. With `watch`: an
/// object starts a watch, an id ends one. The server's own names go through.
pub(crate) fn operate(operation: &JsValue, watch: bool) -> Result<Call> {
    let text = operation.as_string();
    let (route, shape) = match (watch, &text) {
        (false, Some(_)) => (route::LOOK_AT_FILES, Shape::Object),
        (false, None) => (route::CHANGE_FILES, Shape::Object),
        (true, Some(_)) => (route::END_WATCH, Shape::Nothing),
        (true, None) => (route::WATCH_FILES, Shape::Object),
    };
    let mut call = Call { patient: true, ..Call::new(route, shape) };
    match text {
        Some(id) if watch => call.process = id,
        Some(query) => call.query = query,
        None => call.payload = Payload::Json(to_json(operation)?),
    }
    Ok(call)
}

pub(crate) fn delete(path: &JsValue) -> Result<Call> {
    about(route::DELETE_FILE, path, Shape::Nothing)
}

pub(crate) fn list(path: &JsValue) -> Result<Call> {
    about(route::LIST_DIRECTORY, path, Shape::Object)
}

/// A file that is read, or what a search finds.
pub(crate) struct Download {
    /// Nothing once it was ended early.
    body: Option<Body>,
    cancel: CancelToken,
    /// How many bytes it has, where the server says so.
    pub(crate) size: Option<f64>,
    read: f64,
}

impl Download {
    /// `what`: the path of a file, or the query of a search.
    pub(crate) async fn begin(
        sandbox: Rc<Sandbox>,
        route: Route,
        what: JsValue,
        cancel: CancelToken,
    ) -> Result<Self> {
        let what = checked(&what)?;
        let mut request = sandbox.request(route, "", Reading::Chunks);
        if route == route::READ_FILE {
            name_in(&mut request.url, &what);
        } else {
            request.url.push_str(&what);
        }
        let answer = sandbox.client.transport.send(&request, &cancel).await?;
        Ok(Self { body: Some(answer.body), cancel, size: answer.length, read: 0.0 })
    }

    /// The next bytes; nothing at the end.
    ///
    /// # Errors
    /// As those of a body. What was read before is part of the file.
    pub(crate) async fn next(&mut self) -> Result<Option<Uint8Array>> {
        let Some(body) = &mut self.body else {
            self.cancel.check()?;
            return Ok(None);
        };
        if let Some(chunk) = body.chunk(&self.cancel).await? {
            self.read += chunk.len() as f64;
            return Ok(Some(Uint8Array::from(chunk)));
        }
        self.stop();
        if self.size.is_some_and(|size| size != self.read) {
            let what = "the file ended before all of its bytes had come";
            return Err(Error::new(Code::ConnectionLost, what));
        }
        Ok(None)
    }

    /// Closes the connection, and leaves the caller's signal alone.
    pub(crate) fn stop(&mut self) {
        self.body = None;
        self.cancel.release();
    }
}
