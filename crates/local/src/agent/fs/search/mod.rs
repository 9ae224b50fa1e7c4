//! Searches for paths by patterns and for lines by a regular expression. A search has its own threads and writes each
//! result into a pipe as a line of JSON. The last line is an object with `end`.
//!
//! Processes of the sandbox can change the tree during a search. Files and directories are opened below the first
//! directory without following links. Only regular files are read, and paths are no longer than the kernel accepts.

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

/// The maximum number of threads of a search. More would need more memory without being faster on one disk.
const THREADS: usize = 8;
const STACK_BYTES: usize = 1 << 20;

/// The options of a search.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Search {
    /// The directory to search.
    pub(crate) path: String,
    /// Patterns of relative paths. A path has to match one of them.
    pub(crate) patterns: Vec<String>,
    /// Patterns of paths to skip. A skipped directory is not entered.
    pub(crate) exclude: Vec<String>,
    /// Wildcards match names that begin with a dot.
    pub(crate) hidden: bool,
    /// Skips paths that ignore files exclude.
    pub(crate) ignore_files: bool,
    /// The maximum number of results.
    pub(crate) limit: u64,
    /// Searches the lines of files. Without it, the paths are the results.
    pub(crate) lines: Option<Lines>,
}

/// The options of a search for lines.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Lines {
    pub(crate) pattern: String,
    /// The pattern is plain text, not a regular expression.
    pub(crate) fixed: bool,
    pub(crate) ignore_case: bool,
    /// The maximum size of a line in a result, in bytes. A longer line is truncated.
    pub(crate) max_bytes: usize,
}

/// Runs a search and writes its results into the pipe.
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
            // If the limit of tasks is reached, the threads that could be started do the work.
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

/// Writes results as they are found, until the last one or until the reader is gone.
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
            // The server reports a search without `end` as failed.
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
