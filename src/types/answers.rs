//! Answers on their way to the caller.

use super::values::ms_of;
use crate::error::{Error, Result};
use js_sys::{Array, Date, Object, Reflect};
use serde::Deserialize;
use shoreline_protocol::error::Code;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// What the core reads of a process; the rest is the caller's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessState {
    pub(crate) pid: u32,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) exit_code: Option<i32>,
    #[serde(default)]
    pub(crate) signal: Option<i32>,
    #[serde(default)]
    pub(crate) oom_killed: bool,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) handle: Option<f64>,
}

/// What the core reads of a sandbox; the rest is the caller's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SandboxState {
    pub(crate) sandbox_id: String,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) sandbox_url: Option<String>,
    #[serde(default)]
    pub(crate) routing_hint: Option<String>,
    #[serde(default)]
    pub(crate) pending_reason: Option<String>,
    #[serde(default)]
    pub(crate) termination_reason: Option<String>,
}

/// A JSON object with its keys in camelCase, its times as `Date` and without its nulls. What a newer
/// server adds comes along.
pub(crate) fn camel_case(value: &JsValue) -> Result<JsValue> {
    if Array::is_array(value) {
        let array: &Array = value.unchecked_ref();
        if !array.get(0).is_object() {
            return Ok(value.clone());
        }
        let out = Array::new();
        for item in array.iter() {
            out.push(&camel_case(&item)?);
        }
        return Ok(out.into());
    }
    if !value.is_object() {
        return Ok(value.clone());
    }
    let out = Object::new();
    for entry in Object::entries(value.unchecked_ref()).iter() {
        let entry: Array = entry.unchecked_into();
        let (key, value) = (entry.get(0).as_string().unwrap_or_default(), entry.get(1));
        if value.is_null() {
            continue;
        }
        let value = match key.as_str() {
            // -1 is how the open-source daemon says that it lost the status.
            "exit_code" if value.as_f64().is_some_and(|code| code < 0.0) => continue,
            "status" => value.as_string().map_or(value, |text| text.to_ascii_lowercase().into()),
            _ if key.ends_with("_at") => match ms_of(&value) {
                Some(ms) => Date::new(&ms.into()).into(),
                None => continue,
            },
            _ => camel_case(&value)?,
        };
        set(&out, &camel(&key), &value);
    }
    Ok(out.into())
}

/// As [`camel_case`], for an answer that must be an object.
pub(crate) fn answer(value: &JsValue) -> Result<JsValue> {
    if value.is_object() && !Array::is_array(value) {
        return camel_case(value);
    }
    Err(Error::new(Code::InvalidResponse, "the server's answer is not a JSON object"))
}

/// Gives a sandbox's record the official names: servers of several generations have others
/// (protocol, 10.3), some of them both.
pub(crate) fn sandbox_names(sandbox: &JsValue) {
    const OTHERS: [(&str, &str); 4] = [
        ("id", "sandboxId"),
        ("state", "status"),
        ("networkPolicy", "network"),
        ("allowUnauthenticatedProxyAccess", "allowUnauthenticatedAccess"),
    ];
    for (other, name) in OTHERS {
        rename(sandbox, other, name);
    }
    if let Ok(resources) = Reflect::get(sandbox, &"resources".into()) {
        rename(&resources, "ephemeralDiskMb", "diskMb");
    }
}

fn rename(object: &JsValue, other: &str, name: &str) {
    let (other, name) = (other.into(), name.into());
    if !object.is_object() || !Reflect::has(object, &other).unwrap_or(false) {
        return;
    }
    if !Reflect::has(object, &name).unwrap_or(false)
        && let Ok(value) = Reflect::get(object, &other)
    {
        let _ = Reflect::set(object, &name, &value);
    }
    let _ = Reflect::delete_property::<Object>(object.unchecked_ref(), &other);
}

/// A member of an answer that must be an array.
pub(crate) fn array_in(answer: &JsValue, name: &str) -> Result<Array> {
    Reflect::get(answer, &name.into())
        .ok()
        .filter(Array::is_array)
        .map(JsCast::unchecked_into)
        .ok_or_else(|| {
            Error::new(Code::InvalidResponse, format!("the server's answer has no array `{name}`"))
        })
}

fn set(out: &Object, key: &str, value: &JsValue) {
    // A plain object takes every property.
    let _ = Reflect::set(out, &key.into(), value);
}

fn camel(key: &str) -> String {
    let mut up = false;
    let mut out = String::with_capacity(key.len());
    for char in key.chars() {
        if char == '_' {
            up = !out.is_empty();
        } else if up {
            out.push(char.to_ascii_uppercase());
            up = false;
        } else {
            out.push(char);
        }
    }
    out
}
