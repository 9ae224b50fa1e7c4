//! Request and answer bodies: JSON as the API has it.

pub(crate) mod process;
pub(crate) mod sandbox;
