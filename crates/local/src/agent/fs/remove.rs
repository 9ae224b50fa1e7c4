//! Removes files and trees.

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, lstat, openat, rmdir, statat, unlink,
    unlinkat,
};
use rustix::io::{Errno, Result};
use std::ffi::CString;
use std::path::Path;

/// Removes a path; a link itself, not its target. A directory needs `recursive`.
pub(super) fn remove(path: &Path, recursive: bool) -> Result<()> {
    if FileType::from_raw_mode(lstat(path)?.st_mode) != FileType::Directory {
        return unlink(path);
    }
    if !recursive {
        return Err(Errno::ISDIR);
    }
    empty(openat(CWD, path, DIRECTORY, Mode::empty())?)?;
    rmdir(path)
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory that is being emptied: its identity, and the directories in it.
struct Level {
    identity: (u64, u64),
    /// Its name in the directory above; the first one's is not used.
    name: CString,
    left: Vec<CString>,
}

/// Removes everything in a directory. Only one directory is open at a time, and it is left by its `..`: a sandbox can
/// nest directories deeper than a stack or the limit of open files reaches. Links are never followed, and a directory
/// that was moved in the meantime is an error.
fn empty(directory: OwnedFd) -> Result<()> {
    let mut here = directory;
    let mut levels = vec![Level::of(&here, CString::default())?];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.left.pop() {
            match openat(&here, &name, DIRECTORY, Mode::empty()) {
                Ok(below) => {
                    levels.push(Level::of(&below, name)?);
                    here = below;
                }
                Err(Errno::NOENT) => {}
                // Another file has replaced the directory.
                Err(Errno::NOTDIR | Errno::LOOP) => gone(unlinkat(&here, &name, AtFlags::empty()))?,
                Err(errno) => return Err(errno),
            }
            continue;
        }
        let done = levels.pop();
        if let (Some(above), Some(Level { name, .. })) = (levels.last(), done) {
            here = openat(&here, "..", DIRECTORY, Mode::empty())?;
            if identity(&here)? != above.identity {
                return Err(Errno::BUSY);
            }
            gone(unlinkat(&here, &name, AtFlags::REMOVEDIR))?;
        }
    }
    Ok(())
}

impl Level {
    /// Removes the entries of a directory that are not directories.
    fn of(directory: &OwnedFd, name: CString) -> Result<Self> {
        let mut left = Vec::new();
        // While a directory is read, removing entries is allowed (readdir(3p)).
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_bytes() == b"." || name.to_bytes() == b".." {
                continue;
            }
            let is_directory = match entry.file_type() {
                FileType::Unknown => statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
                kind => kind == FileType::Directory,
            };
            if is_directory {
                left.push(name.to_owned());
            } else {
                gone(unlinkat(directory, name, AtFlags::empty()))?;
            }
        }
        Ok(Self { identity: identity(directory)?, name, left })
    }
}

fn identity(directory: &OwnedFd) -> Result<(u64, u64)> {
    let stat = fstat(directory.as_fd())?;
    Ok((stat.st_dev, stat.st_ino))
}

/// An entry that another process removed meanwhile is not an error.
fn gone(removed: Result<()>) -> Result<()> {
    match removed {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
}
