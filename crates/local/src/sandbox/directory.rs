//! The server's directory, which holds the files of every sandbox. It is locked (flock(2)) while its server
//! runs, so that another server knows the directories that dead ones have left, and removes them.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

const PREFIX: &str = "shoreline-local-";
/// Until a directory is locked, so that nobody takes it for a dead server's.
const UNLOCKED_PREFIX: &str = "new-shoreline-local-";

/// The directory of a running server; dropping it removes it.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    _lock: File,
}

impl Root {
    /// Makes a directory below `parent`, and removes those of dead servers there.
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        sweep(parent);
        let name = crate::random::hex(crate::random::bytes::<8>()?);
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
        report(remove(&self.path), &self.path);
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
        let theirs = entry.file_name().to_string_lossy().starts_with(PREFIX);
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

/// Removes a directory with everything in it, also where its owner may not look or write.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

/// Gives the owner every permission on the directories of a tree.
fn open_up(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_dead_servers_are_removed_and_others_are_left() {
        let parent = tempfile::tempdir().unwrap();
        let alive = Root::new(parent.path()).unwrap();
        let dead = parent.path().join(format!("{PREFIX}dead"));
        let hidden = dead.join("a").join("hidden");
        fs::create_dir_all(hidden.join("below")).unwrap();
        fs::set_permissions(&hidden, Permissions::from_mode(0o0)).unwrap();
        let linked = parent.path().join("linked");
        fs::create_dir(&linked).unwrap();
        std::os::unix::fs::symlink(&linked, parent.path().join(format!("{PREFIX}link"))).unwrap();
        let other = Root::new(parent.path()).unwrap();
        assert!(alive.path().is_dir() && other.path().is_dir() && linked.is_dir());
        assert!(!dead.exists());
        let gone = other.path().to_owned();
        drop(other);
        assert!(!gone.exists());
    }

    #[test]
    fn a_directory_that_its_owner_may_not_enter_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("x");
        fs::create_dir_all(path.join("y")).unwrap();
        fs::set_permissions(path.join("y"), Permissions::from_mode(0o0)).unwrap();
        open_up(&path).unwrap();
        assert_eq!(path.join("y").metadata().unwrap().mode() & 0o777, 0o700);
        remove(&path).unwrap();
        assert!(!path.exists());
    }
}
