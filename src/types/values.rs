//! The types of options and results.

use super::shape::{Kind, Shape};
use alloc::string::String;
#[cfg(feature = "ts")]
use alloc::vec::Vec;
use core::marker::PhantomData;
use shoreline_protocol::{name, record};
use wasm_bindgen::JsValue;

/// What the wire has for a moment, in ms since the epoch: seconds, milliseconds or microseconds
/// (told apart by magnitude), or an ISO 8601 string.
pub(super) fn ms_of(value: &JsValue) -> Option<f64> {
    let ms = match value.as_f64() {
        Some(number) => shoreline_protocol::output::milliseconds(number),
        None => js_sys::Date::parse(&value.as_string()?),
    };
    (!ms.is_nan()).then_some(ms)
}

macro_rules! shapes {
    ($($type:ty = $kind:expr;)*) => { $(
        impl Shape for $type {
            const KIND: Kind = $kind;
        }
    )* };
}

shapes! {
    String = Kind::Text;
    bool = Kind::Flag;
    u16 = Kind::Whole(u16::MAX as f64);
    u32 = Kind::Whole(u32::MAX as f64);
    f64 = Kind::Positive;
}

/// A member of an answer that is there and `null` where it has no value.
#[cfg(feature = "ts")]
#[derive(Clone, Copy, Debug)]
pub struct Nullable<T>(PhantomData<T>);

/// An array that callers give.
#[derive(Clone, Copy, Debug)]
pub struct List<T>(PhantomData<T>);

impl<T: Shape> Shape for List<T> {
    const KIND: Kind = Kind::List(&T::KIND);
}

/// What TypeScript calls them.
#[cfg(feature = "ts")]
macro_rules! generic {
    ($($name:ident = $before:literal, $after:literal;)*) => { $(
        impl<T: ts_rs::TS> ts_rs::TS for $name<T> {
            type WithoutGenerics = Self;
            type OptionInnerType = Self;
            fn name(config: &ts_rs::Config) -> String {
                [$before, &T::name(config), $after].concat()
            }
            fn inline(config: &ts_rs::Config) -> String {
                Self::name(config)
            }
        }
    )* };
}

#[cfg(feature = "ts")]
generic! {
    List = "ReadonlyArray<", ">";
    Nullable = "", " | null";
}

/// Types that are another in Rust's eyes only: what they take, and what TypeScript calls them.
macro_rules! named {
    ($($(#[$doc:meta])* $name:ident = $kind:expr, $typescript:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Shape for $name {
            const KIND: Kind = $kind;
        }

        #[cfg(feature = "ts")]
        impl ts_rs::TS for $name {
            type WithoutGenerics = Self;
            type OptionInnerType = Self;
            fn name(_: &ts_rs::Config) -> String {
                $typescript.into()
            }
            fn inline(_: &ts_rs::Config) -> String {
                $typescript.into()
            }
        }
    )* };
}

named! {
    /// Environment variables.
    Variables = Kind::Variables, "{ readonly [name: string]: string | undefined }";
    /// A number of seconds.
    Seconds = Kind::Positive, "number";
    /// A count of events.
    Count = Kind::Whole(9_007_199_254_740_991.0), "number";
    /// A name for a sandbox.
    SandboxName = Kind::Name(name::check_sandbox_name), "string";
    /// A name for a managed process.
    ProcessName = Kind::Name(name::check_process_name), "string";
    /// The state of a sandbox.
    SandboxStatus = Kind::Text,
        "\"pending\" | \"running\" | \"snapshotting\" | \"suspending\" | \"suspended\" | \"terminated\" | \"timeout\" | \"failed\" | (string & {})";
    /// How output is fetched.
    FollowTransport =
        Kind::OneOf(&["fetch", "websocket", "eventsource", "auto"]),
        "\"fetch\" | \"websocket\" | \"eventsource\" | \"auto\"";
    /// How a command is sent and its output is fetched.
    RunTransport =
        Kind::OneOf(&["fetch", "websocket", "auto"]), "\"fetch\" | \"websocket\" | \"auto\"";
    /// Where a follow ends.
    FollowUntil = Kind::OneOf(&["eof", "exit"]), "\"eof\" | \"exit\"";
    /// What an abort does.
    OnAbort = Kind::OneOf(&["kill", "detach"]), "\"kill\" | \"detach\"";
    /// What a snapshot holds.
    SnapshotType = Kind::OneOf(&["memory", "filesystem"]), "\"memory\" | \"filesystem\"";
    /// What happens to a line over the limit.
    OnLongLine = Kind::OneOf(&["error", "cut"]), "\"error\" | \"cut\"";
}

/// The protocol's enums of words: what they take, and their union in TypeScript.
macro_rules! words {
    ($($(#[$attr:meta])* $name:ident;)*) => { $(
        #[doc = concat!("A word of [`record::", stringify!($name), "`].")]
        $(#[$attr])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        $(#[$attr])*
        impl Shape for $name {
            const KIND: Kind = Kind::OneOf(record::$name::WORDS);
        }

        #[cfg(feature = "ts")]
        impl ts_rs::TS for $name {
            type WithoutGenerics = Self;
            type OptionInnerType = Self;
            fn name(_: &ts_rs::Config) -> String {
                union(record::$name::WORDS)
            }
            fn inline(config: &ts_rs::Config) -> String {
                Self::name(config)
            }
        }
    )* };
}

words! {
    StdinMode;
    OutputMode;
    RestartWhen;
    HealthType;
    #[cfg(feature = "ts")]
    ProcessStatus;
    #[cfg(feature = "ts")]
    ManagedStatus;
    #[cfg(feature = "ts")]
    HealthStatus;
    #[cfg(feature = "ts")]
    LimitScope;
}

/// A union of literal types.
#[cfg(feature = "ts")]
pub(super) fn union(words: &[&str]) -> String {
    words.iter().map(|word| alloc::format!("{word:?}")).collect::<Vec<_>>().join(" | ")
}

/// A reason why a process ended.
#[cfg(feature = "ts")]
#[derive(Clone, Copy, Debug)]
pub struct Reason;

#[cfg(feature = "ts")]
impl ts_rs::TS for Reason {
    type WithoutGenerics = Self;
    type OptionInnerType = Self;
    fn name(_: &ts_rs::Config) -> String {
        use shoreline_protocol::exit::Reason;
        union(&Reason::ALL.iter().map(|reason| reason.as_str()).collect::<Vec<_>>())
    }
    fn inline(config: &ts_rs::Config) -> String {
        Self::name(config)
    }
}

/// A moment: in JavaScript a `Date`.
#[cfg(feature = "ts")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time(pub f64);

#[cfg(feature = "ts")]
impl ts_rs::TS for Time {
    type WithoutGenerics = Self;
    type OptionInnerType = Self;
    fn name(_: &ts_rs::Config) -> String {
        "Date".into()
    }
    fn inline(_: &ts_rs::Config) -> String {
        "Date".into()
    }
}
