//! Events of output, many at a time: one text with offsets, and flat vectors beside it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::stream::Stream;

/// Events in the order of their arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// All events' text, each with its `\n` where it has one.
    pub text: String,
    /// Where each event's text ends, in UTF-16 code units.
    pub ends: Vec<u32>,
    /// Where each event's text ends, in bytes.
    pub byte_ends: Vec<u32>,
    /// When the server read it, in ms since the epoch; NaN = unknown.
    pub times: Vec<f64>,
    /// [`flag`]s of each event.
    pub flags: Vec<u8>,
    /// Which [`crate::cursor::Cursor::last_id`] each event leaves.
    pub last_ids: Vec<Option<u64>>,
    /// By event index, the exact bytes of lines that are not UTF-8, without terminator.
    pub raw: Vec<(u32, Vec<u8>)>,
}

/// Bits of [`Batch::flags`].
pub mod flag {
    /// The stream: 0 none, or as [`crate::stream::Stream`].
    pub const STREAM: u8 = 3;
    /// The line is whole: its text ends in `\n`.
    pub const TERMINATED: u8 = 4;
    /// The exact bytes are in `raw`.
    pub const RAW: u8 = 8;
    /// The line was cut at the limit.
    pub const CUT: u8 = 16;
    /// A part of a line that is not finished: more of it follows in other events of its stream, the last
    /// of which is without this flag and may be empty.
    pub const PIECE: u8 = 32;
}

/// One event of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<'a> {
    /// The line, with its `\n` where it has one.
    pub text: &'a str,
    /// When the server read it, in ms since the epoch; NaN = unknown.
    pub time: f64,
    /// Its [`flag`]s.
    pub flags: u8,
    /// The exact bytes, where the line is not UTF-8, without terminator.
    pub raw: Option<&'a [u8]>,
}

impl Event<'_> {
    /// Which stream it was written to, where the server says so.
    #[must_use]
    pub const fn stream(&self) -> Option<Stream> {
        match self.flags & flag::STREAM {
            1 => Some(Stream::Stdout),
            2 => Some(Stream::Stderr),
            _ => None,
        }
    }

    /// Whether a line end came with it.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        self.flags & flag::TERMINATED != 0
    }

    /// Whether more of the line follows.
    #[must_use]
    pub const fn is_piece(&self) -> bool {
        self.flags & flag::PIECE != 0
    }

    /// The bytes that were written, as far as the server says, without terminator.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let text = if self.is_terminated() { self.text.strip_suffix('\n') } else { None };
        self.raw.unwrap_or(text.unwrap_or(self.text).as_bytes())
    }
}

impl Batch {
    /// How many events it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flags.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// Its events, one by one.
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

    /// Empties it and keeps its memory.
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
