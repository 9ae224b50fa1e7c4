//! The local sandbox server.
fn main() {}
