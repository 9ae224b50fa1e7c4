//! The scanner: one pass, no recursion.

use crate::scan;

use super::{Invalid, Number, Text, Value, hex4};

#[derive(Debug)]
pub(super) struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(document: &'a [u8]) -> Self {
        Self { rest: document }
    }

    /// The bytes that are not scanned yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte that is not white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let [first, rest @ ..] = self.rest {
            if !matches!(first, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*first);
            }
            self.rest = rest;
        }
        None
    }

    #[inline]
    pub(super) fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Invalid> {
        if self.peek() == Some(byte) {
            self.skip(1);
            Ok(())
        } else {
            Err(Invalid)
        }
    }

    pub(super) fn end(&mut self) -> Result<(), Invalid> {
        if self.peek().is_none() { Ok(()) } else { Err(Invalid) }
    }

    #[inline]
    pub(super) fn value(&mut self, depth: u32) -> Result<Value<'a>, Invalid> {
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

    /// Scans a string after its opening quote.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text<'a>, Invalid> {
        let start = self.rest;
        let mut escaped = false;
        let mut ascii = true;
        loop {
            let (at, plain) = scan::before(self.rest, [b'"', b'\\'], 0x20);
            ascii &= plain;
            match self.rest.get(at..).ok_or(Invalid)? {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    let raw = start.get(..start.len() - rest.len() - 1).ok_or(Invalid)?;
                    return Ok(Text { raw, escaped, ascii });
                }
                [b'\\', b'u', rest @ ..] => self.rest = hex4(rest).ok_or(Invalid)?.1,
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => {
                    self.rest = rest;
                }
                // A control character, or the end.
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

    /// Scans an object or array to its end. One bit for each open level says whether the level is an object, so
    /// a hostile document cannot exhaust the stack.
    fn nested(&mut self, depth: u32) -> Result<&'a [u8], Invalid> {
        let start = self.rest;
        let mut objects: u128 = 0;
        let mut level: u32 = 0;
        loop {
            // A value is expected here.
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
            // A value has ended: close levels, or continue to the next member.
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
