//! What options must look like, and the one reader that holds them to it. An option's Rust type says
//! its shape, here and in TypeScript.

use crate::error::{Error, Result};
use crate::js;
use alloc::string::String;
use js_sys::{Array, Object, Reflect, Symbol};
use shoreline_protocol::error::Code;
use shoreline_protocol::name::NameError;
use shoreline_protocol::text::{digits, joined};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// A type of option.
pub trait Shape {
    /// What it takes.
    const KIND: Kind;
}

/// What an option takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text without NUL.
    Text,
    /// A boolean.
    Flag,
    /// A whole number from 0 to this.
    Whole(f64),
    /// A finite number above 0.
    Positive,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Text that this finds nothing wrong with.
    Name(fn(&str) -> core::result::Result<(), NameError>),
    /// An array of one kind.
    List(&'static Kind),
    /// Environment variables. Those that are undefined are left out.
    Variables,
    /// An object of known members. The shim refuses others.
    Object(&'static [Field]),
    /// Text, or such an object.
    TextOr(&'static Kind),
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name on the wire; callers write it in camelCase.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
}

impl Field {
    fn wire(&self) -> &'static str {
        // A Rust keyword is written with a mark.
        self.name.strip_prefix("r#").unwrap_or(self.name)
    }
}

/// Reads an object: the same with only the members that are known and there, named as on the wire.
/// `path` is how a caller knows it, empty for the options themselves.
pub(crate) fn read(path: &str, value: &JsValue, fields: &[Field]) -> Result<Object> {
    let out = Object::new();
    if js::is_none(value) {
        return Ok(out);
    }
    if !value.is_object() || Array::is_array(value) {
        return Err(wrong(if path.is_empty() { "options" } else { path }, "an object"));
    }
    for field in fields {
        let wire = field.wire();
        let name = camel(wire);
        let value = js::get(value, &name);
        if !js::is_none(&value) {
            let path = if path.is_empty() { name } else { joined(&[path, ".", &name]) };
            js::set(&out, wire, &check(&path, value, field.kind)?);
        }
    }
    Ok(out)
}

/// The names of an object's members as callers write them, each with those of the object that it takes, or `null`.
pub(crate) fn names(fields: &[Field]) -> Object {
    let out = Object::new();
    for field in fields {
        let inner = match field.kind {
            Kind::Object(fields) | Kind::TextOr(&Kind::Object(fields)) => names(fields).into(),
            _ => JsValue::NULL,
        };
        js::set(&out, &camel(field.wire()), &inner);
    }
    out
}

/// The value, if it is of that kind.
fn check(path: &str, value: JsValue, kind: Kind) -> Result<JsValue> {
    let fits = match kind {
        Kind::Text => {
            text(path, &value)?;
            true
        }
        Kind::Name(check) => {
            check(&text(path, &value)?)?;
            true
        }
        Kind::Flag => value.as_bool().is_some(),
        Kind::Whole(most) => {
            value.as_f64().is_some_and(|n| n % 1.0 == 0.0 && (0.0..=most).contains(&n))
        }
        Kind::Positive => value.as_f64().is_some_and(|n| n > 0.0 && n < f64::INFINITY),
        Kind::OneOf(words) => value.as_string().is_some_and(|word| words.contains(&word.as_str())),
        Kind::List(kind) => {
            if Array::is_array(&value) {
                let array: &Array = value.unchecked_ref();
                for index in 0..array.length() {
                    check(
                        &joined(&[path, "[", &digits(index.into()), "]"]),
                        array.get(index),
                        *kind,
                    )?;
                }
            }
            Array::is_array(&value)
        }
        Kind::Variables => return variables(path, &value),
        Kind::Object(fields) => return read(path, &value, fields).map(JsValue::from),
        Kind::TextOr(kind) => {
            let kind = if value.is_string() { Kind::Text } else { *kind };
            return check(path, value, kind);
        }
    };
    if fits { Ok(value) } else { Err(wrong(path, &described(kind))) }
}

/// The variables that have a value.
fn variables(path: &str, value: &JsValue) -> Result<JsValue> {
    // Something with entries of its own, such as a Map, would be sent as nothing.
    if !value.is_object() || Reflect::has(value, &Symbol::iterator()).unwrap_or_default() {
        return Err(wrong(path, &described(Kind::Variables)));
    }
    let out = Object::new();
    let members =
        js::entries(value).ok_or_else(|| wrong(path, "an object whose members can be read"))?;
    for entry in members.iter() {
        let entry: Array = entry.unchecked_into();
        let name = entry.get(0).as_string().unwrap_or_default();
        if name.is_empty() || name.bytes().any(|byte| matches!(byte, b'=' | 0)) {
            return Err(wrong(&joined(&[path, " names"]), "without '=' and NUL, and not empty"));
        }
        let value = entry.get(1);
        if !value.is_undefined() {
            text(&joined(&[path, ".", &name]), &value)?;
            js::set(&out, &name, &value);
        }
    }
    Ok(out.into())
}

fn text(path: &str, value: &JsValue) -> Result<String> {
    let text = value.as_string().ok_or_else(|| wrong(path, "a string"))?;
    if text.bytes().any(|byte| byte == 0) {
        return Err(wrong(path, "without NUL characters"));
    }
    Ok(text)
}

/// The message never repeats the value, which may be a secret.
fn wrong(path: &str, what: &str) -> Error {
    Error::of(Code::InvalidArgument, &["`", path, "` must be ", what])
}

fn described(kind: Kind) -> String {
    match kind {
        Kind::Flag => "true or false".into(),
        Kind::Whole(most) => joined(&["a whole number from 0 to ", &digits(most as u64)]),
        Kind::Positive => "a finite number above 0".into(),
        Kind::OneOf(words) => {
            let mut text = String::from("one of");
            for word in words {
                text.push(' ');
                text.push_str(word);
            }
            text
        }
        Kind::List(_) => "an array".into(),
        _ => "a plain object".into(),
    }
}

/// The name that callers write for one of the wire.
pub(crate) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut up = false;
    for char in name.chars() {
        match char {
            '_' if !out.is_empty() => up = true,
            _ => {
                out.push(if up { char.to_ascii_uppercase() } else { char });
                up = false;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_camel_case() {
        for (wire, written) in
            [("args", "args"), ("working_dir", "workingDir"), ("a_b_c", "aBC"), ("_x", "_x")]
        {
            assert_eq!(camel(wire), written);
        }
    }
}
