//! Files, named as processes in the sandbox name them.

use super::message::{FileRequest, How};
use super::place::inside;
use crate::error::{ApiError, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use shoreline_protocol::error::ServerCode;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Does what is asked of a path; an open file comes back where one was asked for.
pub(super) fn perform(request: &FileRequest, workspace: &Path) -> Result<Option<OwnedFd>> {
    let path = inside(&request.path, workspace);
    let done = match &request.how {
        How::Read => open(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map(Some),
        How::List => open(&path, OFlags::RDONLY | OFlags::DIRECTORY).map(Some),
        How::Remove => rustix::fs::unlink(&path).map(|()| None),
        How::Create { mark } => create(&path, mark).map(Some),
        How::Commit { mark } => target(&path).and_then(|target| {
            rustix::fs::renameat_with(
                rustix::fs::CWD,
                marked(&target, mark),
                rustix::fs::CWD,
                &target,
                RenameFlags::empty(),
            )
            .map(|()| None)
        }),
        // Also where a directory has been made at the path since.
        How::Discard { mark } => {
            rustix::fs::unlink(marked(&through_links(&path), mark)).map(|()| None)
        }
    };
    done.map_err(|errno| refusal(&request.path, &request.how, errno))
}

fn open(path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// A new file beside `path`, which takes its place when it is whole.
fn create(path: &Path, mark: &str) -> rustix::io::Result<OwnedFd> {
    let target = target(path)?;
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = |bits| Mode::from_raw_mode(bits);
    let file = rustix::fs::open(marked(&target, mark), flags, mode(0o666))?;
    // What is there keeps its permissions.
    if let Ok(old) = rustix::fs::stat(&target) {
        rustix::fs::fchmod(&file, mode(old.st_mode & 0o7777))?;
    }
    Ok(file)
}

/// The file that a path names, through links. Neither a directory nor a device, a pipe or a socket, which a
/// file must not take the place of, is one.
fn target(path: &Path) -> rustix::io::Result<PathBuf> {
    let target = through_links(path);
    if target.is_dir() || target.file_name().is_none() {
        return Err(Errno::ISDIR);
    }
    match std::fs::metadata(&target) {
        Ok(there) if !there.is_file() => Err(Errno::NXIO),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => Err(Errno::LOOP),
        _ => Ok(target),
    }
}

fn through_links(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn marked(target: &Path, mark: &str) -> PathBuf {
    let mut name = OsString::from(".");
    // A name as long as names can be leaves no room for more.
    let short: String =
        target.file_name().unwrap_or_default().to_string_lossy().chars().take(40).collect();
    name.push(short);
    name.push(".");
    name.push(mark);
    target.with_file_name(name)
}

fn refusal(path: &str, how: &How, errno: Errno) -> ApiError {
    let (code, text) = match errno {
        Errno::NOENT => (ServerCode::NotFound, "not found".to_owned()),
        Errno::ISDIR => (ServerCode::IsDirectory, "is a directory".to_owned()),
        // What `unlink` says of a directory where it does not say so.
        Errno::PERM if matches!(how, How::Remove) => {
            (ServerCode::IsDirectory, "is a directory, or must not be removed".to_owned())
        }
        Errno::NOTDIR | Errno::EXIST => (ServerCode::NotADirectory, "not a directory".to_owned()),
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::BUSY => {
            (ServerCode::PermissionDenied, "permission denied".to_owned())
        }
        Errno::NOSPC | Errno::DQUOT => (ServerCode::StorageFull, "the disk is full".to_owned()),
        // What `open` says of a socket.
        Errno::NXIO => (ServerCode::InvalidPath, "is not a regular file".to_owned()),
        Errno::NAMETOOLONG | Errno::LOOP | Errno::INVAL => {
            (ServerCode::InvalidPath, errno.to_string())
        }
        other => (ServerCode::InternalError, other.to_string()),
    };
    ApiError::new(code, format!("{path:?}: {text}"))
}
