//! Patterns of paths. A walk enters a directory only if a path below it can match.

use crate::error::{ApiError, Result};
use grep_matcher::Matcher as _;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use shoreline_protocol::error::ServerCode;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// A segment of a pattern, between slashes.
enum Part {
    /// `**`: any number of directories, or at the end of a pattern everything below.
    Below,
    /// `*`
    Any,
    Literal(String),
    Wildcards {
        regex: RegexMatcher,
        /// The segment begins with a literal dot.
        dot: bool,
    },
}

pub(super) struct Globs {
    patterns: Vec<Vec<Part>>,
    /// Wildcards match a leading dot of a name.
    hidden: bool,
}

/// A position: the index of a pattern, and the index of its next segment.
pub(super) type Left = (usize, usize);

impl Globs {
    pub(super) fn new(patterns: &[String], hidden: bool) -> Result<Self> {
        let parsed = patterns.iter().map(|pattern| parse(pattern));
        Ok(Self { patterns: parsed.collect::<Result<_>>()?, hidden })
    }

    /// The positions at the root of the search.
    pub(super) fn start(&self) -> Vec<Left> {
        (0..self.patterns.len()).map(|pattern| (pattern, 0)).collect()
    }

    /// Returns whether an entry of a directory matches, and the positions below it.
    pub(super) fn step(&self, left: &[Left], name: &str) -> (bool, Vec<Left>) {
        let plain = self.hidden || !name.starts_with('.');
        let (mut matches, mut below) = (false, Vec::new());
        for &(pattern, first) in left {
            let parts = self.patterns.get(pattern).map_or(&[][..], Vec::as_slice);
            let mut at = first;
            if matches!(parts.get(at), Some(Part::Below)) {
                if plain {
                    below.push((pattern, at));
                }
                at += 1;
            }
            let fits = match parts.get(at) {
                // `**` was the last segment.
                None => plain,
                Some(Part::Below | Part::Any) => plain,
                Some(Part::Literal(text)) => text == name,
                Some(Part::Wildcards { regex, dot }) => {
                    (plain || *dot) && regex.is_match(name.as_bytes()).unwrap_or(false)
                }
            };
            if !fits {
                continue;
            }
            if at + 1 >= parts.len() {
                matches = true;
            } else {
                below.push((pattern, at + 1));
            }
        }
        below.sort_unstable();
        below.dedup();
        (matches, below)
    }
}

fn parse(pattern: &str) -> Result<Vec<Part>> {
    let wrong = |why: &str| {
        ApiError::new(ServerCode::InvalidRequest, format!("the pattern {pattern:?}: {why}"))
    };
    let mut parts = Vec::new();
    // Braces and brackets with a slash in them are split into parts that are invalid.
    for part in pattern.split('/') {
        let part = match part {
            "" | "." | ".." => {
                return Err(wrong("each part between slashes has to be a name or wildcards"));
            }
            "**" if matches!(parts.last(), Some(Part::Below)) => continue,
            "**" => Part::Below,
            "*" => Part::Any,
            part if !part.contains(['*', '?', '[', ']', '{', '}', '\\']) => {
                Part::Literal(part.to_owned())
            }
            part => {
                let text = regex(part).map_err(wrong)?;
                let regex = RegexMatcherBuilder::new().dot_matches_new_line(true).build(&text);
                let regex = regex.map_err(|error| wrong(&error.to_string()))?;
                let dot = part.starts_with('.') || part.starts_with("\\.");
                Part::Wildcards { regex, dot }
            }
        };
        parts.push(part);
    }
    Ok(parts)
}

/// Translates a segment to a regular expression. The wildcards and classes of globset match bytes, not characters.
fn regex(part: &str) -> std::result::Result<String, &'static str> {
    let (mut text, mut braces) = ("\\A".to_owned(), 0);
    let mut chars = part.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            '[' => class(&mut chars, &mut text)?,
            '{' => {
                braces += 1;
                text.push_str("(?:");
            }
            ',' if braces > 0 => text.push('|'),
            '}' if braces > 0 => {
                braces -= 1;
                text.push(')');
            }
            '}' => return Err("a `}` has no `{` before it"),
            '\\' => {
                let char = chars.next().ok_or("a backslash at the end escapes nothing")?;
                literal(char, &mut text);
            }
            char => literal(char, &mut text),
        }
    }
    text.push_str("\\z");
    if braces == 0 { Ok(text) } else { Err("a `{` has no `}` after it") }
}

