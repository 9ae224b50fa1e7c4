//! A terminal's message that is understood is understood the same once it has been written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoreline_protocol::pty::{Input, Output};

fuzz_target!(|message: &[u8]| {
    if let Some(input) = Input::decode(message) {
        assert_eq!(Input::decode(&input.encode()), Some(input));
    }
    if let Some(output) = Output::decode(message) {
        assert_eq!(Output::decode(&output.encode()), Some(output));
    }
});
