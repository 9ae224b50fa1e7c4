//! The recent output of a terminal, by position in the whole output.

use shoreline_protocol::limits::PTY_HISTORY_BYTES;
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    /// The position after the last byte.
    end: u64,
}

impl Ring {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.end += bytes.len() as u64;
        let excess = self.bytes.len().saturating_sub(PTY_HISTORY_BYTES);
        self.bytes.drain(..excess);
    }

    /// The position of the first byte that is kept.
    pub(super) fn start(&self) -> u64 {
        self.end - self.bytes.len() as u64
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Up to `most` bytes from `position` on, which must be kept.
    pub(super) fn read(&self, position: u64, most: usize) -> Vec<u8> {
        let skip = usize::try_from(position - self.start()).unwrap_or(usize::MAX);
        let end = self.bytes.len().min(skip.saturating_add(most));
        self.bytes.range(skip.min(end)..end).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_last_bytes_at_their_positions() {
        let mut ring = Ring::default();
        let all: Vec<u8> = (0..3 * PTY_HISTORY_BYTES / 2).map(|i| (i % 251) as u8).collect();
        for part in all.chunks(1000) {
            ring.push(part);
        }
        assert_eq!((ring.start(), ring.end()), (PTY_HISTORY_BYTES as u64 / 2, all.len() as u64));
        for position in [ring.start(), ring.start() + 5, ring.end() - 1, ring.end()] {
            let from = position as usize;
            let read = ring.read(position, 10);
            assert_eq!(read, all[from..all.len().min(from + 10)], "{position}");
        }
    }
}
