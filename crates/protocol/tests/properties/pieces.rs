//! Lines that are delivered as they grow: over any number of connections, each byte comes once.

use crate::{cuts, follow, reads};
use proptest::prelude::*;
use proptest::sample::Index;
use shoreline_protocol::batch::Batch;
use shoreline_protocol::cursor::{Cursor, Position};
use shoreline_protocol::exit::{Exit, ExitStatus};
use shoreline_protocol::fault::StreamError;
use shoreline_protocol::follow::{Follow, Lines, Step};
use shoreline_protocol::output::{LongLine, Mode};
use shoreline_protocol::retry::Failure;
use shoreline_protocol::run::{Over, Run, Step as RunStep};
use shoreline_protocol::stream::Stream;
use shoreline_protocol::transcript::Transcript;
use shoreline_protocol::wire::event::{self, Gain, Line, Style};

const LINES: Lines = Lines { limit: 1000, long: LongLine::Refuse, pieces: true };
const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];
const PID: u32 = 42;

/// One write of a process, and how much of what it leaves unfinished the server sends then.
#[derive(Clone, Debug)]
struct Write {
    stream: Stream,
    bytes: Vec<u8>,
    sent: Index,
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let stream = prop::sample::select(STREAMS.to_vec());
    // Characters that are cut, bytes that are none, and line ends.
    let byte = prop::sample::select(b"ab\n\r\xc3\xa9\xff\xf0\x9f\xa6\x8a".to_vec());
    let bytes = prop::collection::vec(byte, 0..5);
    let write = (stream, bytes, any::<Index>());
    let write = write.prop_map(|(stream, bytes, sent)| Write { stream, bytes, sent });
    prop::collection::vec(write, 0..12)
}

/// A server's log after some of the writes.
#[derive(Default)]
struct Log {
    events: Vec<(Stream, Vec<u8>, bool)>,
    unfinished: [Vec<u8>; 2],
}

impl Log {
    fn of(writes: &[Write]) -> Self {
        let mut log = Self::default();
        writes.iter().for_each(|write| log.take(write));
        log
    }

    fn take(&mut self, write: &Write) {
        for byte in &write.bytes {
            let line = &mut self.unfinished[write.stream as usize - 1];
            if *byte == b'\n' {
                self.events.push((write.stream, std::mem::take(line), true));
            } else {
                line.push(*byte);
            }
        }
    }

    fn end(&mut self) {
        for (stream, line) in STREAMS.into_iter().zip(&mut self.unfinished) {
            if !line.is_empty() {
                self.events.push((stream, std::mem::take(line), false));
            }
        }
    }

    /// Appends the events from index `next` on.
    fn encode(&self, next: usize, style: Style, out: &mut Vec<u8>) {
        for (index, (stream, bytes, terminated)) in self.events.iter().enumerate().skip(next) {
            let (id, stream, terminated) = (index as u64 + 1, *stream, *terminated);
            event::output(&Line { id, stream, time: 5, terminated, bytes }, style, out);
        }
    }
}

/// What a server sends to a follower that comes after `start` steps, and where each later step begins to
/// show. The steps are the writes and the end.
fn sent(
    writes: &[Write],
    start: usize,
    after: u64,
    asked: bool,
    named: bool,
) -> (Vec<u8>, Vec<usize>) {
    let style = Style { named, with_stream: true };
    let mut log = Log::of(&writes[..start.min(writes.len())]);
    let (mut out, mut marks, mut next, mut sent) = (Vec::new(), Vec::new(), after as usize, [0; 2]);
    let mut show = |log: &Log, how: Option<Index>, out: &mut Vec<u8>| {
        log.encode(next, style, out);
        log.events.iter().skip(next).for_each(|(stream, ..)| sent[*stream as usize - 1] = 0);
        next = log.events.len();
        for (index, stream) in STREAMS.into_iter().enumerate().filter(|_| asked) {
            let (line, sent) = (&log.unfinished[index], &mut sent[index]);
            // Any part of it, characters that are cut, too.
            let gained = how.map_or(line.len(), |how| how.index(line.len() + 1));
            if gained > *sent {
                let gain = Gain { stream, offset: *sent, bytes: &line[*sent..gained] };
                event::unfinished(&gain, style, out);
                *sent = gained;
            }
        }
    };
    if start <= writes.len() {
        show(&log, None, &mut out);
    }
    for write in writes.iter().skip(start) {
        marks.push(out.len());
        log.take(write);
        show(&log, Some(write.sent), &mut out);
    }
    if start <= writes.len() {
        marks.push(out.len());
    }
    log.end();
    show(&log, None, &mut out);
    (out, marks)
}

