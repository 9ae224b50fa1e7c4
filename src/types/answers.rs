//! Answers on their way to the caller.

use super::shape::camel;
use super::values::ms_of;
use crate::error::{Error, Result};
use crate::js;
use alloc::string::String;
use js_sys::{Array, Date, Object, Reflect};
use shoreline_protocol::error::Code;
use shoreline_protocol::exit::Reason;
use shoreline_protocol::member;
use shoreline_protocol::record::ProcessStatus;
use shoreline_protocol::standing::Standing;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// What the core reads of a process; the rest is the caller's.
pub(crate) struct ProcessState {
    pub(crate) pid: u32,
    pub(crate) handle: Option<u64>,
    pub(crate) standing: Standing,
}

impl ProcessState {
    pub(crate) fn read(answer: &JsValue) -> Result<Self> {
        let whole = |name| js::number(answer, name).map(|number| number as i32);
        let pid = js::number(answer, member!(ProcessInfo.pid)).filter(|pid| *pid >= 0.0);
        let status = js::text(answer, member!(ProcessInfo.status));
        let (Some(pid), Some(status)) = (pid, status) else {
            return Err(wrong_shape("process"));
        };
        let reason = js::text(answer, member!(ProcessInfo.reason));
        Ok(Self {
            pid: pid as u32,
            handle: js::number(answer, member!(ProcessInfo.handle)).map(|handle| handle as u64),
            standing: Standing::from_record(
                &status,
                whole(member!(ProcessInfo.exit_code)),
                whole(member!(ProcessInfo.signal)),
                js::get(answer, member!(ProcessInfo.oom_killed)).is_truthy(),
                reason.and_then(|name| Reason::from_name(name.as_bytes())),
            ),
        })
    }
}

/// Adds what some servers leave out of the record of a process or a terminal: `oomKilled`, and how it has not ended.
pub(crate) fn complete_process(process: &JsValue) {
    let status = js::text(process, member!(ProcessInfo.status));
    complete(process, status.is_some_and(|status| status == ProcessStatus::OomKilled.as_str()));
    let managed = js::get(process, member!(ProcessInfo.managed));
    if managed.is_object() {
        complete(&js::get(&managed, member!(ManagedProcessInfo.last_exit)), false);
    }
}

fn complete(exit: &JsValue, oom_killed: bool) {
    let absent = [
        (member!(ProcessInfo.exit_code), JsValue::NULL),
        (member!(ProcessInfo.signal), JsValue::NULL),
        (member!(ProcessInfo.oom_killed), oom_killed.into()),
    ];
    for (name, value) in absent {
        if exit.is_object() && js::get(exit, name).is_undefined() {
            js::set(exit.unchecked_ref(), name, &value);
        }
    }
}

/// What the core reads of a sandbox; the rest is the caller's.
#[derive(Default)]
pub(crate) struct SandboxState {
    pub(crate) sandbox_id: String,
    pub(crate) status: String,
    pub(crate) name: Option<String>,
    pub(crate) sandbox_url: Option<String>,
    pub(crate) routing_hint: Option<String>,
    pub(crate) termination_reason: Option<String>,
    pub(crate) pending_reason: Option<String>,
}

impl SandboxState {
    pub(crate) fn read(answer: &JsValue) -> Result<Self> {
        // Empty is how some servers say that there is none.
        let text = |name| js::text(answer, name).filter(|text| !text.is_empty());
        Ok(Self {
            sandbox_id: text("sandboxId").ok_or_else(|| wrong_shape("sandbox_id"))?,
            status: text("status").ok_or_else(|| wrong_shape("status"))?,
            name: text("name"),
            sandbox_url: text("sandboxUrl"),
            routing_hint: text("routingHint"),
            termination_reason: text("terminationReason"),
            pending_reason: text("pendingReason"),
        })
    }

    /// Why it is as it is.
    pub(crate) fn reason(&self) -> Option<&str> {
        let reasons = [&self.termination_reason, &self.pending_reason];
        reasons.into_iter().flatten().map(String::as_str).find(|reason| !reason.is_empty())
    }
}

/// How deep an answer is looked into: no API's goes deeper, and a hostile one must not use up the
/// stack.
const DEPTH: u32 = 32;

/// A JSON object with its keys in camelCase, its times as `Date` and without its nulls. Members that
/// a newer server adds are included.
fn camel_case(value: &JsValue, depth: u32) -> JsValue {
    if Array::is_array(value) && depth > 0 {
        let out = Array::new();
        for item in value.unchecked_ref::<Array>().iter() {
            out.push(&camel_case(&item, depth - 1));
        }
        return out.into();
    }
    if !value.is_object() || depth == 0 {
        return value.clone();
    }
    let out = Object::new();
    for entry in Object::entries(value.unchecked_ref()).iter() {
        let entry: Array = entry.unchecked_into();
        let (key, value) = (entry.get(0).as_string().unwrap_or_default(), entry.get(1));
        let value = match key.as_str() {
            _ if value.is_null() => continue,
            // -1 is how the open-source daemon says that it lost the status.
            "exit_code" if value.as_f64().is_some_and(|code| code < 0.0) => continue,
            "status" => value.as_string().map_or(value, |text| text.to_ascii_lowercase().into()),
            // Their keys are the user's.
            "env" | "labels" | "metadata" | "tags" | "annotations" => value,
            _ if key.ends_with("_at") => match ms_of(&value) {
                Some(ms) => Date::new(&ms.into()).into(),
                None => continue,
            },
            _ => camel_case(&value, depth - 1),
        };
        js::set(&out, &camel(&key), &value);
    }
    out.into()
}

/// An answer that must be an object, as a caller gets it.
pub(crate) fn answer(value: &JsValue) -> Result<JsValue> {
    if value.is_object() && !Array::is_array(value) {
        return Ok(camel_case(value, DEPTH));
    }
    Err(Error::new(Code::InvalidResponse, "the server's answer is not a JSON object"))
}

/// Gives a sandbox's record the official names: older servers have other names,
/// and some servers have both.
pub(crate) fn sandbox_names(sandbox: &JsValue) {
    rename(sandbox, "id", "sandboxId");
    rename(sandbox, "state", "status");
    rename(sandbox, "networkPolicy", "network");
    rename(sandbox, "allowUnauthenticatedProxyAccess", "allowUnauthenticatedAccess");
    rename(&js::get(sandbox, "resources"), "ephemeralDiskMb", "diskMb");
}

/// The same for a snapshot's record, or a list of them.
pub(crate) fn snapshot_names(answer: &JsValue) {
    match js::get(answer, "snapshots").dyn_into::<Array>() {
        Ok(all) => all.iter().for_each(|snapshot| rename(&snapshot, "id", "snapshotId")),
        Err(_) => rename(answer, "id", "snapshotId"),
    }
}

fn rename(object: &JsValue, other: &str, name: &str) {
    let value = js::get(object, other);
    if value.is_undefined() {
        return;
    }
    let object: &Object = object.unchecked_ref();
    if js::get(object, name).is_undefined() {
        js::set(object, name, &value);
    }
    let _ = Reflect::delete_property(object, &other.into());
}

/// A member of an answer that must be an array.
pub(crate) fn array_in(answer: &JsValue, name: &str) -> Result<Array> {
    js::get(answer, name).dyn_into().map_err(|_| wrong_shape(name))
}

fn wrong_shape(what: &str) -> Error {
    let text = ["the server's answer has no valid `", what, "`: is it a sandbox API?"];
    Error::of(Code::InvalidResponse, &text)
}
