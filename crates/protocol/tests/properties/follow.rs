use crate::reads;
use proptest::prelude::*;
use proptest::sample::Index;
use shoreline_protocol::batch::Batch;
use shoreline_protocol::cursor::{Cursor, Position};
use shoreline_protocol::error::Code;
use shoreline_protocol::exit::Exit;
use shoreline_protocol::fault::StreamError;
use shoreline_protocol::follow::{Follow, Lines, Step};
use shoreline_protocol::output::LongLine;
use shoreline_protocol::retry::{Failure, Policy};
use shoreline_protocol::stream::Stream;
use shoreline_protocol::tally::{Held, TallyReader};
use shoreline_protocol::wire::event;

pub(crate) const LINES: Lines = Lines { limit: 1000, long: LongLine::Refuse, pieces: false };

/// A process's output, and how its server sends it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub log: Vec<(Stream, String)>,
    pub ids: Ids,
    /// Every connection after the first: how it differs. The last is repeated.
    pub connections: Vec<Connection>,
    /// How the process exited, and after how many events of the log the server marks it.
    pub exit: Option<(Exit, usize)>,
    /// Whether it has the endpoint `run`, so that it is trusted.
    pub has_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ids {
    None,
    /// Every number, or every third.
    Numbers(u64),
    Marks,
}

#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Where it breaks; beyond the end it does not.
    pub breaks_at: f64,
    /// Whether `Last-Event-ID` is heeded.
    pub honors: bool,
    /// For each event, which stream goes first; nothing = the order of the log.
    pub order: Option<u64>,
    /// An event that it leaves out.
    pub lost: Option<Index>,
    /// An event that it sends twice.
    pub doubled: Option<Index>,
    /// Where it ends the output, before all of it has come.
    pub early: Option<Index>,
    pub cuts: Vec<Index>,
}

impl Server {
    fn id(&self, index: usize) -> Option<String> {
        match self.ids {
            Ids::None => None,
            Ids::Numbers(step) => Some((5 + step * index as u64).to_string()),
            Ids::Marks => Some(format!("m{}", (index * 7919) % 10_007)),
        }
    }

    /// What one connection sends, as bytes, and whether it then breaks.
    fn send(&self, connection: &Connection, last_event_id: Option<u64>) -> (Vec<u8>, bool) {
        let after = last_event_id.filter(|_| connection.honors).map(|last| {
            (0..self.log.len()).find(|index| self.id(*index) == Some(last.to_string())).unwrap() + 1
        });
        let mut events: Vec<usize> = (after.unwrap_or(0)..self.log.len()).collect();
        if let Some(order) = connection.order {
            events = interleaved(&self.log, &events, order);
        }
        if let Some(lost) = connection.lost.filter(|_| !events.is_empty()) {
            events.remove(lost.index(events.len()));
        }
        if let Some(doubled) = connection.doubled.filter(|_| !events.is_empty()) {
            let at = doubled.index(events.len());
            events.insert(at, events[at]);
        }
        if let Some(early) = connection.early {
            events.truncate(early.index(events.len() + 1));
        }
        let mut bytes = b":\n\n".to_vec();
        let mut mark = self.exit;
        let mut mark_before = |index: usize, bytes: &mut Vec<u8>| {
            if let Some((exit, lines)) = mark.take_if(|(_, lines)| index >= *lines) {
                event::exit_mark(&exit, lines < self.log.len(), lines as u64, bytes);
            }
        };
        for index in events {
            mark_before(index, &mut bytes);
            let (stream, line) = &self.log[index];
            let id = self.id(index).map(|id| format!("id: {id}\n")).unwrap_or_default();
            let stream = stream.as_str();
            bytes.extend_from_slice(
                format!(
                    "{id}event: output\ndata: {{\"line\":\"{line}\",\"stream\":\"{stream}\"}}\n\n"
                )
                .as_bytes(),
            );
        }
        mark_before(self.log.len(), &mut bytes);
        bytes.extend_from_slice(event::EOF);
        let at = (connection.breaks_at * bytes.len() as f64) as usize;
        let breaks = at < bytes.len();
        bytes.truncate(at);
        (bytes, breaks)
    }
}

/// The same events in another order, with each stream's own order kept.
fn interleaved(log: &[(Stream, String)], events: &[usize], mut order: u64) -> Vec<usize> {
    let of = |stream| events.iter().copied().filter(move |index| log[*index].0 == stream);
    let (mut stdout, mut stderr) = (of(Stream::Stdout).peekable(), of(Stream::Stderr).peekable());
    let mut out = Vec::new();
    while stdout.peek().is_some() || stderr.peek().is_some() {
        // 0 and its complement are one stream after the other.
        let first = order & 1 == 0 && stdout.peek().is_some() || stderr.peek().is_none();
        out.extend(if first { stdout.next() } else { stderr.next() });
        order = order.rotate_right(1);
    }
    out
}