/// Parses the rest of a class: `a-z]`, or `!a-z]` for its complement.
fn class(
    chars: &mut Peekable<Chars<'_>>,
    text: &mut String,
) -> std::result::Result<(), &'static str> {
    const OPEN: &str = "a `[` has no `]` after it";
    text.push('[');
    if chars.next_if(|char| matches!(char, '!' | '^')).is_some() {
        text.push('^');
    }
    let mut is_first = true;
    loop {
        let next = |chars: &mut Peekable<Chars<'_>>| match chars.next() {
            Some('\\') => chars.next(),
            char => char,
        };
        if !is_first && chars.next_if_eq(&']').is_some() {
            text.push(']');
            return Ok(());
        }
        is_first = false;
        let from = next(chars).ok_or(OPEN)?;
        literal(from, text);
        let mut ahead = chars.clone();
        if ahead.next() == Some('-') && ahead.peek().is_some_and(|char| *char != ']') {
            chars.next();
            let to = next(chars).ok_or(OPEN)?;
            if to < from {
                return Err("a range of characters ends before it begins");
            }
            text.push('-');
            literal(to, text);
        }
    }
}

fn literal(char: char, text: &mut String) {
    let _ = write!(text, "\\x{{{:x}}}", u32::from(char));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a path matches, and whether the walk would reach it.
    fn matches(globs: &Globs, path: &str) -> bool {
        let mut left = globs.start();
        let names: Vec<_> = path.split('/').collect();
        for (at, name) in names.iter().enumerate() {
            let (matched, below) = globs.step(&left, name);
            if at + 1 == names.len() {
                return matched;
            }
            left = below;
        }
        false
    }

    #[test]
    fn patterns_match_paths() {
        for (pattern, yes, no) in [
            ("*.rs", &["a.rs", "é.rs"][..], &["a/b.rs", ".rs", ".a.rs", "a.rsx"][..]),
            ("**/*.rs", &["a.rs", "a/b.rs", "a/b/c.rs"], &[".a/b.rs", "a/.b/c.rs", "a/.b.rs"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "ab", "a/.b", "a/.b/c", "b/a/c"]),
            ("**", &["a", "a/b"], &[".a", "a/.b"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["a/xb", "a/x/b/c", "a/.x/b"]),
            ("**/**/b", &["b", "a/b", "a/c/b"], &["a", "bb"]),
            ("**/a/**/b/*", &["a/b/c", "x/a/y/b/z", "a/b/b/c"], &["a/b", "b/a/c"]),
            (".github/*.yml", &[".github/a.yml"], &[".github/.a.yml", "github/a.yml"]),
            ("**/.env*", &[".env", "a/.env.local"], &["a/env", ".x/.env"]),
            ("a?c/[x-z]{1,2}", &["abc/x1", "aéc/y2"], &["ac/x1", "abc/w1", "abc/x3", "a.c"]),
            ("[!a]b\\*", &["cb*", "éb*"], &["ab*", "cbx", ".b*"]),
            ("[]^é-]", &["]", "^", "é", "-"], &["a", "]]"]),
            ("a?\n*", &["a\n\nb"], &["a\n"]),
            ("{a,{b,c}[,]}\\{", &["a{", "b,{"], &["b{", "a,{"]),
            ("{a,b}.{ts,js}", &["a.ts", "b.js"], &["c.ts", "a.jsx"]),
        ] {
            let globs = Globs::new(&[pattern.to_owned()], false).unwrap();
            yes.iter().for_each(|path| assert!(matches(&globs, path), "{pattern} {path}"));
            no.iter().for_each(|path| assert!(!matches(&globs, path), "{pattern} {path}"));
        }
        let hidden = Globs::new(&["**/*.rs".to_owned()], true).unwrap();
        assert!(matches(&hidden, ".a/.b.rs"));
    }

    #[test]
    fn a_walk_stays_out_of_what_cannot_match() {
        let globs = Globs::new(&["src/*.rs".to_owned(), "a/**/b".to_owned()], false).unwrap();
        let start = globs.start();
        assert_eq!(globs.step(&start, "target"), (false, vec![]));
        assert_eq!(globs.step(&start, "src"), (false, vec![(0, 1)]));
        let (_, below) = globs.step(&start, "a");
        assert_eq!(globs.step(&below, "x"), (false, vec![(1, 1)]));
        // However often a segment matches, its position is stored once.
        let deep = Globs::new(&["**/a/**/a/**/b".to_owned()], false).unwrap();
        let mut left = deep.start();
        for _ in 0..1000 {
            left = deep.step(&left, "a").1;
        }
        assert_eq!(left.len(), 3);
    }

    #[test]
    fn patterns_that_are_wrong_are_refused() {
        for pattern in [
            "", "/a", "a/", "a//b", "./a", "../a", "a/..", "[", "[]", "a{b", "a}", "[z-a]", "a\\",
            "{a/b,c}", "[a/b]",
        ] {
            let refused = Globs::new(&[pattern.to_owned()], false);
            assert!(refused.is_err(), "{pattern}");
        }
    }
}
