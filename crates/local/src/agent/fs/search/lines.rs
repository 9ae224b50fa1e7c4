//! Searches files for lines that match a regular expression.

use super::Lines;
use super::results::Worker;
use crate::error::{ApiError, Result};
use grep_matcher::Matcher as _;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkFinish, SinkMatch};
use serde::Serialize;
use shoreline_protocol::error::ServerCode;
use std::fs::File;
use std::io::{self, Read};

/// The maximum size of a compiled pattern, and of each thread's cache for it, in bytes.
const PATTERN_BYTES: usize = 8 * 1024 * 1024;
/// The maximum nesting depth of groups in a pattern.
const NESTED: u32 = 100;
/// The maximum length of a line in bytes. The search of a file ends at a longer line.
const LINE_BYTES: usize = 8 * 1024 * 1024;

#[derive(Clone)]
pub(super) struct Matcher {
    regex: RegexMatcher,
    max_bytes: usize,
}

impl Matcher {
    pub(super) fn new(lines: &Lines) -> Result<Self> {
        let built = RegexMatcherBuilder::new()
            .case_insensitive(lines.ignore_case)
            .fixed_strings(lines.fixed)
            .line_terminator(Some(b'\n'))
            .size_limit(PATTERN_BYTES)
            .dfa_size_limit(PATTERN_BYTES)
            .nest_limit(NESTED)
            .build(&lines.pattern);
        let regex = built.map_err(|error| {
            let text = format!("the pattern is not a valid regular expression: {error}");
            ApiError::new(ServerCode::InvalidRequest, text)
        })?;
        Ok(Self { regex, max_bytes: lines.max_bytes })
    }
}

pub(super) fn searcher() -> Searcher {
    SearcherBuilder::new()
        .binary_detection(BinaryDetection::quit(0))
        .heap_limit(Some(LINE_BYTES))
        .line_number(true)
        .build()
}

/// Searches a file. Returns whether it is binary.
pub(super) fn search(
    file: File,
    size: u64,
    path: &str,
    matcher: &Matcher,
    searcher: &mut Searcher,
    worker: &Worker<'_>,
) -> io::Result<bool> {
    let mut found = Found { path, matcher, worker, is_binary: false };
    // Bytes that are appended meanwhile are not searched, since a writer could append forever.
    let reader = Stoppable { file: file.take(size), worker };
    match searcher.search_reader(&matcher.regex, reader, &mut found) {
        Err(_) if worker.is_stopped() => Ok(false),
        searched => searched.map(|()| found.is_binary),
    }
}

struct Stoppable<'a> {
    file: io::Take<File>,
    worker: &'a Worker<'a>,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.worker.is_stopped() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.file.read(buffer)
    }
}

struct Found<'a> {
    path: &'a str,
    matcher: &'a Matcher,
    worker: &'a Worker<'a>,
    is_binary: bool,
}

/// A line of a file in a result.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    line: u64,
    /// The column at which the match begins, from 1, in UTF-16 code units as in JavaScript strings. `None` if the text
    /// was truncated before the match.
    column: Option<usize>,
    text: &'a str,
    cut: bool,
}

impl Sink for Found<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let whole = found.bytes();
        let whole = whole.strip_suffix(b"\n").unwrap_or(whole);
        let shown = whole.get(..boundary(whole, self.matcher.max_bytes)).unwrap_or(whole);
        let start = self.matcher.regex.find(whole).ok().flatten().map(|at| at.start());
        let before = start.filter(|start| *start < shown.len() || shown.len() == whole.len());
        let units = |bytes: &[u8]| String::from_utf8_lossy(bytes).encode_utf16().count();
        let column = before.and_then(|start| shown.get(..start)).map(|before| units(before) + 1);
        let text = String::from_utf8_lossy(shown);
        let line = Line {
            path: self.path,
            line: found.line_number().unwrap_or(0),
            column,
            text: &text,
            cut: shown.len() < whole.len(),
        };
        Ok(self.worker.push(&line))
    }

    fn finish(&mut self, _: &Searcher, end: &SinkFinish) -> io::Result<()> {
        self.is_binary = end.binary_byte_offset().is_some();
        Ok(())
    }
}

/// Returns the index at which to truncate a line to at most `most` bytes without splitting a character.
fn boundary(line: &[u8], most: usize) -> usize {
    if line.len() <= most {
        return line.len();
    }
    let is_continued = |at: usize| line.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (most.saturating_sub(3)..=most).rev().find(|at| !is_continued(*at)).unwrap_or(most)
}
