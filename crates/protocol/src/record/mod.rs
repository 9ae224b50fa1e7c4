//! The one declaration of a process record: the JSON object in which a server describes a process. Also of what
//! it says about the limits of a sandbox.
//!
//! The server serialises the structs of this module. The core makes the rest from the same tables,
//! [`process_records!`](crate::process_records), [`sandbox_records!`](crate::sandbox_records) and
//! [`process_settings!`](crate::process_settings):
//! the TypeScript types, the names of the members that it reads, and the options that it checks.
//!
//! The type of a field says when the field is there:
//!
//! | Type | In the server's JSON | In TypeScript |
//! |---|---|---|
//! | `Always<T>` | always | required |
//! | `Expected<T>` | always | optional, since other servers leave it out |
//! | `OrNull<T>` | `null` where there is no value | optional |
//! | `Nullable<T>` | `null` where there is no value | `T` or `null` |
//! | `OrAbsent<T>` | absent where there is no value | optional |
//! | `Defaulted<T> = D` | always | optional for callers, required in a record |
//!
//! Other types of the tables are `Number` (a whole number), `Time` (on the wire milliseconds since the
//! epoch) and `Millis` (a duration in milliseconds).

#[doc(hidden)]
pub mod member;
mod table;
mod words;

pub use words::*;

use crate::exit::Reason;
use alloc::string::String;
use alloc::vec::Vec;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

type Always<T> = T;
type Expected<T> = T;
type OrNull<T> = Option<T>;
type Nullable<T> = Option<T>;
type OrAbsent<T> = Option<T>;
type Defaulted<T> = T;
type Number = u64;
type Time = u64;
type Millis = u64;

/// Serialises the fields of a struct as the members of an object.
macro_rules! members {
    ($self:ident, $serializer:ident, $($field:ident: $presence:ident,)*) => {{
        let mut map = $serializer.serialize_map(None)?;
        $(members!(@member map, $self, $field, $presence);)*
        map.end()
    }};
    (@member $map:ident, $self:ident, $field:ident, OrAbsent) => {
        if let Some(value) = &$self.$field {
            $map.serialize_entry(stringify!($field), value)?;
        }
    };
    (@member $map:ident, $self:ident, $field:ident, $presence:ident) => {
        $map.serialize_entry(stringify!($field).trim_start_matches("r#"), &$self.$field)?;
    };
}

macro_rules! records {
    ($($(#[$attr:meta])* $name:ident {
        $($(#[$field_attr:meta])* $field:ident: $presence:ident<$type:ty>,)*
    })*) => { $(
        $(#[$attr])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_attr])* pub $field: $presence<$type>,)* }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                members!(self, serializer, $($field: $presence,)*)
            }
        }
    )* };
}

crate::process_records!(records);
crate::sandbox_records!(records);

impl Copy for ManagedProcessExit {}
impl Copy for EnforcedLimits {}

macro_rules! settings {
    ($($(#[$attr:meta])* $name:ident as $info:ident {
        { $($(#[$required_attr:meta])* $required:ident: $required_type:ty,)* }
        { $($(#[$field_attr:meta])* $field:ident: $presence:ident<$type:ty> $(= $default:tt)?,)* }
    })*) => { $(
        $(#[$attr])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$required_attr])* pub $required: $required_type,)*
            $($(#[$field_attr])* pub $field: $presence<$type>,)*
        }

        impl $name {
            /// The settings with a default, at their defaults.
            #[must_use]
            pub const fn new($($required: $required_type),*) -> Self {
                Self { $($required,)* $($field: settings!(@default $type $(, $default)?),)* }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                members!(self, serializer, $($required: Always,)* $($field: $presence,)*)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // Named like the outer struct, since the name is part of serde's messages.
                #[derive(serde::Deserialize)]
                struct $name {
                    $($required: $required_type,)*
                    $($field: Option<$type>,)*
                }
                let given = $name::deserialize(deserializer)?;
                let mut settings = Self::new($(given.$required),*);
                $(if let Some(value) = given.$field {
                    settings.$field = value.into();
                })*
                Ok(settings)
            }
        }
    )* };
    (@default $type:ty) => { None };
    (@default $type:ty, $number:literal) => { $number };
    (@default $type:ty, $word:ident) => { <$type>::$word };
}

crate::process_settings!(settings);

impl Copy for RestartPolicy {}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl RestartPolicy {
    /// The policy of a managed process for which none was asked: no restarts.
    pub const NEVER: Self = Self { policy: RestartWhen::Never, ..Self::new() };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member;
    use alloc::string::ToString as _;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn settings_are_read_with_defaults_and_shown_in_full() {
        let policy: RestartPolicy = from_value(json!({})).unwrap();
        assert_eq!(policy, RestartPolicy::default());
        let shown = json!({
            "policy": "on_failure", "max_restarts": null,
            "initial_backoff_ms": 500, "max_backoff_ms": 30000,
        });
        assert_eq!(to_value(policy).unwrap(), shown);
        let given = json!({"policy": "always", "max_restarts": 3, "more": true});
        let policy: RestartPolicy = from_value(given).unwrap();
        assert_eq!((policy.policy, policy.max_restarts), (RestartWhen::Always, Some(3)));

        let check: HealthCheck = from_value(json!({"type": "tcp", "port": 80})).unwrap();
        assert_eq!(check, HealthCheck::new(HealthType::Tcp, 80));
        let shown = json!({
            "type": "tcp", "port": 80, "initial_delay_ms": 5000, "interval_ms": 1000,
            "timeout_ms": 500, "failure_threshold": 3,
        });
        assert_eq!(to_value(check).unwrap(), shown);
        let given = json!({"type": "http", "port": 1, "path": "/up", "timeout_ms": 7});
        let check: HealthCheck = from_value(given).unwrap();
        assert_eq!((check.path.as_deref(), check.timeout_ms), (Some("/up"), 7));

        for (wrong, message) in [
            (json!({"port": 80}), "missing field `type`"),
            (json!({"type": "udp", "port": 80}), "unknown variant `udp`, expected `http` or `tcp`"),
            (json!(1), "invalid type: integer `1`, expected struct HealthCheck"),
        ] {
            let error = from_value::<HealthCheck>(wrong).unwrap_err().to_string();
            assert_eq!(error, message);
        }
    }

    #[test]
    fn a_record_says_null_or_nothing_where_there_is_no_value() {
        let info = ProcessInfo {
            handle: 1,
            pid: 2,
            status: ProcessStatus::Running,
            exit_code: None,
            signal: None,
            oom_killed: false,
            reason: None,
            stdin_writable: false,
            command: "true".into(),
            args: Vec::new(),
            started_at: 3,
            ended_at: None,
            output_open: None,
            output_holders: None,
            managed: None,
        };
        let shown = json!({
            "handle": 1, "pid": 2, "status": "running", "exit_code": null, "signal": null,
            "oom_killed": false, "stdin_writable": false, "command": "true", "args": [],
            "started_at": 3, "ended_at": null,
        });
        assert_eq!(to_value(info).unwrap(), shown);
    }

    #[test]
    fn names_are_camel_case_in_javascript() {
        assert_eq!(member!(ProcessInfo.pid), "pid");
        assert_eq!(
            member!(ManagedProcessInfo.consecutive_health_failures),
            "consecutiveHealthFailures"
        );
    }
}
