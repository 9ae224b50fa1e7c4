//! A process's output: one append-only log with a number for every event, in memory up to a bound
//! and on disk beyond it. A follower is a cursor and a wake-up, so that nothing is lost between what
//! was and what comes, and a slow follower costs nobody anything.

mod chunk;
mod lines;

pub(crate) use chunk::Chunk;
pub(crate) use lines::Lines;

use parking_lot::{Mutex, MutexGuard};
use shoreline_protocol::exit::Exit;
use shoreline_protocol::stream::Stream;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Bytes of a log that stay in memory while it is written.
const MEMORY: usize = 4 * 1024 * 1024;
/// Bytes that stay in memory of a log that has ended: there may be many.
const MEMORY_ENDED: usize = 64 * 1024;
/// Bytes of one record on disk, roughly: what a follower there reads at once.
const RECORD: usize = 64 * 1024;

/// How a process ended, and when its last output had been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// Milliseconds since the epoch.
    pub(crate) at: u64,
}

/// Events on disk: a part of a file in the log's directory.
#[derive(Clone, Copy, Debug)]
struct Record {
    first: u64,
    next: u64,
    length: u64,
    file: u64,
    offset: u64,
}

#[derive(Debug, Default)]
struct Inner {
    disk: VecDeque<Record>,
    disk_bytes: u64,
    files: u64,
    memory: VecDeque<Arc<Chunk>>,
    memory_bytes: usize,
    /// The number of the last event; the first is 1.
    last: u64,
    /// Events of stdout and of stderr.
    counts: [u64; 2],
    ended: Option<Ended>,
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
    End(Ended),
}

/// The log of one process.
#[derive(Debug)]
pub(crate) struct Log {
    inner: Mutex<Inner>,
    wake: watch::Sender<()>,
    /// Where its files are; made with the first.
    directory: PathBuf,
    /// Bytes that are kept there.
    most: u64,
}

impl Log {
    pub(crate) fn new(directory: PathBuf, most: u64) -> Self {
        Self { inner: Mutex::default(), wake: watch::Sender::default(), directory, most }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Appends the events in `bytes`: whole lines, or the piece of one.
    pub(crate) fn append(&self, stream: Stream, bytes: Vec<u8>) {
        let mut inner = self.lock();
        let chunk = Chunk::new(inner.last + 1, now_ms(), stream, bytes);
        inner.counts[stream as usize - 1] += chunk.next() - chunk.first;
        inner.last = chunk.next() - 1;
        inner.memory_bytes += chunk.cost();
        inner.memory.push_back(Arc::new(chunk));
        drop(inner);
        self.wake.send_replace(());
    }

    /// Ends the log. Only now does the process count as ended, so that whoever sees its exit finds
    /// its output complete.
    pub(crate) fn end(&self, exit: Exit) {
        self.lock().ended = Some(Ended { exit, at: now_ms() });
        self.wake.send_replace(());
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.lock().ended
    }

    /// Notified when there may be more.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.wake.subscribe()
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

    /// Moves the oldest events to disk when too many are in memory. Whoever appends waits for it: a
    /// process must not write faster than its output can be kept.
    pub(crate) async fn spill(self: &Arc<Self>) {
        self.spill_over(MEMORY).await;
    }

    /// The same before the end, after which less is kept in memory.
    pub(crate) async fn settle(self: &Arc<Self>) {
        self.spill_over(MEMORY_ENDED).await;
    }

    async fn spill_over(self: &Arc<Self>, bound: usize) {
        if self.lock().memory_bytes <= bound {
            return;
        }
        let log = self.clone();
        // A panic in there would leave the events in memory, where they are as good.
        let _ = tokio::task::spawn_blocking(move || log.spill_now(bound / 2)).await;
    }

    fn spill_now(&self, keep: usize) {
        let (chunks, file) = {
            let mut inner = self.lock();
            let mut excess = inner.memory_bytes.saturating_sub(keep);
            let oldest = inner.memory.iter().take_while(|chunk| {
                let wanted = excess > 0;
                excess = excess.saturating_sub(chunk.cost());
                wanted
            });
            let chunks: Vec<_> = oldest.cloned().collect();
            inner.files += 1;
            (chunks, inner.files)
        };
        let written = self.write(file, &chunks);
        let mut inner = self.lock();
        inner.memory.drain(..chunks.len());
        inner.memory_bytes -= chunks.iter().map(|chunk| chunk.cost()).sum::<usize>();
        match written {
            Ok(records) => {
                inner.disk_bytes += records.iter().map(|record| record.length).sum::<u64>();
                inner.disk.extend(records);
            }
            // Keeping them would let memory grow without end; followers are told of the gap.
            Err(error) => {
                eprintln!(
                    "shoreline-local: output could not be written to disk and is lost: {error}"
                );
            }
        }
        while inner.disk_bytes > self.most {
            let Some(oldest) = inner.disk.pop_front() else { break };
            inner.disk_bytes -= oldest.length;
            if inner.disk.front().is_none_or(|record| record.file != oldest.file) {
                let _ = std::fs::remove_file(self.directory.join(oldest.file.to_string()));
            }
        }
    }

    /// Writes chunks to a new file, in records that can be read one by one.
    fn write(&self, file: u64, chunks: &[Arc<Chunk>]) -> io::Result<Vec<Record>> {
        std::fs::create_dir_all(&self.directory)?;
        let mut out = File::create_new(self.directory.join(file.to_string()))?;
        let (mut records, mut offset, mut buffer) = (Vec::new(), 0, Vec::new());
        let mut first = None;
        for (index, chunk) in chunks.iter().enumerate() {
            let first_here = *first.get_or_insert(chunk.first);
            chunk.encode(&mut buffer);
            if buffer.len() >= RECORD || index + 1 == chunks.len() {
                out.write_all(&buffer)?;
                let length = buffer.len() as u64;
                records.push(Record {
                    first: first_here,
                    next: chunk.next(),
                    length,
                    file,
                    offset,
                });
                offset += length;
                buffer.clear();
                first = None;
            }
        }
        Ok(records)
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
                // Dropped in between: what is there now is another answer.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && self.first() > record.first => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn read(&self, record: Record) -> io::Result<Vec<Chunk>> {
        let path = self.directory.join(record.file.to_string());
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
        if self.lock().files > 0 {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

impl Inner {
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
        match (chunks.first(), self.ended) {
            (Some(first), _) if first.first > from => Found::Gap(first.first - 1),
            (Some(_), _) => Found::Chunks(chunks),
            (None, _) if from <= self.last => Found::Gap(self.last),
            (None, Some(ended)) => Found::End(ended),
            (None, None) => Found::Nothing,
        }
    }
}

/// Now, in ms since the epoch.
pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
