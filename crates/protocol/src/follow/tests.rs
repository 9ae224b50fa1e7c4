use super::*;

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
fn tries_count_in_a_row_and_life_ends_the_row() {
    let mut follow = follow(3);
    assert_eq!(connection(&mut follow, b""), wait(1, 100));
    assert_eq!(connection(&mut follow, b"data: {\"line"), wait(2, 200));
    // A new event and a keep-alive are life, an event that came before is none.
    assert_eq!(connection(&mut follow, EVENT), wait(1, 100));
    assert_eq!(connection(&mut follow, EVENT), wait(2, 200));
    assert_eq!(connection(&mut follow, b":\n\n"), wait(1, 100));
    assert_eq!(connection(&mut follow, EVENT), wait(2, 200));
    assert_eq!(connection(&mut follow, EVENT), wait(3, 400));
    assert_eq!(connection(&mut follow, EVENT), None);
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
    assert_eq!(second(EVENT, EOF).1, Err(StreamError::Forgotten));
    assert_eq!(second(&twice, &[EVENT, EOF].concat()).1, Err(StreamError::ShortReplay));
    let (mut follow, result) = second(EVENT, &[&twice, EOF].concat());
    assert_eq!((result, follow.step()), (Ok(()), Step::Count));
    // A count that could not be had is asked for again, without a new connection.
    assert_eq!(follow.broke(&Failure::Lost, 0.0), wait(1, 100));
    assert_eq!(follow.step(), Step::Count);
    // A server that counts more has ended the output early, one that counts less writes its logs late.
    assert_eq!(follow.counted(3), Err(StreamError::Cut));
    assert!(matches!(follow.step(), Step::Connect { .. }));
    follow.connected();
    follow.push(&[&twice, EOF].concat(), &mut Batch::default()).unwrap();
    assert_eq!((follow.counted(1), follow.step()), (Err(StreamError::Cut), Step::Count));
    assert_eq!((follow.counted(2), follow.step()), (Ok(()), Step::Done));
}

#[test]
fn a_first_connection_without_numbers_is_settled_too() {
    let of = |bytes: &[u8], count: u64| {
        let mut follow = follow(3);
        follow.connected();
        follow.push(&[bytes, EOF].concat(), &mut Batch::default()).unwrap();
        assert_eq!(follow.step(), Step::Count);
        let mut result = follow.counted(count);
        for _ in 1..COUNTS {
            follow.connected();
            follow.push(&[bytes, EOF].concat(), &mut Batch::default()).unwrap();
            result = follow.counted(count);
        }
        result
    };
    assert_eq!(of(b"", 0), Ok(()));
    let miscount = |server, delivered| Err(StreamError::Miscount { server, delivered });
    assert_eq!(of(b"", 1), miscount(1, 0));
    assert_eq!(of(EVENT, 2), miscount(2, 1));
    // A server that marks the exit has said it.
    let mark = b"event: exit\ndata: {\"exit_code\":0,\"line_count\":1}\n\n";
    let mut marked = follow(3);
    marked.connected();
    marked.push(&[EVENT, mark, EOF].concat(), &mut Batch::default()).unwrap();
    assert_eq!(marked.step(), Step::Done);
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
    assert_eq!(two_connections(&one, Some(1), &both), (1, Step::Count));
}

#[test]
fn an_event_without_a_number_of_its_own_is_no_place() {
    let both = [&numbered(1)[..], EVENT].concat();
    let again = [&both[..], &numbered(2)].concat();
    assert_eq!(two_connections(&both, None, &again), (1, Step::Count));
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
