//! A scanner for flat JSON objects, without recursion and without copies.
//!
//! Strictly RFC 8259, with two leniencies that lose nothing: ill-formed UTF-8 and lone surrogates
//! become U+FFFD. Values are checked when they are scanned, so that taking them apart cannot fail.

use alloc::string::String;

use memchr::{memchr, memchr2};

use crate::utf8;

/// Not valid JSON, or nested deeper than [`MAX_DEPTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// Levels of arrays and objects within each other: what serde_json accepts.
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
    /// Reads a document that is one value.
    ///
    /// # Errors
    /// The document is not valid JSON.
    pub fn parse(document: &'a [u8]) -> Result<Self, Invalid> {
        let mut scanner = Scanner { rest: document };
        let value = scanner.value(MAX_DEPTH)?;
        scanner.end()?;
        Ok(value)
    }

    /// The string, if it is one.
    #[must_use]
    pub const fn as_text(&self) -> Option<Text<'a>> {
        if let Self::String(text) = self { Some(*text) } else { None }
    }
}

/// What stands between the quotes of a string.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
    ascii: bool,
}

impl<'a> Text<'a> {
    /// Appends the text, unescaped, and returns its length in UTF-16 code units.
    pub fn push_to(&self, out: &mut String) -> usize {
        if let Ok(text) = core::str::from_utf8(self.raw)
            && !self.escaped
        {
            out.push_str(text);
            return if self.ascii { text.len() } else { utf8::utf16_len(text) };
        }
        let start = out.len();
        self.unescape(out);
        out.get(start..).map_or(0, utf8::utf16_len)
    }

    /// The bytes as they stand in the document, if nothing in them is escaped.
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

    /// The text by itself.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.push_to(&mut out);
        out
    }

    fn unescape(&self, out: &mut String) {
        let mut rest = self.raw;
        while let Some((before, after)) =
            memchr(b'\\', rest).and_then(|at| rest.split_at_checked(at))
        {
            utf8::lossy_into(before, out);
            rest = unescape_one(after, out);
        }
        utf8::lossy_into(rest, out);
    }
}

/// Appends the character of the escape at the start of `from` and returns what follows it.
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

/// A number as it stands in the document.
#[derive(Clone, Copy, Debug)]
pub struct Number<'a>(&'a [u8]);

impl Number<'_> {
    /// The value, if it is written as an integer and fits.
    #[must_use]
    pub fn integer<T: TryFrom<i128>>(&self) -> Option<T> {
        let (digits, negative) = match self.0 {
            [b'-', digits @ ..] => (digits, true),
            digits => (digits, false),
        };
        let value = i128::from(crate::decimal(digits)?);
        T::try_from(if negative { -value } else { value }).ok()
    }

    /// The value times ten to the power of `shift`, to within two units of the last place: exact
    /// where the digits fit into 53 bits and no more than 22 places are shifted.
    #[must_use]
    pub fn scaled(&self, shift: i32) -> f64 {
        let (digits, sign) = match self.0 {
            [b'-', digits @ ..] => (digits, -1.0),
            digits => (digits, 1.0),
        };
        let mut mantissa: u64 = 0;
        let mut exponent = shift;
        let mut fraction = false;
        let mut bytes = digits.iter();
        for &byte in bytes.by_ref() {
            match byte {
                b'.' => fraction = true,
                b'e' | b'E' => break,
                _ if mantissa < u64::MAX / 10 - 1 => {
                    mantissa = mantissa * 10 + u64::from(byte.wrapping_sub(b'0'));
                    exponent = exponent.saturating_sub(i32::from(fraction));
                }
                // More digits than the result can hold: only their places count.
                _ => exponent = exponent.saturating_add(i32::from(!fraction)),
            }
        }
        let (down, places) = match bytes.as_slice() {
            [b'-', places @ ..] => (true, places),
            [b'+', places @ ..] | places => (false, places),
        };
        if !places.is_empty() {
            let places = crate::decimal(places).and_then(|p| i32::try_from(p).ok());
            let places = places.unwrap_or(i32::MAX);
            exponent = exponent.saturating_add(if down { -places } else { places });
        }
        #[allow(clippy::cast_precision_loss)]
        let mut value = mantissa as f64;
        // Beyond 400 places every mantissa is 0 or infinite.
        let mut power = 1.0;
        for _ in 0..exponent.unsigned_abs().min(400) {
            if power >= 1e22 {
                value = if exponent < 0 { value / power } else { value * power };
                power = 1.0;
            }
            power *= 10.0;
        }
        sign * if exponent < 0 { value / power } else { value * power }
    }
}

/// Walks the members of one object.
///
/// ```
/// use shoreline_protocol::json::{Members, Value};
/// let mut members = Members::new(br#"{"line":"a\tb","n":1}"#).unwrap();
/// let (key, value) = members.next().unwrap().unwrap();
/// let mut text = String::new();
/// value.as_text().unwrap().push_to(&mut text);
/// assert_eq!((key.plain(), text.as_str()), (Some(&b"line"[..]), "a\tb"));
/// ```
#[derive(Debug)]
pub struct Members<'a> {
    scanner: Scanner<'a>,
    first: bool,
}

