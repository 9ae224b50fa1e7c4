//! Values with a form of their own on the wire.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use wasm_bindgen::{JsCast, JsValue};

/// A moment. The wire has seconds, milliseconds or microseconds since the epoch (told apart by
/// magnitude) or an ISO 8601 string; JavaScript gets a `Date`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time(pub f64);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value: JsValue = serde_wasm_bindgen::preserve::deserialize(deserializer)?;
        let ms = match value.as_f64() {
            Some(number) => shoreline_protocol::output::milliseconds(number),
            None => value.as_string().map_or(f64::NAN, |text| js_sys::Date::parse(&text)),
        };
        if ms.is_nan() { Err(D::Error::custom("not a time")) } else { Ok(Self(ms)) }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let date = js_sys::Date::new(&self.0.into());
        serde_wasm_bindgen::preserve::serialize(date.unchecked_ref::<JsValue>(), serializer)
    }
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

/// An exit code, where -1 is how the open-source daemon says that it lost it.
pub(super) fn exit_code<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i32>, D::Error> {
    Ok(Option::<i32>::deserialize(deserializer)?.filter(|code| *code >= 0))
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
