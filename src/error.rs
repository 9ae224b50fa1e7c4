//! The one error of the core, and the form in which it crosses to JavaScript.

use js_sys::{Object, Reflect};
use shoreline_protocol::error::Code;
use shoreline_protocol::failure::ApiFailure;
use shoreline_protocol::retry::Failure;
use wasm_bindgen::prelude::*;

pub(crate) type Result<T> = core::result::Result<T, Error>;

/// A failure on its way to the caller. It never holds a key or a body that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) status: Option<u16>,
    pub(crate) server_code: Option<String>,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) cause: JsValue,
    /// What was received before the failure; see `client::run`.
    pub(crate) partial: JsValue,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            status: None,
            server_code: None,
            retry_after_ms: None,
            cause: JsValue::UNDEFINED,
            partial: JsValue::UNDEFINED,
        }
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(crate) fn api(status: u16, failure: ApiFailure) -> Self {
        Self {
            status: Some(status),
            server_code: failure.server_code,
            ..Self::new(failure.code, failure.message)
        }
    }

    /// What it is to who may try again.
    pub(crate) fn failure(&self) -> Failure<'_> {
        match self.status {
            Some(status) => Failure::Status {
                status,
                server_code: self.server_code.as_deref(),
                retry_after_ms: self.retry_after_ms,
            },
            None if self.code == Code::ConnectFailed => Failure::NotSent,
            None => Failure::Lost,
        }
    }

    pub(crate) fn with_cause(mut self, cause: JsValue) -> Self {
        self.cause = cause;
        self
    }

    pub(crate) fn with_partial(mut self, partial: impl Into<JsValue>) -> Self {
        self.partial = partial.into();
        self
    }
}

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let out = Object::new();
        let set = |key: &str, value: &JsValue| {
            if !value.is_undefined() {
                // A plain object takes every property.
                let _ = Reflect::set(&out, &key.into(), value);
            }
        };
        set("kind", &error.code.kind().as_str().into());
        set("code", &error.code.as_str().into());
        set("message", &error.message.into());
        set("retryable", &error.code.is_retryable().into());
        set("status", &error.status.into());
        set("serverCode", &error.server_code.into());
        set("cause", &error.cause);
        set("partial", &error.partial);
        out.into()
    }
}
