//! UTF-8 with replacement, and lengths as JavaScript counts them.

use alloc::string::String;

/// Appends `bytes` as text, with one U+FFFD for each maximal subpart of an ill-formed sequence
/// (Unicode, section 3.9; the same as the Encoding standard). True if something was replaced.
///
/// ```
/// let mut text = String::new();
/// assert!(shoreline_protocol::utf8::lossy_into(b"a\xe6\xbcX", &mut text));
/// assert_eq!(text, "a\u{fffd}X");
/// ```
pub fn lossy_into(bytes: &[u8], out: &mut String) -> bool {
    if let Ok(text) = core::str::from_utf8(bytes) {
        out.push_str(text);
        return false;
    }
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
    true
}

/// How many of `bytes` make the first `text_len` bytes of their text with replacement.
/// `text_len` is on a character boundary of that text.
#[must_use]
pub fn raw_len(bytes: &[u8], text_len: usize) -> usize {
    let mut raw = 0;
    let mut left = text_len;
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().len();
        if left <= valid {
            return raw + left;
        }
        left -= valid;
        raw += valid + chunk.invalid().len();
        left = left.saturating_sub(char::REPLACEMENT_CHARACTER.len_utf8());
    }
    raw
}

/// The length of `text` in UTF-16 code units, which is what JavaScript counts in.
#[must_use]
pub fn utf16_len(text: &str) -> usize {
    // Two sums without a branch, so that the compiler can make vectors of them: a character for
    // each byte that is not a continuation, and one unit more for each lead byte of four.
    text.as_bytes()
        .chunks(128)
        .map(|part| {
            let units: u16 = part
                .iter()
                .map(|&byte| u16::from((byte & 0xc0) != 0x80) + u16::from(byte >= 0xf0))
                .sum();
            usize::from(units)
        })
        .sum()
}
