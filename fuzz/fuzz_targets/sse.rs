//! The stream in pieces is the stream as a whole, and as a naive decoder has it, within its limit.
#![cfg_attr(fuzzing, no_main)]

mod common;
#[path = "../../crates/protocol/tests/properties/naive.rs"]
mod naive;

common::target!(check, common::streams("sse"));

fn check(input: &[u8]) {
    let (bytes, reads) = common::cut(input);
    let mut expected = naive::decode(bytes);
    let longest = std::mem::take(&mut expected.longest);
    assert_eq!(naive::in_pieces(&reads, longest), (expected, false));
    if longest > 0 {
        let too_long = naive::in_pieces(&reads, longest - 1);
        assert_eq!(too_long, naive::in_pieces(&[bytes], longest - 1));
        assert!(too_long.1);
    }
}
