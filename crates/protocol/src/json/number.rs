//! Numbers, kept as they stand until somebody wants their value.

/// A number as it stands in the document.
#[derive(Clone, Copy, Debug)]
pub struct Number<'a>(pub(super) &'a [u8]);

impl Number<'_> {
    /// The value, if it is written as an integer and fits.
    #[must_use]
    pub fn integer<T: TryFrom<i64>>(&self) -> Option<T> {
        let (digits, negative) = match self.0 {
            [b'-', digits @ ..] => (digits, true),
            digits => (digits, false),
        };
        let value = i64::try_from(crate::decimal(digits)?).ok()?;
        T::try_from(if negative { -value } else { value }).ok()
    }

    /// The value: exact where the digits fit into 53 bits and stand no more than 22 places from the
    /// point, as times do; else to within 16 units of the last place.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        let (digits, sign) = match self.0 {
            [b'-', digits @ ..] => (digits, -1.0),
            digits => (digits, 1.0),
        };
        let mut mantissa: u64 = 0;
        let mut exponent = 0_i32;
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
