//! A process's output: one append-only log with a number for every event, in memory up to a bound
//! and on disk beyond it. A follower is a cursor and a wake-up, so that nothing is lost between
//! replay and live output, and a slow follower holds up nobody.
//!
//! Events are lines. The log also owns the unfinished line of each stream, which has no number yet:
//! followers at the log's end can look at it with [`Log::unfinished`].
//!
//! All logs of a sandbox share a [`Budget`]. Records that it drops, and output that could not be
//! written to disk, are a [`Found::Gap`] for followers.
//!
//! The exit of the process has a place in its log: after the event [`Ended::last`]. Events follow it where something
//! else holds the output open.

mod append;
mod budget;
mod chunk;
mod lines;
mod record;
#[cfg(test)]
mod tests;

pub(crate) use budget::Budget;
pub(crate) use chunk::Chunk;
use lines::Lines;
pub(crate) use lines::whole_characters;

use parking_lot::{Mutex, MutexGuard};
use record::Record;
use shoreline_protocol::exit::Exit;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Bytes of a log that stay in memory while its process runs.
const MEMORY: usize = 4 * 1024 * 1024;
/// Bytes of a log that stay in memory after its end.
const MEMORY_ENDED: usize = 64 * 1024;
/// Bytes of one record on disk, roughly: a record ends with the chunk that reaches this size. A
/// follower reads one record at a time.
const RECORD: usize = 64 * 1024;

/// How and when a process ended, and the place of that in its log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// Milliseconds since the epoch.
    pub(crate) at: u64,
    /// The number of the last event before the exit.
    pub(crate) last: u64,
    /// Events of stdout and of stderr before the exit.
    pub(crate) counts: [u64; 2],
    /// Whether something else held the output open.
    pub(crate) output_open: bool,
}

#[derive(Debug, Default)]
struct Inner {
    disk: VecDeque<Record>,
    memory: VecDeque<Arc<Chunk>>,
    memory_bytes: usize,
    /// The part of `memory_bytes` that is reserved as an ended log's.
    reserved: usize,
    /// The number of the last event; the first is 1.
    last: u64,
    /// Events of stdout and of stderr.
    counts: [u64; 2],
    /// The lines of stdout and of stderr that are not finished.
    unfinished: [Lines; 2],
    ended: Option<Ended>,
    /// Nothing is appended any more.
    closed: bool,
    /// The place of the end among those of the sandbox's logs.
    end_order: Option<u64>,
    /// Whether the last write failed, which is reported once.
    failing: bool,
}

/// What a follower finds at its cursor.
pub(crate) enum Found {
    /// Events: the first is the one asked for.
    Chunks(Vec<Arc<Chunk>>),
    /// Events up to this number are no longer kept.
    Gap(u64),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    End,
}

/// The log of one process.
#[derive(Debug)]
pub(crate) struct Log {
    inner: Mutex<Inner>,
    /// Held by the one thread that moves events to disk.
    spilling: Mutex<()>,
    /// Notified of events and of the end.
    wake: watch::Sender<()>,
    /// Notified of reads that bring no events.
    reads: watch::Sender<()>,
    /// The directory of the records. The first record creates it.
    directory: PathBuf,
    budget: Arc<Budget>,
}

impl Log {
    /// An empty log. `directory` is its own; the budget is shared by all logs of the sandbox.
    pub(crate) fn new(directory: PathBuf, budget: Arc<Budget>) -> Self {
        let (inner, spilling) = (Mutex::default(), Mutex::default());
        let (wake, reads) = Default::default();
        Self { inner, spilling, wake, reads, directory, budget }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Notes the exit of the process, which counts as ended from here on. More output can follow.
    pub(crate) fn exit(&self, exit: Exit) {
        self.lock().note_exit(exit, true);
        self.wake.send_replace(());
    }

    /// Notes the exit of the process and closes the log: a client that sees the exit finds the output complete.
    pub(crate) fn end(self: &Arc<Self>, exit: Exit) {
        let mut inner = self.lock();
        inner.note_exit(exit, false);
        self.close_locked(inner);
    }

    /// Closes the log of a process that has ended.
    pub(crate) fn close(self: &Arc<Self>) {
        self.close_locked(self.lock());
    }

    fn close_locked(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        inner.closed = true;
        let order = *inner.end_order.get_or_insert_with(|| self.budget.next_end());
        if !inner.disk.is_empty() {
            self.budget.add_droppable(order, self);
        }
        drop(inner);
        self.wake.send_replace(());
        self.reads.send_replace(());
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.lock().ended
    }

    /// Notified when there may be more events, or the end.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.wake.subscribe()
    }

    /// Notified of reads that bring no events: an unfinished line may have grown.
    pub(crate) fn watch_reads(&self) -> watch::Receiver<()> {
        self.reads.subscribe()
    }

