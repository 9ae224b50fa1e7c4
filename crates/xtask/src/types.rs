//! Files that are generated from Rust's tables: the TypeScript types that cross the boundary, the error
//! codes and their page, and the relay's routes.

use anyhow::{Result, bail};
use shoreline_protocol::error::{Code, Kind, ServerCode};
use shoreline_protocol::route::{self, Scope};
use shoreline_protocol::signal;
use std::fmt::Write as _;
use std::path::Path;

const NOTE: &str = "// Made by `cargo xtask types` from Rust; never edited.\n\n";

fn files() -> [(&'static str, String); 6] {
    [
        ("js/src/generated/types.ts", types()),
        ("js/src/generated/errors.ts", errors()),
        ("js/src/generated/routes.ts", routes()),
        ("js/src/generated/signals.ts", signals()),
        ("js/src/generated/version.ts", version()),
        ("docs/errors.md", error_page()),
    ]
}

/// Writes what has changed, so that what is built from it stays.
pub(crate) fn write() -> Result<()> {
    for (path, text) in files() {
        let path = Path::new(path);
        if std::fs::read_to_string(path).ok().as_ref() != Some(&text) {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, text)?;
        }
    }
    Ok(())
}

/// Fails where a file is not what Rust makes.
pub(crate) fn check() -> Result<()> {
    for (path, text) in files() {
        if std::fs::read_to_string(path).ok().as_ref() != Some(&text) {
            bail!("{path} is out of date: run `cargo run -p xtask -- types`");
        }
    }
    Ok(())
}

fn version() -> String {
    format!("{NOTE}export const version = \"{}\";\n", env!("CARGO_PKG_VERSION"))
}

/// For the command line and the console: the client sends names to the core.
fn signals() -> String {
    let names = signal::NAMES.iter().map(|name| format!("  \"{name}\",\n")).collect::<String>();
    format!(
        "{NOTE}import type {{ SignalName }} from \"./types.js\";\n\n\
         /** The names of the classic signals of Linux, in the order of their numbers, from 1. */\n\
         export const SIGNALS: readonly SignalName[] = [\n{names}];\n"
    )
}

fn types() -> String {
    let mut out = NOTE.to_owned();
    for line in shoreline::types::typescript().lines() {
        // An option that is undefined counts as absent, under strict flags too.
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
    out.push_str(
        "  /** A call of `sandbox.fs` failed in the file system. */\n  | FileSystemErrorCode;\n",
    );
    out.push_str("\n/** The codes of a `FileSystemError`: the names of Linux's error numbers, as in Node. */\nexport type FileSystemErrorCode =\n");
    for code in ServerCode::ALL.iter().filter(|code| code.is_errno()) {
        let _ = writeln!(out, "  /** {} */\n  | \"{}\"", code.doc(), code.as_str());
    }
    out.push_str("\n/** The codes of each kind of error. */\nexport interface ErrorCodes {\n");
    let mut kinds: Vec<Kind> = Vec::new();
    for kind in Code::ALL.iter().map(|code| code.kind()) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
            let codes = Code::ALL.iter().filter(|code| code.kind() == kind);
            let words = codes.map(|code| format!("\"{}\"", code.as_str())).collect::<Vec<_>>();
            let kind = kind.as_str();
            let class = kind[..1].to_uppercase() + &kind[1..];
            let _ = writeln!(out, "  /** The codes of a `{class}Error`. */");
            let _ = writeln!(out, "  {kind}: {};", words.join(" | "));
        }
    }
    out.push_str("}\n\n/** The kind of an error. */\nexport type ErrorKind = keyof ErrorCodes;\n");
    out
}

/// The routes with a scope, as keys that the relay matches: the method, and the path below `/api/v1/`.
fn routes() -> String {
    let mut out = NOTE.to_owned();
    out.push_str(
        "/** What a grant allows: each scope is a part of one sandbox's API. */\nexport type RelayScope =\n",
    );
    for scope in Scope::ALL {
        let _ = writeln!(out, "  /** {} */\n  | \"{}\"", scope.doc(), scope.as_str());
    }
    out.push_str(
        "
/** The scope of each route, by method and path below `/api/v1`. `*` matches one path segment. */
export const ROUTES: Readonly<Record<string, RelayScope>> = {
",
    );
    for route in route::ALL {
        if let (Some(scope), Some(path)) = (route.scope(), route.path.strip_prefix("/api/v1/")) {
            let segments =
                path.split('/').map(|word| if word.starts_with('{') { "*" } else { word });
            let path = segments.collect::<Vec<_>>().join("/");
            let _ =
                writeln!(out, "  \"{} {path}\": \"{}\",", route.method.as_str(), scope.as_str());
        }
    }
    out.push_str("};\n");
    out
}

fn error_page() -> String {
    let mut out = String::from(
        "<!-- Made by `cargo xtask types` from Rust; never edited. -->

# Errors

## What callers see

Every error is a `ShorelineError`; `code` is stable, `retryable` says whether the same call may
succeed later without a change. If a call of `sandbox.fs` fails in the file system, it rejects with a
`FileSystemError`, whose `code` is the name of the error number as in Node, for example `ENOENT`: those
are at the end of the second table.

| `code` | class | retryable | meaning |
|---|---|---|---|
",
    );
    for &code in Code::ALL {
        let class = match code.kind() {
            Kind::Usage => "UsageError",
            Kind::Api => "ApiError",
            Kind::Connection => "ConnectionError",
            Kind::Timeout => "TimeoutError",
            Kind::Protocol => "ProtocolError",
            Kind::Abort => "AbortError",
            // Only what has a result is one.
            Kind::Command if code == Code::CommandFailed => "CommandError",
            Kind::Command => "ShorelineError",
            Kind::Core => "CoreError",
        };
        let retryable = if code.is_retryable() { "yes" } else { "no" };
        let _ = writeln!(out, "| `{}` | `{class}` | {retryable} | {} |", code.as_str(), code.doc());
    }
    out.push_str(
        "
## What the local server answers

Each with a JSON body `{\"error\": \"a sentence\", \"code\": \"THE_CODE\"}`; the code is in
`serverCode` of the error that callers see.

| code | status | meaning |
|---|---|---|
",
    );
    for code in ServerCode::ALL {
        let _ = writeln!(out, "| `{}` | {} | {} |", code.as_str(), code.status(), code.doc());
    }
    out
}
