//! Output in pieces is output as a whole, and, where serde_json can read it, as serde_json has it.
#![cfg_attr(fuzzing, no_main)]

mod common;
#[allow(dead_code)] // for the property tests
#[path = "../../crates/protocol/tests/properties/naive.rs"]
mod naive;
#[allow(dead_code)]
#[path = "../../crates/protocol/tests/properties/oracle.rs"]
mod oracle;

use shoreline_protocol::output::{LongLine, Mode};

common::target!(check, [common::streams("run"), common::streams("follow")].concat());

fn check(input: &[u8]) {
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
}