impl<'a> Members<'a> {
    /// Starts at an object that is the whole of `document`.
    ///
    /// # Errors
    /// The document does not start as an object.
    pub fn new(document: &'a [u8]) -> Result<Self, Invalid> {
        let mut scanner = Scanner { rest: document };
        scanner.expect(b'{')?;
        Ok(Self { scanner, first: true })
    }

    /// The next key and its value; nothing after the last, when the whole document is valid.
    ///
    /// # Errors
    /// The document is not valid JSON.
    #[allow(clippy::should_implement_trait)] // an error has to be answered before going on
    #[inline]
    pub fn next(&mut self) -> Result<Option<(Text<'a>, Value<'a>)>, Invalid> {
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

#[derive(Debug)]
struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// The next byte that is not white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        while let [first, rest @ ..] = self.rest {
            if !matches!(first, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*first);
            }
            self.rest = rest;
        }
        None
    }

    #[inline]
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Invalid> {
        if self.peek() == Some(byte) {
            self.skip(1);
            Ok(())
        } else {
            Err(Invalid)
        }
    }

    fn end(&mut self) -> Result<(), Invalid> {
        if self.peek().is_none() { Ok(()) } else { Err(Invalid) }
    }

    #[inline]
    fn value(&mut self, depth: u32) -> Result<Value<'a>, Invalid> {
        match self.peek().ok_or(Invalid)? {
            b'"' => {
                self.skip(1);
                self.string().map(Value::String)
            }
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            b't' => self.literal(b"true").map(|()| Value::Bool(true)),
            b'f' => self.literal(b"false").map(|()| Value::Bool(false)),
            b'n' => self.literal(b"null").map(|()| Value::Null),
            b'{' => self.nested(depth).map(Value::Object),
            b'[' => self.nested(depth).map(Value::Array),
            _ => Err(Invalid),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Invalid> {
        self.rest = self.rest.strip_prefix(word).ok_or(Invalid)?;
        Ok(())
    }

    /// The string whose opening quote has been passed.
    #[inline]
    fn string(&mut self) -> Result<Text<'a>, Invalid> {
        let start = self.rest;
        let mut len = 0;
        let mut escaped = false;
        let mut ascii = true;
        loop {
            let at = memchr2(b'"', b'\\', self.rest).ok_or(Invalid)?;
            let (part, rest) = self.rest.split_at_checked(at).ok_or(Invalid)?;
            // One pass without a branch: control characters are not allowed, ASCII is quick later.
            let (low, high) = part.iter().fold((u8::MAX, 0), |(low, high), &byte| {
                (if byte < low { byte } else { low }, high | byte)
            });
            if low < 0x20 {
                return Err(Invalid);
            }
            ascii &= high < 0x80;
            len += at;
            match rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    let raw = start.get(..len).ok_or(Invalid)?;
                    return Ok(Text { raw, escaped, ascii });
                }
                [_, b'u', rest @ ..] => {
                    self.rest = hex4(rest).ok_or(Invalid)?.1;
                    len += 6;
                }
                [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => {
                    self.rest = rest;
                    len += 2;
                }
                _ => return Err(Invalid),
            }
            escaped = true;
        }
    }

    fn number(&mut self) -> Result<Number<'a>, Invalid> {
        let start = self.rest;
        if let [b'-', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if let [b'0', rest @ ..] = self.rest {
            self.rest = rest;
        } else {
            self.digits()?;
        }
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            self.digits()?;
        }
        if let [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest;
            self.digits()?;
        }
        start.get(..start.len() - self.rest.len()).map(Number).ok_or(Invalid)
    }

    fn digits(&mut self) -> Result<(), Invalid> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.skip(count);
        if count > 0 { Ok(()) } else { Err(Invalid) }
    }

    /// An object or array, checked to its end. What each open level is stands in one bit, so that
    /// a hostile document cannot use up the stack.
    fn nested(&mut self, depth: u32) -> Result<&'a [u8], Invalid> {
        let start = self.rest;
        let mut objects: u128 = 0;
        let mut level: u32 = 0;
        loop {
            // A value is due here.
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    self.skip(1);
                    level += 1;
                    if level > depth {
                        return Err(Invalid);
                    }
                    objects = objects << 1 | u128::from(open == b'{');
                    let close = if open == b'{' { b'}' } else { b']' };
                    if self.peek() != Some(close) {
                        self.key_if(objects)?;
                        continue;
                    }
                }
                _ => {
                    self.value(0)?;
                }
            }
            // A value has ended: close levels, or go on to the next member.
            loop {
                let close = if objects & 1 == 1 { b'}' } else { b']' };
                match self.peek() {
                    Some(b',') => {
                        self.skip(1);
                        self.key_if(objects)?;
                        break;
                    }
                    Some(byte) if byte == close => {
                        self.skip(1);
                        level -= 1;
                        objects >>= 1;
                        if level == 0 {
                            return start.get(..start.len() - self.rest.len()).ok_or(Invalid);
                        }
                    }
                    _ => return Err(Invalid),
                }
            }
        }
    }

    fn key_if(&mut self, objects: u128) -> Result<(), Invalid> {
        if objects & 1 == 1 {
            self.expect(b'"')?;
            self.string()?;
            self.expect(b':')?;
        }
        Ok(())
    }
}
