//! Operations on files and directories, with the meaning that they have in Node's `fs`. Each runs on a thread of its own
//! and writes its result into a pipe, so it can be slow and its result can be large.

mod copy;
mod look;
mod remove;
mod search;
mod watch;

use super::message::Refusal;
use super::place::inside;
use crate::error::{ApiError, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, Timespec as FileTime, Timestamps, utimensat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits::ERROR_TEXT_CHARS;
use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

pub(super) use search::perform as search;
pub(crate) use search::{Lines, Search};
pub(super) use watch::watch;

/// The first byte in the pipe says whether a result or an error follows, in JSON.
pub(crate) const BEGIN_RESULT: u8 = b'+';
pub(crate) const BEGIN_ERROR: u8 = b'-';

/// An operation on files. Paths are as processes of the sandbox name them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Operation {
    /// The status of what a path names, or of a link.
    Stat {
        path: String,
        follow: bool,
    },
    Readdir {
        path: String,
        recursive: bool,
    },
    Readlink {
        path: String,
    },
    Realpath {
        path: String,
    },
    /// Checks that the path exists and permits `mode`, the bits of access(2).
    Access {
        path: String,
        mode: u32,
    },
    Mkdir {
        path: String,
        #[serde(default)]
        recursive: bool,
        mode: Option<u32>,
    },
    Rename {
        path: String,
        to: String,
    },
    /// Copies one file, through links.
    Copyfile {
        path: String,
        to: String,
        /// `to` must not exist.
        #[serde(default)]
        exclusive: bool,
    },
    /// Copies a file, a link or a directory with everything in it.
    Cp {
        path: String,
        to: String,
        #[serde(default)]
        recursive: bool,
        /// Replaces files that exist; otherwise they stay.
        #[serde(default)]
        force: bool,
        /// Copies the targets of links.
        #[serde(default)]
        dereference: bool,
        /// Keeps the times of files and directories.
        #[serde(default)]
        times: bool,
    },
    Rm {
        path: String,
        #[serde(default)]
        recursive: bool,
        /// A path that does not exist is not an error.
        #[serde(default)]
        force: bool,
    },
    Chmod {
        path: String,
        mode: u32,
    },
    Symlink {
        target: String,
        path: String,
    },
    /// Times are milliseconds since 1970.
    Utimes {
        path: String,
        atime_ms: f64,
        mtime_ms: f64,
    },
}

impl Operation {
    /// Whether the operation only reads.
    pub(crate) fn only_looks(&self) -> bool {
        use Operation::{Access, Readdir, Readlink, Realpath, Stat};
        matches!(
            self,
            Stat { .. } | Readdir { .. } | Readlink { .. } | Realpath { .. } | Access { .. }
        )
    }

    /// Its paths, without the target of a link.
    pub(crate) fn paths(&self) -> [&str; 2] {
        use Operation::*;
        match self {
            Rename { path, to } | Copyfile { path, to, .. } | Cp { path, to, .. } => [path, to],
            Stat { path, .. }
            | Readdir { path, .. }
            | Readlink { path }
            | Realpath { path }
            | Access { path, .. }
            | Mkdir { path, .. }
            | Rm { path, .. }
            | Chmod { path, .. }
            | Symlink { path, .. }
            | Utimes { path, .. } => [path, path],
        }
    }
}

/// Performs an operation, and writes the result into the pipe.
pub(super) fn perform(operation: &Operation, workspace: &Path, pipe: OwnedFd) {
    let reader = Reader(&pipe);
    match run(operation, workspace, &reader) {
        Ok(value) => answer(BEGIN_RESULT, &value, pipe),
        Err(error) => refuse(error, pipe),
    }
}

fn refuse(error: ApiError, pipe: OwnedFd) {
    let (code, text) = error.into_parts();
    let text = text.chars().take(ERROR_TEXT_CHARS).collect();
    answer(BEGIN_ERROR, &Refusal { code: code.as_str().to_owned(), text }, pipe);
}

fn answer(begin: u8, value: &impl Serialize, pipe: OwnedFd) {
    let Ok(mut text) = serde_json::to_vec(value) else { return };
    text.insert(0, begin);
    // The reader can be gone.
    let _ = File::from(pipe).write_all(&text);
}

/// The server's end of the pipe.
struct Reader<'a>(&'a OwnedFd);

impl Reader<'_> {
    fn has_gone(&self) -> bool {
        let mut polled = [PollFd::new(self.0, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&at_once)).is_ok() && !polled[0].revents().is_empty()
    }
}

