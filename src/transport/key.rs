//! Where the API key comes from.

use super::cancel::{CancelToken, Waited};
use crate::error::{Error, Result};
use crate::js;
use alloc::string::String;
use core::cell::RefCell;
use js_sys::{Function, Promise};
use shoreline_protocol::error::Code;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

pub(crate) enum Key {
    None,
    Fixed(String),
    /// Asked when first needed, and once more after a 401.
    Ask {
        ask: Function,
        last: RefCell<Option<String>>,
    },
}

impl Key {
    pub(crate) fn from_js(value: &JsValue) -> Result<Self> {
        if js::is_none(value) {
            return Ok(Self::None);
        }
        if let Some(ask) = value.dyn_ref::<Function>() {
            return Ok(Self::Ask { ask: ask.clone(), last: RefCell::default() });
        }
        match value.as_string() {
            Some(text) if text.is_empty() => Ok(Self::None),
            Some(text) => checked(text).map(Self::Fixed),
            None => Err(Error::argument("`apiKey` must be a string or a function that gives one")),
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether asking again can give another.
    pub(super) fn may_change(&self) -> bool {
        matches!(self, Self::Ask { .. })
    }

    pub(crate) async fn get(&self, again: bool, cancel: &CancelToken) -> Result<Option<String>> {
        let (ask, last) = match self {
            Self::None => return Ok(None),
            Self::Fixed(key) => return Ok(Some(key.clone())),
            Self::Ask { ask, last } => (ask, last),
        };
        let known = last.borrow().clone();
        if known.is_some() && !again {
            return Ok(known);
        }
        let failed =
            |e| Error::new(Code::MissingApiKey, "the `apiKey` function failed").with_cause(e);
        let answer = ask.call0(&JsValue::UNDEFINED).map_err(failed)?;
        let answer = match cancel.wait(Promise::resolve(&answer), 0.0).await? {
            Waited::Resolved(answer) => answer,
            Waited::Rejected(cause) => return Err(failed(cause)),
            Waited::TimedOut => JsValue::UNDEFINED,
        };
        let key = answer.as_string().filter(|key| !key.is_empty()).ok_or_else(|| {
            Error::new(Code::MissingApiKey, "the `apiKey` function gave no string")
        })?;
        let key = checked(key)?;
        *last.borrow_mut() = Some(key.clone());
        Ok(Some(key))
    }
}

/// The message must not hold the key, which the runtime's own complaint about a header would.
fn checked(key: String) -> Result<String> {
    if key.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(key)
    } else {
        Err(Error::argument(
            "`apiKey` has characters that no key has: look for spaces and line ends",
        ))
    }
}
