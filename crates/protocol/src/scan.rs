//! Looking for bytes, sixteen at a time: every byte of output goes through here.

use alloc::vec::Vec;
use wide::{CmpEq as _, CmpGt as _, CmpLt as _, i8x16, u8x16};

/// How many bytes come before the first that is one of `stops` or below `least` (all of them, if none
/// is), and whether they are ASCII. `least` is ASCII.
#[inline]
pub(crate) fn before<const N: usize>(bytes: &[u8], stops: [u8; N], least: u8) -> (usize, bool) {
    let splat = |byte: u8| i8x16::splat(byte.cast_signed());
    let (chunks, tail) = bytes.as_chunks::<16>();
    let mut high = 0;
    for (index, chunk) in chunks.iter().enumerate() {
        let chunk = i8x16::new(chunk.map(u8::cast_signed));
        let not_ascii = chunk.move_mask();
        // As signed numbers, bytes that are not ASCII are below every other.
        let below = chunk.cmp_lt(splat(least)).move_mask() & !not_ascii;
        let found =
            stops.iter().fold(below, |found, stop| found | chunk.cmp_eq(splat(*stop)).move_mask());
        if found != 0 {
            let at = found.trailing_zeros();
            high |= not_ascii & !(-1 << at);
            return (index * 16 + at as usize, high == 0);
        }
        high |= not_ascii;
    }
    let end = tail.iter().position(|byte| *byte < least || stops.contains(byte));
    let tail = tail.get(..end.unwrap_or(tail.len())).unwrap_or_default();
    (chunks.len() * 16 + tail.len(), high == 0 && tail.is_ascii())
}

/// How many bytes come before the last `stop`; 0 if there is none.
pub(crate) fn before_last(bytes: &[u8], stop: u8) -> usize {
    let (head, chunks) = bytes.as_rchunks::<16>();
    for (index, chunk) in chunks.iter().enumerate().rev() {
        let chunk = i8x16::new(chunk.map(u8::cast_signed));
        let found = chunk.cmp_eq(i8x16::splat(stop.cast_signed())).move_mask();
        if found != 0 {
            return head.len() + index * 16 + found.ilog2() as usize;
        }
    }
    head.iter().rposition(|byte| *byte == stop).unwrap_or_default()
}

/// Appends the ASCII characters that `bytes` begins with, each as a code unit of `WIDTH` bytes (1 or 2), the low one first.
/// Returns what follows them.
#[inline]
pub(crate) fn push_ascii<'a, const WIDTH: usize>(
    mut bytes: &'a [u8],
    out: &mut Vec<u8>,
) -> &'a [u8] {
    let zero = u8x16::default();
    while let Some((chunk, rest)) = bytes.split_first_chunk::<16>() {
        let start = out.len();
        if WIDTH == 1 {
            out.extend_from_slice(chunk);
        } else {
            let chunk = u8x16::new(*chunk);
            out.extend_from_slice(u8x16::unpack_low(chunk, zero).as_array_ref());
            out.extend_from_slice(u8x16::unpack_high(chunk, zero).as_array_ref());
        }
        let not_ascii = i8x16::new(chunk.map(u8::cast_signed)).move_mask();
        if not_ascii != 0 {
            let count = not_ascii.trailing_zeros() as usize;
            out.truncate(start + count * WIDTH);
            return bytes.get(count..).unwrap_or_default();
        }
        bytes = rest;
    }
    while let [byte @ ..0x80, rest @ ..] = bytes {
        out.push(*byte);
        out.resize(out.len() + WIDTH - 1, 0);
        bytes = rest;
    }
    bytes
}

/// What stands before the first of `stops`, and what from it on; nothing if there is none.
#[inline]
pub(crate) fn split<const N: usize>(bytes: &[u8], stops: [u8; N]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(before(bytes, stops, 0).0).filter(|(_, rest)| !rest.is_empty())
}

/// How many UTF-16 code units well-formed UTF-8 has: one for each character, and one more for those of
/// four bytes.
pub(crate) fn utf16_units(bytes: &[u8]) -> usize {
    // As signed numbers, continuation bytes are the lowest and ASCII bytes are positive.
    let units = |chunk: [u8; 16]| {
        let chunk = i8x16::new(chunk.map(u8::cast_signed));
        let more = chunk.cmp_lt(i8x16::splat(-64)).move_mask();
        let long = chunk.cmp_gt(i8x16::splat(-17)).move_mask() & chunk.move_mask();
        16 + long.count_ones() as usize - more.count_ones() as usize
    };
    let (chunks, tail) = bytes.as_chunks();
    let mut last = [0; 16];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    chunks.iter().map(|chunk| units(*chunk)).sum::<usize>() + units(last) - (16 - tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn finds_what_a_plain_search_finds_wherever_it_stands() {
        // Every pair of bytes that could disturb each other, at every distance and place in a word.
        let bytes = [0, 0x1f, 0x20, b'!', b'"', b'#', b'\\', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff];
        for len in [0, 1, 2, 15, 16, 17, 31, 32, 35] {
            for (first, second) in (0..len).flat_map(|i| (0..len).map(move |j| (i, j))) {
                for (a, b) in bytes.iter().flat_map(|a| bytes.iter().map(move |b| (*a, *b))) {
                    let mut text: Vec<u8> = std::vec![b'x'; len];
                    text[first] = a;
                    text[second] = b;
                    let stop = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
                    let end = text.iter().position(stop).unwrap_or(len);
                    let found = before(&text, [b'"', b'\\'], 0x20);
                    assert_eq!(found, (end, text[..end].is_ascii()), "{text:x?}");
                }
            }
        }
    }

    #[test]
    fn finds_the_last_as_a_plain_search_does() {
        for len in 0..40 {
            for (first, second) in (0..len).flat_map(|i| (0..len).map(move |j| (i, j))) {
                let mut text: Vec<u8> = std::vec![b'x'; len];
                text[first] = 0x8a;
                text[second] = b'\n';
                assert_eq!(before_last(&text, b'\n'), second);
                text[first] = b'\n';
                assert_eq!(before_last(&text, b'\n'), first.max(second));
            }
            assert_eq!(before_last(&std::vec![b'x'; len], b'\n'), 0);
        }
    }

    #[test]
    fn counts_units_as_the_standard_library_does() {
        let chars = ['a', '\u{e9}', '\u{20ac}', '\u{1f98a}'];
        for number in 0..4_usize.pow(7) {
            let text: std::string::String =
                (0..7).map(|digit| chars[number / 4_usize.pow(digit) % 4]).collect();
            assert_eq!(utf16_units(text.as_bytes()), text.encode_utf16().count(), "{text}");
        }
    }
}