/// The bytes of each stream.
fn bytes<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> [Vec<u8>; 2] {
    let mut streams = [Vec::new(), Vec::new()];
    for event in batches.into_iter().flat_map(Batch::events) {
        let stream = &mut streams[event.stream().unwrap() as usize - 1];
        stream.extend_from_slice(event.bytes());
        stream.extend(event.is_terminated().then_some(b'\n'));
    }
    streams
}

fn written(writes: &[Write]) -> [Vec<u8>; 2] {
    STREAMS.map(|stream| {
        let own = writes.iter().filter(|write| write.stream == stream);
        own.flat_map(|write| write.bytes.clone()).collect()
    })
}

fn first(batch: &Batch, count: usize) -> Batch {
    let mut taken = batch.clone();
    let end = count.checked_sub(1).map_or(0, |last| batch.byte_ends[last] as usize);
    taken.text.truncate(end);
    taken.byte_ends.truncate(count);
    taken.flags.truncate(count);
    taken.raw.retain(|(index, _)| (*index as usize) < count);
    taken
}

#[derive(Clone, Debug)]
struct Connection {
    /// How many more writes there are before it begins, and where it breaks.
    later: Index,
    breaks_at: f64,
    cuts: Vec<Index>,
    /// How many of the events that it brought are taken before another follower goes on, if one does.
    handed_over: Option<Index>,
    asks: bool,
}

fn connections() -> impl Strategy<Value = Vec<Connection>> {
    let handed_over = prop::option::weighted(0.3, any::<Index>());
    let parts = (any::<Index>(), 0.0..1.1_f64, cuts(), handed_over, prop::bool::weighted(0.8));
    let connection = parts.prop_map(|(later, breaks_at, cuts, handed_over, asks)| Connection {
        later,
        breaks_at,
        cuts,
        handed_over,
        asks,
    });
    prop::collection::vec(connection, 0..6)
}

