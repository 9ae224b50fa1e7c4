//! The JSON bodies of requests and answers.

pub(crate) mod process;
pub(crate) mod sandbox;
