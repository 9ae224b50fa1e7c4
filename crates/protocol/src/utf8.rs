//! UTF-8 with one U+FFFD for each maximal ill-formed subpart, as in the WHATWG Encoding standard and in Unicode.

use crate::scan;
use alloc::string::String;
use alloc::vec::Vec;

/// From this length in bytes on, vectors are faster.
const SHORT: usize = 1024;

/// Appends `bytes` to `out`. Returns `false` if bytes were replaced.
///
/// ```
/// let mut text = String::new();
/// assert!(!shoreline_protocol::utf8::lossy_into(b"a\xF0\x9Fb", &mut text));
/// assert_eq!(text, "a\u{FFFD}b");
/// ```
#[inline]
pub fn lossy_into(bytes: &[u8], out: &mut String) -> bool {
    // The standard library's check is the faster one for short lines.
    let text = match bytes.len() {
        ..SHORT => core::str::from_utf8(bytes).ok(),
        _ => simdutf8::basic::from_utf8(bytes).ok(),
    };
    if let Some(text) = text {
        out.push_str(text);
        return true;
    }
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
    false
}

/// The complete lines at the start of `bytes`; empty if they are not UTF-8. A line end is never part of a character.
pub(crate) fn whole_lines(bytes: &[u8]) -> &str {
    let end = scan::before_last(bytes, b'\n');
    simdutf8::basic::from_utf8(bytes.get(..end).unwrap_or_default()).unwrap_or_default()
}

/// `part` as text, if it lies within `whole`. Checking many small parts takes longer than checking all of them at once.
pub(crate) fn part_of<'a>(whole: &'a str, part: &[u8]) -> Option<&'a str> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    whole.get(start..start.checked_add(part.len())?)
}

/// How many UTF-16 code units `text` has, as JavaScript counts.
#[must_use]
pub fn utf16_len(text: &str) -> usize {
    scan::utf16_units(text.as_bytes())
}

/// `text` in Latin-1, unless it has other characters.
///
/// ```
/// use shoreline_protocol::utf8::latin1;
/// assert_eq!((latin1("a\u{e9}").as_deref(), latin1("\u{20ac}")), (Some(&b"a\xe9"[..]), None));
/// ```
#[must_use]
pub fn latin1(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match scan::push_ascii::<1>(rest, &mut out) {
            [] => return Some(out),
            [a @ 0xc2..=0xc3, b, rest @ ..] => {
                out.push(a << 6 | b & 0x3f);
                rest
            }
            _ => return None,
        };
    }
}

/// `text` in UTF-16, each code unit with its low byte first.
///
/// ```
/// assert_eq!(shoreline_protocol::utf8::utf16le("a\u{20ac}"), b"a\0\xac\x20");
/// ```
#[must_use]
pub fn utf16le(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut rest = text.as_bytes();
    let six = |byte: u8| u16::from(byte & 0x3f);
    loop {
        rest = scan::push_ascii::<2>(rest, &mut out);
        let (unit, after) = match rest {
            [a @ 0xc0..=0xdf, b, rest @ ..] => (u16::from(a & 0x1f) << 6 | six(*b), rest),
            [a @ 0xe0..=0xef, b, c, rest @ ..] => {
                (u16::from(*a) << 12 | six(*b) << 6 | six(*c), rest)
            }
            [a, b, c, d, rest @ ..] => {
                // Less 0x10000, of which the upper bits are 0x40.
                let high = u16::from(a & 7) << 8 | six(*b) << 2 | six(*c) >> 4;
                out.extend_from_slice(&(0xd800 - 0x40 + high).to_le_bytes());
                (0xdc00 | (six(*c) & 0xf) << 6 | six(*d), rest)
            }
            _ => return out,
        };
        out.extend_from_slice(&unit.to_le_bytes());
        rest = after;
    }
}

/// `bytes` as text.
#[must_use]
pub fn lossy(bytes: &[u8]) -> String {
    let mut out = String::new();
    lossy_into(bytes, &mut out);
    out
}

/// The last character boundary at or before `at`.
pub(crate) fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The first character boundary at or after `at`.
pub(crate) fn ceil_char_boundary(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_as_the_standard_library_does() {
        // Tables 3-8 to 3-11 of the Unicode standard, and the corners of each length.
        let cases: [&[u8]; 9] = [
            b"plain",
            b"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41",
            b"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41",
            b"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42",
            b"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41",
            b"\xF0\x9F\xA6",
            "na\u{ef}ve \u{1f98a}".as_bytes(),
            b"\x80",
            b"",
        ];
        for bytes in cases {
            let mut text = String::new();
            let clean = lossy_into(bytes, &mut text);
            assert_eq!(text, String::from_utf8_lossy(bytes), "{bytes:x?}");
            assert_eq!(clean, core::str::from_utf8(bytes).is_ok());
            assert_eq!(utf16_len(&text), text.encode_utf16().count());
        }
    }

    #[test]
    fn converts_as_the_standard_library_does() {
        let chars = [
            'a', '\u{7f}', '\u{80}', '\u{ff}', '\u{100}', '\u{7ff}', '\u{800}', '\u{d7ff}',
            '\u{e000}',
        ];
        let chars = chars.into_iter().chain(['\u{ffff}', '\u{10000}', '\u{1f98a}', '\u{10ffff}']);
        for char in chars {
            for (before, after) in (0..40).flat_map(|n| [(n, 0), (n, 15), (n, 33)]) {
                let mut text = "x".repeat(before);
                text.extend([char, char]);
                text.push_str(&"y".repeat(after));
                let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                assert_eq!(utf16le(&text), units, "{text}");
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
                assert_eq!(latin1(&text), bytes, "{text}");
            }
        }
    }
}
