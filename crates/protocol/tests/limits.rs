//! Bounds, at the bound and one beyond it.

use shoreline_protocol::batch::{Batch, flag};
use shoreline_protocol::cursor::Position;
use shoreline_protocol::fault::StreamError;
use shoreline_protocol::limits::{EVENT_BYTES, LINE_BYTES};
use shoreline_protocol::output::{LongLine, Mode, OutputDecoder};
use shoreline_protocol::stream::Stream;
use shoreline_protocol::wire::event::{self, Line, Style};

/// One line, as a server writes it, read with this limit.
fn read(bytes: &[u8], limit: usize, long: LongLine) -> Result<Batch, StreamError> {
    let mut stream = Vec::new();
    let line = Line { id: 1, stream: Stream::Stdout, time: 1, terminated: true, bytes };
    event::output(&line, Style { named: true, with_stream: true }, &mut stream);
    let mut batch = Batch::default();
    let mut decoder = OutputDecoder::new(Mode::Follow, limit, long);
    decoder.push(&stream, &mut Position::default(), &mut batch).map(|()| batch)
}

#[test]
fn a_line_of_the_limit_is_taken_however_it_is_written() {
    // Plain, of two bytes each, of six when escaped, and not UTF-8: as text three times as long.
    for unit in [&b"x"[..], "é".as_bytes(), b"\x01", b"\xff"] {
        for limit in [unit.len(), 1000 * unit.len()] {
            let line = unit.repeat(limit / unit.len());
            let batch = read(&line, limit, LongLine::Refuse).unwrap();
            assert_eq!(batch.text.trim_end_matches('\n'), String::from_utf8_lossy(&line));
            let longer = [&line[..], b"x"].concat();
            assert_eq!(read(&longer, limit, LongLine::Refuse), Err(StreamError::TooLong));
            let cut = read(&longer, limit, LongLine::Cut).unwrap();
            assert_eq!((&cut.text, &cut.raw), (&batch.text, &batch.raw));
            assert_eq!(cut.flags[0], batch.flags[0] | flag::CUT);
        }
    }
}

#[test]
fn a_cut_keeps_characters_whole() {
    let cut = read("aé".as_bytes(), 2, LongLine::Cut).unwrap();
    assert_eq!((cut.text.as_str(), &cut.ends[..]), ("a\n", &[2][..]));
}

#[test]
fn the_longest_line_that_a_server_sends_fits_into_an_event() {
    let line = vec![b'x'; LINE_BYTES];
    assert!(read(&line, LINE_BYTES, LongLine::Refuse).is_ok());
    assert_eq!(
        read(&[&line[..], b"x"].concat(), LINE_BYTES, LongLine::Refuse),
        Err(StreamError::TooLong)
    );
    // Every byte escaped; or every byte replaced, with all of them as base64 beside it.
    const { assert!(6 * LINE_BYTES + 4096 < EVENT_BYTES) };
    const { assert!(3 * LINE_BYTES + LINE_BYTES / 3 * 4 + 4096 < EVENT_BYTES) };
}
