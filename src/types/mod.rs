//! What crosses the boundary as plain objects. Options come in camelCase and leave as the wire's
//! snake_case; results the other way round. The TypeScript types are generated from these.

mod options;
mod results;
mod values;

pub use options::*;
pub use results::*;
pub use values::*;

use crate::error::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use shoreline_protocol::error::Code;
use wasm_bindgen::prelude::*;

/// Reads the options of a call. Absent means none given.
pub(crate) fn read_options<T: DeserializeOwned + Default>(value: &JsValue) -> Result<T> {
    if value.is_undefined() || value.is_null() {
        return Ok(T::default());
    }
    if !value.is_object() {
        return Err(Error::argument("options must be an object"));
    }
    serde_path_to_error::deserialize(serde_wasm_bindgen::Deserializer::from(value.clone()))
        .map_err(|e| Error::argument(format!("option `{}`: {}", e.path(), e.inner())))
}

/// Reads an answer.
pub(crate) fn read_answer<T: DeserializeOwned>(value: JsValue) -> Result<T> {
    serde_path_to_error::deserialize(serde_wasm_bindgen::Deserializer::from(value)).map_err(|e| {
        Error::new(
            Code::InvalidResponse,
            format!("the server's answer has the wrong shape at `{}`: {}", e.path(), e.inner()),
        )
    })
}

/// Makes a plain object.
pub(crate) fn write<T: Serialize>(value: &T) -> Result<JsValue> {
    value
        .serialize(
            &serde_wasm_bindgen::Serializer::json_compatible().serialize_missing_as_null(false),
        )
        .map_err(|e| Error::argument(e.to_string()))
}

/// The TypeScript declarations of everything here.
#[cfg(feature = "ts")]
#[must_use]
pub fn typescript() -> String {
    use ts_rs::{Config, TS};
    let config = Config::new();
    let mut out = String::new();
    macro_rules! declare {
        ($($type:ty),* $(,)?) => { $(
            if let Some(docs) = <$type as TS>::docs() { out.push_str(&docs); }
            out.push_str("export ");
            out.push_str(&<$type as TS>::decl(&config));
            out.push_str("\n\n");
        )* };
    }
    declare!(
        ConnectionOptions,
        CreateOptions,
        ListOptions,
        StartOptions,
        RunOptions,
        FollowOptions,
        Reconnect,
        Cursor,
        RestartPolicy,
        HealthCheck,
        ProcessUser,
        ProcessInfo,
        ManagedProcessInfo,
        RestartPolicyInfo,
        HealthCheckInfo,
        ManagedProcessExit,
        OutputResponse,
        HealthResponse,
        DaemonInfo,
        SendSignalResponse,
        Resources,
        NetworkPolicy,
        SandboxInfo,
    );
    out
}
