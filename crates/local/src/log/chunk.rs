//! Consecutive events of one stream from one read.

use shoreline_protocol::stream::Stream;
use shoreline_protocol::wire::event::Line;
use std::io;

/// The approximate memory of a chunk besides its bytes and line ends.
const OVERHEAD: usize = 160;

/// One or more events with consecutive numbers. Complete lines are stored as they were
/// written, each with its LF. Only the last event can be without one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The number of the first event.
    pub(crate) first: u64,
    /// The time at which the bytes were read, in ms since the epoch.
    time: u64,
    stream: Stream,
    /// The end of each event's text in `bytes`, without its LF.
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Chunk {
    /// The events in `bytes`, split at every LF; what follows the last one is an unfinished line.
    pub(crate) fn new(first: u64, time: u64, stream: Stream, bytes: Vec<u8>) -> Self {
        #[allow(clippy::cast_possible_truncation)] // a chunk is one line or one read
        let mut ends: Vec<u32> = memchr::memchr_iter(b'\n', &bytes).map(|at| at as u32).collect();
        if bytes.last().is_some_and(|last| *last != b'\n') {
            ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        Self { first, time, stream, ends, bytes }
    }

    /// The number after that of the last event.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    pub(crate) fn stream(&self) -> Stream {
        self.stream
    }

    /// Bytes of memory.
    pub(crate) fn cost(&self) -> usize {
        OVERHEAD + self.bytes.len() + self.ends.len() * size_of::<u32>()
    }

    /// The events from number `from` on.
    pub(crate) fn lines(&self, from: u64) -> impl Iterator<Item = Line<'_>> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let mut start = match skip.checked_sub(1).and_then(|before| self.ends.get(before)) {
            Some(end) => *end as usize + 1,
            None => 0,
        };
        self.ends.iter().enumerate().skip(skip).map(move |(index, end)| {
            let end = *end as usize;
            let bytes = self.bytes.get(start..end).unwrap_or_default();
            start = end + 1;
            Line {
                id: self.first + index as u64,
                stream: self.stream,
                time: self.time,
                terminated: end < self.bytes.len(),
                bytes,
            }
        })
    }

    /// Appends it in the form that [`Chunk::decode`] reads.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.first.to_le_bytes());
        out.extend(self.time.to_le_bytes());
        out.push(self.stream as u8);
        out.extend((self.bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(&self.bytes);
    }

    /// Reads every chunk of a record.
    ///
    /// # Errors
    /// The record is not what [`Chunk::encode`] wrote.
    pub(crate) fn decode(mut record: &[u8]) -> io::Result<Vec<Self>> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a damaged log record");
        fn number(from: &mut &[u8]) -> Option<u64> {
            let (bytes, rest) = from.split_first_chunk::<8>()?;
            *from = rest;
            Some(u64::from_le_bytes(*bytes))
        }
        let mut chunks = Vec::new();
        while !record.is_empty() {
            let first = number(&mut record).ok_or_else(damaged)?;
            let time = number(&mut record).ok_or_else(damaged)?;
            let (stream, rest) = record.split_first().ok_or_else(damaged)?;
            record = rest;
            let stream = match *stream {
                1 => Stream::Stdout,
                2 => Stream::Stderr,
                _ => return Err(damaged()),
            };
            let length = number(&mut record).and_then(|n| usize::try_from(n).ok());
            let (bytes, rest) =
                length.and_then(|n| record.split_at_checked(n)).ok_or_else(damaged)?;
            record = rest;
            chunks.push(Self::new(first, time, stream, bytes.to_vec()));
        }
        Ok(chunks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_from_any_number_on() {
        let chunk = Chunk::new(7, 1, Stream::Stderr, b"a\n\nlast".to_vec());
        assert_eq!(chunk.next(), 10);
        for from in 0..12 {
            let seen: Vec<_> = chunk
                .lines(from)
                .map(|line| (line.id, line.bytes.to_vec(), line.terminated))
                .collect();
            let all =
                [(7, b"a".to_vec(), true), (8, b"".to_vec(), true), (9, b"last".to_vec(), false)];
            let skip = from.saturating_sub(7).min(3) as usize;
            assert_eq!(seen, all[skip..], "{from}");
        }
    }

    #[test]
    fn a_record_is_read_back_and_damage_is_noticed() {
        let chunks = vec![
            Chunk::new(1, 5, Stream::Stdout, b"one\ntwo\n".to_vec()),
            Chunk::new(3, 6, Stream::Stderr, b"\xff".to_vec()),
        ];
        let mut record = Vec::new();
        chunks.iter().for_each(|chunk| chunk.encode(&mut record));
        assert_eq!(Chunk::decode(&record).unwrap(), chunks);
        for end in 1..record.len() {
            if end != chunks[0].bytes.len() + 25 {
                assert!(Chunk::decode(&record[..end]).is_err(), "{end}");
            }
        }
    }
}
