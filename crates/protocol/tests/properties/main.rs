//! Properties: what is incremental against what is naive and has everything before it.

mod channel;
mod event;
mod follow;
mod json;
mod naive;
mod oracle;
mod output;
mod pieces;
mod run;
mod sse;
mod terminal;
mod text;
mod transcript;

use proptest::prelude::*;
use proptest::sample::Index;

/// Where bytes are cut into reads.
fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..6)
}

/// The reads; some may be empty.
fn reads<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    at.push(bytes.len());
    let mut start = 0;
    at.into_iter().map(|end| &bytes[std::mem::replace(&mut start, end)..end]).collect()
}
