//! Output over HTTP as event streams.

use super::app::App;
use super::request::{Segments, Target, process as named};
use super::unfinished::{Unfinished, WantsUnfinished};
use crate::error::{ApiError, Result};
use crate::log::{Chunk, Ended, Found, Log};
use crate::process::Process;
use crate::watches::{Following, Watch};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Query};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use futures::future::select;
use serde::Deserialize;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits;
use shoreline_protocol::stream::Stream;
use shoreline_protocol::wire::event::{self, Style};
use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// Approximate size of one part of the body, in bytes: the memory that a slow follower uses.
pub(super) const PART: usize = 64 * 1024;

/// Interval of keep-alives.
const SILENCE: Duration = Duration::from_secs(limits::KEEP_ALIVE_SECONDS);

/// A follower of a log, and the form of its event stream.
struct Follower {
    log: Arc<Log>,
    /// Keeps the watch on files alive that is followed.
    _following: Option<Following>,
    watch: watch::Receiver<()>,
    /// State of unfinished lines, if requested.
    unfinished: Option<Unfinished>,
    /// The time at which the next keep-alive is due: 15 s after the last byte was sent.
    silent_until: Instant,
    /// The number of the next event.
    next: u64,
    /// Events from there on, as read from the log.
    chunks: VecDeque<Arc<Chunk>>,
    only: Option<Stream>,
    /// A run's stream begins with the start and ends with the exit. A follow continues to the end of the output.
    is_run: bool,
    /// Whether the exit was sent.
    exit_sent: bool,
    ended: bool,
}

impl Follower {
    fn new(
        log: Arc<Log>,
        after: u64,
        WantsUnfinished(unfinished): WantsUnfinished,
        only: Option<Stream>,
        is_run: bool,
    ) -> Self {
        let watch = log.watch();
        let unfinished = unfinished.then(|| Unfinished::new(&log, only));
        Self {
            log,
            _following: None,
            watch,
            unfinished,
            silent_until: Instant::now() + SILENCE,
            next: after + 1,
            chunks: VecDeque::new(),
            only,
            is_run,
            exit_sent: false,
            ended: false,
        }
    }

    /// The next part of the body; `None` after the end.
    ///
    /// # Errors
    /// If the log cannot be read. The connection is closed without an end, so that the client notices.
    async fn part(&mut self) -> io::Result<Option<Bytes>> {
        let mut out = Vec::new();
        while out.is_empty() {
            if self.ended {
                return Ok(None);
            }
            self.watch.mark_unchanged();
            if let Some(unfinished) = &mut self.unfinished {
                unfinished.reads.mark_unchanged();
            }
            // Checked before the log is read: the log then has everything up to the exit.
            let exit = self.log.ended().filter(|_| !self.exit_sent);
            if self.encode(exit.map(|exit| exit.last), &mut out) {
                break;
            }
            if let Some(exit) = exit.filter(|exit| self.next > exit.last) {
                self.exit_sent = true;
                self.ended = self.is_run;
                self.encode_exit(&exit, &mut out);
                continue;
            }
            // Sent also while a process writes only to the other stream.
            if self.silent_until <= Instant::now() {
                out.extend_from_slice(event::KEEP_ALIVE);
                break;
            }
            match self.log.find(self.next).await? {
                Found::Chunks(chunks) => self.chunks = chunks.into(),
                Found::Gap(to) => {
                    let to = exit.map_or(to, |exit| to.min(exit.last));
                    event::gap(self.next, to, &mut out);
                    self.next = to + 1;
                    if let Some(unfinished) = &mut self.unfinished {
                        unfinished.start_over();
                    }
                }
                Found::Nothing => {
                    let style = self.style();
                    if let Some(unfinished) = &mut self.unfinished {
                        unfinished.encode(&self.log, self.next, style, &mut out);
                    }
                    if out.is_empty() {
                        self.wait().await;
                    }
                }
                // The exit precedes it, and may have come just now.
                Found::End if !self.exit_sent => {}
                Found::End => {
                    self.ended = true;
                    out.extend_from_slice(event::EOF);
                }
            }
        }
        self.silent_until = Instant::now() + SILENCE;
        Ok(Some(out.into()))
    }

    /// Waits for events or, if unfinished lines were requested, for any byte. While bytes wait until they are due, others
    /// do not wake the follower.
    async fn wait(&mut self) {
        let due = self.unfinished.as_ref().and_then(Unfinished::due);
        let until = due.map_or(self.silent_until, |due| due.min(self.silent_until));
        let reads = self.unfinished.as_mut().map(|unfinished| &mut unfinished.reads);
        let events = self.watch.changed();
        let more = async {
            if let Some(reads) = reads.filter(|_| due.is_none()) {
                let _ = select(pin!(events), pin!(reads.changed())).await;
            } else {
                let _ = events.await;
            }
        };
        let _ = timeout_at(until, more).await;
    }

    fn style(&self) -> Style {
        Style { named: !self.is_run, with_stream: self.only.is_none() }
    }

    fn encode_exit(&self, Ended { exit, counts, output_open, .. }: &Ended, out: &mut Vec<u8>) {
        if self.is_run {
            return event::exited(exit, *output_open, out);
        }
        let counts = [Stream::Stdout, Stream::Stderr].into_iter().zip(counts);
        let lines = counts.filter(|(stream, _)| self.only.is_none_or(|only| only == *stream));
        event::exit_mark(exit, *output_open, lines.map(|(_, count)| count).sum(), out);
    }

