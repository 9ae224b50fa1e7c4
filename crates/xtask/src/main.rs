//! Builds the package and runs its gates.
fn main() {}
