//! Folds a line as a terminal without a right margin shows it: escape sequences are removed, and what was overwritten or
//! erased within the line is gone. Sequences that leave the line, such as cursor up, have no effect.

use alloc::string::String;
use alloc::vec::Vec;

use crate::columns::width;
use shoreline_protocol::text::{decimal, split};

/// The rightmost column that a sequence can move the cursor to. Text can go beyond it.
const LAST_COLUMN: usize = 4096;
/// A line of more columns is emitted in parts, each of which begins in column 0.
const PART_COLUMNS: usize = 65536;
/// More characters of a parameter string than any terminal reads.
const PARAMETER_BYTES: usize = 64;
const TAB: usize = 8;

/// A column of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cell {
    /// Nothing was written here, or it was erased.
    #[default]
    Empty,
    /// A character.
    Written(char),
    /// The second column of a wide character.
    Second,
}

/// The position in an escape sequence (ECMA-48, section 5).
#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// A control sequence, with its parameters.
    Control(String),
    /// A string, such as a window's title, until BEL or ST.
    Text,
    /// ESC within a string: the beginning of ST.
    TextEscape,
}

/// The unfinished line of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Fold {
    /// The line while every character of it is simply shown.
    plain: String,
    /// The line otherwise.
    cells: Vec<Cell>,
    has_cells: bool,
    /// Combining marks with the column of their character, in the order of the columns.
    marks: Vec<(usize, char)>,
    column: usize,
    state: State,
    /// Bytes of the escape sequence that has begun.
    begun: u64,
}

impl Fold {
    /// Returns true at the start of a line.
    pub(super) fn is_empty(&self) -> bool {
        self.plain.is_empty() && !self.has_cells
    }

    /// Bytes at the end of the input that belong to an unfinished escape sequence.
    pub(super) const fn begun(&self) -> u64 {
        self.begun
    }

    /// Adds text without line feeds. Calls `emit` with parts of a line that is too long to be kept.
    pub(super) fn write(&mut self, text: &str, mut emit: impl FnMut(&str)) {
        if !self.has_cells && is_plain(text) {
            self.plain.push_str(text);
            if self.plain.len() > PART_COLUMNS {
                emit(&core::mem::take(&mut self.plain));
            }
            return;
        }
        if !self.has_cells {
            self.has_cells = true;
            core::mem::take(&mut self.plain).chars().for_each(|character| self.print(character));
        }
        for character in text.chars() {
            self.take(character);
            if self.cells.len() > PART_COLUMNS {
                emit(&self.shown());
                self.cells.clear();
                self.marks.clear();
                self.column = 0;
            }
        }
    }

    /// The line as it is shown now.
    pub(super) fn shown(&self) -> String {
        if !self.has_cells {
            return self.plain.clone();
        }
        let mut text = String::with_capacity(self.cells.len());
        let mut marks = self.marks.iter().peekable();
        for (column, cell) in self.cells.iter().enumerate() {
            match cell {
                Cell::Empty => text.push(' '),
                Cell::Written(character) => text.push(*character),
                Cell::Second => {}
            }
            while let Some((_, mark)) = marks.next_if(|(at, _)| *at == column) {
                text.push(*mark);
            }
        }
        text
    }

    /// Ends the line, and the escape sequence that has begun: a string without an end must not hide the lines that follow.
    pub(super) fn end(&mut self) -> String {
        let line = self.shown();
        *self = Self::default();
        line
    }

    fn take(&mut self, character: char) {
        self.begun += character.len_utf8() as u64;
        match (&mut self.state, character) {
            // CAN and SUB cancel a sequence.
            (State::Control(_) | State::Escape, '\u{18}' | '\u{1a}') => self.state = State::Ground,
            (State::Control(_) | State::Escape, '\u{1b}') => {
                (self.state, self.begun) = (State::Escape, 1);
            }
            // Control characters have their effect within a sequence too.
            (State::Control(_) | State::Escape, '\0'..='\u{1f}') => return self.control(character),
            (State::Escape, '[') => self.state = State::Control(String::new()),
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => self.state = State::Text,
            // Intermediate bytes, before the final one.
            (State::Escape, ' '..='/') => {}
            (State::Escape, '0'..='~') => self.state = State::Ground,
            (State::Control(parameters), ' '..='?') => {
                if parameters.len() < PARAMETER_BYTES {
                    parameters.push(character);
                }
            }
            (State::Control(parameters), '@'..='~') => {
                let parameters = core::mem::take(parameters);
                self.state = State::Ground;
                self.sequence(character, &parameters);
            }
            (State::Text, '\u{7}') => self.state = State::Ground,
            (State::Text, '\u{1b}') => self.state = State::TextEscape,
            (State::Text, _) | (State::Control(_) | State::Escape, '\u{7f}') => {}
            (State::TextEscape, '\\') => self.state = State::Ground,
            (State::TextEscape, _) => {
                (self.state, self.begun) = (State::Escape, 1);
                return self.take(character);
            }
            (State::Ground, '\u{1b}') => self.state = State::Escape,
            (State::Ground | State::Control(_) | State::Escape, _) => {
                self.state = State::Ground;
                self.print(character);
            }
        }
        if matches!(self.state, State::Ground) {
            self.begun = 0;
        }
    }