    /// Appends the available events up to number `last`, at most about a part. Returns whether there were any.
    fn encode(&mut self, last: Option<u64>, out: &mut Vec<u8>) -> bool {
        let style = self.style();
        while out.len() < PART
            && let Some(chunk) = self.chunks.front()
            // A chunk never spans the exit.
            && last.is_none_or(|last| chunk.first <= last)
        {
            if self.only.is_none_or(|only| only == chunk.stream()) {
                if let Some(unfinished) = &mut self.unfinished {
                    unfinished.finished(chunk.stream());
                }
                for line in chunk.lines(self.next) {
                    self.next = line.id + 1;
                    event::output(&line, style, out);
                    if out.len() >= PART {
                        break;
                    }
                }
            } else {
                self.next = chunk.next();
            }
            if self.next == chunk.next() {
                self.chunks.pop_front();
            }
        }
        !out.is_empty()
    }

    fn response(self, first: Vec<u8>) -> Response {
        let parts = futures::stream::try_unfold(
            (self, Some(first).filter(|first| !first.is_empty())),
            async |(mut follower, first)| match first {
                Some(first) => Ok(Some((Bytes::from(first), (follower, None)))),
                None => {
                    let part = follower.part().await?;
                    Ok::<_, io::Error>(part.map(|part| (part, (follower, None))))
                }
            },
        );
        event_stream(parts)
    }
}

/// The stream of a run. Closing it leaves the command running, so that it can be followed by pid.
pub(super) fn run(process: Arc<Process>, unfinished: WantsUnfinished) -> Response {
    let mut first = Vec::new();
    event::started(process.handle, process.pid, process.started_at, &mut first);
    Follower::new(process.log.clone(), 0, unfinished, None, true).response(first)
}

/// Id of the last event that a follower received; 0 for none. A new EventSource can send it only in the query.
pub(super) struct LastEvent(u64);

#[derive(Deserialize)]
struct LastEventQuery {
    last_event_id: Option<String>,
}

impl FromRequestParts<Arc<App>> for LastEvent {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self> {
        let header = parts.headers.get("last-event-id");
        let by_header = header.map(|id| id.to_str().unwrap_or_default().to_owned());
        let query = Query::<LastEventQuery>::try_from_uri(&parts.uri).ok();
        let Some(id) = by_header.or_else(|| query?.0.last_event_id) else { return Ok(Self(0)) };
        id.parse().map(Self).map_err(|_| {
            let text = "`Last-Event-ID` must be the number of an event";
            ApiError::new(ServerCode::InvalidRequest, text)
        })
    }
}

fn follow(
    sandbox: &crate::sandbox::Sandbox,
    segments: &Segments,
    LastEvent(after): LastEvent,
    unfinished: WantsUnfinished,
    only: Option<Stream>,
) -> Result<Response> {
    let log = named(sandbox, segments)?.log.clone();
    check_event(&log, after)?;
    Ok(Follower::new(log, after, unfinished, only, false).response(Vec::new()))
}

/// Refuses an event that does not exist: the client followed another process of this number, whose output is gone.
fn check_event(log: &Log, event: u64) -> Result<()> {
    let last = log.position().0;
    if event <= last {
        return Ok(());
    }
    let text = format!("event {event} does not exist: the last event is {last}");
    Err(ApiError::new(ServerCode::OutputExpired, text))
}

/// Follows the changes of a watch on files.
pub(super) fn changes(watch: &Arc<Watch>, LastEvent(after): LastEvent) -> Result<Response> {
    check_event(&watch.log, after)?;
    let (log, unfinished) = (watch.log.clone(), WantsUnfinished(false));
    let follower = Follower::new(log, after, unfinished, Some(Stream::Stdout), false);
    Ok(Follower { _following: Some(watch.follow()), ..follower }.response(Vec::new()))
}

pub(super) async fn follow_stdout(
    Target(sandbox): Target,
    segments: Segments,
    last: LastEvent,
    unfinished: WantsUnfinished,
) -> Result<Response> {
    follow(&sandbox, &segments, last, unfinished, Some(Stream::Stdout))
}

pub(super) async fn follow_stderr(
    Target(sandbox): Target,
    segments: Segments,
    last: LastEvent,
    unfinished: WantsUnfinished,
) -> Result<Response> {
    follow(&sandbox, &segments, last, unfinished, Some(Stream::Stderr))
}

pub(super) async fn follow_output(
    Target(sandbox): Target,
    segments: Segments,
    last: LastEvent,
    unfinished: WantsUnfinished,
) -> Result<Response> {
    follow(&sandbox, &segments, last, unfinished, None)
}

/// Follows only the exit of a process. The mark of the exit counts the lines of this stream, which are none.
pub(super) async fn follow_exit(Target(sandbox): Target, segments: Segments) -> Result<Response> {
    let process = named(&sandbox, &segments)?;
    let parts = futures::stream::unfold(Some(process), async |process| {
        let process = process?;
        let Ok(Ended { exit, output_open, .. }) = timeout(SILENCE, process.wait()).await else {
            return Some((Bytes::from_static(event::KEEP_ALIVE), Some(process)));
        };
        let mut out = Vec::new();
        event::exit_mark(&exit, output_open, 0, &mut out);
        out.extend_from_slice(event::EOF);
        Some((Bytes::from(out), None))
    });
    Ok(event_stream(parts.map(Ok::<_, io::Error>)))
}

/// An answer whose body is an event stream.
fn event_stream(
    parts: impl futures::Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(parts)).into_response()
}
