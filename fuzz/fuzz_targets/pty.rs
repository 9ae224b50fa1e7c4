//! A terminal's message that is understood is understood the same once it has been written again.
#![cfg_attr(fuzzing, no_main)]

mod common;

use shoreline_protocol::pty::{Input, Output};

common::target!(check, common::messages());

fn check(message: &[u8]) {
    if let Some(input) = Input::decode(message) {
        assert_eq!(Input::decode(&input.encode()), Some(input));
    }
    if let Some(output) = Output::decode(message) {
        assert_eq!(Output::decode(&output.encode()), Some(output));
    }
}
