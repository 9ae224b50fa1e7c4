//! Operations on files, by the paths that processes in the sandbox use.

use super::fs::refused;
use super::message::{Beside, FileRequest, How};
use super::place::inside;
use crate::error::{ApiError, Result};
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use rustix::fs::{
    Access, AtFlags, CWD, Gid, Mode, OFlags, RenameFlags, Stat, Uid, accessat, fchmod, fchown,
    fstat, lstat, renameat_with, unlink,
};
use rustix::io::Errno;
use shoreline_protocol::error::ServerCode;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The most symbolic links that are followed, as in the kernel (path_resolution(7)).
const LINKS: usize = 40;

/// Performs a request on a path. Returns the open file, if the request is for one.
pub(super) fn perform(request: &FileRequest, workspace: &Path) -> Result<Option<OwnedFd>> {
    let path = inside(&request.path, workspace);
    let done = match &request.how {
        How::Read => open(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map(Some),
        How::List => open(&path, OFlags::RDONLY | OFlags::DIRECTORY).map(Some),
        How::Remove => unlink(&path).map(|()| None),
        How::Create { beside, mode, parents } => create(&path, beside, *mode, *parents).map(Some),
        How::Append { mode } => append(&path, *mode).map(Some),
        How::Commit { beside } => commit(&path, beside).map(|()| None),
        // Works even if a directory was made at the path meanwhile.
        How::Discard { beside } => beside_of(&path, beside).and_then(unlink).map(|()| None),
    };
    done.map_err(|errno| match request.errno {
        true => refused(&request.path, errno),
        false => refusal(&request.path, &request.how, errno),
    })
}

fn open(path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// Opens a new file beside `path`, which replaces `path` when it is complete.
fn create(path: &Path, beside: &Beside, mode: u32, parents: bool) -> rustix::io::Result<OwnedFd> {
    let target = if beside.exclusive { path.to_owned() } else { target(path)? };
    if parents && let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    }
    let old = if beside.exclusive {
        match lstat(&target) {
            Ok(_) => return Err(Errno::EXIST),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(errno),
        }
    } else {
        rustix::fs::stat(&target).ok()
    };
    if let Some(old) = &old {
        accessat(CWD, &target, Access::WRITE_OK, AtFlags::EACCESS)?;
        // After a rename, the other names of the file would keep the old content.
        if old.st_nlink > 1 {
            return in_place(&target);
        }
    }
    let new = marked(&target, &beside.mark);
    note_beside(&new);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = match rustix::fs::open(&new, flags, Mode::from_raw_mode(mode)) {
        Err(Errno::ACCESS | Errno::PERM) if old.is_some() => return in_place(&target),
        file => file?,
    };
    if let Some(old) = &old
        && keep(&file, old).is_err()
    {
        let _ = unlink(&new);
        return in_place(&target);
    }
    Ok(file)
}

/// Gives a new file the owner and the permissions of the file that it replaces.
fn keep(file: &OwnedFd, old: &Stat) -> rustix::io::Result<()> {
    let new = fstat(file)?;
    let differs = |old: u32, new: u32| (old != new).then_some(old);
    let (uid, gid) = (differs(old.st_uid, new.st_uid), differs(old.st_gid, new.st_gid));
    if uid.is_some() || gid.is_some() {
        fchown(file, uid.map(Uid::from_raw), gid.map(Gid::from_raw))?;
    }
    fchmod(file, Mode::from_raw_mode(old.st_mode & 0o7777))
}

/// Opens and truncates the file itself. Only such a file is open for appending, which tells the server that it is one.
fn in_place(target: &Path) -> rustix::io::Result<OwnedFd> {
    regular(open(target, WRITING | OFlags::TRUNC)?)
}

/// Opens a file to write in place. A FIFO without a reader is refused; other special files do not block.
const WRITING: OFlags =
    OFlags::WRONLY.union(OFlags::APPEND).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

fn append(path: &Path, mode: u32) -> rustix::io::Result<OwnedFd> {
    let flags = WRITING | OFlags::CREATE | OFlags::CLOEXEC;
    regular(rustix::fs::open(path, flags, Mode::from_raw_mode(mode))?)
}

/// Returns the file, or an error if it is a FIFO, a socket or a device.
pub(super) fn regular(file: OwnedFd) -> rustix::io::Result<OwnedFd> {
    match rustix::fs::FileType::from_raw_mode(fstat(&file)?.st_mode) {
        rustix::fs::FileType::RegularFile => Ok(file),
        _ => Err(Errno::NXIO),
    }
}

fn commit(path: &Path, beside: &Beside) -> rustix::io::Result<()> {
    if beside.exclusive {
        let new = marked(path, &beside.mark);
        return renameat_with(CWD, &new, CWD, path, RenameFlags::NOREPLACE);
    }
    let target = target(path)?;
    let new = marked(&target, &beside.mark);
    renameat_with(CWD, &new, CWD, &target, RenameFlags::empty())
}

/// The path of the file that a path names, through links, or that a write would make. Fails for directories, devices,
/// pipes and sockets, which a write must not replace.
fn target(path: &Path) -> rustix::io::Result<PathBuf> {
    let target = through_links(path)?;
    if target.is_dir() || target.file_name().is_none() {
        return Err(Errno::ISDIR);
    }
    match std::fs::metadata(&target) {
        Ok(there) if !there.is_file() => Err(Errno::NXIO),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => Err(Errno::LOOP),
        _ => Ok(target),
    }
}

/// Resolves the links at the end of a path. The last link's target need not exist.
fn through_links(path: &Path) -> rustix::io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(link) = std::fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("/")).join(link);
    }
    Err(Errno::LOOP)
}

fn beside_of(path: &Path, beside: &Beside) -> rustix::io::Result<PathBuf> {
    let target = if beside.exclusive { path.to_owned() } else { through_links(path)? };
    Ok(marked(&target, &beside.mark))
}

/// The names of the last files that were made beside others.
static BESIDE: Mutex<VecDeque<OsString>> = Mutex::new(VecDeque::new());
/// The number of names that are kept, which is more than the number of concurrent writes.
const BESIDE_NAMES: usize = 1024;

fn note_beside(path: &Path) {
    let mut names = BESIDE.lock();
    names.truncate(BESIDE_NAMES - 1);
    names.push_front(path.file_name().unwrap_or_default().to_owned());
}

/// Whether a write made a file of this name beside its target.
pub(super) fn is_beside(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".") && BESIDE.lock().iter().any(|beside| beside == name)
}

fn marked(target: &Path, mark: &str) -> PathBuf {
    let mut name = OsString::from(".");
    // The new name must not exceed the maximum length of names.
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
        // The error of `unlink` for a directory, on systems where it is not EISDIR.
        Errno::PERM if matches!(how, How::Remove) => {
            (ServerCode::IsDirectory, "is a directory, or must not be removed".to_owned())
        }
        Errno::NOTDIR | Errno::EXIST => (ServerCode::NotADirectory, "not a directory".to_owned()),
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::BUSY => {
            (ServerCode::PermissionDenied, "permission denied".to_owned())
        }
        Errno::NOSPC | Errno::DQUOT => (ServerCode::StorageFull, "the disk is full".to_owned()),
        // The error of `open` for a socket.
        Errno::NXIO => (ServerCode::InvalidPath, "is not a regular file".to_owned()),
        Errno::NAMETOOLONG | Errno::LOOP | Errno::INVAL => {
            (ServerCode::InvalidPath, errno.to_string())
        }
        other => (ServerCode::InternalError, other.to_string()),
    };
    ApiError::new(code, format!("{path:?}: {text}"))
}
