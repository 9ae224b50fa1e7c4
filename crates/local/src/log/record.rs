//! Events on disk: files of records. A record is read as a whole.

use super::{Chunk, RECORD};
use std::sync::Arc;

/// Consecutive events on disk, a part of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) first: u64,
    pub(super) next: u64,
    /// The name of the file: the number of its first event.
    pub(super) file: u64,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// The content of a file with these chunks, and the positions of its records.
pub(super) fn encode(file: u64, chunks: &[Arc<Chunk>]) -> (Vec<u8>, Vec<Record>) {
    let (mut bytes, mut records) = (Vec::new(), Vec::new());
    let (mut first, mut start) = (file, 0);
    for (index, chunk) in chunks.iter().enumerate() {
        chunk.encode(&mut bytes);
        let (next, size) = (chunk.next(), bytes.len() - start);
        if size >= RECORD || index + 1 == chunks.len() {
            let (offset, length) = (start as u64, size as u64);
            records.push(Record { first, next, file, offset, length });
            (first, start) = (next, bytes.len());
        }
    }
    (bytes, records)
}