/// Follows to the end through these connections, and one that does not break.
fn followed(
    writes: &[Write],
    connections: &[Connection],
    (position, mut passed): (Position, usize),
) -> Result<Vec<Batch>, StreamError> {
    let mut follow = Follow::of_known_process(position, LINES, follow::policy());
    let (mut taken, mut batch, mut from) = (Vec::new(), Batch::default(), position.cursor());
    let mut rest = connections.iter();
    loop {
        let last_event_id = match follow.step() {
            Step::Connect { last_event_id } => last_event_id.unwrap_or_default(),
            Step::Probe => {
                follow.probed(true)?;
                continue;
            }
            Step::Done => break,
            Step::Settle { .. } => {
                let mut log = Log::of(writes);
                log.end();
                let lines = log.events.iter().map(|(stream, ..)| (*stream, String::new()));
                follow
                    .settled(false, &follow::held(&follow::by_stream(lines), follow.delivered()))?;
                continue;
            }
            Step::Read => unreachable!(),
        };
        follow.connected();
        let Some(connection) = rest.next() else {
            let (mut bytes, _) = sent(writes, writes.len() + 1, last_event_id, true, true);
            bytes.extend_from_slice(event::EOF);
            follow.push(&bytes, &mut batch)?;
            continue;
        };
        passed += connection.later.index(writes.len() + 2 - passed);
        let (mut bytes, marks) = sent(writes, passed, last_event_id, connection.asks, true);
        bytes.extend_from_slice(event::EOF);
        bytes.truncate((connection.breaks_at * bytes.len() as f64) as usize);
        passed += marks.iter().filter(|mark| **mark < bytes.len()).count();
        for read in reads(&bytes, &connection.cuts) {
            follow.push(read, &mut batch)?;
        }
        if let Step::Read = follow.step() {
            follow.broke(&Failure::Lost, 0.5);
            if let Some(count) = connection.handed_over {
                let count = count.index(batch.len() + 1);
                from = from.after(&batch, count);
                taken.push(first(&batch, count));
                batch.clear();
                follow = Follow::of_known_process(from.into(), LINES, follow::policy());
            }
        }
    }
    taken.push(batch);
    Ok(taken)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever is written, sent, cut, asked for and handed over to another follower.
    #[test]
    fn every_byte_comes_once(writes in writes(), connections in connections()) {
        let batches = followed(&writes, &connections, Default::default()).unwrap();
        prop_assert_eq!(bytes(&batches), written(&writes));
    }

    /// A cursor is where the events that were taken end, whichever these are.
    #[test]
    fn a_cursor_counts_what_was_taken(writes in writes(), taken in any::<Index>()) {
        let (stream, _) = sent(&writes, 0, 0, true, true);
        let mut follow = Follow::new(Position::default(), LINES, follow::policy());
        let mut batch = Batch::default();
        follow.connected();
        follow.push(&stream, &mut batch).unwrap();
        let taken = taken.index(batch.len() + 1);
        let cursor = Cursor::default().after(&batch, taken);
        let taken = first(&batch, taken);
        let whole = taken.events().filter(|event| !event.is_piece()).count();
        prop_assert_eq!(cursor.counts.iter().sum::<u64>(), whole as u64);
        let rest = followed(&writes, &[], (cursor.into(), writes.len() + 1)).unwrap();
        prop_assert_eq!(bytes([&taken, &rest[0]]), written(&writes));
    }

    /// A run that goes on by pid has the same result, and the same as without pieces.
    #[test]
    fn a_run_has_the_same_result(
        writes in writes(),
        (breaks_at, cuts) in (0.0..1.2_f64, cuts()),
        connections in connections(),
        limit in prop::option::of(0_usize..20),
    ) {
        let exit = Exit { status: ExitStatus::Code(3), reason: None };
        let mut head = Vec::new();
        event::started(1, PID, 5, &mut head);
        let transcript = |batches: &[Batch]| {
            let mut transcript = Transcript::new(limit);
            batches.iter().for_each(|batch| transcript.push(batch).unwrap());
            STREAMS.map(|stream| transcript.finish(stream))
        };
        let (lines, _) = sent(&writes, 0, 0, false, false);
        let mut decoder = Lines { pieces: false, ..LINES }.decoder(Mode::Run);
        let mut plain = Batch::default();
        decoder.push(&lines, &mut Position::default(), &mut plain).unwrap();

        let (pieces, marks) = sent(&writes, 0, 0, true, false);
        let mut stream = pieces;
        event::exited(&exit, false, &mut stream);
        stream.truncate((breaks_at * stream.len() as f64) as usize);
        let passed = marks.iter().filter(|mark| **mark < stream.len()).count();
        let (mut run, mut batch) = (Run::new(LINES), Batch::default());
        run.opened();
        run.push(&head, &mut batch).unwrap();
        for read in reads(&stream, &cuts) {
            run.push(read, &mut batch).unwrap();
        }
        run.over(Over::Broke).unwrap();
        let mut batches = vec![batch];
        match run.step() {
            RunStep::Follow { pid: PID } => {
                let from = (run.position(), passed);
                batches.extend(followed(&writes, &connections, from).unwrap());
            }
            step => prop_assert_eq!(step, RunStep::Done(exit)),
        }
        prop_assert_eq!(bytes(&batches), written(&writes));
        prop_assert_eq!(transcript(&batches), transcript(&[plain]));
    }

    /// A limit is that of the line, however it comes.
    #[test]
    fn a_limit_holds_for_the_line(
        writes in writes(),
        limit in 0_usize..8,
    ) {
        let lines = |long, pieces| Lines { limit, long, pieces };
        let (whole, _) = sent(&writes, 0, 0, false, true);
        let mut decoder = lines(LongLine::Cut, false).decoder(Mode::Follow);
        let mut plain = Batch::default();
        decoder.push(&whole, &mut Position::default(), &mut plain).unwrap();
        let (pieces, _) = sent(&writes, 0, 0, true, true);
        let mut decoder = lines(LongLine::Cut, true).decoder(Mode::Follow);
        let mut cut = Batch::default();
        decoder.push(&pieces, &mut Position::default(), &mut cut).unwrap();
        let sizes = |batch: &Batch| {
            let mut sizes = [vec![0], vec![0]];
            for event in batch.events() {
                let sizes = &mut sizes[event.stream().unwrap() as usize - 1];
                *sizes.last_mut().unwrap() += event.bytes().len();
                if !event.is_piece() {
                    sizes.push(0);
                }
            }
            sizes
        };
        // A piece can end within the character that is at the limit.
        for (plain, cut) in sizes(&plain).iter().flatten().zip(sizes(&cut).iter().flatten()) {
            prop_assert!(plain.abs_diff(*cut) <= 3, "{plain} {cut}");
        }
        let mut refusing = lines(LongLine::Refuse, true).decoder(Mode::Follow);
        let refused = refusing.push(&pieces, &mut Position::default(), &mut Batch::default());
        let long = plain.flags.iter().any(|flags| flags & shoreline_protocol::batch::flag::CUT != 0);
        prop_assert_eq!(refused, if long { Err(StreamError::TooLong) } else { Ok(()) });
    }
}

