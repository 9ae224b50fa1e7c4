use proptest::prelude::*;
use serde_json::Value as Oracle;
use shoreline_protocol::json::{Invalid, MAX_DEPTH, Members, Text, Value};

/// A JSON string that spells its characters in whichever way is allowed.
pub(crate) fn spelled(text: &str, choices: &[u8]) -> String {
    let mut out = String::from("\"");
    for (at, char) in text.chars().enumerate() {
        let choice = choices.get(at % choices.len().max(1)).copied().unwrap_or(0);
        match (char, choice % 4) {
            (_, 3) => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            ('/', 1) => out.push_str("\\/"),
            _ => {
                let plain = serde_json::to_string(&char).unwrap();
                out.push_str(&plain[1..plain.len() - 1]);
            }
        }
    }
    out.push('"');
    out
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| format!("{f:?}")),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ]
}

/// Documents, with white space here and there.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        number(),
        (any::<String>(), any::<[u8; 3]>()).prop_map(|(text, how)| spelled(&text, &how)),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let key = ("[a-c]{0,2}", any::<[u8; 3]>()).prop_map(|(text, how)| spelled(&text, &how));
        let space = prop::sample::select(vec!["", " ", "\n\t", "\r "]);
        prop_oneof![
            (space.clone(), prop::collection::vec(inner.clone(), 0..5))
                .prop_map(|(s, items)| format!("[{s}{}{s}]", items.join(&format!("{s},{s}")))),
            (space, prop::collection::vec((key, inner), 0..5)).prop_map(|(s, members)| {
                let members: Vec<_> =
                    members.iter().map(|(key, value)| format!("{key}{s}:{s}{value}")).collect();
                format!("{s}{{{s}{}{s}}}{s}", members.join(&format!("{s},")))
            }),
        ]
    })
}

const SPECIAL: &[u8] = b"{}[],:\"\\0-.eu\n\x1f ";

fn accepted(document: &[u8]) -> bool {
    Value::parse(document).is_ok()
}

fn same(value: &Value<'_>, oracle: &Oracle) -> bool {
    match (value, oracle) {
        (Value::Null, Oracle::Null) => true,
        (Value::Bool(a), Oracle::Bool(b)) => a == b,
        (Value::String(text), Oracle::String(b)) => same_text(text, b),
        (Value::Number(a), Oracle::Number(b)) => {
            // What has an exponent is not read.
            let (value, expected) = (a.to_f64(), b.as_f64().unwrap());
            let close = (value - expected).abs() <= expected.abs() * 16.0 * f64::EPSILON;
            // To serde_json, -0 is no integer.
            let integer = a.integer::<i64>().filter(|n| *n != 0 || b.is_i64());
            integer == b.as_i64() && (close || value.is_nan())
        }
        (Value::Array(raw), Oracle::Array(_)) => {
            &serde_json::from_slice::<Oracle>(raw).unwrap() == oracle
        }
        (Value::Object(raw), Oracle::Object(expected)) => {
            let mut members = Members::new(raw).unwrap();
            let mut seen = std::collections::BTreeMap::new();
            while let Some((key, value)) = members.read().unwrap() {
                seen.insert(key.text(), value);
            }
            seen.len() == expected.len()
                && seen.iter().all(|(key, value)| same(value, &expected[key]))
        }
        _ => false,
    }
}

fn same_text(text: &Text<'_>, expected: &str) -> bool {
    let mut out = String::from("é");
    let units = text.push_to("", &mut out);
    &out[2..] == expected
        && units == expected.encode_utf16().count()
        && text.with(|bytes| bytes == expected.as_bytes())
        && text.plain().is_none_or(|plain| plain == expected.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn reads_what_serde_json_reads(document in document()) {
        let value = Value::parse(document.as_bytes());
        match serde_json::from_str::<Oracle>(&document) {
            Ok(oracle) => prop_assert!(same(&value.unwrap(), &oracle), "{document}"),
            // It has no number that large.
            Err(error) => prop_assert!(error.to_string().contains("out of range"), "{document}"),
        }
    }

    /// Documents with a fault or two, most of them.
    #[test]
    fn takes_and_refuses_what_serde_json_does(
        document in document(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>()), 1..4),
    ) {
        let mut bytes = document.into_bytes();
        for (at, edit, byte) in edits {
            let byte = if byte < 128 { SPECIAL[usize::from(byte) % SPECIAL.len()] } else { byte };
            match edit {
                0 => bytes.insert(at.index(bytes.len() + 1), byte),
                1 if !bytes.is_empty() => { bytes.remove(at.index(bytes.len())); }
                _ if !bytes.is_empty() => { let at = at.index(bytes.len()); bytes[at] = byte; }
                _ => {}
            }
        }
        let oracle = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes);
        prop_assert_eq!(accepted(&bytes), oracle.is_ok(), "{:?}", String::from_utf8_lossy(&bytes));
    }

    /// Walking the members finds the same faults as looking at the whole.
    #[test]
    fn members_are_as_strict(document in document(), cut in any::<prop::sample::Index>()) {
        let bytes = &document.as_bytes()[..cut.index(document.len() + 1)];
        let walk = || -> Result<(), Invalid> {
            let mut members = Members::new(bytes)?;
            while members.read()?.is_some() {}
            Ok(())
        };
        let whole = matches!(Value::parse(bytes), Ok(Value::Object(_)));
        prop_assert_eq!(walk().is_ok(), whole);
    }
}

#[test]
fn depth_has_a_limit() {
    let depth = MAX_DEPTH as usize;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for (levels, taken) in [(depth, true), (depth + 1, false)] {
            let document = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            assert_eq!(accepted(document.as_bytes()), taken, "{levels} of {open}");
            assert_eq!(serde_json::from_str::<Oracle>(&document).is_ok(), taken);
            let mut members = Members::new(document.as_bytes());
            if let Ok(members) = &mut members {
                assert_eq!(members.read().is_ok(), taken);
            }
        }
    }
}

#[test]
fn lone_surrogates_and_ill_formed_text_are_replaced() {
    for (document, expected) in [
        (&b"\"\\ud83e\""[..], "\u{fffd}"),
        (b"\"\\ud83ex\"", "\u{fffd}x"),
        (b"\"\\udd8a\\ud83e\"", "\u{fffd}\u{fffd}"),
        (b"\"\\ud83e\\ud83e\\udd8a\"", "\u{fffd}\u{1f98a}"),
        (b"\"a\xff\\n\xf0\x9f\"", "a\u{fffd}\n\u{fffd}"),
    ] {
        let text = Value::parse(document).unwrap().as_text().unwrap().text();
        assert_eq!(text, expected);
    }
}
