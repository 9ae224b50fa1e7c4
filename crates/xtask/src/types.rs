//! TypeScript that is made from Rust: the types that cross the boundary, and the error codes.

use shoreline_protocol::error::{Code, Kind};
use anyhow::{Result, bail};
use std::fmt::Write as _;
use std::path::Path;

const NOTE: &str = "// Made by `cargo xtask types` from Rust; never edited.\n\n";

fn files() -> [(&'static str, String); 3] {
    [("types.ts", types()), ("errors.ts", errors()), ("version.ts", version())]
}

/// Writes what has changed, so that what is built from it stays.
pub(crate) fn write() -> Result<()> {
    for (name, text) in files() {
        let path = Path::new("js/src/generated").join(name);
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            std::fs::write(path, text)?;
        }
    }
    Ok(())
}

/// Fails where a file is not what Rust makes.
pub(crate) fn check() -> Result<()> {
    for (name, text) in files() {
        let path = Path::new("js/src/generated").join(name);
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            bail!("{} is out of date: run `cargo run -p xtask -- types`", path.display());
        }
    }
    Ok(())
}

fn version() -> String {
    format!("{NOTE}export const version = \"{}\";\n", env!("CARGO_PKG_VERSION"))
}

fn types() -> String {
    let mut out = NOTE.to_owned();
    for line in shoreline::types::typescript().lines() {
        // An option that is there and undefined is as good as absent, under strict flags too.
        let line = line.trim_end();
        match line.split_once("?: ") {
            Some((name, rest)) if !line.starts_with([' ', '/']) => {
                let (kind, end) = rest.split_at(rest.rfind(',').unwrap_or(rest.len()));
                let _ = writeln!(out, "{name}?: {kind} | undefined{end}");
            }
            _ => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

fn errors() -> String {
    let mut out = NOTE.to_owned();
    out.push_str("/** A stable error code. */\nexport type ErrorCode =\n");
    for code in Code::ALL {
        let _ = writeln!(out, "  /** {} */\n  | \"{}\"", code.doc(), code.as_str());
    }
    out.push_str("\n/** The class of an error. */\nexport type ErrorKind =\n");
    let mut kinds: Vec<Kind> = Vec::new();
    for kind in Code::ALL.iter().map(|code| code.kind()) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
            let _ = writeln!(out, "  | \"{}\"", kind.as_str());
        }
    }
    out
}
