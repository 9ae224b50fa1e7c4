use crate::json::spelled;
use crate::oracle::{decode, oracle};
use crate::{cuts, reads};
use proptest::prelude::*;
use shoreline_protocol::output::{LongLine, Mode};

/// A member of an event: known keys with values that fit and values that do not.
fn member() -> impl Strategy<Value = String> {
    let text = ("[ -~é🦊\n]{0,9}", any::<[u8; 3]>())
        .prop_map(|(text, how): (String, [u8; 3])| spelled(&text, &how));
    let line = prop_oneof![4 => text, 1 => Just("7".to_owned())];
    let any = |values: &[&'static str]| {
        prop::sample::select(values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
    };
    let numbers =
        any(&["0", "7", "-1", "42", "3.5", "null", "\"7\"", "1e3", "99999999999", "true"]);
    let times = any(&[
        "0",
        "1765432100",
        "1765432100.25",
        "1765432100123",
        "1765432100123456",
        "null",
        "\"now\"",
        "-5",
        "1e400",
        "0765432100",
        "1765432100 ",
        "-",
    ]);
    let key = |key: &'static str, value: BoxedStrategy<String>| {
        value.prop_map(move |value| format!("\"{key}\":{value}")).boxed()
    };
    prop_oneof![
        6 => key("line", line.boxed()),
        3 => key("timestamp", times.boxed()),
        3 => key("stream", any(&["\"stdout\"", "\"stderr\"", "\"st\\u0064err\"", "\"tty\"", "1"]).boxed()),
        1 => key("eol", any(&["false", "true", "0"]).boxed()),
        1 => key("bytes", any(&["\"/w==\"", "\"\"", "\"AAECAwQFBgcICQ==\"", "\"=\"", "1"]).boxed()),
        2 => key("offset", numbers.clone().boxed()),
        1 => key("pid", numbers.clone().boxed()),
        1 => key("started_at", numbers.clone().boxed()),
        1 => key("handle", numbers.clone().boxed()),
        2 => key("exit_code", numbers.clone().boxed()),
        1 => key("signal", numbers.boxed()),
        1 => key("oom_killed", any(&["true", "false", "null"]).boxed()),
        1 => key("reason", any(&["\"timed_out\"", "\"oom_killed\"", "\"?\"", "{}"]).boxed()),
        1 => key("gap", any(&["{\"from\":1,\"to\":9}", "{\"to\":9}", "[]"]).boxed()),
        1 => key("l\\u0069ne", any(&["\"another's\""]).boxed()),
        1 => key("extra", any(&["{\"line\":\"x\",\"a\":[1,{}]}", "[[]]"]).boxed()),
    ]
}

fn data() -> impl Strategy<Value = String> {
    let object =
        (prop::collection::vec(member(), 0..5), any::<bool>()).prop_map(|(members, wide)| {
            let comma = if wide { ",\ndata: " } else { "," };
            format!("{{{}}}", members.join(comma))
        });
    let other = prop::sample::select(vec![
        "ping",
        "[1]",
        "{",
        "{\"line\":\"a\"}x",
        "{\"line\":\"a\",}",
        "{\"line\":\"a\"\"stream\":\"stdout\"}",
        "",
    ]);
    prop_oneof![12 => object, 1 => other.prop_map(str::to_owned)]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let names = vec![
        "",
        "",
        "",
        "event: output\n",
        "event: done\n",
        "event: gap\n",
        "event: eof\n",
        "event: unfinished\n",
        "event: unfinished\n",
        "event: exit\n",
    ];
    let frame = (prop::sample::select(names), data(), 0..40_u8).prop_map(|(name, data, more)| {
        let more = match more {
            0 => ":\n",
            1 => "id: 7\n",
            2 => "\n",
            3 => "retry: 5\n",
            _ => "",
        };
        format!("{more}{name}data: {data}\n\n")
    });
    prop::collection::vec(frame, 0..8).prop_map(|frames| frames.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn decodes_as_serde_json_would(
        bytes in stream(),
        cuts in cuts(),
        mode in prop::sample::select(vec![Mode::Run, Mode::Follow, Mode::FollowToExit]),
        limit in 0_usize..12,
        (cut, pieces) in any::<(bool, bool)>(),
    ) {
        let long = if cut { LongLine::Cut } else { LongLine::Refuse };
        let expected = oracle(mode, limit, long, pieces, &bytes);
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        for reads in [reads(&bytes, &cuts), vec![&bytes[..]], singles] {
            prop_assert_eq!(&decode(mode, limit, long, pieces, &reads), &expected);
        }
    }

    /// Whatever the bytes, every split gives the same.
    #[test]
    fn no_split_matters(bytes in crate::sse::stream(), cuts in cuts()) {
        let whole = decode(Mode::Run, 5, LongLine::Refuse, true, &[&bytes]);
        prop_assert_eq!(decode(Mode::Run, 5, LongLine::Refuse, true, &reads(&bytes, &cuts)), whole);
    }
}
