//! The operations of Node's `fs` over HTTP. The sandbox's agent performs them.

use super::files::{check_path, value, wrong_query};
use super::request::{Json, Target};
use crate::agent::Operation;
use crate::error::{ApiError, Result};
use crate::sandbox::Sandbox;
use axum::extract::RawQuery;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use shoreline_protocol::error::ServerCode;
use std::fmt::Display;
use std::str::FromStr;

pub(super) async fn look(Target(sandbox): Target, query: RawQuery) -> Result<Response> {
    perform(&sandbox, looking(&query)?).await
}

pub(super) async fn change(
    Target(sandbox): Target,
    Json(operation): Json<Operation>,
) -> Result<Response> {
    if operation.only_looks() {
        let text = "this operation changes nothing: send it with GET";
        return Err(ApiError::new(ServerCode::InvalidRequest, text));
    }
    match operation {
        Operation::Mkdir { mode: Some(mode), .. } | Operation::Chmod { mode, .. }
            if mode > 0o7777 =>
        {
            let text = "`mode` has permission bits only: at most 4095 (0o7777)";
            Err(ApiError::new(ServerCode::InvalidRequest, text))
        }
        operation => perform(&sandbox, operation).await,
    }
}

fn looking(query: &RawQuery) -> Result<Operation> {
    let path = value(query, "path")?.ok_or_else(|| wrong_query("path"))?;
    Ok(match value(query, "op")?.as_deref() {
        Some("stat") => Operation::Stat { path, follow: true },
        Some("lstat") => Operation::Stat { path, follow: false },
        Some("readdir") => Operation::Readdir { path, recursive: parsed(query, "recursive")? },
        Some("readlink") => Operation::Readlink { path },
        Some("realpath") => Operation::Realpath { path },
        Some("access") => match parsed(query, "mode")? {
            mode @ 0..=7 => Operation::Access { path, mode },
            _ => return Err(wrong_query("mode")),
        },
        _ => return Err(wrong_query("op")),
    })
}

/// Parses a value of the query. Without it, returns the default of the type.
pub(super) fn parsed<T: FromStr<Err: Display> + Default>(
    query: &RawQuery,
    name: &str,
) -> Result<T> {
    let text = value(query, name)?;
    text.map_or(Ok(T::default()), |text| text.parse().map_err(|_| wrong_query(name)))
}

async fn perform(sandbox: &Sandbox, operation: Operation) -> Result<Response> {
    operation.paths().into_iter().try_for_each(check_path)?;
    let json = sandbox.operate(operation).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}
