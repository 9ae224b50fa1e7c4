//! Helpers for JavaScript objects that are read and built by hand. Not generic, since every copy adds to the wasm.

use alloc::string::String;
use js_sys::{Array, Function, Object, Reflect};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Object, js_name = entries, catch)]
    fn object_entries(object: &JsValue) -> Result<Array, JsValue>;
}

/// A member; undefined if absent.
pub(crate) fn get(object: &JsValue, key: &str) -> JsValue {
    if object.is_undefined() {
        return JsValue::UNDEFINED;
    }
    Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Calls a method of an object that can be a replacement of the runtime's own and can throw. An uncaught exception
/// would unwind the wasm, which cannot be used after that.
pub(crate) fn call(object: &JsValue, method: &str) -> Result<JsValue, JsValue> {
    get(object, method).dyn_into::<Function>()?.call0(object)
}

/// The members of an object by name; `None` if reading them throws.
pub(crate) fn entries(object: &JsValue) -> Option<Array> {
    object_entries(object).ok()
}

/// A string member.
pub(crate) fn text(object: &JsValue, key: &str) -> Option<String> {
    get(object, key).as_string()
}

/// A number member.
pub(crate) fn number(object: &JsValue, key: &str) -> Option<f64> {
    get(object, key).as_f64()
}

/// Sets a member unless the value is undefined.
pub(crate) fn set(object: &Object, key: &str, value: &JsValue) {
    if !value.is_undefined() {
        // Setting a property of a plain object cannot fail.
        let _ = Reflect::set(object, &key.into(), value);
    }
}

/// Whether a value is absent.
pub(crate) fn is_none(value: &JsValue) -> bool {
    value.is_undefined() || value.is_null()
}

/// Removes a member.
pub(crate) fn delete(object: &Object, key: &str) {
    let _ = Reflect::delete_property(object, &key.into());
}
