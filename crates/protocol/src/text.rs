//! Small versions of text functions: in the wasm, each search, join and number format of the standard library is larger
//! than this whole file.

use alloc::string::String;

/// Concatenates the parts.
#[must_use]
pub fn joined(parts: &[&str]) -> String {
    let mut out = String::new();
    for part in parts {
        out.push_str(part);
    }
    out
}

/// A number in decimal digits.
///
/// ```
/// assert_eq!(shoreline_protocol::text::digits(1024), "1024");
/// ```
#[must_use]
pub fn digits(number: u64) -> String {
    let mut out = String::new();
    if number >= 10 {
        out = digits(number / 10);
    }
    out.push(char::from(b'0' + (number % 10) as u8));
    out
}

/// Parses ASCII digits; `None` for other characters and if the number is too large.
#[must_use]
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Whether `text` contains `needle`, ignoring ASCII case.
#[must_use]
pub fn contains(text: &str, needle: &str) -> bool {
    let needle = needle.as_bytes();
    (0..=text.len()).any(|at| {
        let part = text.as_bytes().get(at..at + needle.len());
        part.is_some_and(|part| part.eq_ignore_ascii_case(needle))
    })
}

/// The text before and after the first byte that is one of `marks`.
#[must_use]
pub fn split<'a>(text: &'a str, marks: &[u8]) -> Option<(&'a str, &'a str)> {
    let at = text.bytes().position(|byte| marks.contains(&byte))?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Replaces every escaped lone surrogate in JSON with U+FFFD. UTF-8 cannot contain one, and RFC 8259 (section 8.2)
/// does not define the result.
///
/// ```
/// let mut json = br#"["\ud83d\ude00", "\ud83d", "\\ud83d"]"#.to_vec();
/// shoreline_protocol::text::replace_lone_surrogates(&mut json);
/// assert_eq!(json, br#"["\ud83d\ude00", "\ufffd", "\\ud83d"]"#);
/// ```
pub fn replace_lone_surrogates(json: &mut [u8]) {
    let mut at = 0;
    while let Some(before) =
        json.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\'))
    {
        at += before;
        at += match escaped_unit(json, at) {
            None => 2,
            Some(0xd800..0xdc00) if matches!(escaped_unit(json, at + 6), Some(0xdc00..0xe000)) => {
                12
            }
            Some(unit) => {
                if (0xd800..0xe000).contains(&unit)
                    && let Some(digits) = json.get_mut(at + 2..at + 6)
                {
                    digits.copy_from_slice(b"fffd");
                }
                6
            }
        };
    }
}

/// The UTF-16 code unit whose escape is at `at`.
fn escaped_unit(json: &[u8], at: usize) -> Option<u32> {
    let digits = json.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}
