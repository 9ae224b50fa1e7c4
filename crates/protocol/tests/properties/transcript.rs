use proptest::prelude::*;
use shoreline_protocol::batch::{Batch, flag};
use shoreline_protocol::stream::Stream;
use shoreline_protocol::transcript::{Piece, RawSpan, Transcript, Truncated};

/// One event: its stream, its text, and the bytes that it stands for, where they are not its own.
type Line = (Stream, String, Option<Vec<u8>>);

fn line() -> impl Strategy<Value = Line> {
    let stream = prop::sample::select(vec![Stream::Stdout, Stream::Stderr]);
    let plain =
        (stream.clone(), "[a-cé🦊]{0,6}\n?").prop_map(|(stream, text)| (stream, text, None));
    let raw = (stream, prop::collection::vec(0xfe_u8.., 1..5), any::<bool>()).prop_map(
        |(stream, mut bytes, terminated)| {
            bytes.extend(terminated.then_some(b'\n'));
            (stream, String::from_utf8_lossy(&bytes).into_owned(), Some(bytes))
        },
    );
    prop_oneof![4 => plain, 1 => raw]
}

fn batch(lines: &[Line]) -> Batch {
    let mut batch = Batch::default();
    for (stream, text, raw) in lines {
        let terminated = if text.ends_with('\n') { flag::TERMINATED } else { 0 };
        if let Some(bytes) = raw {
            let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            batch.raw.push((batch.len() as u32, line.to_vec()));
        }
        batch.text.push_str(text);
        batch.ends.push(batch.text.encode_utf16().count() as u32);
        batch.byte_ends.push(batch.text.len() as u32);
        batch.times.push(f64::NAN);
        batch.flags.push(*stream as u8 | terminated | if raw.is_some() { flag::RAW } else { 0 });
    }
    batch
}

fn units(text: &str) -> u64 {
    text.encode_utf16().count() as u64
}

fn append(out: &mut Piece, text: &str, raw: Option<&Vec<u8>>) {
    let start_utf16 = units(&out.text);
    out.text.push_str(text);
    if let Some(bytes) = raw {
        out.raw.push(RawSpan { start_utf16, end_utf16: units(&out.text), bytes: bytes.clone() });
    }
}

/// How many bytes were written.
fn size(text: &str, raw: Option<&Vec<u8>>) -> usize {
    raw.map_or(text.len(), Vec::len)
}

/// What is kept of one stream, from the whole of it: as much of the beginning as fits into the first
/// half of the limit, as much of the end as fits into the rest. Characters and lines with exact bytes
/// are whole.
fn naive(lines: &[Line], stream: Stream, limit: Option<usize>) -> (Piece, Option<Truncated>) {
    let mut lines = lines.iter().filter(|line| line.0 == stream);
    let mut kept = Piece::default();
    let Some(limit) = limit else {
        lines.for_each(|(_, text, raw)| append(&mut kept, text, raw.as_ref()));
        return (kept, None);
    };
    let mut used = 0;
    let mut rest: Vec<(&str, Option<&Vec<u8>>)> = Vec::new();
    for (_, text, raw) in lines.by_ref() {
        let (room, size) = (limit / 2 - used, size(text, raw.as_ref()));
        if size <= room {
            append(&mut kept, text, raw.as_ref());
            used += size;
            continue;
        }
        let whole = |at: &usize| text.is_char_boundary(*at);
        let fits = if raw.is_some() { 0 } else { (0..=room).rev().find(whole).unwrap() };
        append(&mut kept, &text[..fits], None);
        used += fits;
        rest.push((&text[fits..], raw.as_ref()));
        break;
    }
    rest.extend(lines.map(|(_, text, raw)| (text.as_str(), raw.as_ref())));
    let total: usize = rest.iter().map(|(text, raw)| size(text, *raw)).sum();
    let mut excess = total.saturating_sub(limit - used);
    let mut dropped = Truncated { at: units(&kept.text), ..Truncated::default() };
    for (text, raw) in rest {
        let size = size(text, raw);
        let mut from = excess.min(size);
        while from > 0 && from < size && (raw.is_some() || !text.is_char_boundary(from)) {
            from += 1;
        }
        let kept_text = if from == 0 {
            text
        } else if from < size {
            &text[from..]
        } else {
            ""
        };
        dropped.dropped_bytes += from as u64;
        let lines = text[..text.len() - kept_text.len()].matches('\n').count();
        dropped.dropped_lines += lines as u64;
        excess = excess.saturating_sub(from);
        if from < size {
            append(&mut kept, kept_text, raw);
        }
    }
    (kept, (dropped.dropped_bytes > 0).then_some(dropped))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn keeps_what_the_whole_would(
        lines in prop::collection::vec(line(), 0..30),
        limit in prop::option::of(0_usize..40),
        batches in 1_usize..8,
        taken in any::<bool>(),
    ) {
        let mut transcript = Transcript::new(limit);
        let mut early = [Piece::default(), Piece::default()];
        for some in lines.chunks(batches) {
            transcript.push(&batch(some)).unwrap();
            if taken {
                for (stream, early) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&mut early) {
                    let ready = transcript.take_ready(stream, 0).unwrap_or_default();
                    early.text.push_str(&ready.text);
                    early.raw.extend(ready.raw);
                }
            }
        }
        for (stream, mut kept) in [Stream::Stdout, Stream::Stderr].into_iter().zip(early) {
            let tail = transcript.finish(stream);
            kept.text.push_str(&tail.piece.text);
            kept.raw.extend(tail.piece.raw);
            let all: usize = lines.iter().filter(|line| line.0 == stream).map(|line| size(&line.1, line.2.as_ref())).sum();
            let dropped = tail.truncated.map_or(0, |truncated| truncated.dropped_bytes);
            // By its text, and where that stands for others, by those.
            let mut bytes: Vec<u16> = kept.text.encode_utf16().collect();
            let mut size = 0;
            for span in kept.raw.iter().rev() {
                bytes.drain(span.start_utf16 as usize..span.end_utf16 as usize);
                size += span.bytes.len();
            }
            size += String::from_utf16(&bytes).unwrap().len();
            prop_assert_eq!(all as u64, size as u64 + dropped);
            prop_assert!(limit.is_none_or(|limit| size <= limit));
            prop_assert_eq!((kept, tail.truncated), naive(&lines, stream, limit));
        }
    }
}
