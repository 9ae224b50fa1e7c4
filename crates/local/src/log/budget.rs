//! The disk and memory that the logs of one sandbox share.

use super::Log;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// Bytes of memory for the logs of running processes. Beyond this bound each log keeps only
/// [`super::RECORD`] bytes in memory.
const RUNNING: usize = 64 * 1024 * 1024;
/// Bytes of memory for the logs of ended processes. Beyond this bound a log that ends keeps nothing in
/// memory.
const ENDED: usize = 16 * 1024 * 1024;

/// The largest size of a file on disk, roughly.
const FILE: usize = 1024 * 1024;

/// The limits that all logs of one sandbox share, and the present use of these logs.
///
/// Locks: a log's own lock may be held while the lock in here is taken, never the other way round.
#[derive(Debug)]
pub(crate) struct Budget {
    /// The limit of `disk`.
    disk_bytes: u64,
    /// Bytes on disk, including files that are being written.
    disk: AtomicU64,
    /// Bytes of memory of running logs.
    running: AtomicUsize,
    /// Bytes of memory of ended logs.
    ended: AtomicUsize,
    /// The number of logs that have ended.
    ends: AtomicU64,
    /// Ended logs with records on disk, in the order in which they ended.
    droppable: Mutex<BTreeMap<u64, Weak<Log>>>,
}

impl Budget {
    /// A budget of `disk_bytes` bytes on disk. The bounds in memory are fixed.
    pub(crate) fn new(disk_bytes: u64) -> Self {
        Self {
            disk_bytes,
            disk: AtomicU64::default(),
            running: AtomicUsize::default(),
            ended: AtomicUsize::default(),
            ends: AtomicU64::default(),
            droppable: Mutex::default(),
        }
    }

    /// The size of a file on disk, roughly. A file is dropped as a whole, so it is a small part of the
    /// budget. It is as large as that allows, since creating files takes more time than writing.
    pub(super) fn file_bytes(&self) -> usize {
        let part = usize::try_from(self.disk_bytes / 16).unwrap_or(usize::MAX);
        part.clamp(super::RECORD, FILE)
    }

    /// Reserves disk for a file that `writer` is about to write. Drops the oldest files while the
    /// budget is exceeded: first those of ended logs, then those of `writer`. A log can always write
    /// one file, whatever the other running logs use.
    pub(super) fn reserve_disk(&self, bytes: u64, writer: &Log) {
        self.disk.fetch_add(bytes, Ordering::Relaxed);
        while self.disk.load(Ordering::Relaxed) > self.disk_bytes
            && (self.drop_of_ended() || writer.drop_file())
        {}
    }

    pub(super) fn release_disk(&self, bytes: u64) {
        self.disk.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Drops the oldest file of the log that ended first; `false` if no ended log has files.
    fn drop_of_ended(&self) -> bool {
        loop {
            let oldest = {
                let droppable = self.droppable.lock();
                droppable.first_key_value().map(|(order, log)| (*order, log.clone()))
            };
            let Some((order, log)) = oldest else { return false };
            // The lock is not held here: this may be the last reference, and dropping a log locks.
            if log.upgrade().is_some_and(|log| log.drop_file()) {
                return true;
            }
            self.droppable.lock().remove(&order);
        }
    }

    /// The position of a log that ends now in the order of ends.
    pub(super) fn next_end(&self) -> u64 {
        self.ends.fetch_add(1, Ordering::Relaxed)
    }

    /// Marks the records of an ended log to be dropped before those of running logs.
    pub(super) fn add_droppable(&self, order: u64, log: &Arc<Log>) {
        self.droppable.lock().entry(order).or_insert_with(|| Arc::downgrade(log));
    }

    pub(super) fn remove_droppable(&self, order: u64) {
        self.droppable.lock().remove(&order);
    }

    /// Whether running logs use more memory than the sandbox has for them.
    pub(super) fn is_memory_short(&self) -> bool {
        self.running.load(Ordering::Relaxed) > RUNNING
    }

    /// Updates the memory that a running log uses.
    pub(super) fn change_running(&self, before: usize, after: usize) {
        self.running.fetch_add(after, Ordering::Relaxed);
        self.running.fetch_sub(before, Ordering::Relaxed);
    }

    /// Reserves memory for an ended log; `false`, and nothing is reserved, if there is not enough.
    pub(super) fn reserve_ended(&self, bytes: usize) -> bool {
        let reserved = |held: usize| held.checked_add(bytes).filter(|held| *held <= ENDED);
        self.ended.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserved).is_ok()
    }

    pub(super) fn release_ended(&self, bytes: usize) {
        self.ended.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes on disk, and bytes of memory of running and of ended logs.
    #[cfg(test)]
    pub(super) fn used(&self) -> (u64, usize, usize) {
        let [running, ended] = [&self.running, &self.ended].map(|n| n.load(Ordering::Relaxed));
        (self.disk.load(Ordering::Relaxed), running, ended)
    }
}
