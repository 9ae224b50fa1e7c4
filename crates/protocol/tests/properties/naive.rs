//! Server-sent events, decoded from the whole of them, as the WHATWG text says it step by step; and
//! by the decoder that is compared with that.

use shoreline_protocol::sse::{Item, Sse, TooLong};

/// An event with data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    pub id: Vec<u8>,
}

/// What a stream holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stream {
    pub events: Vec<Event>,
    pub comments: Vec<Vec<u8>>,
    pub retries: Vec<u64>,
    /// The longest event, by its lines.
    pub longest: usize,
}

pub(crate) fn decode(bytes: &[u8]) -> Stream {
    const BOM: &[u8] = b"\xEF\xBB\xBF";
    // The beginning of a mark is not settled yet.
    let bytes = if BOM.starts_with(bytes) { b"" } else { bytes };
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let mut stream = Stream::default();
    let (mut name, mut data, mut id): (Vec<u8>, Vec<u8>, Vec<u8>) = Default::default();
    let mut next_id = Vec::new();
    let mut size = 0;
    let (lines, rest) = lines(bytes);
    for line in lines {
        size += line.len();
        stream.longest = stream.longest.max(size);
        if line.is_empty() {
            size = 0;
            id.clone_from(&next_id);
            if !data.is_empty() {
                data.pop();
                let event = Event { name: name.clone(), data: data.clone(), id: id.clone() };
                stream.events.push(event);
            }
            data.clear();
            name.clear();
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let field = &line[..colon.unwrap_or(line.len())];
        let value = colon.map_or(&[][..], |at| &line[at + 1..]);
        if colon == Some(0) {
            stream.comments.push(value.to_vec());
            continue;
        }
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => name = value.to_vec(),
            b"data" => {
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            b"id" if !value.contains(&0) => next_id = value.to_vec(),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                stream.retries.extend(std::str::from_utf8(value).unwrap().parse::<u64>());
            }
            _ => {}
        }
    }
    stream.longest = stream.longest.max(size + rest.len());
    stream
}

/// The lines that have an end, and what stands after the last.
fn lines(bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let (mut lines, mut start, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let end = at;
        at += match bytes[at..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => {
                at += 1;
                continue;
            }
        };
        lines.push(&bytes[start..end]);
        start = at;
    }
    (lines, &bytes[start..])
}

/// What the decoder makes of the same in pieces, and whether it refused.
pub(crate) fn in_pieces(reads: &[&[u8]], limit: usize) -> (Stream, bool) {
    let mut sse = Sse::new(limit);
    let mut seen = Stream::default();
    let mut failed = false;
    for read in reads {
        let result = sse.push(read, |item| {
            match item {
                Item::Event { name, data, id, .. } => seen.events.push(Event {
                    name: name.to_vec(),
                    data: data.to_vec(),
                    id: id.to_vec(),
                }),
                Item::Comment(text) => seen.comments.push(text.to_vec()),
                Item::Retry(ms) => seen.retries.push(ms),
            }
            Ok::<(), TooLong>(())
        });
        failed |= result.is_err();
    }
    (seen, failed)
}
