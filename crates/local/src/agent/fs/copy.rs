//! Copies files and trees.

use super::errno;
use crate::agent::files::regular;
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{
    CWD, FileType, Mode, OFlags, Stat, Timestamps, fchmod, fstat, futimens, lstat, openat, stat,
    symlink, unlink,
};
use rustix::io::{Errno, Result};
use std::fs::File;
use std::path::{Path, PathBuf};

const READING: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const WRITING: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Copies a file and its permissions, through links at both ends.
pub(super) fn file(from: &Path, to: &Path, exclusive: bool) -> Result<()> {
    let source = openat(CWD, from, READING, Mode::empty())?;
    if is(&fstat(&source)?, FileType::Directory) {
        return Err(Errno::ISDIR);
    }
    let flags = if exclusive { OFlags::EXCL } else { OFlags::empty() };
    contents(&regular(source)?, to, flags).map(drop)
}

/// Copies an open file to a path.
fn contents(source: &OwnedFd, to: &Path, flags: OFlags) -> Result<OwnedFd> {
    let status = fstat(source)?;
    let is_new = lstat(to).is_err();
    let mode = Mode::from_raw_mode(status.st_mode & 0o7777);
    let target = regular(openat(CWD, to, WRITING | flags, mode)?)?;
    let there = fstat(&target)?;
    if identity(&there) == identity(&status) {
        return Ok(target);
    }
    let copied = || {
        rustix::fs::ftruncate(&target, 0)?;
        let (mut source, mut target) = (
            File::from(source.try_clone().map_err(errno)?),
            File::from(target.try_clone().map_err(errno)?),
        );
        std::io::copy(&mut source, &mut target).map_err(errno)?;
        // Fails if another user owns the file.
        let _ = fchmod(&target, mode);
        Ok(())
    };
    if let Err(errno) = copied() {
        if is_new {
            let _ = unlink(to);
        }
        return Err(errno);
    }
    Ok(target)
}

/// The options of `Operation::Cp`.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub(super) recursive: bool,
    pub(super) force: bool,
    pub(super) dereference: bool,
    pub(super) times: bool,
}

/// An entry to copy.
struct Task {
    from: PathBuf,
    to: PathBuf,
    /// Whether the entries of the directory are copied. Its permissions and times are set then.
    is_done: bool,
}

type Failure = (PathBuf, Errno);

/// Copies a file, a link or a directory with everything in it. The length of paths bounds how deep it goes.
pub(super) fn tree(from: &Path, to: &Path, how: How) -> std::result::Result<(), Failure> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |errno| (path, errno)
    };
    let status = look(from, how).map_err(at(from))?;
    if is(&status, FileType::Directory) {
        if !how.recursive {
            return Err((from.to_owned(), Errno::ISDIR));
        }
        // Copying a directory into itself would never end.
        let place = to.ancestors().find_map(|path| std::fs::canonicalize(path).ok());
        let above = |path: &Path| stat(path).is_ok_and(|it| identity(&it) == identity(&status));
        if place.is_some_and(|place| place.ancestors().any(above)) {
            return Err((to.to_owned(), Errno::INVAL));
        }
    } else if stat(to).is_ok_and(|there| identity(&there) == identity(&status)) {
        return Err((to.to_owned(), Errno::INVAL));
    }
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(errno).map_err(at(to))?;
    }
    let mut tasks = vec![Task { from: from.to_owned(), to: to.to_owned(), is_done: false }];
    while let Some(task) = tasks.pop() {
        let below = copy(&task, how).map_err(at(&task.from))?;
        tasks.extend(below);
    }
    Ok(())
}

/// Copies one entry. Returns the entries to copy after it.
fn copy(task: &Task, how: How) -> Result<Vec<Task>> {
    let Task { from, to, is_done } = task;
    let status = look(from, how)?;
    let there = if how.dereference { stat(to) } else { lstat(to) }.ok();
    if is(&status, FileType::Directory) {
        if *is_done {
            let directory = openat(CWD, to, READING | OFlags::DIRECTORY, Mode::empty())?;
            fchmod(&directory, Mode::from_raw_mode(status.st_mode & 0o7777))?;
            keep_times(&directory, &status, how)?;
            return Ok(Vec::new());
        }
        let is_new = match there {
            // Through a link to a directory, as Node does.
            Some(_) if stat(to).is_ok_and(|there| is(&there, FileType::Directory)) => false,
            Some(_) => return Err(Errno::NOTDIR),
            None => {
                rustix::fs::mkdir(to, Mode::from_raw_mode(status.st_mode & 0o7777 | 0o700))?;
                true
            }
        };
        let mut tasks = Vec::new();
        if is_new || how.times {
            tasks.push(Task { from: from.clone(), to: to.clone(), is_done: true });
        }
        for entry in std::fs::read_dir(from).map_err(errno)? {
            let name = entry.map_err(errno)?.file_name();
            tasks.push(Task { from: from.join(&name), to: to.join(&name), is_done: false });
        }
        return Ok(tasks);
    }
    if let Some(there) = &there {
        if is(there, FileType::Directory) {
            return Err(Errno::ISDIR);
        }
        if !how.force {
            return Ok(Vec::new());
        }
    }
    let link = is(&status, FileType::Symlink);
    if !link && !is(&status, FileType::RegularFile) {
        return Err(Errno::NXIO);
    }
    if there.is_some() {
        unlink(to)?;
    }
    if link {
        symlink(std::fs::read_link(from).map_err(errno)?, to)?;
        return Ok(Vec::new());
    }
    let follow = if how.dereference { OFlags::empty() } else { OFlags::NOFOLLOW };
    let source = regular(openat(CWD, from, READING | follow, Mode::empty())?)?;
    let target = contents(&source, to, OFlags::EXCL)?;
    keep_times(&target, &status, how)?;
    Ok(Vec::new())
}

fn keep_times(file: &OwnedFd, status: &Stat, how: How) -> Result<()> {
    if !how.times {
        return Ok(());
    }
    let time = |tv_sec, tv_nsec: u64| rustix::fs::Timespec { tv_sec, tv_nsec: tv_nsec as _ };
    let times = Timestamps {
        last_access: time(status.st_atime, status.st_atime_nsec),
        last_modification: time(status.st_mtime, status.st_mtime_nsec),
    };
    futimens(file.as_fd(), &times)
}

fn look(path: &Path, how: How) -> Result<Stat> {
    if how.dereference { stat(path) } else { lstat(path) }
}

fn is(status: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(status.st_mode) == kind
}

fn identity(status: &Stat) -> (u64, u64) {
    (status.st_dev, status.st_ino)
}
