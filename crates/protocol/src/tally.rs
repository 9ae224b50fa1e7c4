//! The lines that a server has of a stream, counted and hashed while its answer is read. The answer itself is not kept.

use crate::json::Text;
use crate::limits;
use alloc::vec::Vec;

/// A number of lines, and a hash of their text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of lines.
    pub lines: u64,
    pub(crate) hash: u64,
}

impl Tally {
    /// Adds a line. A carriage return at its end does not count: the open-source daemon removes it from what it
    /// replays, but not from what it sends live.
    pub(crate) fn add(&mut self, line: &Text<'_>) {
        self.lines += 1;
        self.hash = line.with(|text| {
            let end = text.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
            mixed(self.hash, text.get(..end).unwrap_or_default())
        });
    }
}

/// Hashes a hash and a line, eight bytes at a time. Not cryptographic: a server that forges it harms only its own user.
fn mixed(hash: u64, line: &[u8]) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    let (words, rest) = line.as_chunks();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    words
        .chain([rest, line.len() as u64])
        .fold(hash, |hash, part| (hash ^ part).wrapping_mul(PRIME).rotate_left(29))
}

/// The lines that a server has of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// All lines.
    pub all: Tally,
    /// The first lines, as many as were delivered, or all if there are fewer.
    pub first: Tally,
}

/// Reads an answer with a stream's lines: `{"pid": N, "lines": ["…", …], "line_count": N}`.
///
/// ```
/// use shoreline_protocol::tally::TallyReader;
/// let mut reader = TallyReader::new(1);
/// reader.push(br#"{"pid":7,"lines":["a","#).unwrap();
/// reader.push(br#""b"],"line_count":2}"#).unwrap();
/// let held = reader.finish().unwrap();
/// assert_eq!((held.all.lines, held.first.lines), (2, 1));
/// ```
#[derive(Debug)]
pub struct TallyReader {
    delivered: u64,
    held: Held,
    /// Bytes that cannot be parsed yet: at most one string.
    rest: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before the array of lines.
    Before,
    Lines,
    After,
}

/// The answer is not an object with lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoLines;

impl TallyReader {
    /// Reads the lines of a stream of which `delivered` lines were delivered.
    #[must_use]
    pub fn new(delivered: u64) -> Self {
        Self { delivered, held: Held::default(), rest: Vec::new(), stage: Stage::Before }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// If the answer is not an object with lines.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), NoLines> {
        let open = self.rest.first() == Some(&b'"');
        self.rest.extend_from_slice(chunk);
        // A chunk without quotes does not contain the end of a string.
        if !open || chunk.contains(&b'"') {
            let rest = core::mem::take(&mut self.rest);
            let unread = self.read(&rest).ok_or(NoLines)?;
            self.rest = rest.get(rest.len() - unread..).unwrap_or_default().to_vec();
        }
        if self.rest.len() > limits::EVENT_BYTES { Err(NoLines) } else { Ok(()) }
    }

    /// The lines that the server has.
    ///
    /// # Errors
    /// If the answer has no lines, or not all of them.
    pub fn finish(self) -> Result<Held, NoLines> {
        if self.stage == Stage::After { Ok(self.held) } else { Err(NoLines) }
    }

    /// Parses complete tokens, and returns the number of remaining bytes.
    fn read(&mut self, mut from: &[u8]) -> Option<usize> {
        loop {
            from = from.trim_ascii_start();
            match (self.stage, from) {
                (_, []) => return Some(0),
                (Stage::After, _) => return Some(0),
                (Stage::Lines, [b',', rest @ ..]) => from = rest,
                (Stage::Lines, [b']', ..]) => self.stage = Stage::After,
                (Stage::Lines, [b'"', rest @ ..]) => {
                    let Some((line, rest)) = Text::at_start(rest) else { return Some(from.len()) };
                    self.held.all.add(&line);
                    if self.held.all.lines <= self.delivered {
                        self.held.first = self.held.all;
                    }
                    from = rest;
                }
                (Stage::Lines, _) => return None,
                (Stage::Before, [b'"', rest @ ..]) => {
                    let Some((key, after)) = Text::at_start(rest) else { return Some(from.len()) };
                    if key.plain() == Some(b"lines") {
                        match after.trim_ascii_start() {
                            [] => return Some(from.len()),
                            [b':', value @ ..] => match value.trim_ascii_start() {
                                [] => return Some(from.len()),
                                [b'[', lines @ ..] => {
                                    self.stage = Stage::Lines;
                                    from = lines;
                                    continue;
                                }
                                _ => return None,
                            },
                            _ => {}
                        }
                    }
                    from = after;
                }
                (Stage::Before, [_, rest @ ..]) => from = rest,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(answer: &[u8], delivered: u64, cut: usize) -> Result<Held, NoLines> {
        let mut reader = TallyReader::new(delivered);
        for piece in answer.chunks(cut) {
            reader.push(piece)?;
        }
        reader.finish()
    }

    #[test]
    fn answers_are_read_however_they_are_cut() {
        let answer = br#" {"line_count":4, "x":"lines", "lines" : [ "a\"]" , "lines","line_count","\u00e9\r" ],"y":["lines"]}"#;
        let whole = held(answer, 2, answer.len()).unwrap();
        assert_eq!((whole.all.lines, whole.first.lines), (4, 2));
        for cut in 1..answer.len() {
            assert_eq!(held(answer, 2, cut), Ok(whole), "{cut}");
        }
        let mut same = Tally::default();
        for line in [&b"a\\\"]\""[..], b"lines\"", b"line_count\"", "é\"".as_bytes()] {
            same.add(&Text::at_start(line).unwrap().0);
        }
        assert_eq!(same, whole.all);
    }

    #[test]
    fn an_answer_without_all_its_lines_is_refused() {
        for answer in [
            "",
            "{}",
            "[]",
            r#"{"lines":["#,
            r#"{"lines":["a"}"#,
            r#"{"lines":["a"#,
            r#"{"lines":[1]}"#,
            r#"{"lines":7}"#,
        ] {
            assert_eq!(held(answer.as_bytes(), 0, 3), Err(NoLines), "{answer}");
        }
        assert!(
            held(&[b"{\"lines\":[\"".as_slice(), &[b'x'; limits::EVENT_BYTES]].concat(), 0, 65_536)
                .is_err()
        );
    }
}
