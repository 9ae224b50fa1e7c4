//! A channel's message that is understood is understood the same once it has been written again.
#![cfg_attr(fuzzing, no_main)]

mod common;

use shoreline_protocol::channel::{Ask, Opening, Tell};

common::target!(check, seeds());

fn check(message: &[u8]) {
    if let Some((channel, ask)) = Ask::decode(message) {
        assert_eq!(Ask::decode(&ask.encode(channel)), Some((channel, ask.clone())));
    }
    if let Some((channel, tell)) = Tell::decode(message) {
        assert_eq!(tell.encode(channel), message);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let headers = vec![("last-event-id", "17"), ("accept", "text/event-stream")];
    let opening = Opening { method: "POST", path: "/api/v1/processes/run", headers, body: b"{}" };
    let asks = [Ask::Open { credit: 9, opening }, Ask::Credit(1 << 20), Ask::Close];
    let tells =
        [Tell::Opened, Tell::Refused(404, b"{}"), Tell::Data(b"data: x"), Tell::End, Tell::Broken];
    asks.map(|ask| ask.encode(7)).into_iter().chain(tells.map(|tell| tell.encode(7))).collect()
}
