//! A process's output: one append-only log with a number for every event, in memory up to a bound
//! and on disk beyond it. A follower is a cursor and a wake-up, so that nothing is lost between
//! replay and live output, and a slow follower delays no other.
//!
//! Events are lines. The log also owns the unfinished line of each stream, which has no number yet:
//! followers at the log's end can look at it with [`Log::unfinished`].
//!
//! All logs of a sandbox share a [`Budget`]. Records that it drops, and output that could not be
//! written to disk, are a [`Found::Gap`] for followers.
//!
//! The exit of the process has a place in its log, after the event [`Ended::last`]. Events can follow it if other
//! processes hold the output open.

mod append;
mod budget;
mod chunk;
mod disk;
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
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Bytes of one record on disk, roughly: a record ends with the chunk that reaches this size. A
/// follower reads one record at a time.
const RECORD: usize = 64 * 1024;

/// The exit of a process, its time and its place in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// Milliseconds since the epoch.
    pub(crate) at: u64,
    /// The number of the last event before the exit.
    pub(crate) last: u64,
    /// Events of stdout and of stderr before the exit.
    pub(crate) counts: [u64; 2],
    /// Whether other processes held the output open.
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
    /// Whether the log is closed.
    closed: bool,
    /// Order of this end among the ended logs of the sandbox.
    end_order: Option<u64>,
    /// Whether the last write failed, which is reported once.
    failing: bool,
}

/// Result of a look at a cursor.
pub(crate) enum Found {
    /// Events, from the requested one on.
    Chunks(Vec<Arc<Chunk>>),
    /// Events up to this number are no longer kept.
    Gap(u64),
    /// No event yet.
    Nothing,
    /// The end of the log.
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

    /// Records the exit of the process. More output can follow.
    pub(crate) fn exit(&self, exit: Exit) {
        self.lock().note_exit(exit, true);
        self.wake.send_replace(());
    }

    /// Records the exit of the process and closes the log: a client that sees the exit finds the output complete.
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

    /// Waits until the log is closed.
    pub(crate) async fn closed(&self) {
        self.found(|log| log.is_closed().then_some(())).await;
    }

    /// Waits until `look` finds something.
    pub(crate) async fn found<T>(&self, look: impl Fn(&Self) -> Option<T>) -> T {
        let mut watch = self.watch();
        loop {
            watch.mark_unchanged();
            if let Some(found) = look(self) {
                return found;
            }
            // The sender is the log's, which is held here.
            let _ = watch.changed().await;
        }
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.lock().ended
    }

    /// Notified of new events and of the end.
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
