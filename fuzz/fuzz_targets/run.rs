//! A run's stream comes to the same whatever its pieces, and to no exit that does not stand in it.
#![cfg_attr(fuzzing, no_main)]

mod common;
#[allow(dead_code)] // for the property tests
#[path = "../../crates/protocol/tests/properties/naive.rs"]
mod naive;
#[allow(dead_code)]
#[path = "../../crates/protocol/tests/properties/oracle.rs"]
mod oracle;

use shoreline_protocol::batch::Batch;
use shoreline_protocol::follow::Lines;
use shoreline_protocol::output::{End, LongLine, Mode};
use shoreline_protocol::run::{Over, Run, Step};

common::target!(check, common::streams("run"));

fn check(input: &[u8]) {
    let (bytes, reads) = common::cut(input);
    let outcome = |reads: &[&[u8]]| {
        let mut run = Run::new(Lines { limit: 10, long: LongLine::Cut, pieces: true });
        run.opened();
        let mut batch = Batch::default();
        let pushed: Result<Vec<()>, _> =
            reads.iter().map(|read| run.push(read, &mut batch)).collect();
        (pushed.err(), run.over(Over::Ended), run.step(), run.pid(), batch.text, batch.flags)
    };
    let seen = outcome(&reads);
    assert_eq!(seen, outcome(&[bytes]));
    if common::is_readable(bytes) {
        let expected = oracle::oracle(Mode::Run, 10, LongLine::Cut, true, bytes);
        let exit = if let Some(End::Exit(exit)) = expected.end { Some(exit) } else { None };
        assert_eq!(if let Step::Done(exit) = seen.2 { Some(exit) } else { None }, exit);
        assert_eq!(seen.3, expected.started.map(|(pid, _)| pid));
    }
}
