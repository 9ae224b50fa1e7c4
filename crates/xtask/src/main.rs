//! The parts of the build that are Rust's: the wasm's glue, and TypeScript made from Rust types.
//!
//! `cargo run -p xtask -- bindgen IN.wasm OUT_DIR`, `… types [--check]`.

mod types;

use anyhow::{Context as _, Result, bail};
use std::path::Path;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["bindgen", input, out] => bindgen(Path::new(input), Path::new(out)),
        ["types"] => types::write(),
        ["types", "--check"] => types::check(),
        _ => bail!("usage: xtask bindgen IN.wasm OUT_DIR | xtask types [--check]"),
    }
}

/// One wasm and one glue for every runtime: the glue finds nothing by itself, each loader hands it
/// the module.
fn bindgen(input: &Path, out: &Path) -> Result<()> {
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(input)
        .out_name("shoreline")
        .web(true)?
        .omit_default_module_path(true)
        .typescript(true)
        .generate(out)
        .with_context(|| format!("making the glue of {}", input.display()))
}
