//! Server-sent events, decoded as they arrive.
//!
//! Framing follows WHATWG HTML, section 9.2.6, but data is bytes. The reader of the data replaces ill-formed UTF-8.
//! The result is the same, since no byte of a line end is part of a longer UTF-8 sequence.

use alloc::vec::Vec;

use crate::{scan, text};

/// The lines of an event exceed the limit. The decoder accepts no more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// A part of a stream.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// An event with data.
    Event {
        /// The event's name; empty means `message`.
        name: &'a [u8],
        /// The data lines, joined by LF.
        data: &'a [u8],
        /// The last event id at this point; empty = none.
        id: &'a [u8],
        /// Whether this event set the id.
        own_id: bool,
    },
    /// A comment, without its colon.
    Comment(&'a [u8]),
    /// A reconnection time in ms.
    Retry(u64),
}

/// The decoder. Time is linear in the bytes pushed; memory is bounded by `limit`.
///
/// ```
/// use shoreline_protocol::sse::{Item, Sse};
/// let mut sse = Sse::new(1024);
/// let mut seen = Vec::new();
/// for chunk in [&b"data: a\r"[..], b"\ndata: b\n\n"] {
///     sse.push(chunk, |item| {
///         if let Item::Event { data, .. } = item { seen.push(data.to_vec()); }
///         Ok::<(), shoreline_protocol::sse::TooLong>(())
///     }).unwrap();
/// }
/// assert_eq!(seen, [b"a\nb"]);
/// ```
#[derive(Debug)]
pub struct Sse {
    limit: usize,
    /// The number of bytes of a byte order mark so far; `BOM.len()` after the start of the stream.
    bom: usize,
    after_cr: bool,
    /// The start of a line whose end is not received yet.
    line: Vec<u8>,
    /// The last name of an event, and whether it applies to the next event. It is kept, since most events have the same name.
    name: Vec<u8>,
    named: bool,
    data: Vec<u8>,
    data_lines: usize,
    /// The number of bytes in the lines since the last event.
    size: usize,
    id: Vec<u8>,
    /// The id of the unfinished event. It applies once that event is complete.
    next_id: Option<Vec<u8>>,
    pending: bool,
    failed: bool,
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

impl Sse {
    /// A decoder for events of at most `limit` bytes: all lines together, without line ends.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            bom: 0,
            after_cr: false,
            line: Vec::new(),
            name: Vec::new(),
            named: false,
            data: Vec::new(),
            data_lines: 0,
            size: 0,
            id: Vec::new(),
            next_id: None,
            pending: false,
            failed: false,
        }
    }

    /// Takes the next bytes, and calls `handle` with each part that they complete.
    ///
    /// # Errors
    /// [`TooLong`], also from every later call, or the error of `handle`. Either way the rest of `chunk` is lost,
    /// so the stream cannot continue.
    pub fn push<E: From<TooLong>>(
        &mut self,
        chunk: &[u8],
        mut handle: impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.failed {
            return Err(TooLong.into());
        }
        self.lines(chunk, &mut handle)
    }

    /// Whether the stream's end cut off an event.
    #[must_use]
    pub fn finish(&self) -> bool {
        self.pending || !self.line.is_empty()
    }

    fn lines<E: From<TooLong>>(
        &mut self,
        chunk: &[u8],
        handle: &mut impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = self.without_bom(chunk);
        loop {
            if self.after_cr && !rest.is_empty() {
                self.after_cr = false;
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            let Some((line, after)) = scan::split(rest, [b'\n', b'\r']) else {
                self.check_size(rest.len())?;
                self.line.extend_from_slice(rest);
                return Ok(());
            };
            self.check_size(line.len())?;
            let (end, after) = after.split_first().unwrap_or((&b'\n', &[]));
            self.after_cr = *end == b'\r';
            rest = after;
            self.size += self.line.len() + line.len();
            let is_last = self.data_lines == 0 && *end == b'\n' && rest.starts_with(b"\n");
            let is_over = if self.line.is_empty() {
                self.line_done(line, is_last, handle)?
            } else {
                let mut whole = core::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                let is_over = self.line_done(&whole, is_last, handle)?;
                if whole.capacity() <= KEPT_CAPACITY {
                    whole.clear();
                    self.line = whole;
                }
                is_over
            };
            if is_over {
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }

    fn check_size(&mut self, more: usize) -> Result<(), TooLong> {
        self.failed = self.size + self.line.len() + more > self.limit;
        if self.failed { Err(TooLong) } else { Ok(()) }
    }

    fn without_bom<'a>(&mut self, mut chunk: &'a [u8]) -> &'a [u8] {
        while let (Some(expected), Some((first, after))) = (BOM.get(self.bom), chunk.split_first())
        {
            if first == expected {
                self.bom += 1;
                chunk = after;
            } else {
                // The bytes are the start of a line, not a byte order mark.
                self.line.extend_from_slice(BOM.get(..self.bom).unwrap_or_default());
                self.bom = BOM.len();
            }
        }
        chunk
    }

    /// Takes a line. `is_last`: an empty line follows, and no other data precedes. Returns whether `handle` was called with
    /// the event, whose data is then not copied.
    #[inline]
    fn line_done<E>(
        &mut self,
        line: &[u8],
        is_last: bool,
        handle: &mut impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        // The most frequent lines first. Servers put a space after the colon.
        match line.strip_prefix(b"data: ") {
            Some(value) if is_last => self.dispatch(Some(value), handle)?,
            Some(value) => self.data_line(value),
            None if line.is_empty() => self.dispatch(None, handle)?,
            None => self.field(line, handle)?,
        }
        Ok(is_last && line.starts_with(b"data: "))
    }

    fn field<E>(
        &mut self,
        line: &[u8],
        handle: &mut impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (field, value) = match scan::split(line, [b':']) {
            None => (line, [].as_slice()),
            Some((field, colon_and_value)) => {
                let value = colon_and_value.get(1..).unwrap_or_default();
                if field.is_empty() {
                    return handle(Item::Comment(value));
                }
                (field, value.strip_prefix(b" ").unwrap_or(value))
            }
        };
        self.pending |= matches!(field, b"data" | b"event" | b"id" | b"retry");
        match field {
            b"data" => self.data_line(value),
            b"event" => {
                if self.name != value {
                    self.name.clear();
                    self.name.extend_from_slice(value);
                }
                self.named = true;
            }
            b"id" if !value.contains(&0) => {
                let next = self.next_id.get_or_insert_default();
                next.clear();
                next.extend_from_slice(value);
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                if let Some(ms) = text::decimal(value) {
                    handle(Item::Retry(ms))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn data_line(&mut self, value: &[u8]) {
        self.pending = true;
        if self.data_lines > 0 {
            self.data.push(b'\n');
        }
        self.data_lines += 1;
        self.data.extend_from_slice(value);
    }

    /// An event is complete. Its data is `data`, or the collected lines.
    fn dispatch<E>(
        &mut self,
        data: Option<&[u8]>,
        handle: &mut impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.pending = false;
        self.size = 0;
        let own_id = self.next_id.is_some();
        if let Some(id) = self.next_id.take() {
            self.id = id;
        }
        let collected = (self.data_lines > 0).then_some(self.data.as_slice());
        self.data_lines = 0;
        let name = if core::mem::take(&mut self.named) { self.name.as_slice() } else { &[] };
        let result = match data.or(collected) {
            Some(data) => handle(Item::Event { name, data, id: &self.id, own_id }),
            None => Ok(()),
        };
        self.data.clear();
        // One huge event must not keep its memory for the rest of the stream.
        if self.data.capacity() > KEPT_CAPACITY {
            self.data = Vec::new();
        }
        result
    }
}

const KEPT_CAPACITY: usize = 256 * 1024;
