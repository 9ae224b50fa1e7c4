//! Watches a file or a directory with inotify(7), and writes each change as a line of JSON into a pipe. A directory is
//! watched before it is listed, so that a change can be reported twice but is never missed.

use super::super::files::is_beside;
use super::{BEGIN_RESULT, Reader, errno, refuse, refused};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, openat};
use rustix::io::Errno;
use serde::Serialize;
use shoreline_protocol::limits::WATCH_DIRECTORIES;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The time for which changes are collected, so that repeated writes to a file are reported once.
const WINDOW: Duration = Duration::from_millis(10);

/// The size of the buffer for events, and the size at which collected lines are sent, in bytes.
const BUFFER: usize = 64 * 1024;

/// The events of interest. `EXCL_UNLINK`: changes of a file through descriptors after its removal have no path.
const MASK: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::DONT_FOLLOW)
    .union(WatchFlags::EXCL_UNLINK);

/// A line of the result. Paths are relative to the watched path. Bytes that are not UTF-8 are replaced by U+FFFD.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Created {
        path: &'a str,
        directory: bool,
    },
    Changed {
        path: &'a str,
        directory: bool,
    },
    Removed {
        path: &'a str,
        directory: bool,
    },
    /// Changes at the path or below it may not have been reported.
    Overflow {
        path: &'a str,
    },
    /// The last line: the watch has failed or its path is gone.
    Ended {
        code: &'a str,
        message: &'a str,
    },
}

/// Watches until the reader is gone or the watch fails.
pub(in super::super) fn watch(asked: &str, path: &Path, recursive: bool, pipe: OwnedFd) {
    let mut watcher = match Watcher::open(path, recursive, &pipe) {
        Ok(watcher) => watcher,
        Err(errno) => return refuse(refused(asked, errno), pipe),
    };
    let mut pipe = File::from(pipe);
    if pipe.write_all(&[BEGIN_RESULT]).is_err() {
        return;
    }
    let ended = watcher.follow(&mut pipe);
    if let Err(errno) = ended {
        let (code, message) = refused(asked, errno).into_parts();
        watcher.line(&Line::Ended { code: code.as_str(), message: &message });
        let _ = pipe.write_all(&watcher.lines);
    }
}

struct Watcher {
    inotify: OwnedFd,
    /// The watched directory.
    root: PathBuf,
    /// The name in the directory if a file is watched. Editors replace files, which would end a watch on the file.
    only: Option<OsString>,
    recursive: bool,
    /// Watched directories relative to the root, by watch descriptor, and back.
    directories: HashMap<i32, PathBuf>,
    descriptors: BTreeMap<PathBuf, i32>,
    /// Paths that were reported as changed in this window.
    changed: HashSet<PathBuf>,
    lines: Vec<u8>,
}

impl Watcher {
    fn open(path: &Path, recursive: bool, pipe: &OwnedFd) -> std::result::Result<Self, Errno> {
        let root = std::fs::canonicalize(path).map_err(errno)?;
        let is_directory = root.is_dir();
        let only = root.file_name().filter(|_| !is_directory).map(OsStr::to_owned);
        let root = match (&only, root.parent()) {
            (Some(_), Some(above)) => above.to_owned(),
            _ => root,
        };
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let mut watcher = Self {
            // The user's limit of inotify instances is reached.
            inotify: inotify
                .map_err(|errno| if errno == Errno::MFILE { Errno::NOSPC } else { errno })?,
            root,
            recursive: recursive && only.is_none(),
            only,
            directories: HashMap::new(),
            descriptors: BTreeMap::new(),
            changed: HashSet::new(),
            lines: Vec::new(),
        };
        watcher.add(Path::new(""))?;
        watcher.scan(Path::new(""), false, &Reader(pipe))?;
        Ok(watcher)
    }

