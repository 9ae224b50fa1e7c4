use crate::follow::{self, LINES, Server};
use crate::{cuts, naive, reads};
use proptest::prelude::*;
use shoreline_protocol::batch::Batch;
use shoreline_protocol::error::Code;
use shoreline_protocol::exit::{Exit, ExitStatus, Reason};
use shoreline_protocol::fault::StreamError;
use shoreline_protocol::follow::Follow;
use shoreline_protocol::run::{Over, Run, Step};
use shoreline_protocol::standing::Standing;
use shoreline_protocol::stream::Stream;

const PID: u32 = 42;

/// What a run's own stream is made of. The exit precedes the last `behind` lines.
fn stream(log: &[(Stream, String)], ids: bool, exit: Exit, behind: usize) -> Vec<u8> {
    let mut bytes =
        format!("data: {{\"pid\":{PID},\"started_at\":1765432100000}}\n\n").into_bytes();
    for (number, (stream, line)) in log.iter().enumerate() {
        if number + behind == log.len() {
            shoreline_protocol::wire::event::exited(&exit, false, &mut bytes);
        }
        if ids {
            bytes.extend(format!("id: {}\n", 5 + number).bytes());
        }
        let stream = stream.as_str();
        let data = format!("data: {{\"line\":\"{line}\",\"stream\":\"{stream}\"}}\n\n");
        bytes.extend(data.bytes());
    }
    if behind == 0 {
        shoreline_protocol::wire::event::exited(&exit, false, &mut bytes);
    }
    bytes
}

/// Runs to the end, by whichever way the machine asks for.
fn drive(
    run: &mut Run,
    stream: &[&[u8]],
    over: Over,
    server: &Server,
    mut records: impl Iterator<Item = Standing>,
) -> (Result<Exit, Code>, [Vec<String>; 2]) {
    let mut batch = Batch::default();
    let mut posts = 0;
    let mut stream = stream.iter();
    let mut asked = 0;
    let result = loop {
        match run.step() {
            Step::Post => {
                posts += 1;
                run.opened();
            }
            Step::Read => match stream.next() {
                Some(read) => run.push(read, &mut batch).unwrap(),
                None => {
                    if let Err(code) = run.over(over) {
                        break Err(code);
                    }
                }
            },
            Step::Start { gated } => run.started(PID, None, gated),
            Step::Attach { .. } => run.attached(),
            Step::Open { .. } => run.opened_gate(),
            Step::Follow { pid } => {
                assert_eq!(pid, PID);
                let machine = Follow::of_known_process(run.position(), LINES, follow::policy());
                let mut machine = machine.until_exit();
                follow::follow(server, &mut machine, &mut batch).unwrap();
                run.followed(machine.exited());
            }
            Step::Look { pid, wait_ms } => {
                assert_eq!((pid, wait_ms > 0), (PID, asked > 0));
                asked += 1;
                if let Err(error) = run.looked(records.next().unwrap()) {
                    break Err(error.code());
                }
            }
            Step::Done(exit) => break Ok(exit),
        }
    };
    assert!(posts <= 1, "a run is sent once");
    (result, follow::delivered(&batch))
}

