//! What the targets share. An input is bytes and how they are read: what stands after the last 0xFE
//! byte says where to cut.
#![allow(dead_code)] // not every target uses all of it

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Makes a fuzz target of a function, and a test with inputs that are always the same, which needs no fuzzer. They are
/// made of `seeds`.
macro_rules! target {
    ($check:path, $seeds:expr) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|input: &[u8]| $check(input));

        #[cfg(not(fuzzing))]
        fn main() {
            inputs_that_are_always_the_same();
        }

        #[cfg_attr(test, test)]
        #[cfg_attr(fuzzing, allow(dead_code))]
        fn inputs_that_are_always_the_same() {
            common::replay($check, &$seeds);
        }
    };
}
pub(crate) use target;

/// How many inputs a target's test has.
const INPUTS: usize = 4000;

/// Checks the seeds, and inputs made from them by random changes.
pub(crate) fn replay(check: fn(&[u8]), seeds: &[Vec<u8>]) {
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|seed| check(seed));
    let tokens = tokens();
    let mut random = Random(1);
    for _ in 0..INPUTS {
        let mut input = random.one_of(seeds).clone();
        for _ in 0..random.below(6) {
            let at = random.below(input.len() + 1);
            let end = (at + random.below(9)).min(input.len());
            match random.below(4) {
                0 => drop(input.drain(at..end)),
                1 => input.insert(at, random.next() as u8),
                2 => input.truncate(at.max(1)),
                _ => drop(input.splice(at..at, random.one_of(&tokens).iter().copied())),
            }
        }
        if random.below(4) > 0 {
            input.push(0xfe);
            input.extend((0..random.below(9)).map(|_| random.below(60) as u8));
        }
        check(&input);
    }
}

/// The tokens of `dictionary.txt`.
fn tokens() -> Vec<Vec<u8>> {
    let lines = include_str!("../dictionary.txt").lines();
    lines.map(|line| token(&line[1..line.len() - 1])).collect()
}

/// A token as libFuzzer reads it: with `\\`, `\"` and `\xNN`.
fn token(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut token = Vec::new();
    while let Some(byte) = bytes.next() {
        token.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'x') => {
                    let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                    u8::from_str_radix(&digits, 16).expect("two hexadecimal digits")
                }
                other => other.expect("an escaped character"),
            },
            _ => byte,
        });
    }
    token
}

/// The streams of the protocol's vectors. One that repeats a chunk is too long to be decoded thousands of times.
pub(crate) fn streams(section: &str) -> Vec<Vec<u8>> {
    let part = |chunk: &Value| chunk.as_str().map(|text| STANDARD.decode(text).unwrap());
    vectors(section)
        .iter()
        .filter_map(|vector| vector["chunks_b64"].as_array()?.iter().map(part).collect())
        .map(|parts: Vec<Vec<u8>>| parts.concat())
        .collect()
}

/// The terminals' messages of the protocol's vectors.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    let byte = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
    let message = |hex: &str| hex.as_bytes().chunks(2).map(byte).collect();
    vectors("pty")
        .iter()
        .filter_map(|vector| vector["message"]["hex"].as_str().map(message))
        .collect()
}

fn vectors(section: &str) -> Vec<Value> {
    let all = include_str!("../../crates/protocol/tests/vectors.json");
    let all: Value = serde_json::from_str(all).unwrap();
    all[section].as_array().unwrap().clone()
}

/// Numbers that are the same in every run (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

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
