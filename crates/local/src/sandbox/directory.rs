//! The server's directory, which contains the files of every sandbox. It is locked (flock(2)) while its server
//! runs. Another server recognizes the directories of dead servers by that, and removes them.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

const PREFIX: &str = "shoreline-local-";
/// Random bytes in a directory's name.
const MARK: usize = 8;
/// The prefix until a directory is locked, so that it does not look like a dead server's.
const UNLOCKED_PREFIX: &str = "new-shoreline-local-";

/// The time limit for the removal of files when the server ends. A disk can take minutes for many files.
const REMOVE: Duration = Duration::from_millis(300);

/// The directory of a running server. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    _lock: File,
}

impl Root {
    /// Makes a directory below `parent`, and begins to remove those of dead servers there.
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        let swept = parent.to_owned();
        thread::spawn(move || sweep(&swept));
        let name = crate::random::hex(crate::random::bytes::<MARK>()?);
        let unlocked = parent.join(format!("{UNLOCKED_PREFIX}{name}"));
        make(&unlocked)?;
        let lock = File::open(&unlocked)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let path = parent.join(format!("{PREFIX}{name}"));
        fs::rename(&unlocked, &path)?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let path = self.path.clone();
        let (removed, wait) = channel();
        thread::spawn(move || {
            report(remove(&path), &path);
            let _ = removed.send(());
        });
        // The next server removes the rest.
        let _ = wait.recv_timeout(REMOVE);
    }
}

/// Makes a directory that other users of the machine cannot enter.
pub(super) fn make(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

fn sweep(parent: &Path) {
    let user = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let mark = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        // Servers before 0.2 did not lock their directories, which have six characters there.
        let theirs = mark.is_some_and(|mark| mark.len() == 2 * MARK);
        // Of the entry itself: a link could lead anywhere.
        let own = entry.metadata().is_ok_and(|entry| entry.is_dir() && entry.uid() == user);
        if !theirs || !own {
            continue;
        }
        let path = entry.path();
        let Ok(directory) = File::open(&path) else { continue };
        if flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok() {
            report(remove(&path), &path);
        }
    }
}

fn report(removed: io::Result<()>, path: &Path) {
    if let Err(error) = removed {
        eprintln!("shoreline-local: {} could not be removed: {error}", path.display());
    }
}

/// Removes a directory with everything in it, also where its owner may not look or write, however deep.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    // Directories are moved up and emptied one after the other: a sandbox can nest them deeper than a stack,
    // a path or the limit of open files reaches.
    let mark = crate::random::hex(crate::random::bytes::<8>()?);
    let mut moved = 0_u64;
    let mut move_up = |below: PathBuf| {
        moved += 1;
        // Moving a directory changes its `..`, for which its owner needs to write to it.
        open_up(&below)?;
        fs::rename(&below, path.join(format!(".{mark}-{moved}")))
    };
    loop {
        match empty_first(path, &mut move_up) {
            Ok(true) => {}
            Ok(false) => return fs::remove_dir(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Another thread removes the same directory.
                if !path.exists() {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Removes the first entry of a directory, from which `move_up` takes the directories in it; `false` when
/// there is none.
fn empty_first(
    path: &Path,
    move_up: &mut impl FnMut(PathBuf) -> io::Result<()>,
) -> io::Result<bool> {
    open_up(path)?;
    let Some(entry) = fs::read_dir(path)?.next().transpose()? else { return Ok(false) };
    if !entry.file_type()?.is_dir() {
        fs::remove_file(entry.path())?;
        return Ok(true);
    }
    open_up(&entry.path())?;
    for below in fs::read_dir(entry.path())? {
        let below = below?;
        if below.file_type()?.is_dir() {
            move_up(below.path())?;
        } else {
            fs::remove_file(below.path())?;
        }
    }
    fs::remove_dir(entry.path())?;
    Ok(true)
}

/// Gives the owner every permission on a directory.
fn open_up(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_dead_servers_are_removed_and_others_are_left() {
        let parent = tempfile::tempdir().unwrap();
        let alive = Root::new(parent.path()).unwrap();
        let dead = parent.path().join(format!("{PREFIX}0123456789abcdef"));
        // The sweep at that server's start takes it as soon as it has its name.
        let nameless = parent.path().join("nameless");
        let hidden = nameless.join("a").join("hidden");
        fs::create_dir_all(hidden.join("below")).unwrap();
        fs::set_permissions(&hidden, Permissions::from_mode(0o0)).unwrap();
        fs::rename(&nameless, &dead).unwrap();
        let old = parent.path().join(format!("{PREFIX}abcdef"));
        fs::create_dir(&old).unwrap();
        let linked = parent.path().join("linked");
        fs::create_dir(&linked).unwrap();
        std::os::unix::fs::symlink(
            &linked,
            parent.path().join(format!("{PREFIX}fedcba9876543210")),
        )
        .unwrap();
        let other = Root::new(parent.path()).unwrap();
        sweep(parent.path());
        assert!(alive.path().is_dir() && other.path().is_dir() && linked.is_dir() && old.is_dir());
        // The sweep of the other's start may be at it.
        while dead.exists() {
            thread::sleep(Duration::from_millis(1));
        }
        let gone = other.path().to_owned();
        drop(other);
        assert!(!gone.exists());
    }

    #[test]
    fn trees_of_every_shape_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let (path, beside) = (parent.path().join("x"), parent.path().join("beside"));
        fs::create_dir_all(beside.join("kept")).unwrap();
        fs::create_dir_all(path.join("wide")).unwrap();
        for i in 0..30 {
            fs::write(path.join("wide").join(i.to_string()), "").unwrap();
            fs::create_dir(path.join(format!("d{i}"))).unwrap();
        }
        std::os::unix::fs::symlink(&beside, path.join("link")).unwrap();
        std::os::unix::fs::symlink(&beside, path.join("wide").join("link")).unwrap();
        let deep = path.join("a/".repeat(60));
        fs::create_dir_all(&deep).unwrap();
        fs::set_permissions(&deep, Permissions::from_mode(0o0)).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists() && beside.join("kept").exists());
        remove(&path).unwrap();
    }
}
