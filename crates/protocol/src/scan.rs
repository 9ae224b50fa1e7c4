//! Looking for bytes, eight at a time in plain integers: every byte of output goes through here, and
//! the wasm has no vectors to look with.

const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

const HIGH: u64 = each(0x80);

/// How many bytes come before the first that is one of `stops` or below `least` (all of them, if none
/// is), and whether they are ASCII.
#[inline]
pub(crate) fn before<const N: usize>(bytes: &[u8], stops: [u8; N], least: u8) -> (usize, bool) {
    // Of what each of these marks, the lowest is right; those above it may be marked wrongly.
    let below = |word: u64, least: u8| word.wrapping_sub(each(least)) & !word;
    let stops_in = |word: u64| {
        stops.iter().fold(below(word, least), |found, stop| found | below(word ^ each(*stop), 1))
    };
    let (words, tail) = bytes.as_chunks::<8>();
    let mut seen = 0;
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = stops_in(word) & HIGH;
        if found != 0 {
            let bits = found.trailing_zeros() & !7;
            seen |= word & !(u64::MAX << bits);
            return (index * 8 + bits as usize / 8, seen & HIGH == 0);
        }
        seen |= word;
    }
    let end = tail.iter().position(|byte| *byte < least || stops.contains(byte));
    let tail = tail.get(..end.unwrap_or(tail.len())).unwrap_or_default();
    (words.len() * 8 + tail.len(), seen & HIGH == 0 && tail.is_ascii())
}

/// What stands before the first of `stops`, and what from it on; nothing if there is none.
#[inline]
pub(crate) fn split<const N: usize>(bytes: &[u8], stops: [u8; N]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(before(bytes, stops, 0).0).filter(|(_, rest)| !rest.is_empty())
}

/// How many UTF-16 code units well-formed UTF-8 has: one for each character, and one more for those of
/// four bytes.
pub(crate) fn utf16_units(bytes: &[u8]) -> usize {
    // One bit for each byte that goes on with a character, and for each that begins one of four.
    let more = |word: u64| (word >> 7) & !(word >> 6) & each(1);
    let long = |word: u64| (word >> 7) & (word >> 6) & (word >> 5) & (word >> 4) & each(1);
    let units = |word: u64| 8 + long(word).count_ones() as usize - more(word).count_ones() as usize;
    let (words, tail) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    let padding = 8 - tail.len();
    words.iter().map(|word| units(u64::from_le_bytes(*word))).sum::<usize>()
        + units(u64::from_le_bytes(last))
        - padding
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn finds_what_a_plain_search_finds_wherever_it_stands() {
        // Every pair of bytes that could disturb each other, at every distance and place in a word.
        let bytes = [0, 0x1f, 0x20, b'!', b'"', b'#', b'\\', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff];
        for len in 0..20 {
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
    fn counts_units_as_the_standard_library_does() {
        let chars = ['a', '\u{e9}', '\u{20ac}', '\u{1f98a}'];
        for number in 0..4_usize.pow(6) {
            let text: std::string::String =
                (0..6).map(|digit| chars[number / 4_usize.pow(digit) % 4]).collect();
            assert_eq!(utf16_units(text.as_bytes()), text.encode_utf16().count(), "{text}");
        }
    }
}
