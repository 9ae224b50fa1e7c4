use proptest::prelude::*;
use shoreline_protocol::channel::{Ask, Opening, Tell};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn a_request_is_read_as_it_was_written(
        channel in any::<u32>(),
        credit in any::<u32>(),
        method in "[A-Z]{1,7}",
        path in "/[!-~]{0,40}",
        headers in prop::collection::vec(("[A-Za-z][A-Za-z0-9-]{0,20}", "([!-~]([ -~]{0,30}[!-~])?)?"), 0..6),
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let headers = headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let opening = Opening { method: &method, path: &path, headers, body: &body };
        let ask = Ask::Open { credit, opening };
        let message = ask.encode(channel);
        prop_assert_eq!(Ask::decode(&message), Some((channel, ask)));
    }

    #[test]
    fn every_other_message_is_read_as_it_was_written(
        channel in any::<u32>(),
        number in any::<u32>(),
        status in any::<u16>(),
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        for ask in [Ask::Credit(number), Ask::Close] {
            let message = ask.encode(channel);
            prop_assert_eq!(Ask::decode(&message), Some((channel, ask)));
        }
        let tells =
            [Tell::Opened, Tell::Refused(status, &bytes), Tell::Data(&bytes), Tell::End, Tell::Broken];
        for tell in tells {
            let message = tell.encode(channel);
            prop_assert_eq!(Tell::decode(&message), Some((channel, tell)));
        }
    }

    #[test]
    fn what_is_understood_is_understood_the_same_when_it_is_written_again(
        message in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            // Most of what is random is no message.
            (0_u8..10, prop::collection::vec(any::<u8>(), 4..20)).prop_map(|(op, rest)| [vec![op], rest].concat()),
            "\u{1}[a-z]{8}(GET|POST|get|) ?/?[a-z/ ]{0,8}\n([a-z-]{0,4}:? ?[a-z]{0,4}\n){0,2}\n?[a-z\n]{0,4}"
                .prop_map(String::into_bytes),
        ],
    ) {
        if let Some((channel, ask)) = Ask::decode(&message) {
            let again = ask.encode(channel);
            prop_assert_eq!(Ask::decode(&again), Some((channel, ask)));
        }
        if let Some((channel, tell)) = Tell::decode(&message) {
            prop_assert_eq!(tell.encode(channel), message);
        }
    }

    #[test]
    fn a_message_that_is_cut_is_none_or_a_shorter_one(
        cut in any::<prop::sample::Index>(),
        body in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let headers = vec![("last-event-id", "17"), ("authorization", "Bearer key")];
        let opening = Opening { method: "GET", path: "/api/v1/x?y=1", headers, body: &body };
        let whole = Ask::Open { credit: 9, opening: opening.clone() }.encode(7);
        let cut = cut.index(whole.len());
        match Ask::decode(&whole[..cut]) {
            None => prop_assert!(cut < whole.len() - body.len()),
            Some((7, Ask::Open { credit: 9, opening: shorter })) => {
                let body = &body[..body.len() - (whole.len() - cut)];
                prop_assert_eq!(shorter, Opening { body, ..opening });
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let open = |text: &str| [&[1, 0, 0, 0, 7, 0, 0, 0, 9][..], text.as_bytes()].concat();
    assert!(Ask::decode(&open("GET /\n\n")).is_some());
    for text in [
        "",
        "GET /",
        "GET /\n",
        "GET\n\n",
        " /\n\n",
        "get /\n\n",
        "GET x\n\n",
        "GET  /\n\n",
        "GET / HTTP/1.1\n\n",
        "GET /\r\n\r\n",
        "GET /é\n\n",
        "GET /\u{7f}\n\n",
        "GET /\nname\n\n",
        "GET /\n: value\n\n",
        "GET /\na b: value\n\n",
        "GET /\nname: \t\n\n",
        "GET /\nname: é\n\n",
    ] {
        assert_eq!(Ask::decode(&open(text)), None, "{text:?}");
    }
    let many = |count| open(&format!("GET /\n{}\n", "a: b\n".repeat(count)));
    assert!(Ask::decode(&many(32)).is_some() && Ask::decode(&many(33)).is_none());
}
