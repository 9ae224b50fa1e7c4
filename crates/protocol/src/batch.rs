//! Batches of output events: one text with offsets, and a flat vector for each other field.

use alloc::string::String;
use alloc::vec::Vec;

use crate::stream::Stream;

/// Events, in the order in which they arrived.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// All events' text, each with its `\n` where it has one.
    pub text: String,
    /// Where each event's text ends, in UTF-16 code units.
    pub ends: Vec<u32>,
    /// Where each event's text ends, in bytes.
    pub byte_ends: Vec<u32>,
    /// When the server read each event, in ms since the epoch; NaN = unknown.
    pub times: Vec<f64>,
    /// The [`flag`]s of each event.
    pub flags: Vec<u8>,
    /// The value of [`crate::cursor::Cursor::last_id`] after each event.
    pub last_ids: Vec<Option<u64>>,
    /// By event index, the exact bytes of lines that are not UTF-8, without terminator.
    pub raw: Vec<(u32, Vec<u8>)>,
}

/// Bits of [`Batch::flags`].
pub mod flag {
    /// The stream, as numbered by [`crate::stream::Stream`]; 0 = none.
    pub const STREAM: u8 = 3;
    /// The line is finished: its text ends in `\n`.
    pub const TERMINATED: u8 = 4;
    /// The exact bytes are in `raw`.
    pub const RAW: u8 = 8;
    /// The line was cut at the limit.
    pub const CUT: u8 = 16;
    /// A part of an unfinished line. The rest follows in later events of the stream. The last of them does not have this
    /// flag, and may be empty.
    pub const PIECE: u8 = 32;
}

/// One event of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<'a> {
    /// The line, with its `\n` where it has one.
    pub text: &'a str,
    /// When the server read the line, in ms since the epoch; NaN = unknown.
    pub time: f64,
    /// The [`flag`]s.
    pub flags: u8,
    /// The exact bytes without terminator, if the line is not UTF-8.
    pub raw: Option<&'a [u8]>,
}

impl Event<'_> {
    /// The stream that the line was written to, if the server says so.
    #[must_use]
    pub const fn stream(&self) -> Option<Stream> {
        match self.flags & flag::STREAM {
            1 => Some(Stream::Stdout),
            2 => Some(Stream::Stderr),
            _ => None,
        }
    }

    /// Whether the line ends in a line feed.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        self.flags & flag::TERMINATED != 0
    }

    /// Whether more of the line follows.
    #[must_use]
    pub const fn is_piece(&self) -> bool {
        self.flags & flag::PIECE != 0
    }

    /// The bytes of the line, without terminator.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let text = if self.is_terminated() { self.text.strip_suffix('\n') } else { None };
        self.raw.unwrap_or(text.unwrap_or(self.text).as_bytes())
    }
}

impl Batch {
    /// The number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flags.len()
    }

    /// Whether the batch has no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// Iterates over the events.
    ///
    /// ```
    /// use shoreline_protocol::batch::Batch;
    /// let batch = Batch { text: "a\nb".into(), ends: vec![2, 3], byte_ends: vec![2, 3],
    ///     times: vec![f64::NAN; 2], flags: vec![5, 1], ..Batch::default() };
    /// let texts: Vec<_> = batch.events().map(|event| event.text).collect();
    /// assert_eq!(texts, ["a\n", "b"]);
    /// ```
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        let mut raw = self.raw.iter().peekable();
        let mut start = 0;
        let columns = self.byte_ends.iter().zip(&self.times).zip(&self.flags);
        columns.enumerate().map(move |(index, ((end, time), flags))| {
            let end = *end as usize;
            let text = self.text.get(start..end).unwrap_or_default();
            start = end;
            let raw = raw.next_if(|(at, _)| *at as usize == index);
            Event { text, time: *time, flags: *flags, raw: raw.map(|(_, bytes)| bytes.as_slice()) }
        })
    }

    /// Removes all events, and keeps the memory for the next ones.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.byte_ends.clear();
        self.times.clear();
        self.flags.clear();
        self.last_ids.clear();
        self.raw.clear();
    }
}
