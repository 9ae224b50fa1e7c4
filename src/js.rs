//! JavaScript's objects, as far as they are read and made by hand. Each in one place, since every
//! copy is paid for in the wasm.

use alloc::string::String;
use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::*;

/// A member; undefined where there is none.
pub(crate) fn get(object: &JsValue, key: &str) -> JsValue {
    Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
}

/// A member that is text.
pub(crate) fn text(object: &JsValue, key: &str) -> Option<String> {
    get(object, key).as_string()
}

/// A member that is a number.
pub(crate) fn number(object: &JsValue, key: &str) -> Option<f64> {
    get(object, key).as_f64()
}

/// Sets a member; one that is undefined is left out.
pub(crate) fn set(object: &Object, key: &str, value: &JsValue) {
    if !value.is_undefined() {
        // A plain object takes every property.
        let _ = Reflect::set(object, &key.into(), value);
    }
}

/// Whether a value is absent.
pub(crate) fn is_none(value: &JsValue) -> bool {
    value.is_undefined() || value.is_null()
}

/// Takes a member away.
pub(crate) fn delete(object: &Object, key: &str) {
    let _ = Reflect::delete_property(object, &key.into());
}
