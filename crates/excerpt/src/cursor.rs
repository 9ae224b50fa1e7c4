//! Positions as short text, which a model can repeat.

use alloc::string::String;

use shoreline_protocol::cursor::Cursor;
use shoreline_protocol::text::digits;

/// Stands for the id where the server sends none.
const NO_ID: &str = "-";

/// The position as digits and points, which [`from_text`] reads.
///
/// ```
/// use shoreline_excerpt::{from_text, to_text};
/// use shoreline_protocol::cursor::Cursor;
/// let cursor = Cursor { last_id: Some(7), counts: [5, 2], unfinished: [0, 3] };
/// assert_eq!(to_text(&cursor), "7.5.2.0.3");
/// assert_eq!(from_text("7.5.2.0.3"), Some(cursor));
/// assert_eq!(from_text("7"), None);
/// ```
#[must_use]
pub fn to_text(cursor: &Cursor) -> String {
    let [stdout, stderr] = cursor.counts;
    let [stdout_bytes, stderr_bytes] = cursor.unfinished;
    let numbers = [stdout, stderr, stdout_bytes, stderr_bytes];
    let mut text = cursor.last_id.map_or(String::from(NO_ID), digits);
    let shown = if cursor.unfinished == [0, 0] { 2 } else { 4 };
    for number in numbers.into_iter().take(shown) {
        text.push('.');
        text.push_str(&digits(number));
    }
    text
}

/// Reads what [`to_text`] wrote; `None` for any other text.
#[must_use]
pub fn from_text(text: &str) -> Option<Cursor> {
    let (mut numbers, mut index) = ([0_u64; 5], 0_usize);
    let has_id = !text.starts_with(NO_ID);
    let mut is_empty = has_id;
    for byte in text.bytes().skip(if has_id { 0 } else { NO_ID.len() }) {
        if byte == b'.' && !is_empty {
            (index, is_empty) = (index + 1, true);
        } else {
            let number = numbers.get_mut(index)?;
            let digit = char::from(byte).to_digit(10)?;
            *number = number.checked_mul(10)?.checked_add(digit.into())?;
            is_empty = false;
        }
    }
    let [id, stdout, stderr, stdout_bytes, stderr_bytes] = numbers;
    let is_whole = !is_empty && (index == 2 || index == 4) && (has_id || id == 0);
    is_whole.then_some(Cursor {
        last_id: has_id.then_some(id),
        counts: [stdout, stderr],
        unfinished: [stdout_bytes, stderr_bytes],
    })
}
