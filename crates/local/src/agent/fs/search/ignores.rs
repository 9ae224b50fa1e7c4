//! Ignore files, with ripgrep's rules: `.rgignore` overrides `.ignore`, which overrides `.gitignore`. An ignore file
//! applies to its directory and everything below. A `.gitignore` does not apply beyond its repository. Outside of
//! repositories it applies too.

use super::walk::open_in;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The names of ignore files, in order of precedence, highest first.
const NAMES: [&str; 3] = [".rgignore", ".ignore", ".gitignore"];
const GITIGNORE: usize = 2;

/// The maximum size of an ignore file in bytes. A larger file is not read.
const FILE_BYTES: usize = 256 * 1024;
/// The maximum size of all ignore files in use, in bytes. Compiled patterns take many times as much memory.
const ALL_BYTES: usize = 4 * 1024 * 1024;

/// The size of the ignore files in use, in bytes.
pub(super) type Held = Arc<AtomicUsize>;

/// The rules of a directory and of its ancestors.
pub(super) struct Rules {
    above: Option<Arc<Rules>>,
    files: [Option<Gitignore>; NAMES.len()],
    /// The index in an absolute path at which the path relative to this directory begins.
    begin: usize,
    is_repository: bool,
    bytes: usize,
    held: Held,
}

impl Rules {
    /// Reads the rules that ancestors of a directory define for it. `real` is its path without links.
    pub(super) fn above(real: &Path, held: &Held, skipped: &AtomicUsize) -> Option<Arc<Self>> {
        let mut rules = None;
        let mut above: Vec<_> = real.ancestors().skip(1).collect();
        above.reverse();
        for path in above {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(directory) = openat(CWD, path, flags, Mode::empty()) else { continue };
            let begin = begin_below(&path.to_string_lossy());
            rules = Self::of(&directory, begin, rules, held, skipped);
        }
        rules
    }

    /// Returns the rules of a directory, or `above` if it has no ignore files.
    pub(super) fn of(
        directory: &OwnedFd,
        begin: usize,
        above: Option<Arc<Self>>,
        held: &Held,
        skipped: &AtomicUsize,
    ) -> Option<Arc<Self>> {
        let mut bytes = 0;
        let files = NAMES.map(|name| {
            let text = match read(directory, name, held) {
                Ok(text) => text?,
                Err(_) => {
                    skipped.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
            };
            bytes += text.len();
            let mut builder = GitignoreBuilder::new("");
            for line in text.trim_start_matches('\u{feff}').lines() {
                // Git also ignores lines that it cannot parse.
                let _ = builder.add_line(None, line);
            }
            builder.build().ok()
        });
        let is_repository = statat(directory, ".git", AtFlags::SYMLINK_NOFOLLOW).is_ok();
        if !is_repository && files.iter().all(Option::is_none) {
            return above;
        }
        let held = held.clone();
        Some(Arc::new(Self { above, files, begin, is_repository, bytes, held }))
    }

    /// Whether the rules exclude an absolute path.
    pub(super) fn leave_out(&self, path: &str, is_directory: bool) -> bool {
        for kind in 0..NAMES.len() {
            let mut next = Some(self);
            while let Some(rules) = next {
                if let (Some(Some(file)), Some(path)) =
                    (rules.files.get(kind), path.get(rules.begin..))
                {
                    match file.matched(path, is_directory) {
                        Match::Ignore(_) => return true,
                        Match::Whitelist(_) => return false,
                        Match::None => {}
                    }
                }
                let is_last = kind == GITIGNORE && rules.is_repository;
                next = rules.above.as_deref().filter(|_| !is_last);
            }
        }
        false
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Returns the index in an absolute path at which the path relative to a directory begins.
pub(super) fn begin_below(directory: &str) -> usize {
    directory.trim_end_matches('/').len() + 1
}

/// Reads an ignore file and adds its size to `held`. Returns `None` unless it is a regular file.
fn read(directory: &OwnedFd, name: &str, held: &Held) -> rustix::io::Result<Option<String>> {
    let file = match open_in(directory, name, OFlags::NONBLOCK | OFlags::NOCTTY) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => return Ok(None),
        file => file?,
    };
    let status = fstat(file.as_fd())?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let size = usize::try_from(status.st_size).unwrap_or(usize::MAX);
    if size > FILE_BYTES || held.fetch_add(size, Ordering::Relaxed) + size > ALL_BYTES {
        if size <= FILE_BYTES {
            held.fetch_sub(size, Ordering::Relaxed);
        }
        return Err(Errno::FBIG);
    }
    let mut bytes = Vec::new();
    let read = File::from(file).take(size as u64).read_to_end(&mut bytes);
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    // The size that is subtracted again later: another process can have truncated the file.
    held.fetch_add(text.len(), Ordering::Relaxed);
    held.fetch_sub(size, Ordering::Relaxed);
    if let Err(error) = read {
        held.fetch_sub(text.len(), Ordering::Relaxed);
        text.clear();
        return Err(super::super::errno(error));
    }
    Ok(Some(text))
}
