//! Moves events to disk, and reads them from there.

use super::record::{self, Record};
use super::{Chunk, Found, Log, RECORD};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of a log that stay in memory while its process runs.
pub(super) const MEMORY: usize = 4 * 1024 * 1024;
/// Bytes of a log that stay in memory after its end.
const MEMORY_ENDED: usize = 64 * 1024;

impl Log {
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
    pub(super) fn spill_now(self: &Arc<Self>, keep: usize, most: usize) {
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

    /// Writes the oldest chunks in memory to a new file, and drops them from memory. On failure no part of
    /// them stays on disk, and all of them stay in memory.
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

    pub(super) fn path(&self, file: u64) -> PathBuf {
        self.directory.join(file.to_string())
    }

    /// Drops the oldest file and its records; `false` if there is none.
    pub(super) fn drop_file(&self) -> bool {
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

    /// The consecutive events from number `from` on, up to about a record.
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