/// The result of a stream with pieces.
fn pushed(text: &str) -> (Result<(), StreamError>, Vec<(String, bool)>) {
    let mut follow = Follow::new(Position::default(), LINES, follow::policy());
    let mut batch = Batch::default();
    follow.connected();
    let result = follow.push(text.as_bytes(), &mut batch);
    let events = batch.events().map(|event| (event.text.to_owned(), event.is_piece()));
    (result, events.collect())
}

#[test]
fn a_line_shorter_than_what_was_delivered_of_it_is_an_error() {
    let piece = "event: unfinished\ndata: {\"line\":\"abc\",\"offset\":0}\n\n";
    let eof = "event: eof\ndata: {}\n\n";
    let line = |text: &str| format!("{piece}id: 1\ndata: {{\"line\":\"{text}\"}}\n\n{eof}");
    let owned = |text: &str, piece| (text.to_owned(), piece);
    assert_eq!(pushed(&line("ab")).0, Err(StreamError::ShortLine));
    assert_eq!(pushed(&format!("{piece}{eof}")).0, Err(StreamError::ShortLine));
    let (result, events) = pushed(&line("abcd"));
    assert_eq!(events, [owned("abc", true), owned("d\n", false)]);
    assert_eq!(result, Ok(()));
    // A run that reports its exit has no more to say.
    let mut run = Run::new(LINES);
    run.opened();
    let stream = format!("{piece}data: {{\"exit_code\":0}}\n\n");
    assert_eq!(run.push(stream.as_bytes(), &mut Batch::default()), Err(StreamError::ShortLine));
}

#[test]
fn a_piece_that_does_not_follow_on_comes_with_its_line() {
    let (result, events) = pushed(
        "event: unfinished\ndata: {\"line\":\"bc\",\"offset\":1}\n\n\
         event: unfinished\ndata: {\"line\":\"ab\",\"offset\":0}\n\n\
         event: unfinished\ndata: {\"line\":\"a\",\"offset\":0}\n\n\
         event: unfinished\ndata: {\"line\":\"bc\",\"offset\":1}\n\n\
         id: 1\ndata: {\"line\":\"abc\",\"eol\":false}\n\n",
    );
    assert_eq!(result, Ok(()));
    let texts: Vec<_> = events.iter().map(|(text, piece)| (text.as_str(), *piece)).collect();
    assert_eq!(texts, [("ab", true), ("c", true), ("", false)]);
}

#[test]
fn a_replay_without_ids_takes_no_pieces_before_it_has_caught_up() {
    let mut follow = Follow::new(Position::default(), LINES, follow::policy());
    let mut batch = Batch::default();
    let line = |text: &str| format!("data: {{\"line\":\"{text}\"}}\n\n");
    let piece =
        |text: &str| format!("event: unfinished\ndata: {{\"line\":\"{text}\",\"offset\":0}}\n\n");
    follow.connected();
    follow.push((line("one") + &piece("tw")).as_bytes(), &mut batch).unwrap();
    follow.broke(&Failure::Lost, 0.5);
    follow.connected();
    let eof = "event: eof\ndata: {}\n\n";
    let again = piece("one") + &line("one") + &piece("two") + &line("two") + eof;
    follow.push(again.as_bytes(), &mut batch).unwrap();
    assert_eq!(batch.text, "one\ntwo\n");
    assert_eq!(follow.step(), Step::Probe);
}
