//! The WebAssembly core.
