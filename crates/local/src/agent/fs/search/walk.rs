//! Walks a tree with several threads.

use super::globs::{Globs, Left};
use super::ignores::{Held, Rules, begin_below};
use super::lines::{self, Matcher};
use super::results::Worker;
use crate::agent::fs::look::kind_name;
use grep_searcher::Searcher;
use parking_lot::{Condvar, Mutex};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, fstatfs, openat, openat2, statat,
};
use rustix::io::Errno;
use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of files in a task.
const FILES: usize = 64;
/// The maximum size of all queued paths in bytes. Directories beyond it are skipped.
const WAITING: usize = 64 * 1024 * 1024;
/// The maximum number of queued tasks with files. Beyond it, a thread searches the files itself.
const TASKS: usize = 64;

/// Pseudo file systems: reading some of their files never ends.
const PSEUDO_FILE_SYSTEMS: [i64; 2] = [0x9fa0, 0x6265_6572]; // PROC_SUPER_MAGIC, SYSFS_MAGIC

enum Task {
    Directory(Directory),
    /// Files, by their paths.
    Files(Vec<String>),
}

/// A directory to search.
struct Directory {
    /// From the first directory; with a slash at the end, or empty.
    path: String,
    left: Vec<Left>,
    excluded: Vec<Left>,
    rules: Option<Arc<Rules>>,
}

#[derive(Default)]
struct Tasks {
    stack: Vec<Task>,
    /// The number of threads that can still add tasks.
    busy: usize,
    /// The size of the queued directories' paths, in bytes.
    bytes: usize,
    is_over: bool,
}

pub(super) struct Walk {
    root: OwnedFd,
    is_pseudo: bool,
    /// The path of the first directory, with a slash at the end.
    base: String,
    globs: Globs,
    exclude: Globs,
    matcher: Option<Matcher>,
    ignore_files: bool,
    held: Held,
    binary: AtomicUsize,
    skipped: AtomicUsize,
    tasks: Mutex<Tasks>,
    ready: Condvar,
}

/// Opens a path below a directory for reading, without following links.
pub(super) fn open_in(
    root: &OwnedFd,
    path: impl rustix::path::Arg + Copy,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat2(root, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // If openat2(2) is missing (gVisor) or denied, at least the last component is not followed.
        Err(Errno::NOSYS | Errno::PERM) => openat(root, path, flags, Mode::empty()),
        opened => opened,
    }
}

fn is_pseudo(directory: &OwnedFd) -> bool {
    fstatfs(directory).is_ok_and(|it| PSEUDO_FILE_SYSTEMS.contains(&it.f_type))
}

impl Walk {
    pub(super) fn new(
        root: OwnedFd,
        real: &Path,
        globs: Globs,
        exclude: Globs,
        matcher: Option<Matcher>,
        ignore_files: bool,
    ) -> Self {
        let (held, skipped) = (Held::default(), AtomicUsize::default());
        let rules = ignore_files.then(|| Rules::above(real, &held, &skipped)).flatten();
        let real = real.to_string_lossy();
        let base = format!("{}/", real.trim_end_matches('/'));
        let first = Directory {
            path: String::new(),
            left: globs.start(),
            excluded: exclude.start(),
            rules,
        };
        let bytes = first.bytes();
        let tasks = Tasks { stack: vec![Task::Directory(first)], bytes, ..Tasks::default() };
        Self {
            is_pseudo: is_pseudo(&root),
            root,
            base,
            globs,
            exclude,
            matcher,
            ignore_files,
            held,
            binary: AtomicUsize::default(),
            skipped,
            tasks: Mutex::new(tasks),
            ready: Condvar::new(),
        }
    }

    /// The numbers of binary files, and of files and directories that could not be searched.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.binary.load(Ordering::SeqCst), self.skipped.load(Ordering::SeqCst))
    }

    /// Wakes the waiting threads, so that they see that the search is to stop.
    pub(super) fn wake(&self) {
        self.tasks.lock().is_over = true;
        self.ready.notify_all();
    }

    /// Works until everything is searched or the search is to stop.
    pub(super) fn work(&self, worker: &Worker<'_>) {
        let mut thread = Thread {
            walk: self,
            worker,
            matcher: self.matcher.clone(),
            searcher: lines::searcher(),
        };
        while let Some(task) = self.next(worker) {
            match task {
                Task::Directory(directory) => thread.directory(directory),
                Task::Files(paths) => thread.files(&paths),
            }
            self.tasks.lock().busy -= 1;
        }
        self.ready.notify_all();
    }

    fn next(&self, worker: &Worker<'_>) -> Option<Task> {
        let mut tasks = self.tasks.lock();
        loop {
            if tasks.is_over || worker.is_stopped() {
                return None;
            }
            if let Some(task) = tasks.stack.pop() {
                tasks.busy += 1;
                if let Task::Directory(directory) = &task {
                    tasks.bytes -= directory.bytes();
                }
                return Some(task);
            }
            if tasks.busy == 0 {
                tasks.is_over = true;
                return None;
            }
            self.ready.wait(&mut tasks);
        }
    }

    fn skip(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Directory {
    /// The approximate memory use in bytes.
    fn bytes(&self) -> usize {
        size_of::<Task>()
            + self.path.len()
            + size_of::<Left>() * (self.left.len() + self.excluded.len())
    }
}

/// The state of one thread.
struct Thread<'a> {
    walk: &'a Walk,
    worker: &'a Worker<'a>,
    matcher: Option<Matcher>,
    searcher: Searcher,
}