    /// The number of the last event, and how many lines each stream has.
    pub(crate) fn position(&self) -> (u64, [u64; 2]) {
        let inner = self.lock();
        (inner.last, inner.counts)
    }

    /// The number of the first event that is kept.
    pub(crate) fn first(&self) -> u64 {
        let inner = self.lock();
        let in_memory = || inner.memory.front().map(|chunk| chunk.first);
        inner.disk.front().map(|record| record.first).or_else(in_memory).unwrap_or(inner.last + 1)
    }

    /// Moves the oldest events to disk if too many are in memory. The caller appends nothing
    /// meanwhile, so that a process writes no faster than its output can be kept.
    pub(crate) async fn spill(self: &Arc<Self>) {
        let bound = if self.budget.is_memory_short() { RECORD } else { MEMORY };
        if self.lock().memory_bytes > bound {
            self.spill_down_to(bound / 2, bound).await;
        }
    }

    /// Moves events to disk before the end. An ended log keeps [`MEMORY_ENDED`] bytes in memory, or
    /// nothing once the sandbox's ended logs use up their memory.
    pub(crate) async fn settle(self: &Arc<Self>) {
        let (excess, bound) = {
            let mut inner = self.lock();
            self.reserve(&mut inner, 0);
            let wanted = inner.memory_bytes.min(MEMORY_ENDED);
            self.reserve(&mut inner, wanted);
            (inner.memory_bytes > inner.reserved, inner.reserved)
        };
        if excess {
            self.spill_down_to(bound / 2, MEMORY).await;
        }
        let mut inner = self.lock();
        let memory_bytes = inner.memory_bytes;
        // More than the bound is left only if the write failed.
        if memory_bytes <= bound || !self.reserve(&mut inner, memory_bytes) {
            self.drop_memory(&mut inner, bound);
            let memory_bytes = inner.memory_bytes;
            self.reserve(&mut inner, memory_bytes);
        }
    }

    async fn spill_down_to(self: &Arc<Self>, keep: usize, most: usize) {
        let log = self.clone();
        // A panic in the closure leaves the events in memory.
        let _ = tokio::task::spawn_blocking(move || log.spill_now(keep, most)).await;
    }

    /// Writes files until `keep` bytes are left in memory. If a write fails, everything stays in
    /// memory but what exceeds `most` bytes.
    fn spill_now(self: &Arc<Self>, keep: usize, most: usize) {
        let _one_at_a_time = self.spilling.lock();
        loop {
            let chunks = self.lock().oldest_chunks(keep, self.budget.file_bytes());
            let Some(first) = chunks.first().map(|chunk| chunk.first) else { return };
            if let Err(error) = self.write(first, &chunks) {
                let mut inner = self.lock();
                self.drop_memory(&mut inner, most);
                if !std::mem::replace(&mut inner.failing, true) {
                    eprintln!(
                        "shoreline-local: output cannot be written to {}: {error}. It is kept in \
                         memory as far as the limits allow; the oldest output is dropped beyond.",
                        self.directory.display()
                    );
                }
                return;
            }
        }
    }

