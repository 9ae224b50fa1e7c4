//! Unknown members of a request body. They are ignored, as in the public API, but a header of
//! the answer names them, so that a client notices a misspelled option.

use axum::extract::Request;
use axum::http::{Extensions, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_ignored::Path;
use std::sync::{Arc, OnceLock};

/// The header. Its value is a list, as in `resources.cpu, timout`.
const HEADER: &str = "shoreline-ignored-fields";
/// A longer value is cut between two names, and ends in `...`.
const VALUE_BYTES: usize = 1000;
/// The characters of a name that are percent-encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// The value of the header, once the body of the request was read.
#[derive(Clone, Default)]
struct Names(Arc<OnceLock<String>>);

/// Adds the header to an answer. Errors do not get it, since nothing was done.
pub(super) async fn tell(mut request: Request, next: Next) -> Response {
    let names = Names::default();
    request.extensions_mut().insert(names.clone());
    let mut response = next.run(request).await;
    let value = names.0.get().and_then(|names| HeaderValue::try_from(names.as_str()).ok());
    if let (Some(value), true) = (value, response.status().is_success()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// Parses a JSON body. Adds the members that `T` does not have to the request's `extensions`.
pub(super) fn parse<T: DeserializeOwned>(
    body: &[u8],
    extensions: &Extensions,
) -> serde_json::Result<T> {
    let mut names = String::new();
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_ignored::deserialize(&mut json, |path| add(&path, &mut names))?;
    json.end()?;
    if let (Some(Names(noted)), false) = (extensions.get(), names.is_empty()) {
        let _ = noted.set(names);
    }
    Ok(value)
}

fn add(path: &Path<'_>, names: &mut String) {
    const MORE: &str = "...";
    if names.ends_with(MORE) {
        return;
    }
    let mut name = String::new();
    spell(path, &mut name);
    if !names.is_empty() {
        names.push_str(", ");
    }
    let fits = names.len() + name.len() <= VALUE_BYTES;
    names.push_str(if fits { &name } else { MORE });
}

/// Writes a path with dots, as in `restart.max`.
fn spell(path: &Path<'_>, name: &mut String) {
    let (parent, part) = match path {
        Path::Root => return,
        Path::Seq { parent, index } => (parent, index.to_string()),
        Path::Map { parent, key } if key.is_empty() => (parent, "\"\"".to_owned()),
        Path::Map { parent, key } => (parent, utf8_percent_encode(key, ENCODED).to_string()),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => return spell(parent, name),
    };
    spell(parent, name);
    if !name.is_empty() {
        name.push('.');
    }
    name.push_str(&part);
}
