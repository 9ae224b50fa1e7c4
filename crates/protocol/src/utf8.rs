//! UTF-8 with U+FFFD for what is ill-formed: one per maximal subpart, as WHATWG and Unicode say.

use crate::scan;
use alloc::string::String;

/// Appends `bytes` to `out`; `false` if something had to be replaced.
///
/// ```
/// let mut text = String::new();
/// assert!(!shoreline_protocol::utf8::lossy_into(b"a\xF0\x9Fb", &mut text));
/// assert_eq!(text, "a\u{FFFD}b");
/// ```
#[inline]
pub fn lossy_into(bytes: &[u8], out: &mut String) -> bool {
    if let Ok(text) = core::str::from_utf8(bytes) {
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

/// How many UTF-16 code units `text` has, as JavaScript counts.
#[must_use]
pub fn utf16_len(text: &str) -> usize {
    scan::utf16_units(text.as_bytes())
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
}