    /// Writes the oldest chunks of the memory to a new file and lets go of them. On failure no part of
    /// them stays on disk, and all of them in memory.
    fn write(self: &Arc<Self>, file: u64, chunks: &[Arc<Chunk>]) -> io::Result<()> {
        let (bytes, records) = record::encode(file, chunks);
        self.budget.reserve_disk(bytes.len() as u64, self);
        let path = self.path(file);
        let written = fs::write(&path, &bytes).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.directory)?;
                fs::write(&path, &bytes)
            }
            _ => Err(error),
        });
        if let Err(error) = written {
            let _ = fs::remove_file(path);
            self.budget.release_disk(bytes.len() as u64);
            return Err(error);
        }
        let mut inner = self.lock();
        inner.failing = false;
        inner.memory.drain(..chunks.len());
        let cost: usize = chunks.iter().map(|chunk| chunk.cost()).sum();
        let memory_bytes = inner.memory_bytes - cost;
        self.account(&mut inner, memory_bytes);
        inner.disk.extend(records);
        if let Some(order) = inner.end_order {
            self.budget.add_droppable(order, self);
        }
        Ok(())
    }

    fn path(&self, file: u64) -> PathBuf {
        self.directory.join(file.to_string())
    }

    /// Drops the oldest file and its records; `false` if there is none.
    fn drop_file(&self) -> bool {
        let (file, length) = {
            let mut inner = self.lock();
            let Some(file) = inner.disk.front().map(|record| record.file) else { return false };
            let records = inner.disk.partition_point(|record| record.file == file);
            (file, inner.disk.drain(..records).map(|record| record.length).sum())
        };
        let _ = fs::remove_file(self.path(file));
        self.budget.release_disk(length);
        true
    }

    /// Drops the oldest events in memory until at most `most` bytes are left.
    fn drop_memory(&self, inner: &mut Inner, most: usize) {
        let mut left = inner.memory_bytes;
        while left > most
            && let Some(chunk) = inner.memory.pop_front()
        {
            left -= chunk.cost();
        }
        self.account(inner, left);
    }

    /// Records how many bytes are in memory. All that is not reserved counts as a running log's.
    fn account(&self, inner: &mut Inner, memory_bytes: usize) {
        let before = inner.memory_bytes.saturating_sub(inner.reserved);
        inner.memory_bytes = memory_bytes;
        self.budget.change_running(before, memory_bytes.saturating_sub(inner.reserved));
    }

    /// Changes how many bytes of memory are reserved as an ended log's; `false`, and no change, if
    /// the sandbox has not enough.
    fn reserve(&self, inner: &mut Inner, bytes: usize) -> bool {
        let before = inner.memory_bytes.saturating_sub(inner.reserved);
        if bytes < inner.reserved {
            self.budget.release_ended(inner.reserved - bytes);
        } else if !self.budget.reserve_ended(bytes - inner.reserved) {
            return false;
        }
        inner.reserved = bytes;
        self.budget.change_running(before, inner.memory_bytes.saturating_sub(bytes));
        true
    }

    /// What is at number `from`: as many events as lie together, up to about a record.
    ///
    /// # Errors
    /// They are on disk and cannot be read.
    pub(crate) async fn find(self: &Arc<Self>, from: u64) -> io::Result<Found> {
        loop {
            let record = {
                let inner = self.lock();
                let at = inner.disk.partition_point(|record| record.next <= from);
                match inner.disk.get(at) {
                    None => return Ok(inner.find_in_memory(from)),
                    Some(record) if record.first > from => return Ok(Found::Gap(record.first - 1)),
                    Some(record) => *record,
                }
            };
            match self.read(record).await {
                Ok(chunks) => {
                    let chunks = chunks.into_iter().filter(|chunk| chunk.next() > from);
                    return Ok(Found::Chunks(chunks.map(Arc::new).collect()));
                }
                // The record was dropped after it was found: look again.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && !self.has(record.first) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the record that begins with this event is on disk.
    fn has(&self, first: u64) -> bool {
        self.lock().disk.binary_search_by_key(&first, |record| record.first).is_ok()
    }

    async fn read(&self, record: Record) -> io::Result<Vec<Chunk>> {
        let path = self.path(record.file);
        let read = move || -> io::Result<Vec<Chunk>> {
            let length = usize::try_from(record.length).map_err(io::Error::other)?;
            let mut bytes = vec![0; length];
            File::open(path)?.read_exact_at(&mut bytes, record.offset)?;
            Chunk::decode(&bytes)
        };
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        if let Some(order) = inner.end_order {
            self.budget.remove_droppable(order);
        }
        let _ = match inner.disk.is_empty() {
            true => fs::remove_dir(&self.directory),
            false => fs::remove_dir_all(&self.directory),
        };
        self.budget.release_disk(inner.disk.iter().map(|record| record.length).sum());
        self.budget.release_ended(inner.reserved);
        self.budget.change_running(inner.memory_bytes.saturating_sub(inner.reserved), 0);
    }
}

impl Inner {
    fn note_exit(&mut self, exit: Exit, output_open: bool) {
        let (last, counts) = (self.last, self.counts);
        self.ended = Some(Ended { exit, at: now_ms(), last, counts, output_open });
    }

    /// The oldest chunks, about `most` bytes, while more than `keep` bytes are in memory.
    fn oldest_chunks(&self, keep: usize, most: usize) -> Vec<Arc<Chunk>> {
        let (mut left, mut size) = (self.memory_bytes, 0);
        let oldest = self.memory.iter().take_while(|chunk| {
            let wanted = left > keep && size < most;
            left -= chunk.cost();
            size += chunk.cost();
            wanted
        });
        oldest.cloned().collect()
    }

    fn find_in_memory(&self, from: u64) -> Found {
        let at = self.memory.partition_point(|chunk| chunk.next() <= from);
        let mut size = 0;
        let chunks: Vec<_> = self
            .memory
            .range(at..)
            .take_while(|chunk| {
                let room = size < RECORD;
                size += chunk.cost();
                room
            })
            .cloned()
            .collect();
        match (chunks.first(), self.closed) {
            (Some(first), _) if first.first > from => Found::Gap(first.first - 1),
            (Some(_), _) => Found::Chunks(chunks),
            (None, _) if from <= self.last => Found::Gap(self.last),
            (None, true) => Found::End,
            (None, false) => Found::Nothing,
        }
    }
}

/// Now, in ms since the epoch.
pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
