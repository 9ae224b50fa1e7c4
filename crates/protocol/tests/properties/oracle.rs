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
    pub(crate) piece: bool,
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
pub(crate) fn oracle(mode: Mode, limit: usize, long: LongLine, pieces: bool, bytes: &[u8]) -> Seen {
    let mut seen = Seen::default();
    let mut delivered = [0; 2];
    for naive::Event { name, data, .. } in naive::decode(bytes).events {
        let ended = seen.end == Some(End::Eof) || mode == Mode::FollowToExit && seen.end.is_some();
        if ended || seen.error.is_some() {
            break;
        }
        if name == b"eof" && mode != Mode::Run {
            seen.end = Some(End::Eof);
            continue;
        }
        if name == b"unfinished" && !pieces {
            continue;
        }
        match (serde_json::from_slice::<Map<String, Value>>(&readable(&data)), &name[..]) {
            (Ok(members), _) => {
                seen.error =
                    event(&mut seen, mode, (limit, long), &mut delivered, &name, &members).err();
            }
            (Err(_), b"output") => seen.error = Some(StreamError::Malformed("output")),
            (Err(_), b"unfinished") => seen.error = Some(StreamError::Malformed("unfinished")),
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
    (limit, long): (usize, LongLine),
    delivered: &mut [usize; 2],
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
    let piece = name == b"unfinished";
    if members.contains_key("line") || name == b"output" || piece {
        let malformed = StreamError::Malformed(if piece { "unfinished" } else { "output" });
        let line = get("line").as_str().ok_or(malformed)?;
        let offset = usize::try_from(int("offset").unwrap_or(-1)).map_err(|_| malformed);
        let offset = if piece { offset? } else { 0 };
        let raw = match members.get("bytes") {
            None => None,
            Some(bytes) => {
                Some(bytes.as_str().and_then(|text| STANDARD.decode(text).ok()).ok_or(malformed)?)
            }
        };
        let stream = match get("stream").as_str() {
            Some("stdout") => Some(Stream::Stdout),
            Some("stderr") => Some(Stream::Stderr),
            _ if mode == Mode::Run => Some(Stream::Stdout),
            _ => None,
        };
        let delivered = &mut delivered[usize::from(stream == Some(Stream::Stderr))];
        if offset > *delivered {
            return Ok(());
        }
        let is_raw = raw.is_some();
        let mut bytes = raw.unwrap_or_else(|| line.as_bytes().to_vec());
        let cut = offset + bytes.len() > limit;
        if cut && long == LongLine::Refuse {
            return Err(StreamError::TooLong);
        }
        if !piece && bytes.len() < *delivered {
            return Err(StreamError::ShortLine);
        }
        if cut {
            let whole = |at: &usize| is_raw || line.is_char_boundary(*at);
            bytes.truncate((0..=limit - offset).rev().find(whole).unwrap());
        }
        let skip = (*delivered - offset).min(bytes.len());
        let rest = bytes.split_off(skip);
        if piece && rest.is_empty() {
            return Ok(());
        }
        let as_is = !piece && *delivered == 0;
        *delivered = if piece { *delivered + rest.len() } else { 0 };
        let terminated = !piece && get("eol") != &Value::Bool(false);
        // A server's text stands for its bytes; of a part only the bytes are known.
        let mut text = match as_is && !cut {
            true => line.to_owned(),
            false => String::from_utf8_lossy(&rest).into_owned(),
        };
        if terminated {
            text.push('\n');
        }
        let raw = if as_is { is_raw } else { String::from_utf8(rest.clone()).is_err() };
        let time_bits = get("timestamp").as_f64().map_or(f64::NAN, milliseconds).to_bits();
        let raw = raw.then_some(rest);
        seen.events.push(Event { text, stream, time_bits, terminated, cut, piece, raw });
        return Ok(());
    }
    if mode == Mode::Follow || mode == Mode::FollowToExit && name != b"exit" {
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

pub(crate) fn decode(
    mode: Mode,
    limit: usize,
    long: LongLine,
    pieces: bool,
    reads: &[&[u8]],
) -> Seen {
    let mut decoder = OutputDecoder::new(mode, limit, long).with_pieces(pieces);
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
            piece: event.is_piece(),
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
