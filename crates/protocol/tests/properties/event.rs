use crate::{cuts, reads};
use proptest::prelude::*;
use shoreline_protocol::batch::{Batch, flag};
use shoreline_protocol::cursor::Position;
use shoreline_protocol::exit::{Exit, ExitStatus, Reason};
use shoreline_protocol::fault::StreamError;
use shoreline_protocol::output::{End, LongLine, Mode, OutputDecoder};
use shoreline_protocol::stream::Stream;
use shoreline_protocol::wire::event::{self, Line, Style};

type Written = (Stream, u64, bool, Vec<u8>);

fn line() -> impl Strategy<Value = Written> {
    let bytes = prop_oneof![
        any::<String>().prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
        Just(b"tab\t quote\" slash\\ bell\x07 cr\r nul\0 del\x7f data: x".to_vec()),
    ];
    let bytes = bytes.prop_map(|bytes| bytes.into_iter().filter(|byte| *byte != b'\n').collect());
    let stream = prop::sample::select(vec![Stream::Stdout, Stream::Stderr]);
    (stream, 1_000_000_000_001_u64..999_999_999_999_999, any::<bool>(), bytes)
}

fn exit() -> impl Strategy<Value = Exit> {
    let reasons = vec![Reason::Exited, Reason::Signaled, Reason::OomKilled, Reason::TimedOut];
    let status =
        prop_oneof![(0..256).prop_map(ExitStatus::Code), (1..65).prop_map(ExitStatus::Signal),];
    let known = (status, prop::option::of(prop::sample::select(reasons)));
    let unreported = Exit { status: ExitStatus::Unreported, reason: Some(Reason::OomKilled) };
    prop_oneof![known.prop_map(|(status, reason)| Exit { status, reason }), Just(unreported)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn what_a_server_writes_a_client_reads(
        lines in prop::collection::vec(line(), 0..12),
        first_id in 1_u64..1 << 60,
        (named, with_stream) in any::<(bool, bool)>(),
        cuts in cuts(),
    ) {
        let mut bytes = event::KEEP_ALIVE.to_vec();
        for (number, (stream, time, terminated, text)) in lines.iter().enumerate() {
            let id = first_id + number as u64;
            let line = Line { id, stream: *stream, time: *time, terminated: *terminated, bytes: text };
            event::output(&line, Style { named, with_stream }, &mut bytes);
        }
        bytes.extend_from_slice(event::EOF);
        let mut decoder = OutputDecoder::new(Mode::Follow, 1 << 10, LongLine::Refuse);
        let (mut batch, mut position) = (Batch::default(), Position::default());
        for read in reads(&bytes, &cuts) {
            decoder.push(read, &mut position, &mut batch).unwrap();
        }
        prop_assert_eq!(decoder.end(), Some(End::Eof));
        prop_assert_eq!(batch.len(), lines.len());
        for (event, (stream, time, terminated, bytes)) in batch.events().zip(&lines) {
            let text = event.text.strip_suffix('\n').filter(|_| *terminated).unwrap_or(event.text);
            prop_assert_eq!(text, &String::from_utf8_lossy(bytes));
            prop_assert_eq!(event.is_terminated(), *terminated);
            prop_assert_eq!(event.stream(), with_stream.then_some(*stream));
            prop_assert_eq!(event.time, *time as f64);
            let exact = event.raw.unwrap_or(text.as_bytes());
            prop_assert_eq!(exact, &bytes[..]);
            prop_assert_eq!(event.flags & flag::RAW != 0, std::str::from_utf8(bytes).is_err());
        }
        let last = (!lines.is_empty()).then(|| first_id + lines.len() as u64 - 1);
        prop_assert_eq!(position.cursor().last_id, last);
    }

    #[test]
    fn a_run_begins_and_ends_as_it_was_written(
        (handle, pid, time) in (0..1_u64 << 53, any::<u32>(), 1_000_000_000_001_u64..1 << 47),
        exit in exit(),
        output_open in any::<bool>(),
        cuts in cuts(),
    ) {
        let mut bytes = Vec::new();
        event::started(handle, pid, time, &mut bytes);
        event::exited(&exit, output_open, &mut bytes);
        let mut decoder = OutputDecoder::new(Mode::Run, 100, LongLine::Refuse);
        for read in reads(&bytes, &cuts) {
            decoder.push(read, &mut Position::default(), &mut Batch::default()).unwrap();
        }
        let started = decoder.started().unwrap();
        prop_assert_eq!((started.pid, started.handle, started.started_at), (pid, Some(handle), time as f64));
        prop_assert_eq!(decoder.end(), Some(End::Exit(exit)));
        prop_assert_eq!(decoder.output_open(), output_open);
    }

    #[test]
    fn only_a_follow_that_ends_with_the_process_stops_at_the_mark_of_the_exit(
        exit in exit(),
        (output_open, line_count) in (any::<bool>(), 0..1_u64 << 53),
        cuts in cuts(),
    ) {
        let mut bytes = Vec::new();
        event::exit_mark(&exit, output_open, line_count, &mut bytes);
        let line = Line { id: 1, stream: Stream::Stdout, time: 0, terminated: true, bytes: b"late" };
        event::output(&line, Style { named: true, with_stream: true }, &mut bytes);
        bytes.extend_from_slice(event::EOF);
        for mode in [Mode::Follow, Mode::FollowToExit] {
            let mut decoder = OutputDecoder::new(mode, 100, LongLine::Refuse);
            let mut batch = Batch::default();
            for read in reads(&bytes, &cuts) {
                decoder.push(read, &mut Position::default(), &mut batch).unwrap();
            }
            let told = (decoder.end(), decoder.output_open(), decoder.line_count(), batch.len());
            prop_assert_eq!(told, match mode {
                Mode::FollowToExit => (Some(End::Exit(exit)), output_open, Some(line_count), 0),
                _ => (Some(End::Eof), false, None, 1),
            });
        }
    }

    #[test]
    fn a_gap_is_an_error((from, to) in (0..1_u64 << 60, 0..1_u64 << 60), cuts in cuts()) {
        let mut bytes = Vec::new();
        event::gap(from, to, &mut bytes);
        bytes.extend_from_slice(event::EOF);
        let mut decoder = OutputDecoder::new(Mode::Follow, 100, LongLine::Cut);
        let mut last = Ok(());
        for read in reads(&bytes, &cuts) {
            last = decoder.push(read, &mut Position::default(), &mut Batch::default());
        }
        prop_assert_eq!(last, Err(StreamError::Gap { from, to }));
        prop_assert_eq!(decoder.end(), None);
    }
}