/// Follows to the end, through every break.
pub(crate) fn follow(
    server: &Server,
    follow: &mut Follow,
    batch: &mut Batch,
) -> Result<(), StreamError> {
    let mut connections = server.connections.iter();
    let mut last = Vec::new();
    let mut breaks = false;
    loop {
        match follow.step() {
            Step::Connect { last_event_id } => {
                let healthy =
                    Connection { breaks_at: 2.0, ..server.connections.last().unwrap().clone() };
                let connection = connections.next().cloned().unwrap_or(healthy);
                let (bytes, broken) = server.send(&connection, last_event_id);
                last = reads(&bytes, &connection.cuts).into_iter().map(<[u8]>::to_vec).collect();
                last.reverse();
                breaks = broken;
                follow.connected();
            }
            Step::Read => match last.pop() {
                Some(read) => follow.push(&read, batch)?,
                None => {
                    assert!(breaks, "only a break comes before the end");
                    // In order or not, it is the same.
                    if follow.position().total().is_multiple_of(2) {
                        assert_eq!(follow.ended(), Err(StreamError::Cut));
                    }
                    if follow.broke(&Failure::Lost, 0.5).is_none() {
                        // Ids that contradict each other, the only reason with as many tries.
                        assert_eq!(follow.verdict(Code::StreamBroken, None), Code::OutputGap);
                        return Err(StreamError::Cut);
                    }
                }
            },
            Step::Probe => follow.probed(server.has_run)?,
            Step::Settle { .. } => {
                let held = held(&by_stream(server.log.iter().cloned()), follow.delivered());
                match follow.settled(false, &held) {
                    Err(StreamError::Cut) => {
                        follow.broke(&Failure::Lost, 0.5);
                    }
                    result => result?,
                }
            }
            Step::Done => return Ok(()),
        }
    }
}

/// What a server says that it has.
pub(crate) fn held(lines: &[Vec<String>; 2], delivered: [u64; 2]) -> [Held; 2] {
    let read = |index: usize| {
        let lines = lines[index].iter().map(|line| format!("\"{line}\"")).collect::<Vec<_>>();
        let mut reader = TallyReader::new(delivered[index]);
        reader.push(format!("{{\"lines\":[{}]}}", lines.join(",")).as_bytes()).unwrap();
        reader.finish().unwrap()
    };
    [read(0), read(1)]
}

/// Each stream's lines.
pub(crate) fn by_stream(lines: impl Iterator<Item = (Stream, String)>) -> [Vec<String>; 2] {
    let mut streams = [Vec::new(), Vec::new()];
    for (stream, line) in lines {
        streams[stream as usize - 1].push(line);
    }
    streams
}

pub(crate) fn delivered(batch: &Batch) -> [Vec<String>; 2] {
    by_stream(
        batch.events().map(|event| {
            (event.stream().unwrap(), event.text.strip_suffix('\n').unwrap().to_owned())
        }),
    )
}

pub(crate) fn log() -> impl Strategy<Value = Vec<(Stream, String)>> {
    let stream = prop::sample::select(vec![Stream::Stdout, Stream::Stderr]);
    // Few different lines, so that they cannot be told apart by their text.
    prop::collection::vec((stream, "[ab]?"), 0..14)
}

pub(crate) fn connection() -> impl Strategy<Value = Connection> {
    (0.0..1.3_f64, any::<bool>(), crate::cuts()).prop_map(|(breaks_at, honors, cuts)| Connection {
        breaks_at,
        honors,
        order: None,
        lost: None,
        doubled: None,
        early: None,
        cuts,
    })
}

fn order() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()])
}

pub(crate) fn ids() -> impl Strategy<Value = Ids> {
    prop::sample::select(vec![Ids::None, Ids::Numbers(1), Ids::Numbers(3), Ids::Marks])
}

pub(crate) fn policy() -> Policy {
    Policy { max_retries: 100, ..Policy::default() }
}

fn run(server: &Server) -> (Result<(), StreamError>, [Vec<String>; 2]) {
    let mut machine = Follow::new(Position::default(), LINES, policy());
    let mut batch = Batch::default();
    let result = follow(server, &mut machine, &mut batch);
    (result, delivered(&batch))
}

/// What one connection brings.
fn one_connection(server: &Server, connection: &Connection) -> (Follow, Batch) {
    let mut machine = Follow::new(Position::default(), LINES, policy());
    let mut batch = Batch::default();
    machine.connected();
    machine.push(&server.send(connection, None).0, &mut batch).unwrap();
    (machine, batch)
}

