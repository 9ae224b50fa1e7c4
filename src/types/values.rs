//! Values with a form of their own on the wire.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use wasm_bindgen::JsValue;

/// A moment: in JavaScript a `Date`.
#[cfg(feature = "ts")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time(pub f64);

/// What the wire has for a moment, in ms since the epoch: seconds, milliseconds or microseconds
/// (told apart by magnitude), or an ISO 8601 string.
pub(super) fn ms_of(value: &JsValue) -> Option<f64> {
    let ms = match value.as_f64() {
        Some(number) => shoreline_protocol::output::milliseconds(number),
        None => js_sys::Date::parse(&value.as_string()?),
    };
    (!ms.is_nan()).then_some(ms)
}

/// A number of seconds that a caller gives: finite and more than 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seconds(f64);

impl Seconds {
    /// The same in milliseconds.
    #[must_use]
    pub fn ms(self) -> f64 {
        self.0 * 1000.0
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match f64::deserialize(deserializer)? {
            seconds if seconds.is_finite() && seconds > 0.0 => Ok(Self(seconds)),
            _ => Err(D::Error::custom("must be a finite number of seconds above 0")),
        }
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

#[cfg(feature = "ts")]
mod ts {
    use super::{Seconds, Time};

    macro_rules! plain {
        ($type:ty, $name:literal) => {
            impl ts_rs::TS for $type {
                type WithoutGenerics = Self;
                type OptionInnerType = Self;
                fn name(_: &ts_rs::Config) -> String {
                    $name.to_owned()
                }
                fn inline(_: &ts_rs::Config) -> String {
                    $name.to_owned()
                }
            }
        };
    }
    plain!(Time, "Date");
    plain!(Seconds, "number");
}