fn exit() -> impl Strategy<Value = Exit> {
    let exits = vec![
        Exit { status: ExitStatus::Code(0), reason: None },
        Exit { status: ExitStatus::Code(3), reason: Some(Reason::Exited) },
        Exit { status: ExitStatus::Signal(9), reason: Some(Reason::TimedOut) },
    ];
    prop::sample::select(exits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Wherever the stream is cut, in order or not, the result is the same to the byte: it comes from
    /// the stream, or by pid, or, before the start was seen, not at all. What is written after the exit does
    /// not change it. Nor does an exit that comes before the last lines and is followed by a break.
    #[test]
    fn a_cut_changes_nothing(
        log in follow::log(),
        late in prop::option::of(follow::log()),
        ids in prop::sample::select(vec![follow::Ids::None, follow::Ids::Numbers(1)]),
        connections in prop::collection::vec(follow::connection(), 1..4),
        exit in exit(),
        cut in prop_oneof![Just(1.0), 0.0..1.0_f64],
        broke in any::<bool>(),
        behind in 0_usize..4,
        cuts in cuts(),
        still_running in 0_usize..12,
    ) {
        let behind = if broke { behind.min(log.len()) } else { 0 };
        let mut bytes = stream(&log, ids != follow::Ids::None, exit, behind);
        let at = (cut * bytes.len() as f64) as usize;
        bytes.truncate(at);
        let over = if broke { Over::Broke } else { Over::Ended };
        let records = std::iter::repeat_n(Standing::Running, still_running)
            .chain(std::iter::once(Standing::Ended(exit)));
        let marked = late.is_some().then_some((exit, log.len()));
        let all = log.iter().cloned().chain(late.into_iter().flatten()).collect();
        let server = Server { log: all, ids, connections, exit: marked, has_run: false };
        let mut run = Run::new(LINES);
        let (result, seen) = drive(&mut run, &reads(&bytes, &cuts), over, &server, records);
        let started = !naive::decode(&bytes).events.is_empty();
        if started {
            prop_assert_eq!(result, Ok(exit));
            prop_assert_eq!(seen, follow::by_stream(log.into_iter()));
        } else {
            let code = if broke { Code::RunOutcomeUnknown } else { Code::StreamEndedWithoutExit };
            prop_assert_eq!(result, Err(code));
        }
    }

    /// Whatever comes, an exit is one that stands there as one.
    #[test]
    fn no_exit_is_made_up(
        frames in prop::collection::vec(
            prop::sample::select(vec![
                "{\"pid\":42,\"started_at\":1}", "{\"line\":\"{\\\"exit_code\\\":9}\"}",
                "{\"line\":\"x\",\"exit_code\":9}", "{\"exit_code\":-1}", "{\"exit_code\":null}",
                "{\"exit_code\":\"0\"}", "{\"exit_code\":4294967295}", "{}", "ping", "{\"signal\":0}",
                "{\"signal\":null,\"oom_killed\":false}", "{\"reason\":\"exited\"}",
                "{\"exit_code\":0}", "{\"signal\":9}", "{\"oom_killed\":true}",
            ]),
            0..8,
        ),
        chop in 0_usize..4,
        cuts in cuts(),
    ) {
        let text: String = frames.iter().map(|frame| format!("data: {frame}\n\n")).collect();
        let bytes = &text.as_bytes()[..text.len().saturating_sub(chop)];
        let whole = naive::decode(bytes).events;
        let expected = whole.iter().rev().find_map(|event| match &event.data[..] {
            b"{\"exit_code\":0}" => Some(ExitStatus::Code(0)),
            b"{\"signal\":9}" => Some(ExitStatus::Signal(9)),
            b"{\"oom_killed\":true}" => Some(ExitStatus::Unreported),
            _ => None,
        });
        let mut run = Run::new(LINES);
        run.opened();
        for read in reads(bytes, &cuts) {
            run.push(read, &mut Batch::default()).unwrap();
        }
        let over = run.over(Over::Ended);
        let known = whole.iter().any(|event| event.data.starts_with(b"{\"pid\""));
        match (expected, run.step()) {
            (Some(status), step) => {
                prop_assert!(matches!(step, Step::Done(exit) if exit.status == status), "{step:?}");
            }
            (None, step) if known => prop_assert_eq!(step, Step::Follow { pid: PID }),
            (None, step) => {
                prop_assert_eq!(over, Err(Code::StreamEndedWithoutExit));
                prop_assert_eq!(step, Step::Read);
            }
        }
    }
}

#[test]
fn a_server_without_runs_gives_the_same_result() {
    let log = vec![(Stream::Stderr, "a".to_owned()), (Stream::Stdout, "b".to_owned())];
    let healthy = follow::Connection {
        breaks_at: 2.0,
        honors: false,
        order: None,
        lost: None,
        doubled: None,
        early: None,
        cuts: Vec::new(),
    };
    let server = Server {
        log,
        ids: follow::Ids::None,
        connections: vec![healthy],
        exit: None,
        has_run: false,
    };
    let exit = Exit { status: ExitStatus::Code(7), reason: None };
    for (status, code, taken) in [
        (405, None, true),
        (501, None, true),
        (404, None, true),
        (404, Some("ROUTE_NOT_FOUND"), true),
        (404, Some("NOT_FOUND"), true),
        (404, Some("SANDBOX_NOT_FOUND"), false),
        (404, Some("EXECUTABLE_NOT_FOUND"), false),
        (500, None, false),
        (503, Some("SANDBOX_NOT_RUNNING"), false),
    ] {
        let mut run = Run::new(LINES);
        assert_eq!(run.refused(status, code), taken, "{status} {code:?}");
        if taken {
            let records = [Standing::Running, Standing::Ended(exit)].into_iter();
            let (result, seen) = drive(&mut run, &[], Over::Broke, &server, records);
            assert_eq!(result, Ok(exit));
            assert_eq!(seen, follow::by_stream(server.log.iter().cloned()));
        }
    }
}

#[test]
fn a_status_that_the_server_lost_is_an_error() {
    let mut run = Run::new(LINES);
    run.started(PID, Some(1), false);
    run.followed(None);
    assert_eq!(run.looked(Standing::Lost), Err(StreamError::ExitLost));
    assert_eq!(StreamError::ExitLost.code(), Code::StreamEndedWithoutExit);
}
