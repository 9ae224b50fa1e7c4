//! A scanner for flat JSON objects, without recursion and without copies.
//!
//! Strictly RFC 8259, with two exceptions: ill-formed UTF-8 and lone surrogates
//! become U+FFFD. Values are checked when they are scanned, so reading their parts cannot fail.

mod number;
mod scanner;

use crate::{scan, utf8};
use alloc::string::String;
pub use number::Number;
use scanner::Scanner;

/// Not valid JSON, or nested deeper than [`MAX_DEPTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// The most levels of nested arrays and objects, as in serde_json.
pub const MAX_DEPTH: u32 = 127;

/// A JSON value whose syntax has been checked.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A string.
    String(Text<'a>),
    /// A number.
    Number(Number<'a>),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// An object, with its braces.
    Object(&'a [u8]),
    /// An array, with its brackets.
    Array(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Parses a document that is one value.
    ///
    /// # Errors
    /// The document is not valid JSON.
    pub fn parse(document: &'a [u8]) -> Result<Self, Invalid> {
        let mut scanner = Scanner::new(document);
        let value = scanner.value(MAX_DEPTH)?;
        scanner.end()?;
        Ok(value)
    }

    /// The string, if the value is one.
    #[must_use]
    pub const fn as_text(&self) -> Option<Text<'a>> {
        if let Self::String(text) = self { Some(*text) } else { None }
    }
}

/// The text between the quotes of a string.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
    ascii: bool,
}

impl<'a> Text<'a> {
    /// The string at the start of `from`, which begins after the opening quote, and the rest of `from`.
    #[inline]
    pub(crate) fn at_start(from: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut scanner = Scanner::new(from);
        scanner.string().ok().map(|text| (text, scanner.rest()))
    }

    /// Appends the text, unescaped, and returns its length in UTF-16 code units. `checked` is UTF-8 that the document may be
    /// a part of.
    pub fn push_to(&self, checked: &str, out: &mut String) -> usize {
        let text = utf8::part_of(checked, self.raw);
        if let Some(text) = text.or_else(|| core::str::from_utf8(self.raw).ok())
            && !self.escaped
        {
            out.push_str(text);
            return if self.ascii { text.len() } else { utf8::utf16_len(text) };
        }
        let start = out.len();
        self.unescape(out);
        out.get(start..).map_or(0, utf8::utf16_len)
    }

    /// The bytes in the document, if none of them is escaped.
    #[must_use]
    pub const fn plain(&self) -> Option<&'a [u8]> {
        if self.escaped { None } else { Some(self.raw) }
    }

    /// Calls `f` with the text's bytes, unescaped.
    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self.plain() {
            Some(raw) => f(raw),
            None => {
                let mut text = String::new();
                self.unescape(&mut text);
                f(text.as_bytes())
            }
        }
    }

    /// The text as a string of its own.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.push_to("", &mut out);
        out
    }

    fn unescape(&self, out: &mut String) {
        let mut rest = self.raw;
        while let Some((before, after)) = scan::split(rest, [b'\\']) {
            utf8::lossy_into(before, out);
            rest = unescape_one(after, out);
        }
        utf8::lossy_into(rest, out);
    }
}

/// Appends the character of the escape at the start of `from`, and returns the bytes after the escape.
fn unescape_one<'a>(from: &'a [u8], out: &mut String) -> &'a [u8] {
    let (char, rest) = match from {
        [_, b'u', rest @ ..] => {
            let (unit, rest) = hex4(rest).unwrap_or((0xfffd, rest));
            match (unit, rest) {
                (0xd800..0xdc00, [b'\\', b'u', low @ ..]) => match hex4(low) {
                    Some((low, rest)) if (0xdc00..0xe000).contains(&low) => {
                        (char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)), rest)
                    }
                    _ => (None, rest),
                },
                _ => (char::from_u32(unit), rest),
            }
        }
        [_, letter, rest @ ..] => {
            let char = match letter {
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                other => char::from(*other),
            };
            (Some(char), rest)
        }
        _ => (None, [].as_slice()),
    };
    out.push(char.unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}

fn hex4(from: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = from.split_first_chunk::<4>()?;
    let mut unit = 0;
    for &digit in digits {
        unit = unit << 4 | char::from(digit).to_digit(16)?;
    }
    Some((unit, rest))
}

/// Iterates over the members of one object.
///
/// ```
/// use shoreline_protocol::json::{Members, Value};
/// let mut members = Members::new(br#"{"line":"a\tb","n":1}"#).unwrap();
/// let (key, value) = members.read().unwrap().unwrap();
/// let mut text = String::new();
/// value.as_text().unwrap().push_to("", &mut text);
/// assert_eq!((key.plain(), text.as_str()), (Some(&b"line"[..]), "a\tb"));
/// ```
#[derive(Debug)]
pub struct Members<'a> {
    scanner: Scanner<'a>,
    first: bool,
}

impl<'a> Members<'a> {
    /// Begins with an object, which must be all of `document`.
    ///
    /// # Errors
    /// The document does not start as an object.
    pub fn new(document: &'a [u8]) -> Result<Self, Invalid> {
        let mut scanner = Scanner::new(document);
        scanner.expect(b'{')?;
        Ok(Self { scanner, first: true })
    }

    /// The next key and its value; `None` after the last one, once all of the document is known to be valid.
    ///
    /// # Errors
    /// The document is not valid JSON.
    #[inline]
    pub fn read(&mut self) -> Result<Option<(Text<'a>, Value<'a>)>, Invalid> {
        let scanner = &mut self.scanner;
        match scanner.peek() {
            Some(b'}') => {
                scanner.skip(1);
                scanner.end()?;
                return Ok(None);
            }
            Some(b',') if !self.first => {
                scanner.skip(1);
                scanner.expect(b'"')?;
            }
            Some(b'"') if self.first => scanner.skip(1),
            _ => return Err(Invalid),
        }
        self.first = false;
        let key = scanner.string()?;
        scanner.expect(b':')?;
        Ok(Some((key, scanner.value(MAX_DEPTH - 1)?)))
    }
}
