//! Reads, cut where lines end.

use shoreline_protocol::limits::LINE_BYTES;

/// The start of a line whose end has not been read yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    carry: Vec<u8>,
}

impl Lines {
    /// Takes what was read and hands out what is ready to be logged: whole lines, or a piece of one
    /// that has grown over the limit.
    pub(crate) fn push(&mut self, mut read: &[u8], mut ready: impl FnMut(Vec<u8>)) {
        if let Some(last) = memchr::memrchr(b'\n', read) {
            let (whole, rest) = read.split_at(last + 1);
            // The first line may be long through what was carried; the others are part of one read.
            let mut bytes = std::mem::take(&mut self.carry);
            let first = memchr::memchr(b'\n', whole).unwrap_or(0);
            if bytes.len() + first > LINE_BYTES {
                bytes.extend_from_slice(&whole[..first]);
                let piece = floor_char_boundary(&bytes, LINE_BYTES);
                let rest = bytes.split_off(piece);
                ready(bytes);
                bytes = rest;
                bytes.extend_from_slice(&whole[first..]);
            } else {
                bytes.extend_from_slice(whole);
            }
            ready(bytes);
            read = rest;
        }
        self.carry.extend_from_slice(read);
        while self.carry.len() > LINE_BYTES {
            let piece = floor_char_boundary(&self.carry, LINE_BYTES);
            let rest = self.carry.split_off(piece);
            ready(std::mem::replace(&mut self.carry, rest));
        }
    }

    /// What was written after the last line end.
    pub(crate) fn finish(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.carry);
        (!rest.is_empty()).then_some(rest)
    }
}

/// The last place at or before `at` that does not cut a UTF-8 character, if one is near.
fn floor_char_boundary(bytes: &[u8], at: usize) -> usize {
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|at| bytes.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80))
        .unwrap_or(at)
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
}
