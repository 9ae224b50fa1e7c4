use super::*;
use crate::tally::TallyReader;
use alloc::string::String;

const LINES: Lines = Lines { limit: 100, long: LongLine::Refuse, pieces: false };
const EVENT: &[u8] = b"data: {\"line\":\"a\"}\n\n";
const EOF: &[u8] = b"event: eof\ndata: {}\n\n";

fn follow(max_retries: u32) -> Follow {
    let policy = Policy { max_retries, base_ms: 100, max_delay_ms: 1000 };
    Follow::new(Position::default(), LINES, policy)
}

/// One connection that brings `bytes`, and breaks.
fn connection(follow: &mut Follow, bytes: &[u8]) -> Option<Wait> {
    assert!(matches!(follow.step(), Step::Connect { .. }));
    follow.connected();
    follow.push(bytes, &mut Batch::default()).unwrap();
    assert_eq!(follow.ended(), Err(StreamError::Cut));
    follow.broke(&Failure::Lost, 0.0)
}

fn wait(attempt: u32, delay_ms: u64) -> Option<Wait> {
    Some(Wait { attempt, delay_ms })
}

#[test]
fn tries_count_in_a_row_and_a_new_event_ends_the_row() {
    let mut follow = follow(3);
    assert_eq!(connection(&mut follow, b""), wait(1, 100));
    assert_eq!(connection(&mut follow, b"data: {\"line"), wait(2, 200));
    assert_eq!(connection(&mut follow, EVENT), wait(1, 100));
    // Neither an event that came before nor a keep-alive is new.
    assert_eq!(connection(&mut follow, EVENT), wait(2, 200));
    assert_eq!(connection(&mut follow, b":\n\n"), wait(3, 400));
    assert_eq!(connection(&mut follow, &[EVENT, EVENT].concat()), wait(1, 100));
    for tries in 2..=3 {
        assert!(connection(&mut follow, b":\n\n").is_some_and(|wait| wait.attempt == tries));
    }
    assert_eq!(connection(&mut follow, b":\n\n"), None);
    assert_eq!(follow.verdict(Code::ConnectionLost, None), Code::StreamBroken);
}

#[test]
fn a_server_that_wants_rest_gets_it_up_to_the_longest_wait() {
    for (retry, delay) in [(b"retry: 700\n\n".as_slice(), 700), (b"retry: 9999\n\n", 1000)] {
        assert_eq!(connection(&mut follow(3), retry), wait(1, delay));
    }
    let mut follow = follow(3);
    assert_eq!(connection(&mut follow, EVENT), wait(1, 100));
    let busy = Failure::Status { status: 429, server_code: None, retry_after_ms: Some(900) };
    assert_eq!(follow.broke(&busy, 0.0), wait(2, 900));
    let stopped = Failure::Status {
        status: 503,
        server_code: Some("SANDBOX_NOT_RUNNING"),
        retry_after_ms: None,
    };
    assert_eq!(follow.broke(&stopped, 0.0), None);
}

#[test]
fn a_first_try_that_fails_is_told_as_what_it_is() {
    let first = follow(3);
    for code in [Code::ConnectFailed, Code::NotFound, Code::ConnectTimeout] {
        assert_eq!(first.verdict(code, None), code);
    }
    let begun = Follow::of_known_process(Position::default(), LINES, Policy::default());
    assert_eq!(begun.verdict(Code::ConnectFailed, None), Code::StreamBroken);
    assert_eq!(begun.verdict(Code::NotFound, Some(404)), Code::ProcessGone);
    assert_eq!(begun.verdict(Code::SandboxNotFound, Some(404)), Code::SandboxNotFound);
    assert_eq!(begun.verdict(Code::InvalidRequest, Some(410)), Code::OutputGap);
    assert_eq!(begun.verdict(Code::IdleTimeout, None), Code::IdleTimeout);
}

