//! Searches in the files of a sandbox, which the sandbox's agent performs. Results are sent as they are found, one
//! JSON object a line. The last line is `{"end": ...}`. Without it, the search is incomplete.

use super::files::{check_path, value, values, wrong_query};
use super::fs::parsed;
use super::request::Target;
use crate::agent::{Lines, Search};
use crate::error::{ApiError, Result};
use crate::sandbox::Sandbox;
use axum::body::{Body, Bytes};
use axum::extract::RawQuery;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::de::IgnoredAny;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::time::timeout;

/// Bytes that are read at once.
const PART: usize = 64 * 1024;
/// The longest time without a result, after which an empty line is sent.
const SILENCE: Duration = Duration::from_secs(limits::KEEP_ALIVE_SECONDS);
/// The default limit on the bytes of a line's text.
const LINE_BYTES: usize = 2000;

pub(super) async fn glob(Target(sandbox): Target, query: RawQuery) -> Result<Response> {
    let search = asked(&query, values(&query, "pattern").collect::<Result<_>>()?, None)?;
    if search.patterns.is_empty() {
        return Err(wrong_query("pattern"));
    }
    results(&sandbox, search).await
}

pub(super) async fn grep(Target(sandbox): Target, query: RawQuery) -> Result<Response> {
    let pattern = value(&query, "pattern")?.filter(|pattern| !pattern.is_empty());
    let lines = Lines {
        pattern: pattern.ok_or_else(|| wrong_query("pattern"))?,
        fixed: parsed(&query, "fixed")?,
        ignore_case: parsed(&query, "ignore_case")?,
        max_bytes: number(&query, "max_line_bytes", LINE_BYTES, limits::SEARCH_LINE_BYTES)?,
    };
    let mut patterns: Vec<_> = values(&query, "glob").collect::<Result<_>>()?;
    if patterns.is_empty() {
        patterns.push("**".to_owned());
    }
    let search = asked(&query, patterns, Some(lines))?;
    results(&sandbox, search).await
}

fn asked(query: &RawQuery, patterns: Vec<String>, lines: Option<Lines>) -> Result<Search> {
    let path = value(query, "path")?.ok_or_else(|| wrong_query("path"))?;
    check_path(&path)?;
    let exclude: Vec<_> = values(query, "exclude").collect::<Result<_>>()?;
    let pattern = lines.as_ref().map_or(0, |lines| lines.pattern.len());
    let bytes: usize = patterns.iter().chain(&exclude).map(String::len).sum();
    if patterns.len().max(exclude.len()) > limits::SEARCH_PATTERNS
        || bytes + pattern > limits::SEARCH_PATTERN_BYTES
    {
        let text = format!(
            "a search takes {} patterns of paths and {} bytes of all patterns: search more often, with fewer",
            limits::SEARCH_PATTERNS,
            limits::SEARCH_PATTERN_BYTES
        );
        return Err(ApiError::new(ServerCode::InvalidRequest, text));
    }
    let ignore_files = value(query, "ignore_files")?.map_or(Ok(true), |text| text.parse());
    Ok(Search {
        path,
        patterns,
        exclude,
        hidden: parsed(query, "hidden")?,
        ignore_files: ignore_files.map_err(|_| wrong_query("ignore_files"))?,
        limit: number(query, "limit", limits::SEARCH_RESULTS, limits::SEARCH_RESULTS)?,
        lines,
    })
}

/// A number of the query from 1 to `most`.
fn number<T>(query: &RawQuery, name: &str, default: T, most: T) -> Result<T>
where
    T: std::str::FromStr + PartialOrd + From<u8>,
{
    let Some(text) = value(query, name)? else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (T::from(1)..=most).contains(number));
    number.ok_or_else(|| wrong_query(name))
}

async fn results(sandbox: &Sandbox, search: Search) -> Result<Response> {
    let results = Results { pipe: sandbox.search(search).await?, unread: Vec::new(), ended: false };
    let parts = futures::stream::try_unfold(results, async |mut results| {
        Ok::<_, io::Error>(results.part().await?.map(|part| (part, results)))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(parts)).into_response())
}

/// The results from the sandbox, which is not trusted to write valid JSON, or an end.
struct Results {
    pipe: pipe::Receiver,
    /// The start of an incomplete line.
    unread: Vec<u8>,
    ended: bool,
}

impl Results {
    /// The next complete lines; `None` after the last one.
    ///
    /// # Errors
    /// The results end without an end. The connection is then broken off, so that the client notices.
    async fn part(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            self.unread.reserve(PART);
            let Ok(read) = timeout(SILENCE, self.pipe.read_buf(&mut self.unread)).await else {
                return Ok(Some(Bytes::from_static(b"\n")));
            };
            if read? == 0 {
                let is_whole = self.ended && self.unread.is_empty();
                return is_whole.then_some(None).ok_or_else(broken);
            }
            let end = memchr::memrchr(b'\n', &self.unread).map_or(0, |at| at + 1);
            let rest = self.unread.split_off(end);
            let lines = std::mem::replace(&mut self.unread, rest);
            if self.unread.len() > limits::SEARCH_RESULT_BYTES {
                return Err(broken());
            }
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                let is_object = line.first() == Some(&b'{');
                if self.ended
                    || !is_object
                    || line.len() > limits::SEARCH_RESULT_BYTES
                    || serde_json::from_slice::<IgnoredAny>(line).is_err()
                {
                    return Err(broken());
                }
                self.ended = line.starts_with(br#"{"end":"#);
            }
            if !lines.is_empty() {
                return Ok(Some(lines.into()));
            }
        }
    }
}

fn broken() -> io::Error {
    io::Error::other("the sandbox broke off the search")
}