fn run(operation: &Operation, workspace: &Path, reader: &Reader<'_>) -> Result<Value> {
    let [first, second] = operation.paths();
    let (from, to) = (inside(first, workspace), inside(second, workspace));
    let done = match operation {
        Operation::Stat { follow, .. } => look::stat(&from, *follow),
        Operation::Readdir { recursive, .. } => {
            return look::readdir(first, &from, *recursive, reader);
        }
        Operation::Readlink { .. } => {
            return look::utf8(std::fs::read_link(&from), first);
        }
        Operation::Realpath { .. } => {
            return look::utf8(std::fs::canonicalize(&from), first);
        }
        Operation::Access { mode, .. } => look::access(&from, *mode),
        Operation::Mkdir { recursive, mode, .. } => DirBuilder::new()
            .recursive(*recursive)
            .mode(mode.unwrap_or(0o777))
            .create(&from)
            .map_err(|error| match errno(error) {
                // A link in the path leads nowhere.
                Errno::EXIST if *recursive => rustix::fs::stat(&from).err().unwrap_or(Errno::EXIST),
                errno => errno,
            })
            .map(|()| json!({})),
        Operation::Rename { .. } => rustix::fs::rename(&from, &to).map(|()| json!({})),
        Operation::Copyfile { exclusive, .. } => {
            copy::file(&from, &to, *exclusive).map(|()| json!({}))
        }
        Operation::Cp { recursive, force, dereference, times, .. } => {
            let how = copy::How {
                recursive: *recursive,
                force: *force,
                dereference: *dereference,
                times: *times,
            };
            return copy::tree(&from, &to, how)
                .map(|()| json!({}))
                .map_err(|(path, errno)| refused(&path.to_string_lossy(), errno));
        }
        Operation::Rm { recursive, force, .. } => match remove::remove(&from, *recursive) {
            Err(Errno::NOENT) if *force => Ok(json!({})),
            removed => removed.map(|()| json!({})),
        },
        Operation::Chmod { mode, .. } => {
            rustix::fs::chmod(&from, Mode::from_raw_mode(*mode)).map(|()| json!({}))
        }
        Operation::Symlink { target, .. } => rustix::fs::symlink(target, &from).map(|()| json!({})),
        Operation::Utimes { atime_ms, mtime_ms, .. } => {
            let times =
                Timestamps { last_access: time(*atime_ms), last_modification: time(*mtime_ms) };
            utimensat(CWD, &from, &times, AtFlags::empty()).map(|()| json!({}))
        }
    };
    done.map_err(|errno| refused(first, errno))
}

fn time(ms: f64) -> FileTime {
    let seconds = (ms / 1000.0).floor();
    // `as` saturates, and takes NaN for 0.
    let nanoseconds = ((ms - seconds * 1000.0) * 1e6).round().clamp(0.0, 999_999_999.0);
    FileTime { tv_sec: seconds as i64, tv_nsec: nanoseconds as _ }
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// An error whose code is the name of the error number.
pub(super) fn refused(path: &str, errno: Errno) -> ApiError {
    const NAMES: [(Errno, ServerCode); 22] = [
        (Errno::NOENT, ServerCode::Enoent),
        (Errno::EXIST, ServerCode::Eexist),
        (Errno::NOTDIR, ServerCode::Enotdir),
        (Errno::ISDIR, ServerCode::Eisdir),
        (Errno::NOTEMPTY, ServerCode::Enotempty),
        (Errno::ACCESS, ServerCode::Eacces),
        (Errno::PERM, ServerCode::Eperm),
        (Errno::ROFS, ServerCode::Erofs),
        (Errno::INVAL, ServerCode::Einval),
        (Errno::ILSEQ, ServerCode::Eilseq),
        (Errno::LOOP, ServerCode::Eloop),
        (Errno::NAMETOOLONG, ServerCode::Enametoolong),
        (Errno::XDEV, ServerCode::Exdev),
        (Errno::BUSY, ServerCode::Ebusy),
        (Errno::TXTBSY, ServerCode::Etxtbsy),
        (Errno::NXIO, ServerCode::Enxio),
        (Errno::MLINK, ServerCode::Emlink),
        (Errno::OPNOTSUPP, ServerCode::Enotsup),
        (Errno::FBIG, ServerCode::Efbig),
        (Errno::NOSPC, ServerCode::Enospc),
        (Errno::DQUOT, ServerCode::Edquot),
        (Errno::IO, ServerCode::Eio),
    ];
    let known = NAMES.iter().find(|(known, _)| *known == errno);
    let code = known.map_or(ServerCode::Eio, |(_, code)| *code);
    ApiError::new(code, format!("{path:?}: {errno}"))
}