/// What is delivered in all, once another call has gone on from there.
fn taken_up(
    server: &Server,
    cursor: Cursor,
    mut batch: Batch,
) -> Result<[Vec<String>; 2], StreamError> {
    let mut later = Follow::new(Position::from(cursor), LINES, policy());
    follow(server, &mut later, &mut batch).map(|()| delivered(&batch))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// A server that sends what it has, in the order in which it has it, or, without numbers, in any
    /// order that keeps each stream's: everything comes, once.
    #[test]
    fn everything_is_delivered_once(
        log in log(),
        ids in ids(),
        has_run in any::<bool>(),
        connections in prop::collection::vec((connection(), order()), 1..6),
    ) {
        let connections = connections.into_iter().map(|(connection, order)| {
            Connection { order: order.filter(|_| !matches!(ids, Ids::Numbers(_))), ..connection }
        });
        let server = Server { log, ids, connections: connections.collect(), exit: None, has_run };
        let (result, seen) = run(&server);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(seen, by_stream(server.log.into_iter()));
    }

    /// Ids in an order that is none, `Last-Event-ID` heeded one time and not another, an event sent
    /// twice: everything comes, once, or it is an error.
    #[test]
    fn disorder_is_never_silent(
        log in log(),
        ids in ids(),
        has_run in any::<bool>(),
        connections in prop::collection::vec((connection(), order(), prop::option::weighted(0.3, any::<Index>())), 1..6),
        doubled in any::<bool>(),
    ) {
        let connections = connections.into_iter().map(|(connection, order, twice)| {
            // Without numbers, a server that doubles a line is one whose process wrote it twice.
            let twice = twice.filter(|_| doubled && matches!(ids, Ids::Numbers(_)));
            Connection { order, doubled: twice, ..connection }
        });
        let server = Server { log, ids, connections: connections.collect(), exit: None, has_run };
        let (result, seen) = run(&server);
        if result.is_ok() {
            prop_assert_eq!(seen, by_stream(server.log.into_iter()));
        }
    }

    /// A replay that lacks an event that was there before: everything comes, or it is an error.
    #[test]
    fn a_short_replay_is_never_silent(
        log in log(),
        first in connection(),
        connections in prop::collection::vec((connection(), order()), 1..4),
        lost in any::<Index>(),
        has_run in any::<bool>(),
    ) {
        let shorter = connections.into_iter().map(|(connection, order)| {
            Connection { order, lost: Some(lost), ..connection }
        });
        let connections = std::iter::once(first).chain(shorter).collect();
        let server = Server { log, ids: Ids::None, connections, exit: None, has_run };
        let (result, seen) = run(&server);
        if result.is_ok() {
            prop_assert_eq!(seen, by_stream(server.log.into_iter()));
        }
    }

    /// A server that loses events between its replay and its live stream, and ends the output early: everything comes,
    /// or it is an error. Where the last connection is whole and what came before has no hole, it comes.
    #[test]
    fn a_hole_or_an_early_end_is_never_silent(
        log in log(),
        connections in prop::collection::vec(
            (connection(), order(), prop::option::of(any::<Index>()), prop::option::of(any::<Index>())),
            1..4,
        ),
    ) {
        let holes = connections.iter().any(|(_, _, lost, _)| lost.is_some());
        let mut connections: Vec<_> = connections.into_iter().map(|(connection, order, lost, early)| {
            Connection { order, lost, early, ..connection }
        }).collect();
        connections.push(Connection { lost: None, early: None, ..connections[0].clone() });
        let server = Server { log, ids: Ids::None, connections, exit: None, has_run: false };
        let (result, seen) = run(&server);
        match result {
            Ok(()) => prop_assert_eq!(seen, by_stream(server.log.into_iter())),
            Err(error) => prop_assert!(holes, "{:?}", error),
        }
    }

    /// Events without numbers first, and with numbers from then on: as when a server is renewed.
    #[test]
    fn numbers_may_begin_at_any_time(
        log in log(),
        (first, first_order) in (connection(), order()),
        has_run in any::<bool>(),
        connections in prop::collection::vec(connection(), 1..4),
    ) {
        let first = Connection { order: first_order, ..first };
        let (earlier, batch) = one_connection(&Server { log: log.clone(), ids: Ids::None, connections: vec![], exit: None, has_run }, &first);
        let server = Server { log, ids: Ids::Numbers(1), connections, exit: None, has_run };
        prop_assert_eq!(taken_up(&server, earlier.position().cursor(), batch), Ok(by_stream(server.log.into_iter())));
    }

    /// Kept by a caller and resumed in another call.
    #[test]
    fn a_cursor_goes_on_where_it_was(
        log in log(),
        ids in ids(),
        has_run in any::<bool>(),
        first in connection(),
        connections in prop::collection::vec(connection(), 1..4),
    ) {
        let server = Server { log, ids, connections, exit: None, has_run };
        let (earlier, batch) = one_connection(&server, &first);
        prop_assert_eq!(taken_up(&server, earlier.position().cursor(), batch), Ok(by_stream(server.log.into_iter())));
    }
}
