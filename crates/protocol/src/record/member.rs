//! Names of members in JavaScript, made by the compiler.

/// The name of a record's member in JavaScript. It does not compile where the record has no such
/// member.
///
/// ```
/// assert_eq!(shoreline_protocol::member!(ProcessInfo.exit_code), "exitCode");
/// ```
#[macro_export]
macro_rules! member {
    ($record:ident.$field:ident) => {{
        const _: fn(&$crate::record::$record) = |record| _ = &record.$field;
        const NAME: &str = stringify!($field);
        const BYTES: [u8; $crate::record::member::camel_length(NAME)] =
            $crate::record::member::camel_bytes(NAME);
        const CAMEL: &str = match core::str::from_utf8(&BYTES) {
            Ok(name) => name,
            Err(_) => NAME,
        };
        CAMEL
    }};
}

/// The length of a snake_case name in camelCase.
#[must_use]
#[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
pub const fn camel_length(name: &str) -> usize {
    let (mut at, mut length) = (0, 0);
    while at < name.len() {
        length += (name.as_bytes()[at] != b'_') as usize;
        at += 1;
    }
    length
}

/// A snake_case name in camelCase.
#[must_use]
#[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
pub const fn camel_bytes<const LENGTH: usize>(name: &str) -> [u8; LENGTH] {
    let (mut at, mut length, mut out) = (0, 0, [0; LENGTH]);
    while at < name.len() {
        let byte = name.as_bytes()[at];
        if byte != b'_' {
            let up = at > 0 && name.as_bytes()[at - 1] == b'_';
            out[length] = if up { byte.to_ascii_uppercase() } else { byte };
            length += 1;
        }
        at += 1;
    }
    out
}