#[test]
fn a_replay_is_settled_at_the_end() {
    let second = |first: &[u8], bytes: &[u8]| {
        let mut follow = follow(3);
        connection(&mut follow, first);
        follow.connected();
        let result = follow.push(bytes, &mut Batch::default());
        (follow, result)
    };
    let twice = [EVENT, EVENT].concat();
    for (first, again, error) in [
        (EVENT, EOF, StreamError::Forgotten),
        (&twice, &[EVENT, EOF].concat(), StreamError::ShortReplay),
    ] {
        let (mut follow, result) = second(first, again);
        assert_eq!((result, follow.step()), (Ok(()), Step::Probe));
        assert_eq!(follow.probed(true), Err(error));
        // Where logs are written late, the rest may come.
        let (mut follow, _) = second(first, again);
        assert_eq!(follow.probed(false), Ok(()));
        assert_eq!(follow.step(), Step::Settle { wait_ms: 0, look: true });
    }
    let (mut follow, result) = second(EVENT, &[&twice, EOF].concat());
    assert_eq!((result, follow.step()), (Ok(()), Step::Probe));
    // What could not be had is asked for again, without a new connection.
    assert_eq!(follow.broke(&Failure::Lost, 0.0), wait(1, 100));
    assert_eq!(follow.step(), Step::Probe);
    follow.probed(true).unwrap();
    let settle = |wait_ms| Step::Settle { wait_ms, look: false };
    assert_eq!(follow.step(), settle(0));
    // A server that has more has ended the output early, one that has less writes its logs late.
    assert_eq!(follow.settled(false, &held(&follow, "aaa")), Err(StreamError::Cut));
    assert!(matches!(follow.step(), Step::Connect { .. }));
    follow.connected();
    follow.push(&[&twice, EOF].concat(), &mut Batch::default()).unwrap();
    assert_eq!(follow.settled(false, &held(&follow, "a")), Ok(()));
    assert_eq!(follow.step(), settle(STILL_MS));
    assert_eq!(follow.settled(false, &held(&follow, "aa")), Ok(()));
    assert_eq!(follow.step(), Step::Done);
}

/// What a server has of stdout, a line for each character, and nothing of stderr.
fn held(follow: &Follow, lines: &str) -> [Held; 2] {
    let [stdout, stderr] = follow.delivered();
    let read = |delivered, lines: &str| {
        let lines: alloc::vec::Vec<_> =
            lines.chars().map(|line| alloc::format!("\"{line}\"")).collect();
        let mut reader = TallyReader::new(delivered);
        reader.push(alloc::format!("{{\"lines\":[{}]}}", lines.join(",")).as_bytes()).unwrap();
        reader.finish().unwrap()
    };
    [read(stdout, lines), read(stderr, "")]
}

/// The output `lines`, a character each, to the end.
fn output(lines: &str) -> alloc::vec::Vec<u8> {
    let mut bytes = String::new();
    for line in lines.chars() {
        bytes += &alloc::format!("data: {{\"line\":\"{line}\",\"stream\":\"stdout\"}}\n\n");
    }
    [bytes.as_bytes(), EOF].concat()
}

#[test]
fn a_first_connection_without_numbers_is_settled_where_the_server_has_no_run() {
    let first = |lines: &str, has_run| {
        let mut follow = follow(3);
        follow.connected();
        follow.push(&output(lines), &mut Batch::default()).unwrap();
        assert_eq!(follow.step(), Step::Probe);
        follow.probed(has_run).unwrap();
        follow
    };
    assert_eq!(first("ab", true).step(), Step::Done);
    let settle = |wait_ms| Step::Settle { wait_ms, look: true };

    // Lines may come late after the process has ended, so that a count from before its end proves nothing.
    let mut still = first("ab", false);
    for (running, wait_ms) in [(true, 0), (true, 150), (false, 300), (false, 600)] {
        assert_eq!(still.step(), settle(wait_ms));
        still.settled(running, &held(&still, "ab")).unwrap();
    }
    assert_eq!(still.step(), Step::Done);

    // What comes late is had from another connection.
    let mut late = first("ab", false);
    late.settled(false, &held(&late, "ab")).unwrap();
    assert_eq!(late.settled(false, &held(&late, "abc")), Err(StreamError::Cut));
    late.connected();
    let mut batch = Batch::default();
    late.push(&output("abc"), &mut batch).unwrap();
    assert_eq!((batch.text.as_str(), late.step()), ("c\n", settle(0)));
    late.settled(false, &held(&late, "abc")).unwrap();
    late.settled(false, &held(&late, "abc")).unwrap();
    assert_eq!(late.step(), Step::Done);

    // A line that was lost, one that was doubled, and both at once.
    for (delivered, server) in [("ac", "abc"), ("abb", "ab"), ("aac", "abc")] {
        let mut wrong = first(delivered, false);
        let mut result = Ok(());
        for _ in 0..9 {
            if result.is_ok() {
                result = wrong.settled(false, &held(&wrong, server));
            }
        }
        let miscount = StreamError::Miscount { server: 2, delivered: 3 };
        let due = if server == "ab" { miscount } else { StreamError::Contradicted };
        assert_eq!(result, Err(due), "{delivered} for {server}");
    }
}

