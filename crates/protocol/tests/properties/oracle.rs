//! Events of output, from the whole of a stream and by way of serde_json; and what the decoder makes
//! of the same in pieces.

use crate::naive;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use shoreline_protocol::batch::{Batch, flag};
use shoreline_protocol::cursor::Position;
use shoreline_protocol::exit::{Exit, Reason};
use shoreline_protocol::fault::StreamError;
use shoreline_protocol::output::{End, LongLine, Mode, OutputDecoder, milliseconds};
use shoreline_protocol::stream::Stream;

/// An event as a caller sees it.
#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) text: String,
    pub(crate) stream: Option<Stream>,
    pub(crate) time_bits: u64,
    pub(crate) terminated: bool,
    pub(crate) cut: bool,
    pub(crate) raw: Option<Vec<u8>>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) events: Vec<Event>,
    pub(crate) started: Option<(u32, Option<u64>)>,
    pub(crate) end: Option<End>,
    pub(crate) malformed: usize,
    pub(crate) error: Option<StreamError>,
}

/// The same by way of the whole and serde_json.
pub(crate) fn oracle(mode: Mode, limit: usize, long: LongLine, bytes: &[u8]) -> Seen {
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
        let at = |key| u64::try_from(get("gap").get(key)?.as_i64()?).ok();
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
        seen.started = Some((pid, int("handle").and_then(|handle| u64::try_from(handle).ok())));
    }
    Ok(())
}

pub(crate) fn decode(mode: Mode, limit: usize, long: LongLine, reads: &[&[u8]]) -> Seen {
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
