//! The output that a process has written so far, as JSON.

use super::request::{Segments, Target, process as named};
use crate::error::{ApiError, Result};
use crate::log::{Found, Log};
use crate::process::Process;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::stream::Stream;
use shoreline_protocol::wire::event;
use std::io;
use std::sync::Arc;

pub(super) async fn stdout(Target(sandbox): Target, segments: Segments) -> Result<Response> {
    captured(named(&sandbox, &segments)?, Some(Stream::Stdout))
}

pub(super) async fn stderr(Target(sandbox): Target, segments: Segments) -> Result<Response> {
    captured(named(&sandbox, &segments)?, Some(Stream::Stderr))
}

pub(super) async fn output(Target(sandbox): Target, segments: Segments) -> Result<Response> {
    captured(named(&sandbox, &segments)?, None)
}

/// The output of a process so far, as one JSON object that is sent while the log is read.
fn captured(process: Arc<Process>, only: Option<Stream>) -> Result<Response> {
    let first = process.log.first();
    if first > 1 {
        let text = format!("events 1 to {} are no longer kept: follow the output", first - 1);
        return Err(ApiError::new(ServerCode::OutputExpired, text));
    }
    let (last, counts) = process.log.position();
    let count: u64 = match only {
        None => counts.iter().sum(),
        Some(stream) => counts[stream as usize - 1],
    };
    let head = format!(r#"{{"pid":{},"line_count":{count},"lines":["#, process.pid);
    let state = Capture { log: process.log.clone(), next: 1, last, only, comma: false };
    let parts =
        futures::stream::try_unfold((state, Some(head.into_bytes())), async |(mut state, head)| {
            let part = match head {
                Some(head) => Some(head),
                None => state.part().await?,
            };
            Ok::<_, io::Error>(part.map(|part| (Bytes::from(part), (state, None))))
        });
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(parts)).into_response())
}

struct Capture {
    log: Arc<Log>,
    next: u64,
    last: u64,
    only: Option<Stream>,
    comma: bool,
}

impl Capture {
    async fn part(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.next > self.last + 1 {
            return Ok(None);
        }
        let mut out = Vec::new();
        let found =
            if self.next > self.last { Found::Nothing } else { self.log.find(self.next).await? };
        match found {
            Found::Chunks(chunks) => {
                for chunk in &chunks {
                    let wanted = self.only.is_none_or(|only| only == chunk.stream());
                    for line in chunk.lines(self.next).filter(|line| wanted && line.id <= self.last)
                    {
                        out.extend_from_slice(if self.comma { b",\"" } else { b"\"" });
                        self.comma = true;
                        event::escape(String::from_utf8_lossy(line.bytes).as_bytes(), &mut out);
                        out.push(b'"');
                    }
                    self.next = chunk.next().min(self.last + 1);
                }
            }
            // The status was sent already: close the connection instead of omitting output silently.
            Found::Gap(_) => return Err(io::Error::other("the output is no longer kept")),
            Found::Nothing | Found::End => {
                out.extend_from_slice(b"]}");
                self.next = self.last + 2;
            }
        }
        Ok(Some(out))
    }
}
