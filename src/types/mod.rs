//! What crosses the boundary as plain objects. Options come in camelCase and leave as the wire's
//! snake_case; answers the other way round. The TypeScript types are generated from these.
//!
//! Serde reads every option, and of an answer what the core needs; the rest of an answer is renamed
//! key by key, since a reader and a writer for each type would be most of the wasm.

mod answers;
mod options;
#[cfg(feature = "ts")]
mod results;
mod values;

pub(crate) use answers::*;
pub use options::*;
#[cfg(feature = "ts")]
pub use results::*;
pub use values::*;

use crate::error::{Error, Result};
use js_sys::{Array, Object, Reflect};
use serde::{Serialize, de::DeserializeOwned};
use shoreline_protocol::error::Code;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// Reads the options of a call. Absent means none given.
pub(crate) fn read_options<T: DeserializeOwned + Default>(value: &JsValue) -> Result<T> {
    if value.is_undefined() || value.is_null() {
        return Ok(T::default());
    }
    if !value.is_object() {
        return Err(Error::argument("options must be an object"));
    }
    serde_wasm_bindgen::from_value(value.clone()).map_err(|error| {
        // Every option can be absent, so the one that is wrong is wrong alone too.
        let culprit = Object::entries(value.unchecked_ref()).iter().find_map(|entry| {
            let entry: Array = entry.unchecked_into();
            let alone = Object::new();
            Reflect::set(&alone, &entry.get(0), &entry.get(1)).ok()?;
            let error = serde_wasm_bindgen::from_value::<T>(alone.into()).err()?;
            Some(format!("option `{}`: {error}", entry.get(0).as_string()?))
        });
        Error::argument(culprit.unwrap_or_else(|| error.to_string()))
    })
}

/// Reads what the core itself needs of an answer.
pub(crate) fn read_answer<T: DeserializeOwned>(value: &JsValue) -> Result<T> {
    serde_wasm_bindgen::from_value(value.clone()).map_err(|error| {
        Error::new(
            Code::InvalidResponse,
            format!("the server's answer has the wrong shape: {error}"),
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
