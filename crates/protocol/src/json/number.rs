//! Numbers, kept as text until their value is needed.

use crate::text;

/// The text of a number in the document.
#[derive(Clone, Copy, Debug)]
pub struct Number<'a>(pub(super) &'a [u8]);

impl Number<'_> {
    /// The value, if the text is an integer in range.
    #[must_use]
    pub fn integer<T: TryFrom<i64>>(&self) -> Option<T> {
        let (digits, negative) = match self.0 {
            [b'-', digits @ ..] => (digits, true),
            digits => (digits, false),
        };
        let value = i64::try_from(text::decimal(digits)?).ok()?;
        T::try_from(if negative { -value } else { value }).ok()
    }

    /// The integer at the start of `from`, and the rest of `from`. It has at most 15 digits, which
    /// a float holds exactly.
    #[inline]
    pub(crate) fn at_start(from: &[u8]) -> Option<(u64, &[u8])> {
        let mut value = 0;
        let mut rest = from;
        while let [digit @ b'0'..=b'9', after @ ..] = rest {
            value = value * 10 + u64::from(digit - b'0');
            rest = after;
            if from.len() - rest.len() > 15 {
                return None;
            }
        }
        // JSON allows no leading zeros.
        (rest.len() < from.len() && !from.starts_with(b"0")).then_some((value, rest))
    }

    /// The value, exact if the digits fit into 53 bits, as those of times do. `None` for a number with an
    /// exponent: servers write no such time.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        let mut mantissa = 0.0;
        let mut scale = 0.0;
        for byte in self.0 {
            match byte {
                b'.' => scale = 1.0,
                b'0'..=b'9' => {
                    mantissa = mantissa * 10.0 + f64::from(byte - b'0');
                    scale *= 10.0;
                }
                b'-' if mantissa == 0.0 => {}
                _ => return f64::NAN,
            }
        }
        let value = if scale > 0.0 { mantissa / scale } else { mantissa };
        if self.0.starts_with(b"-") { -value } else { value }
    }
}
