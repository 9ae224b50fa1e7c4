// Made by `cargo xtask types` from Rust; never edited.

export const version = "0.1.0";
