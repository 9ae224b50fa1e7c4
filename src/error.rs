//! The one error of the core, and the form in which it crosses to JavaScript.

use crate::js;
use alloc::boxed::Box;
use alloc::string::String;
use core::ops::{Deref, DerefMut};
use js_sys::Object;
use shoreline_protocol::error::{Code, Kind};
use shoreline_protocol::failure::ApiFailure;
use shoreline_protocol::fault::StreamError;
use shoreline_protocol::name::NameError;
use shoreline_protocol::retry::Failure;
use shoreline_protocol::text::joined;
use wasm_bindgen::prelude::*;

pub(crate) type Result<T> = core::result::Result<T, Error>;

/// A failure for the caller. It never contains a key or a sent body. Boxed, since every `Result` and future reserves
/// space for it.
#[derive(Clone, Debug)]
pub(crate) struct Error(Box<Fields>);

#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) status: Option<u16>,
    pub(crate) server_code: Option<String>,
    /// See `Answer`.
    pub(crate) trace_id: JsValue,
    pub(crate) retry_after_ms: Option<u64>,
    /// Whether the request may have been carried out, so that it must not be repeated.
    pub(crate) unrepeatable: bool,
    pub(crate) cause: JsValue,
    /// Output received before the failure; see `client::run`.
    pub(crate) partial: JsValue,
}

impl Error {
    pub(crate) fn new(code: Code, message: &str) -> Self {
        Self(Box::new(Fields {
            code,
            message: message.into(),
            status: None,
            server_code: None,
            trace_id: JsValue::UNDEFINED,
            retry_after_ms: None,
            unrepeatable: false,
            cause: JsValue::UNDEFINED,
            partial: JsValue::UNDEFINED,
        }))
    }

    /// A message made of parts.
    pub(crate) fn of(code: Code, message: &[&str]) -> Self {
        Self::new(code, &joined(message))
    }

    pub(crate) fn argument(message: &str) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(crate) fn api(status: u16, failure: ApiFailure) -> Self {
        let mut error = Self::new(failure.code, &failure.message);
        error.status = Some(status);
        error.server_code = failure.server_code;
        error
    }

    pub(crate) fn with_cause(mut self, cause: JsValue) -> Self {
        self.cause = cause;
        self
    }

    /// The transient failure; `None` if the error is final.
    pub(crate) fn failure(&self) -> Option<Failure<'_>> {
        match (self.code, self.status) {
            (_, Some(status)) => Some(Failure::Status {
                status,
                server_code: self.server_code.as_deref(),
                retry_after_ms: self.retry_after_ms,
            }),
            (Code::ConnectFailed, _) => Some(Failure::NotSent),
            (Code::ConnectionLost | Code::StreamBroken, _) => Some(Failure::Lost),
            (Code::ConnectTimeout | Code::IdleTimeout, _) => Some(Failure::Lost),
            _ => None,
        }
    }

    pub(crate) fn is_timeout(&self) -> bool {
        self.code.kind() == Kind::Timeout
    }
}

impl Deref for Error {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Fields {
        &mut self.0
    }
}

impl From<StreamError> for Error {
    fn from(error: StreamError) -> Self {
        Self::new(error.code(), &error.message())
    }
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        Self::argument(error.sentence())
    }
}

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let Fields {
            code,
            message,
            status,
            server_code,
            trace_id,
            unrepeatable,
            cause,
            partial,
            ..
        } = *error.0;
        let out = Object::new();
        js::set(&out, "kind", &code.kind().as_str().into());
        js::set(&out, "code", &code.as_str().into());
        js::set(&out, "message", &message.into());
        let retryable = code.is_retryable() && !unrepeatable;
        js::set(&out, "retryable", &retryable.into());
        js::set(&out, "status", &status.into());
        js::set(&out, "serverCode", &server_code.into());
        js::set(&out, "traceId", &trace_id);
        js::set(&out, "cause", &cause);
        js::set(&out, "partial", &partial);
        out.into()
    }
}