    /// Reports changes until the reader is gone.
    ///
    /// # Errors
    /// The root is gone, or the limit of watched directories is reached.
    fn follow(&mut self, pipe: &mut File) -> std::result::Result<(), Errno> {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let end = OwnedFd::from(pipe.try_clone().map_err(errno)?);
        let reader = Reader(&end);
        loop {
            if self.send(pipe).is_err() {
                return Ok(());
            }
            let mut polled = [
                PollFd::new(&self.inotify, PollFlags::IN),
                PollFd::from_borrowed_fd(rustix::fd::AsFd::as_fd(pipe), PollFlags::empty()),
            ];
            match poll(&mut polled, None) {
                Ok(_) if !polled[1].revents().is_empty() => return Ok(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
            thread::sleep(WINDOW);
            self.changed.clear();
            while self.lines.len() < BUFFER {
                let events = match read(&self.inotify, &mut buffer) {
                    Ok(events) => events,
                    Err(Errno::WOULDBLOCK | Errno::INTR) => break,
                    Err(errno) => return Err(errno),
                };
                for event in events {
                    self.take(&event, &reader)?;
                }
            }
        }
    }

    fn send(&mut self, pipe: &mut File) -> std::io::Result<()> {
        let sent = pipe.write_all(&self.lines);
        self.lines.clear();
        sent
    }

    fn take(&mut self, event: &Event, reader: &Reader<'_>) -> std::result::Result<(), Errno> {
        let Event { descriptor, what, name } = event;
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            return self.start_over(reader);
        }
        if what.contains(ReadFlags::IGNORED) {
            if let Some(path) = self.directories.remove(descriptor) {
                self.descriptors.remove(&path);
            }
            return Ok(());
        }
        let Some(above) = self.directories.get(descriptor) else { return Ok(()) };
        let gone = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT;
        if what.intersects(gone) {
            // For any directory except the root, the parent directory reports the event.
            return if above.as_os_str().is_empty() { Err(Errno::NOENT) } else { Ok(()) };
        }
        if self.only.as_ref().is_some_and(|only| name.as_ref() != Some(only)) {
            return Ok(());
        }
        // A write ends with a rename, which is reported instead.
        if name.as_ref().is_some_and(|name| is_beside(name)) {
            return Ok(());
        }
        let is_directory = what.contains(ReadFlags::ISDIR);
        let path = match name {
            Some(name) => above.join(name),
            None if above.as_os_str().is_empty() => PathBuf::new(),
            // The parent directory has reported it by name.
            None => return Ok(()),
        };
        if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            self.created(&path, is_directory);
            if is_directory && self.recursive {
                self.forget(&path);
                self.below(&path)?;
                self.scan(&path, true, reader)?;
            }
        } else if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            self.changed.remove(&path);
            self.line(&Line::Removed { path: &path.to_string_lossy(), directory: is_directory });
            if is_directory && self.recursive {
                self.forget(&path);
            }
        } else if self.changed.insert(path.clone()) {
            self.line(&Line::Changed { path: &path.to_string_lossy(), directory: is_directory });
        }
        Ok(())
    }

    fn created(&mut self, path: &Path, directory: bool) {
        self.changed.remove(path);
        self.line(&Line::Created { path: &path.to_string_lossy(), directory });
    }

    fn line(&mut self, line: &Line<'_>) {
        // Serialization to memory cannot fail: the keys are strings.
        let _ = serde_json::to_writer(&mut self.lines, line);
        self.lines.push(b'\n');
    }

    fn overflow(&mut self, path: &Path) {
        self.line(&Line::Overflow { path: &path.to_string_lossy() });
    }

    /// Replaces all watches after the kernel dropped events: directories can have been added, moved or removed.
    fn start_over(&mut self, reader: &Reader<'_>) -> std::result::Result<(), Errno> {
        self.forget(Path::new(""));
        self.add(Path::new(""))?;
        self.scan(Path::new(""), false, reader)?;
        // Only now: all later changes are reported.
        self.changed.clear();
        self.overflow(Path::new(""));
        Ok(())
    }

    /// Adds a watch on a directory.
    fn add(&mut self, path: &Path) -> std::result::Result<(), Errno> {
        if self.directories.len() >= WATCH_DIRECTORIES {
            return Err(Errno::NOSPC);
        }
        let descriptor = inotify::add_watch(&self.inotify, self.root.join(path), MASK)?;
        // The directory was watched by another path: it was moved here.
        if let Some(before) = self.directories.insert(descriptor, path.to_owned()) {
            self.descriptors.remove(&before);
        }
        self.descriptors.insert(path.to_owned(), descriptor);
        Ok(())
    }

    /// Adds a watch on a directory below the root. Ignores a missing directory, and reports one that cannot be watched.
    fn below(&mut self, path: &Path) -> std::result::Result<(), Errno> {
        match self.add(path) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(Errno::NOSPC) => return Err(Errno::NOSPC),
            Err(_) => self.overflow(path),
        }
        Ok(())
    }

    /// Adds watches below a watched directory. With `report`, its entries are reported as created.
    fn scan(
        &mut self,
        path: &Path,
        report: bool,
        reader: &Reader<'_>,
    ) -> std::result::Result<(), Errno> {
        if !self.recursive {
            return Ok(());
        }
        let mut directories = vec![path.to_owned()];
        while let Some(directory) = directories.pop() {
            // If the reader is gone, the scan can stop.
            if reader.has_gone() {
                return Ok(());
            }
            if !self.descriptors.contains_key(&directory) {
                continue;
            }
            match entries(&self.root.join(&directory)) {
                Ok(entries) => {
                    for (name, is_directory) in entries {
                        if is_beside(&name) {
                            continue;
                        }
                        let path = directory.join(name);
                        if report {
                            self.created(&path, is_directory);
                        }
                        if is_directory {
                            self.below(&path)?;
                            directories.push(path);
                        }
                    }
                }
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(_) => self.overflow(&directory),
            }
        }
        Ok(())
    }

    /// Removes the watches on a directory and on those below it.
    fn forget(&mut self, path: &Path) {
        let from = (Bound::Included(path.to_owned()), Bound::Unbounded);
        let below = self.descriptors.range(from).take_while(|(other, _)| other.starts_with(path));
        let below: Vec<_> = below.map(|(other, descriptor)| (other.clone(), *descriptor)).collect();
        for (other, descriptor) in below {
            self.descriptors.remove(&other);
            self.directories.remove(&descriptor);
            // The kernel removes the watch on a deleted directory itself.
            let _ = inotify::remove_watch(&self.inotify, descriptor);
        }
    }
}

/// An inotify event that owns its name.
struct Event {
    descriptor: i32,
    what: ReadFlags,
    name: Option<OsString>,
}

/// One buffer of events.
fn read(inotify: &OwnedFd, buffer: &mut [MaybeUninit<u8>]) -> rustix::io::Result<Vec<Event>> {
    let mut reader = inotify::Reader::new(inotify, buffer);
    let mut events = Vec::new();
    loop {
        let event = reader.next()?;
        events.push(Event {
            descriptor: event.wd(),
            what: event.events(),
            name: event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned()),
        });
        if reader.is_buffer_empty() {
            return Ok(events);
        }
    }
}

/// The names of a directory's entries, each with whether it is a directory.
fn entries(path: &Path) -> rustix::io::Result<Vec<(OsString, bool)>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty())?;
    let mut entries = Vec::new();
    for entry in Dir::new(directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let is_directory = match entry.file_type() {
            FileType::Unknown => {
                std::fs::symlink_metadata(path.join(name)).is_ok_and(|metadata| metadata.is_dir())
            }
            kind => kind == FileType::Directory,
        };
        entries.push((name.to_owned(), is_directory));
    }
    Ok(entries)
}
