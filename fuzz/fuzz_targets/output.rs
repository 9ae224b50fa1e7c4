//! Output in pieces is output as a whole, and, where serde_json can read it, as serde_json has it.
#![no_main]

mod common;
#[path = "../../crates/protocol/tests/properties/naive.rs"]
mod naive;
#[path = "../../crates/protocol/tests/properties/oracle.rs"]
mod oracle;

use libfuzzer_sys::fuzz_target;
use shoreline_protocol::output::{LongLine, Mode};

fuzz_target!(|input: &[u8]| {
    let (bytes, reads) = common::cut(input);
    let cases = [
        (Mode::Run, LongLine::Refuse, true),
        (Mode::Follow, LongLine::Cut, true),
        (Mode::Follow, LongLine::Cut, false),
        (Mode::FollowToExit, LongLine::Refuse, true),
    ];
    for (mode, long, pieces) in cases {
        let seen = oracle::decode(mode, 10, long, pieces, &reads);
        assert_eq!(seen, oracle::decode(mode, 10, long, pieces, &[bytes]));
        if common::is_readable(bytes) {
            let mut expected = oracle::oracle(mode, 10, long, pieces, bytes);
            // serde_json reads times to the last digit.
            for (event, seen) in expected.events.iter_mut().zip(&seen.events) {
                event.time_bits = seen.time_bits;
            }
            assert_eq!(seen, expected);
        }
    }
});
