use crate::json::spelled;
use crate::{cuts, naive, reads};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Map, Value};
use shoreline_protocol::batch::{Batch, flag};
use shoreline_protocol::cursor::Position;
use shoreline_protocol::exit::{Exit, Reason};
use shoreline_protocol::fault::StreamError;
use shoreline_protocol::output::{End, LongLine, Mode, OutputDecoder, milliseconds};
use shoreline_protocol::stream::Stream;

/// An event as a caller sees it.
#[derive(Debug, PartialEq)]
struct Event {
    text: String,
    stream: Option<Stream>,
    time_bits: u64,
    terminated: bool,
    cut: bool,
    raw: Option<Vec<u8>>,
}

#[derive(Debug, Default, PartialEq)]
struct Seen {
    events: Vec<Event>,
    started: Option<(u32, Option<u64>)>,
    end: Option<End>,
    malformed: usize,
    error: Option<StreamError>,
}

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
    let other = prop::sample::select(vec!["ping", "[1]", "{", "{\"line\":\"a\"}x", ""]);
    prop_oneof![12 => object, 1 => other.prop_map(str::to_owned)]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let names =
        vec!["", "", "", "event: output\n", "event: done\n", "event: gap\n", "event: eof\n"];
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

/// The same by way of the whole and serde_json.
fn oracle(mode: Mode, limit: usize, long: LongLine, bytes: &[u8]) -> Seen {
    let mut seen = Seen::default();
    for naive::Event { name, data, .. } in naive::decode(bytes).events {
        if seen.end == Some(End::Eof) || seen.error.is_some() {
            break;
        }
        if name == b"eof" && mode == Mode::Follow {
            seen.end = Some(End::Eof);
            continue;
        }
        match (serde_json::from_slice::<Map<String, Value>>(&readable(&data)), &name[..]) {
            (Ok(members), _) => {
                seen.error = event(&mut seen, mode, limit, long, &name, &members).err();
            }
            (Err(_), b"output") => seen.error = Some(StreamError::Malformed("output")),
            (Err(_), b"gap") => seen.error = Some(StreamError::Malformed("gap")),
            (Err(_), _) => seen.malformed += 1,
        }
    }
    seen
}

/// The same for serde_json, which has no number that large, and knows no key
/// from its spelling: keys of the protocol are written without escapes, others are another's.
fn readable(data: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(data);
    text.replace("1e400", "null")
        .replace("1.7e12", "null")
        .replace("\"l\\u0069ne\"", "\"another\"")
        .into_bytes()
}

fn event(
    seen: &mut Seen,
    mode: Mode,
    limit: usize,
    long: LongLine,
    name: &[u8],
    members: &Map<String, Value>,
) -> Result<(), StreamError> {
    let get = |key: &str| members.get(key).unwrap_or(&Value::Null);
    let int = |key: &str| get(key).as_i64();
    if name == b"gap" {
        let at = |key| get("gap").get(key).and_then(Value::as_u64);
        return Err(match (at("from"), at("to")) {
            (Some(from), Some(to)) => StreamError::Gap { from, to },
            _ => StreamError::Malformed("gap"),
        });
    }
    if members.contains_key("line") || name == b"output" {
        let line = get("line").as_str().ok_or(StreamError::Malformed("output"))?;
        let mut text = line.to_owned();
        let mut raw = match members.get("bytes") {
            None => None,
            Some(bytes) => Some(
                bytes
                    .as_str()
                    .and_then(|text| STANDARD.decode(text).ok())
                    .ok_or(StreamError::Malformed("output"))?,
            ),
        };
        let cut = raw.as_ref().map_or(text.len(), Vec::len) > limit;
        if cut && long == LongLine::Refuse {
            return Err(StreamError::TooLong);
        }
        match &mut raw {
            Some(raw) if cut => {
                raw.truncate(limit);
                text = String::from_utf8_lossy(raw).into_owned();
            }
            None if cut => {
                text.truncate((0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap());
            }
            _ => {}
        }
        let terminated = get("eol") != &Value::Bool(false);
        if terminated {
            text.push('\n');
        }
        let stream = match get("stream").as_str() {
            Some("stdout") => Some(Stream::Stdout),
            Some("stderr") => Some(Stream::Stderr),
            _ if mode == Mode::Run => Some(Stream::Stdout),
            _ => None,
        };
        let time_bits = get("timestamp").as_f64().map_or(f64::NAN, milliseconds).to_bits();
        seen.events.push(Event { text, stream, time_bits, terminated, cut, raw });
        return Ok(());
    }
    if mode == Mode::Follow {
        return Ok(());
    }
    let small = |key| int(key).and_then(|n| i32::try_from(n).ok());
    let reason = get("reason").as_str().and_then(|name| Reason::from_name(name.as_bytes()));
    let oom_killed = get("oom_killed") == &Value::Bool(true);
    let pid = int("pid").and_then(|pid| u32::try_from(pid).ok());
    if let Some(exit) = Exit::from_parts(small("exit_code"), small("signal"), oom_killed, reason) {
        seen.end = Some(End::Exit(exit));
    } else if let (Some(pid), true, None) = (pid, members.contains_key("started_at"), seen.started)
    {
        seen.started = Some((pid, get("handle").as_u64()));
    }
    Ok(())
}

fn decode(mode: Mode, limit: usize, long: LongLine, reads: &[&[u8]]) -> Seen {
    let mut decoder = OutputDecoder::new(mode, limit, long);
    let (mut batch, mut position) = (Batch::default(), Position::default());
    let results: Vec<_> =
        reads.iter().map(|read| decoder.push(read, &mut position, &mut batch)).collect();
    let mut start = 0;
    let units: Vec<u16> = batch.text.encode_utf16().collect();
    let events = batch.events().zip(&batch.ends).map(|(event, end)| {
        let slice = &units[start..*end as usize];
        start = *end as usize;
        assert_eq!(event.text, String::from_utf16(slice).unwrap(), "ends");
        assert_eq!(event.raw.is_some(), event.flags & flag::RAW != 0);
        Event {
            text: event.text.to_owned(),
            stream: event.stream(),
            time_bits: event.time.to_bits(),
            terminated: event.is_terminated(),
            cut: event.flags & flag::CUT != 0,
            raw: event.raw.map(<[u8]>::to_vec),
        }
    });
    Seen {
        events: events.collect(),
        started: decoder.started().map(|started| (started.pid, started.handle)),
        end: decoder.end(),
        malformed: decoder.malformed(),
        // Once it has failed, it stays failed.
        error: results.into_iter().last().and_then(Result::err),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn decodes_as_serde_json_would(
        bytes in stream(),
        cuts in cuts(),
        follow in any::<bool>(),
        limit in 0_usize..12,
        cut in any::<bool>(),
    ) {
        let mode = if follow { Mode::Follow } else { Mode::Run };
        let long = if cut { LongLine::Cut } else { LongLine::Refuse };
        let expected = oracle(mode, limit, long, &bytes);
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        for reads in [reads(&bytes, &cuts), vec![&bytes[..]], singles] {
            prop_assert_eq!(&decode(mode, limit, long, &reads), &expected);
        }
    }

    /// Whatever the bytes, every split gives the same.
    #[test]
    fn no_split_matters(bytes in crate::sse::stream(), cuts in cuts()) {
        let whole = decode(Mode::Run, 5, LongLine::Refuse, &[&bytes]);
        prop_assert_eq!(decode(Mode::Run, 5, LongLine::Refuse, &reads(&bytes, &cuts)), whole);
    }
}
