use proptest::prelude::*;
use shoreline_protocol::limits::PTY_CREDIT_BYTES;
use shoreline_protocol::pty::{Input, Loss, Output};
use shoreline_protocol::retry::Policy;
use shoreline_protocol::terminal::{News, Terminal};

/// A session whose output is the numbers of its bytes, and a server that keeps the last of it.
struct Session {
    kept: u64,
    written: u64,
}

impl Session {
    fn byte(at: u64) -> u8 {
        (at % 251) as u8
    }

    /// Where a client that attaches begins, and what it gets, cut into messages.
    fn history(&self, wanted: Option<u64>, counts: bool, cut: usize) -> (u64, Vec<Vec<u8>>) {
        let start = self.written.saturating_sub(self.kept);
        let from = wanted.filter(|_| counts).unwrap_or(start).clamp(start, self.written);
        let bytes: Vec<u8> = (from..self.written).map(Self::byte).collect();
        let position = counts.then(|| Output::Position(from).encode());
        let data = bytes.chunks(cut).map(|data| Output::Data(data).encode());
        (from, position.into_iter().chain(data).collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// However often the connection breaks: every byte once and in order, or a gap that is told, or a
    /// screen that begins anew with what the server keeps.
    #[test]
    fn nothing_comes_twice_and_nothing_is_missing_in_silence(
        connections in prop::collection::vec(
            (0_u64..40, 0_usize..8, 1_usize..9, 0_u64..20, 0_u8..6),
            1..12,
        ),
        kept in 1_u64..60,
        counts in any::<bool>(),
        honors in any::<bool>(),
    ) {
        let mut terminal = Terminal::default();
        let mut session = Session { kept, written: 0 };
        // What the screen shows, and which byte comes next where that is known.
        let mut shown: Vec<u8> = Vec::new();
        let mut next = None;
        for (written, read, cut, live, other) in connections {
            session.written += written;
            // Behind one address there may be servers of two kinds.
            let counts = counts ^ (other == 0);
            let ready = terminal.ready();
            let wanted = ready.get(1..9).map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
            // A server may count, and yet begin where it likes.
            let (from, mut messages) = session.history(wanted.filter(|_| honors), counts, cut);
            let more: Vec<u8> = (session.written..session.written + live).map(Session::byte).collect();
            session.written += live;
            messages.push(Output::Data(&more).encode());
            let all = messages.len();
            if read > 0 {
                // Who comes late is told nothing of what was before.
                next = if counts { next.or(Some(from)) } else { None };
            }
            for message in messages.into_iter().take(read.min(all)) {
                let news = terminal.receive(&message);
                match news {
                    None => {}
                    Some(News::Gap(bytes)) => {
                        next = next.map(|next: u64| next + bytes);
                        shown.clear();
                    }
                    Some(News::Anew(data) | News::Data(data)) => {
                        if matches!(news, Some(News::Anew(_))) {
                            shown.clear();
                            next = counts.then_some(from);
                        }
                        if let Some(next) = &mut next {
                            for byte in data {
                                prop_assert_eq!(*byte, Session::byte(*next));
                                *next += 1;
                            }
                        }
                        shown.extend(data);
                    }
                    Some(News::Exit(_)) => prop_assert!(false),
                }
            }
            prop_assert_eq!(terminal.closed(None, ""), Err(Loss::ConnectionLost));
            prop_assert!(shown.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 251), "{:?}", shown);
        }
    }

    /// Whatever is sent, consumed and broken: no more waits for the consumer than the window, and once it has
    /// consumed everything there is credit again.
    #[test]
    fn credit_is_given_for_what_is_consumed(
        steps in prop::collection::vec((0_u8..8, 0_u64..300_000), 1..200),
    ) {
        const WINDOW: u64 = PTY_CREDIT_BYTES as u64;
        let mut terminal = Terminal::default();
        let (mut position, mut waiting) = (0, 0);
        // What this connection has sent and may send, once the server has said that it takes part.
        let (mut sent, mut credit, mut agreed) = (0, terminal.credit(), false);
        terminal.ready();
        terminal.receive(&Output::Position(0).encode());
        for (step, amount) in steps {
            let given = match step {
                0 => {
                    // In a new connection, with a part of the output again.
                    (credit, agreed) = (terminal.credit(), false);
                    prop_assert!(credit + waiting <= WINDOW);
                    terminal.ready();
                    let from = position - amount.min(position).min(credit);
                    terminal.receive(&Output::Position(from).encode());
                    sent = position - from;
                    let again = vec![0; sent as usize];
                    let again = Output::Data(&again).encode();
                    prop_assert_eq!(terminal.receive(&again), None);
                    terminal.consumed(0)
                }
                1 => {
                    agreed = true;
                    terminal.receive(&Output::Credit(amount).encode());
                    terminal.consumed(0)
                }
                2..5 => {
                    let data = vec![0; amount.min(credit - sent) as usize];
                    sent += data.len() as u64;
                    position += data.len() as u64;
                    waiting += data.len() as u64;
                    terminal.receive(&Output::Data(&data).encode());
                    None
                }
                _ => {
                    let consumed = amount.min(waiting);
                    waiting -= consumed;
                    terminal.consumed(consumed)
                }
            };
            if let Some(message) = given {
                let Some(Input::Credit(bytes)) = Input::decode(&message) else { panic!() };
                prop_assert!(agreed && bytes > credit);
                credit = bytes;
            }
            prop_assert!(waiting + credit - sent <= WINDOW);
        }
        if agreed {
            if let Some(Input::Credit(bytes)) = terminal.consumed(waiting).as_deref().and_then(Input::decode) {
                credit = bytes;
            }
            prop_assert!(credit - sent > WINDOW / 2);
        }
    }

    #[test]
    fn input_is_held_back_where_the_server_has_no_room(rooms in prop::collection::vec(0_u64..100_000, 1..20)) {
        let mut terminal = Terminal::default();
        terminal.credit();
        terminal.ready();
        prop_assert!(!terminal.has_flow_control());
        prop_assert!(terminal.input(usize::MAX) > 0);
        for connection in [1, 2] {
            let mut room = 0;
            let mut sent = 0;
            for more in &rooms {
                room += more;
                terminal.receive(&Output::Credit(room).encode());
                // What is less than before changes nothing.
                terminal.receive(&Output::Credit(room / 2).encode());
                loop {
                    match terminal.input(50_000) as u64 {
                        0 => break,
                        bytes => sent += bytes,
                    }
                }
                prop_assert!(sent <= room && (connection == 1 || sent == room), "{sent} of {room}");
            }
            terminal.credit();
            terminal.ready();
        }
    }

    #[test]
    fn any_message_is_taken(messages in prop::collection::vec(any::<Vec<u8>>(), 0..9)) {
        let mut terminal = Terminal::default();
        terminal.ready();
        for message in &messages {
            terminal.receive(message);
        }
    }
}

#[test]
fn it_comes_back_only_where_that_can_help_and_not_for_ever() {
    let policy = Policy { max_retries: 2, base_ms: 100, max_delay_ms: 1000 };
    for loss in [Loss::SessionTerminated, Loss::Policy, Loss::InputRateLimit, Loss::ExitUnknown] {
        assert_eq!(Terminal::default().again(loss, 0.0, &policy), None);
    }
    let mut terminal = Terminal::default();
    let mut again = || terminal.again(Loss::ConnectionLost, 0.0, &policy);
    assert_eq!([again(), again(), again()], [Some(100), Some(200), None]);
    terminal.ready();
    terminal.receive(&Output::Data(b"x").encode());
    assert_eq!(terminal.again(Loss::ConnectionLost, 0.0, &policy), Some(100));
    assert_eq!(terminal.closed(Some(1000), "exit:3"), Ok(3));
    assert_eq!(terminal.again(Loss::ConnectionLost, 0.0, &policy), None);
}

#[test]
fn a_screen_that_is_to_begin_anew_does_so_however_late_its_output_comes() {
    let mut terminal = Terminal::default();
    terminal.ready();
    terminal.receive(&Output::Data(b"a").encode());
    // Another server, which counts, has nothing to say before it is gone again.
    for _ in 0..2 {
        terminal.ready();
        assert_eq!(terminal.receive(&Output::Position(0).encode()), None);
    }
    assert_eq!(terminal.receive(&Output::Data(b"ab").encode()), Some(News::Anew(b"ab")));
}