impl Thread<'_> {
    fn directory(&mut self, directory: Directory) {
        let walk = self.walk;
        let opened = match directory.path.as_str() {
            "" => openat(&walk.root, ".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()),
            path => open_in(&walk.root, path.trim_end_matches('/'), OFlags::DIRECTORY),
        };
        let opened = match opened {
            // It was removed or replaced meanwhile.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return,
            Err(_) => return walk.skip(),
            Ok(opened) if is_pseudo(&opened) && !walk.is_pseudo => return,
            Ok(opened) => opened,
        };
        let Directory { path, left, excluded, rules } = directory;
        let absolute = format!("{}{path}", walk.base);
        let rules = match walk.ignore_files {
            true => {
                let begin = begin_below(&absolute);
                Rules::of(&opened, begin, rules, &walk.held, &walk.skipped)
            }
            false => None,
        };
        let here = Here { path: &path, absolute, left: &left, excluded: &excluded, rules };
        let Ok(entries) = Dir::read_from(&opened) else { return walk.skip() };
        let mut files = Vec::new();
        for entry in entries {
            if self.worker.is_stopped() {
                return;
            }
            let Ok(entry) = entry else {
                walk.skip();
                break;
            };
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let Ok(name) = str::from_utf8(name) else {
                walk.skip();
                continue;
            };
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                let Ok(stat) = statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
                kind = FileType::from_raw_mode(stat.st_mode);
            }
            self.entry(&here, name, kind, &mut files);
        }
        self.files(&files);
    }

    fn entry(&mut self, here: &Here<'_>, name: &str, kind: FileType, files: &mut Vec<String>) {
        let walk = self.walk;
        let is_directory = kind == FileType::Directory;
        let (matches, left) = walk.globs.step(here.left, name);
        let descends = is_directory && !left.is_empty();
        // Links, FIFOs and devices have no lines to search.
        let matches = matches && (self.matcher.is_none() || kind == FileType::RegularFile);
        if !matches && !descends {
            return;
        }
        let (is_excluded, excluded) = walk.exclude.step(here.excluded, name);
        if is_excluded || here.leaves_out(name, is_directory) {
            return;
        }
        let path = format!("{}{name}", here.path);
        if matches && self.matcher.is_none() {
            self.worker.push(&json!({ "path": path, "kind": kind_name(kind) }));
        } else if matches {
            files.push(path);
            if files.len() == FILES {
                self.hand_over(std::mem::take(files));
            }
            return;
        }
        if descends {
            let path = format!("{path}/");
            let rules = here.rules.clone();
            self.add(Directory { path, left, excluded, rules });
        }
    }

    fn add(&self, directory: Directory) {
        let mut tasks = self.walk.tasks.lock();
        let bytes = directory.bytes();
        if tasks.bytes + bytes > WAITING {
            drop(tasks);
            return self.walk.skip();
        }
        tasks.bytes += bytes;
        tasks.stack.push(Task::Directory(directory));
        drop(tasks);
        self.walk.ready.notify_one();
    }

    /// Queues files for another thread, unless the queue is full.
    fn hand_over(&mut self, files: Vec<String>) {
        let mut tasks = self.walk.tasks.lock();
        if tasks.stack.len() < TASKS {
            tasks.stack.push(Task::Files(files));
            drop(tasks);
            self.walk.ready.notify_one();
        } else {
            drop(tasks);
            self.files(&files);
        }
    }

    fn files(&mut self, paths: &[String]) {
        for path in paths {
            if self.worker.is_stopped() {
                return;
            }
            match self.file(path) {
                // It was removed or replaced meanwhile.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => {}
                Err(_) => self.walk.skip(),
                Ok(()) => {}
            }
        }
    }

    fn file(&mut self, path: &str) -> rustix::io::Result<()> {
        let Some(matcher) = &self.matcher else { return Ok(()) };
        let file = open_in(&self.walk.root, path, OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let status = fstat(file.as_fd())?;
        let size = status.st_size.unsigned_abs();
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile || size == 0 {
            return Ok(());
        }
        let (searcher, worker) = (&mut self.searcher, self.worker);
        match lines::search(File::from(file), size, path, matcher, searcher, worker) {
            Ok(true) => drop(self.walk.binary.fetch_add(1, Ordering::Relaxed)),
            Ok(false) => {}
            Err(error) => return Err(super::super::errno(error)),
        }
        Ok(())
    }
}

/// The directory whose entries are processed.
struct Here<'a> {
    path: &'a str,
    absolute: String,
    left: &'a [Left],
    excluded: &'a [Left],
    rules: Option<Arc<Rules>>,
}

impl Here<'_> {
    fn leaves_out(&self, name: &str, is_directory: bool) -> bool {
        let Some(rules) = &self.rules else { return false };
        rules.leave_out(&format!("{}{name}", self.absolute), is_directory)
    }
}
