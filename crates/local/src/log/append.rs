//! Appends events to a log, and keeps the unfinished line of each stream.

use super::lines::Lines;
use super::{Chunk, Inner, Log, now_ms};
use shoreline_protocol::stream::Stream;
use std::sync::Arc;

impl Log {
    /// Logs the lines that a read of `stream` finishes, and holds the unfinished rest.
    pub(crate) fn push(&self, stream: Stream, read: &[u8]) {
        self.change(stream, |lines, append| lines.push(read, append));
    }

    /// Logs the unfinished line of a stream that has ended.
    pub(crate) fn finish(&self, stream: Stream) {
        self.change(stream, |lines, append| {
            lines.finish().into_iter().for_each(append);
        });
    }

    fn change(&self, stream: Stream, change: impl FnOnce(&mut Lines, &mut dyn FnMut(Vec<u8>))) {
        let mut inner = self.lock();
        let last = inner.last;
        let mut lines = std::mem::take(&mut inner.unfinished[stream as usize - 1]);
        change(&mut lines, &mut |bytes| self.append(&mut inner, stream, bytes));
        inner.unfinished[stream as usize - 1] = lines;
        let appended = inner.last > last;
        drop(inner);
        let notified = if appended { &self.wake } else { &self.reads };
        notified.send_replace(());
    }

    /// Appends the events in `bytes`: complete lines, or a piece of one.
    fn append(&self, inner: &mut Inner, stream: Stream, bytes: Vec<u8>) {
        let chunk = Chunk::new(inner.last + 1, now_ms(), stream, bytes);
        inner.counts[stream as usize - 1] += chunk.next() - chunk.first;
        inner.last = chunk.next() - 1;
        let memory_bytes = inner.memory_bytes + chunk.cost();
        inner.memory.push_back(Arc::new(chunk));
        self.account(inner, memory_bytes);
    }

    /// Shows the unfinished lines of stdout and stderr to a follower whose next event is `next`, if it
    /// is at the log's end. The log is locked during the check and `look`, so that no event comes in
    /// between.
    pub(crate) fn unfinished(&self, next: u64, look: impl FnOnce([&[u8]; 2])) {
        let inner = self.lock();
        if next > inner.last {
            look([inner.unfinished[0].unfinished(), inner.unfinished[1].unfinished()]);
        }
    }
}
