//! What the targets share. An input is bytes and how they are read: what stands after the last 0xFE
//! byte says where to cut.
#![allow(dead_code)] // not every target uses all of it

/// The bytes, and their reads.
pub(crate) fn cut(input: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let mark = input.iter().rposition(|byte| *byte == 0xfe).unwrap_or(input.len());
    let (bytes, lengths) = input.split_at(mark);
    let mut reads = Vec::new();
    let mut rest = bytes;
    for length in lengths.iter().skip(1) {
        let (read, after) = rest.split_at(usize::from(*length).min(rest.len()));
        reads.push(read);
        rest = after;
    }
    reads.push(rest);
    (bytes, reads)
}

/// Whether serde_json reads the same in these bytes: it has no lone surrogates, knows no key from its
/// spelling, and takes no number that is too large.
pub(crate) fn is_readable(bytes: &[u8]) -> bool {
    let number = |pair: &[u8]| pair[0].is_ascii_digit() && matches!(pair[1], b'e' | b'E');
    !bytes.windows(2).any(|pair| pair == b"\\u" || pair == b"-0" || number(pair))
        && !bytes.windows(300).any(|digits| digits.iter().all(u8::is_ascii_digit))
}