    fn print(&mut self, character: char) {
        if character < ' ' {
            return self.control(character);
        }
        // DEL and C1 controls have no glyph.
        if ('\u{7f}'..='\u{9f}').contains(&character) {
            return;
        }
        let columns = width(character);
        if columns == 0 {
            return self.combine(character);
        }
        let column = self.column;
        self.clear(column, column + columns);
        self.column = column + columns;
        if self.cells.len() < self.column {
            self.cells.resize(self.column, Cell::Empty);
        }
        for (offset, cell) in self.cells.iter_mut().skip(column).take(columns).enumerate() {
            *cell = if offset == 0 { Cell::Written(character) } else { Cell::Second };
        }
    }

    fn control(&mut self, character: char) {
        match character {
            '\r' => self.column = 0,
            '\u{8}' => self.column = self.column.saturating_sub(1),
            '\t' => self.column = (self.column / TAB + 1) * TAB,
            _ => {}
        }
    }

    fn sequence(&mut self, last: char, parameters: &str) {
        // Private parameters and intermediate bytes make it another sequence.
        if !parameters.bytes().all(|byte| byte.is_ascii_digit() || byte == b';') {
            return;
        }
        let first = split(parameters, b";").map_or(parameters, |(first, _)| first);
        let number =
            decimal(first.as_bytes()).unwrap_or(if first.is_empty() { 0 } else { u64::MAX });
        let number = number.min(LAST_COLUMN as u64) as usize;
        let count = number.clamp(1, LAST_COLUMN);
        let length = self.cells.len();
        let (column, last_column) = (self.column, length.max(LAST_COLUMN));
        match last {
            'C' => self.column = (column + count).min(last_column),
            'D' => self.column = column.saturating_sub(count),
            'G' => self.column = (count - 1).min(last_column),
            'X' => self.clear(column, column + count),
            'K' if number == 0 => {
                self.clear(column, length);
                self.shorten(column);
            }
            'K' if number == 1 => self.clear(0, column + 1),
            'K' if number == 2 => {
                self.clear(0, length);
                self.shorten(0);
            }
            _ => {}
        }
    }

    /// Empties columns. Of a wide character that has one of them, the other one is a space then.
    fn clear(&mut self, from: usize, to: usize) {
        let cells = &mut self.cells;
        if cells.get(from) == Some(&Cell::Second)
            && let Some(cell) = from.checked_sub(1).and_then(|at| cells.get_mut(at))
        {
            *cell = Cell::Written(' ');
        }
        if let Some(cell) = cells.get_mut(to).filter(|cell| **cell == Cell::Second) {
            *cell = Cell::Written(' ');
        }
        for cell in cells.iter_mut().take(to).skip(from) {
            *cell = Cell::Empty;
        }
        self.marks.retain(|(at, _)| *at < from || *at >= to);
    }

    fn shorten(&mut self, length: usize) {
        self.cells.truncate(length);
        self.marks.retain(|(at, _)| *at < length);
    }

    /// Adds a mark to the character before the cursor.
    fn combine(&mut self, mark: char) {
        let Some(mut at) = self.column.checked_sub(1) else { return };
        if self.cells.get(at) == Some(&Cell::Second) {
            at = at.saturating_sub(1);
        }
        if matches!(self.cells.get(at), Some(Cell::Written(_))) {
            let place = self.marks.partition_point(|(other, _)| *other <= at);
            self.marks.insert(place, (at, mark));
        }
    }
}

/// Returns true for text that a terminal shows as it is. Tabs count as such text.
fn is_plain(text: &str) -> bool {
    let mut is_second = false;
    text.bytes().all(|byte| {
        // C1 controls are C2 80 to C2 9F.
        let is_control =
            (byte < b' ' && byte != b'\t') || byte == 0x7f || (is_second && byte < 0xa0);
        is_second = byte == 0xc2;
        !is_control
    })
}