#[test]
fn a_mark_of_the_exit_settles_the_output() {
    let of = |lines: u64| {
        let mut marked = follow(3);
        let mark =
            alloc::format!("event: exit\ndata: {{\"exit_code\":0,\"line_count\":{lines}}}\n\n");
        marked.connected();
        let result = marked.push(&[EVENT, mark.as_bytes(), EOF].concat(), &mut Batch::default());
        (result, marked.step())
    };
    assert_eq!(of(1), (Ok(()), Step::Done));
    assert_eq!(of(2), (Err(StreamError::Cut), Step::Connect { last_event_id: None }));
    assert!(matches!(of(0), (Err(StreamError::Miscount { server: 0, delivered: 1 }), _)));
}

#[test]
fn a_replay_that_is_another_one_is_told_from_what_was_delivered() {
    let mut follow = follow(3);
    let other = b"data: {\"line\":\"b\"}\n\n";
    connection(&mut follow, EVENT);
    follow.connected();
    let result = follow.push(&[other, EVENT, EOF].concat(), &mut Batch::default());
    assert_eq!(result, Err(StreamError::Contradicted));
}

fn numbered(id: u64) -> alloc::vec::Vec<u8> {
    alloc::format!("id: {id}\ndata: {{\"line\":\"a\"}}\n\n").into_bytes()
}

/// The number of events that two connections deliver, and the machine's next step.
fn two_connections(first: &[u8], last_event_id: Option<u64>, second: &[u8]) -> (usize, Step) {
    let mut follow = follow(3);
    connection(&mut follow, first);
    assert_eq!(follow.step(), Step::Connect { last_event_id });
    follow.connected();
    let mut batch = Batch::default();
    follow.push(&[second, EOF].concat(), &mut batch).unwrap();
    (batch.len(), follow.step())
}

#[test]
fn numbers_that_are_heeded_need_no_count() {
    let (one, two) = (numbered(1), numbered(2));
    assert_eq!(two_connections(&one, Some(1), &two), (1, Step::Done));
    // Who sends it again may have another log by now.
    let both = [&one[..], &two].concat();
    let settle = Step::Settle { wait_ms: 0, look: false };
    assert_eq!(two_connections(&one, Some(1), &both), (1, settle));
}

#[test]
fn an_event_without_a_number_of_its_own_is_no_place() {
    let both = [&numbered(1)[..], EVENT].concat();
    let again = [&both[..], &numbered(2)].concat();
    let settle = Step::Settle { wait_ms: 0, look: false };
    assert_eq!(two_connections(&both, None, &again), (1, settle));
}

#[test]
fn numbers_that_contradict_each_other_are_not_gone_on_from() {
    let event = b"id: 1\ndata: {\"line\":\"a\"}\n\n";
    let mut twice = follow(3);
    twice.connected();
    twice.push(&event.repeat(2), &mut Batch::default()).unwrap();
    assert_eq!(twice.broke(&Failure::Lost, 0.0), None);
    assert_eq!(twice.verdict(Code::StreamBroken, None), Code::OutputGap);
}
