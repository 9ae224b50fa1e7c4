//! Output as a language model is given it: text within a budget, from the head and the tail of the output.

//!
//! A crate of its own, since it is built for size, and the protocol's decoders for speed.
#![no_std]
#![forbid(unsafe_code)]
// A panic kills the wasm instance that this crate is part of.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

extern crate alloc;

mod columns;
mod cursor;
mod fold;

use alloc::string::String;

use columns::width;
pub use cursor::{from_text, to_text};
use fold::Fold;
use shoreline_protocol::batch::{Batch, flag};
use shoreline_protocol::cursor::Cursor;
use shoreline_protocol::stream::Stream;
use shoreline_protocol::text::{digits, joined};

/// Begins each line of standard error.
const STDERR: &str = "[stderr] ";
/// Follows a line that was longer than the client reads.
const CUT: &str = " [the rest of the line was too long to be read]";
/// Bytes that the mark of omitted output may take.
const MARK_BYTES: usize = 256;

/// The limit of an [`Excerpt`]'s text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// In bytes of UTF-8.
    Bytes(usize),
    /// In tokens of a language model, by an estimate that is high for most text: four ASCII characters, or one other.
    Tokens(usize),
}

/// The least budget, in bytes: room for the mark and some text on both sides of it.
pub const LEAST_BYTES: usize = 1024;
/// The largest budget, in bytes.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

impl Budget {
    /// The budget in units of [`Self::weight`]; `None` if it is out of bounds.
    fn units(self) -> Option<usize> {
        let units = match self {
            Self::Bytes(bytes) => bytes,
            Self::Tokens(tokens) => tokens.saturating_mul(4),
        };
        (LEAST_BYTES..=MOST_BYTES).contains(&units).then_some(units)
    }

    const fn weight(self, character: char) -> usize {
        match self {
            Self::Bytes(_) => character.len_utf8(),
            Self::Tokens(_) if character.is_ascii() => 1,
            Self::Tokens(_) => 4,
        }
    }

    fn weigh(self, text: &str) -> usize {
        match self {
            Self::Tokens(_) if !text.is_ascii() => text.chars().map(|each| self.weight(each)).sum(),
            _ => text.len(),
        }
    }
}

/// Output that an [`Excerpt`] leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Omitted {
    /// Line ends in the omitted text.
    pub lines: u64,
    /// Bytes of the omitted text, after folding.
    pub bytes: u64,
    /// A position at or before the first omitted event.
    pub after: Cursor,
}

/// The result of an [`Excerpt`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The text.
    pub text: String,
    /// The position from which the output continues.
    pub cursor: Cursor,
    /// The omitted output, if any.
    pub omitted: Option<Omitted>,
}

/// Collects the head and the tail of a process's output as plain text.
///
/// Escape sequences are removed, and lines are folded as a terminal shows them. Lines of standard error are marked.
/// The two streams are in the order of the events; a line has the place of its last part. What the budget leaves out is
/// replaced by a line that counts it and says from where to read it. Characters are never cut.
///
/// ```
/// use shoreline_protocol::batch::Batch;
/// use shoreline_protocol::cursor::Cursor;
/// use shoreline_excerpt::{Budget, Excerpt};
/// let mut excerpt = Excerpt::new(Budget::Bytes(2000), Cursor::default()).unwrap();
/// let batch = Batch { text: "10 %\r\x1b[32m100 %\x1b[m\n".into(), ends: vec![19], byte_ends: vec![19],
///     times: vec![f64::NAN], flags: vec![6], last_ids: vec![Some(1)], ..Batch::default() };
/// excerpt.push(&batch);
/// assert_eq!(excerpt.finish().text, "[stderr] 100 %\n");
/// ```
#[derive(Clone, Debug)]
pub struct Excerpt {
    budget: Budget,
    /// The weight that head and tail may have together. The head has at most half of it.
    most: usize,
    head: String,
    head_weight: usize,
    is_full: bool,
    tail: String,
    /// Lines and bytes that were removed from the beginning of the tail.
    lines: u64,
    bytes: u64,
    /// The unfinished lines of standard output and of standard error.
    folds: [Fold; 2],
    /// True once a part of the stream's unfinished line is in the text.
    begun: [bool; 2],
    /// The position after all events.
    cursor: Cursor,
    /// The position after the last event of which everything is in the head.
    in_head: Cursor,
}

impl Excerpt {
    /// An empty excerpt of the output after `cursor`. `None` if the budget is out of bounds.
    #[must_use]
    pub fn new(budget: Budget, cursor: Cursor) -> Option<Self> {
        let most = budget.units()? - MARK_BYTES;
        Some(Self {
            budget,
            most,
            head: String::new(),
            head_weight: 0,
            is_full: false,
            tail: String::new(),
            lines: 0,
            bytes: 0,
            folds: Default::default(),
            begun: [false; 2],
            cursor,
            in_head: cursor,
        })
    }

