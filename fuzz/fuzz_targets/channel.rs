//! A channel's message that is understood is understood the same once it has been written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoreline_protocol::channel::{Ask, Tell};

fuzz_target!(|message: &[u8]| {
    if let Some((channel, ask)) = Ask::decode(message) {
        assert_eq!(Ask::decode(&ask.encode(channel)), Some((channel, ask.clone())));
    }
    if let Some((channel, tell)) = Tell::decode(message) {
        assert_eq!(tell.encode(channel), message);
    }
});
