//! Cuts output into lines, and keeps the unfinished line at its end.

use shoreline_protocol::limits::LINE_BYTES;

/// Cuts one stream into lines and holds its unfinished line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    unfinished: Vec<u8>,
}

impl Lines {
    /// Takes a read, and passes complete lines to `ready`, or a piece of a line that
    /// exceeds the limit.
    pub(super) fn push(&mut self, mut read: &[u8], mut ready: impl FnMut(Vec<u8>)) {
        if let Some(last) = memchr::memrchr(b'\n', read) {
            let (whole, rest) = read.split_at(last + 1);
            // Only the first line can exceed the limit, by its kept beginning. The others are part of one read.
            let mut bytes = std::mem::take(&mut self.unfinished);
            let first = memchr::memchr(b'\n', whole).unwrap_or(0);
            if bytes.len() + first > LINE_BYTES {
                bytes.extend_from_slice(&whole[..first]);
                let rest = bytes.split_off(whole_characters(&bytes[..LINE_BYTES]));
                ready(bytes);
                bytes = rest;
                bytes.extend_from_slice(&whole[first..]);
            } else {
                bytes.extend_from_slice(whole);
            }
            ready(bytes);
            read = rest;
        }
        self.unfinished.extend_from_slice(read);
        while self.unfinished.len() > LINE_BYTES {
            let piece = whole_characters(&self.unfinished[..LINE_BYTES]);
            let rest = self.unfinished.split_off(piece);
            ready(std::mem::replace(&mut self.unfinished, rest));
        }
    }

    /// The unfinished line. It only grows until it is passed to `ready`.
    pub(super) fn unfinished(&self) -> &[u8] {
        &self.unfinished
    }

    /// Ends the unfinished line.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.unfinished);
        (!rest.is_empty()).then_some(rest)
    }
}

/// Returns the number of bytes before an incomplete UTF-8 character at the end. Unfinished lines are sent up to there,
/// and lines that are too long are split there, so that no follower is ever ahead of a split.
pub(crate) fn whole_characters(bytes: &[u8]) -> usize {
    let cut_off = |length: &usize| {
        let end = bytes.len().checked_sub(*length).and_then(|start| bytes.get(start..));
        let error = end.and_then(|end| std::str::from_utf8(end).err());
        error.is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    bytes.len() - (1..4).find(cut_off).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(reads: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for read in reads {
            lines.push(read, |bytes| out.push(bytes));
        }
        out.extend(lines.finish());
        out
    }

    #[test]
    fn lines_are_whole_whatever_the_reads() {
        let seen = logged(&[b"a\nb", b"", b"c\r\n\nd", b"e"]);
        assert_eq!(seen, [&b"a\n"[..], b"bc\r\n\n", b"de"]);
    }

    #[test]
    fn a_line_at_the_limit_is_whole_and_one_byte_more_is_cut() {
        let long = vec![b'x'; LINE_BYTES];
        assert_eq!(logged(&[&long, b"\n"]).len(), 1);
        let seen = logged(&[&long, b"y\nnext\n"]);
        assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [LINE_BYTES, 7]);
        assert_eq!(seen[1], b"y\nnext\n");
    }

    #[test]
    fn a_cut_leaves_characters_whole() {
        let mut long = vec![b'x'; LINE_BYTES - 1];
        long.extend_from_slice("é!".as_bytes());
        let seen = logged(&[&long]);
        assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [LINE_BYTES - 1, 3]);
        assert_eq!(seen[1], "é!".as_bytes());
    }

    #[test]
    fn a_cut_is_never_before_what_was_whole_already() {
        // Continuation bytes without a first byte are not a cut character.
        let mut long = vec![b'x'; LINE_BYTES - 2];
        long.extend_from_slice(b"\x80\x80");
        let mut lines = Lines::default();
        lines.push(&long, |_| panic!("it is not over the limit"));
        let sent = whole_characters(lines.unfinished());
        let mut cut = 0;
        lines.push(b"\x80y", |piece| cut = piece.len());
        assert_eq!((sent, cut), (LINE_BYTES, LINE_BYTES));
    }

    #[test]
    fn only_a_character_that_is_cut_off_is_held_back() {
        for (bytes, whole) in [
            (&b""[..], 0),
            (b"ab", 2),
            (b"a\xc3", 1),
            (b"\xe2\x82", 0),
            (b"a\xf0\x9f\xa6", 1),
            ("a\u{1f98a}".as_bytes(), 5),
            // These can no longer become characters.
            (b"a\xff", 2),
            (b"\xe2\x28", 2),
            (b"\x80\x80\x80", 3),
            (b"\xed\xa0", 2),
            (b"\xc3\xc3", 1),
        ] {
            assert_eq!(whole_characters(bytes), whole, "{bytes:x?}");
        }
    }
}