    /// Adds the next events.
    pub fn push(&mut self, batch: &Batch) {
        let mut in_head = None;
        for (index, event) in batch.events().enumerate() {
            let is_cut = event.flags & flag::CUT != 0;
            let line = event.text.strip_suffix('\n').filter(|_| event.is_terminated());
            let is_stderr = event.stream() == Some(Stream::Stderr);
            self.write(is_stderr, line.unwrap_or(event.text));
            if !event.is_piece() {
                let end = if is_cut { joined(&[CUT, "\n"]) } else { String::from("\n") };
                self.end_line(is_stderr, if line.is_some() || is_cut { &end } else { "" });
            }
            if !self.is_full && self.folds.iter().all(Fold::is_empty) {
                in_head = Some(index + 1);
            }
        }
        if let Some(taken) = in_head {
            self.in_head = self.cursor.after(batch, taken);
        }
        self.cursor = self.cursor.after(batch, batch.len());
    }

    /// The text, with unfinished lines at its end.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        let mut cursor = self.cursor;
        // An escape sequence that has begun belongs to what follows.
        for (bytes, fold) in cursor.unfinished.iter_mut().zip(&self.folds) {
            *bytes = bytes.saturating_sub(fold.begun());
        }
        for is_stderr in [false, true] {
            self.end_line(is_stderr, "");
        }
        self.trim();
        let Self { mut head, tail, lines, bytes, in_head: after, .. } = self;
        let omitted = (bytes > 0).then_some(Omitted { lines, bytes, after });
        if let Some(omitted) = omitted {
            let begin = if head.is_empty() || head.ends_with('\n') { "[" } else { "\n[" };
            let (lines, bytes, after) = (digits(lines), digits(bytes), to_text(&omitted.after));
            for part in [
                begin,
                &lines,
                " lines (",
                &bytes,
                " bytes) omitted; cursor to read them: ",
                &after,
                "]\n",
            ] {
                head.push_str(part);
            }
        }
        head.push_str(&tail);
        Finished { text: head, cursor, omitted }
    }

    fn write(&mut self, is_stderr: bool, text: &str) {
        let index = usize::from(is_stderr);
        let Some(fold) = self.folds.get_mut(index) else { return };
        let mut fold = core::mem::take(fold);
        fold.write(text, |part| self.add_part(is_stderr, part));
        if let Some(place) = self.folds.get_mut(index) {
            *place = fold;
        }
    }

    fn end_line(&mut self, is_stderr: bool, end: &str) {
        let index = usize::from(is_stderr);
        let line = self.folds.get_mut(index).map(Fold::end).unwrap_or_default();
        // An unfinished line that shows nothing, such as a title, is no line.
        if !line.is_empty() || !end.is_empty() {
            self.add_part(is_stderr, &line);
            self.add(end);
        }
        if let Some(begun) = self.begun.get_mut(index) {
            *begun = false;
        }
    }

    /// Adds a part of a line, with the mark of its stream before the first part.
    fn add_part(&mut self, is_stderr: bool, part: &str) {
        if let Some(begun) = self.begun.get_mut(usize::from(is_stderr))
            && !core::mem::replace(begun, true)
        {
            // Another line is unfinished in the text.
            if !self.ends_line() {
                self.add("\n");
            }
            if is_stderr {
                self.add(STDERR);
            }
        }
        self.add(part);
    }

    fn ends_line(&self) -> bool {
        let text = if self.tail.is_empty() { &self.head } else { &self.tail };
        text.is_empty() || text.ends_with('\n')
    }

    fn add(&mut self, text: &str) {
        let left = (self.most / 2).saturating_sub(self.head_weight);
        let weight = self.budget.weigh(text);
        if !self.is_full && weight <= left {
            self.head.push_str(text);
            self.head_weight += weight;
            return;
        }
        // A part of a line is better than no line, if it is a large part of the head.
        let begins = !core::mem::replace(&mut self.is_full, true) && left > self.most / 4;
        let at = if begins { self.fitting(text, left) } else { 0 };
        let (first, rest) = text.split_at_checked(at).unwrap_or(("", text));
        self.head.push_str(first);
        self.head_weight += self.budget.weigh(first);
        self.tail.push_str(rest);
        // Trimmed seldom, since each time moves the rest.
        if self.tail.len() > 8 * self.most {
            self.trim();
        }
    }

    /// The length of the longest beginning of so much weight that keeps characters and their marks together.
    fn fitting(&self, text: &str, weight: usize) -> usize {
        let (mut at, mut sum) = (0, 0);
        for (index, character) in text.char_indices() {
            if width(character) > 0 {
                at = index;
            }
            sum += self.budget.weight(character);
            if sum > weight {
                return at;
            }
        }
        text.len()
    }

    /// Cuts the tail to its budget: at the beginning of a line, unless that would leave little of it.
    fn trim(&mut self) {
        let most = self.most - self.head_weight;
        let mut over = self.budget.weigh(&self.tail).saturating_sub(most);
        if over == 0 {
            return;
        }
        let mut begins = |(_, character): &(usize, char)| {
            let is_enough = over == 0;
            over = over.saturating_sub(self.budget.weight(*character));
            is_enough && width(*character) > 0
        };
        let found = self.tail.char_indices().find(|each| begins(each));
        let mut at = found.map_or(self.tail.len(), |(at, _)| at);
        let rest = self.tail.get(at..).unwrap_or_default();
        if let Some(line) = rest.find('\n').filter(|line| *line < rest.len() / 2) {
            at += line + 1;
        }
        let dropped = self.tail.get(..at).unwrap_or_default();
        self.lines += dropped.bytes().filter(|byte| *byte == b'\n').count() as u64;
        self.bytes += at as u64;
        self.tail.drain(..at);
    }
}
