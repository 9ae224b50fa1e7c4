//! The operations that only read.

use super::{Reader, errno, refused};
use crate::error::{ApiError, Result};
use rustix::fd::AsFd as _;
use rustix::fs::{
    Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, accessat, openat, statat,
};
use rustix::io::Errno;
use serde_json::{Value, json};
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits::{BODY_BYTES, DIRECTORY_ENTRIES};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The number of entries between two checks whether the reader is gone.
const BATCH: usize = 512;

pub(super) fn stat(path: &Path, follow: bool) -> rustix::io::Result<Value> {
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    let stat = statat(CWD, path, flags)?;
    let ms = |seconds: i64, nanoseconds: u64| seconds as f64 * 1000.0 + nanoseconds as f64 / 1e6;
    let Stat { st_dev, st_ino, st_mode, st_nlink, st_uid, st_gid, st_size, .. } = stat;
    Ok(json!({
        "dev": st_dev,
        "ino": st_ino,
        "mode": st_mode,
        "nlink": st_nlink,
        "uid": st_uid,
        "gid": st_gid,
        "size": st_size,
        "atime_ms": ms(stat.st_atime, stat.st_atime_nsec),
        "mtime_ms": ms(stat.st_mtime, stat.st_mtime_nsec),
        "ctime_ms": ms(stat.st_ctime, stat.st_ctime_nsec),
    }))
}

pub(super) fn access(path: &Path, mode: u32) -> rustix::io::Result<Value> {
    let access = Access::from_bits(mode).ok_or(Errno::INVAL)?;
    accessat(CWD, path, access, AtFlags::EACCESS).map(|()| json!({}))
}

/// A path as text for a result.
pub(super) fn utf8(path: io::Result<PathBuf>, asked: &str) -> Result<Value> {
    let path = path.map_err(|error| refused(asked, errno(error)))?;
    let text = path.to_str().ok_or_else(|| not_utf8(path.as_os_str().as_bytes()))?;
    Ok(json!({ "path": text }))
}

fn not_utf8(name: &[u8]) -> ApiError {
    let text = format!("\"{}\": the name is not UTF-8", name.escape_ascii());
    ApiError::new(ServerCode::Eilseq, text)
}

/// The entries of a directory, with `recursive` of those below too, each with its path from there.
pub(super) fn readdir(
    asked: &str,
    path: &Path,
    recursive: bool,
    reader: &Reader<'_>,
) -> Result<Value> {
    let open = |from, path: &Path, flags| {
        openat(from, path, flags | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    };
    let root = open(CWD, path, OFlags::RDONLY).map_err(|errno| refused(asked, errno))?;
    let mut directories = vec![PathBuf::new()];
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while let Some(above) = directories.pop() {
        let failed = |errno| refused(&Path::new(asked).join(&above).to_string_lossy(), errno);
        let directory = match above.as_os_str().is_empty() {
            true => Dir::read_from(&root),
            false => match open(root.as_fd(), &above, OFlags::NOFOLLOW) {
                // The directory was removed or replaced meanwhile.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                opened => opened.and_then(Dir::new),
            },
        };
        for entry in directory.map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let path = above.join(OsStr::from_bytes(name));
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                let Ok(stat) = statat(&root, &path, AtFlags::SYMLINK_NOFOLLOW) else { continue };
                kind = FileType::from_raw_mode(stat.st_mode);
            }
            let text = path.to_str().ok_or_else(|| not_utf8(path.as_os_str().as_bytes()))?;
            // Every byte can be escaped as \u00XX.
            bytes += 6 * text.len() + 32;
            if entries.len() == DIRECTORY_ENTRIES || bytes > BODY_BYTES {
                let text = format!(
                    "{asked:?}: there are more than {DIRECTORY_ENTRIES} entries, or their names are too long for one answer"
                );
                return Err(ApiError::new(ServerCode::PayloadTooLarge, text));
            }
            if entries.len() % BATCH == 0 && reader.has_gone() {
                return Err(refused(asked, Errno::CANCELED));
            }
            entries.push(json!({ "name": text, "kind": kind_name(kind) }));
            if recursive && kind == FileType::Directory {
                directories.push(path);
            }
        }
    }
    Ok(json!({ "entries": entries }))
}

pub(super) fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "link",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::CharacterDevice => "character",
        FileType::BlockDevice => "block",
        FileType::Unknown => "unknown",
    }
}
