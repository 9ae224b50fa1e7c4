//! Searches: names by patterns, and lines of files by a regular expression. Each has threads of its own and writes its
//! results into a pipe as it finds them, one JSON object a line, and an object with `end` last.
//!
//! A process of the sandbox can change the tree meanwhile. Files and directories are opened below the first directory
//! without following links. Only regular files are read, and no path is longer than the kernel takes.

mod globs;
mod ignores;
mod lines;
mod results;
mod walk;

use super::{BEGIN_RESULT, Reader, refuse, refused};
use crate::agent::place::inside;
use crate::error::{ApiError, Result};
use globs::Globs;
use lines::Matcher;
use results::{Results, Taken};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::{Deserialize, Serialize};
use shoreline_protocol::error::ServerCode;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use walk::Walk;

/// Threads of one search: a disk and the memory of an agent serve no more.
const THREADS: usize = 8;
const STACK_BYTES: usize = 1 << 20;

/// A search: its patterns, and the directory.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Search {
    /// The directory that is searched.
    pub(crate) path: String,
    /// Patterns of paths from there. A path has to match one of them.
    pub(crate) patterns: Vec<String>,
    /// Patterns of paths that are left out, directories with everything in them.
    pub(crate) exclude: Vec<String>,
    /// Names that begin with a dot match wildcards too.
    pub(crate) hidden: bool,
    /// Leaves out what the ignore files say.
    pub(crate) ignore_files: bool,
    /// Results at most.
    pub(crate) limit: u64,
    /// Searches the lines of the files. Otherwise the paths are the results.
    pub(crate) lines: Option<Lines>,
}

/// The lines that are searched for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Lines {
    pub(crate) pattern: String,
    /// The pattern is text, not a regular expression.
    pub(crate) fixed: bool,
    pub(crate) ignore_case: bool,
    /// Bytes of a line's text in a result; the text is cut there.
    pub(crate) max_bytes: usize,
}

/// Searches, and writes the results into the pipe.
pub(in crate::agent) fn perform(search: &Search, workspace: &Path, pipe: OwnedFd) {
    match prepare(search, workspace) {
        Ok(walk) => run(&walk, search.limit, pipe),
        Err(error) => refuse(error, pipe),
    }
}

fn prepare(search: &Search, workspace: &Path) -> Result<Walk> {
    let globs = Globs::new(&search.patterns, search.hidden)?;
    let exclude = Globs::new(&search.exclude, true)?;
    let matcher = search.lines.as_ref().map(Matcher::new).transpose()?;
    let path = inside(&search.path, workspace);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let failed = |errno| refused(&search.path, errno);
    let root = openat(CWD, &path, flags, Mode::empty()).map_err(failed)?;
    let real = std::fs::canonicalize(&path).map_err(|error| failed(super::errno(error)))?;
    Ok(Walk::new(root, &real, globs, exclude, matcher, search.ignore_files))
}

fn run(walk: &Walk, limit: u64, pipe: OwnedFd) {
    let results = Results::new(limit);
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let mut started = 0;
        for _ in 0..processors.min(THREADS) {
            // At the limit of tasks, those that could be started do the work.
            let worker = results.worker();
            let builder = thread::Builder::new().stack_size(STACK_BYTES);
            if builder.spawn_scoped(scope, move || walk.work(&worker)).is_err() {
                break;
            }
            started += 1;
        }
        if started == 0 {
            let text = "the sandbox has too many processes and threads to search: end some of them";
            return refuse(ApiError::new(ServerCode::TooManyProcesses, text), pipe);
        }
        write(&results, walk, pipe);
        results.stop();
        walk.wake();
    });
}

/// Writes the results as they come, until the last one or until the reader has gone.
fn write(results: &Results, walk: &Walk, pipe: OwnedFd) {
    let mut pipe = File::from(pipe);
    let mut part = vec![BEGIN_RESULT];
    loop {
        if pipe.write_all(&part).is_err() {
            return;
        }
        part.clear();
        match results.take(&mut part) {
            Taken::Some => {}
            // Without an end, the server takes the search for broken.
            Taken::Failed => return,
            Taken::None => {
                let fd = OwnedFd::from(pipe);
                if Reader(&fd).has_gone() {
                    return;
                }
                pipe = File::from(fd);
            }
            Taken::End { truncated } => {
                let (binary, skipped) = walk.counts();
                let end = serde_json::json!({
                    "end": { "truncated": truncated, "binary": binary, "skipped": skipped }
                });
                let _ = pipe.write_all(format!("{end}\n").as_bytes());
                return;
            }
        }
    }
}
