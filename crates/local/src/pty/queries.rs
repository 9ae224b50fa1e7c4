//! Finds queries in output: sequences that a terminal answers, for example with its type or the cursor's position. A
//! terminal would answer an old query in replayed output, and the answer would be input of the shell.
//!
//! References: ECMA-48; xterm's ctlseqs; the VT510 manual; kitty's protocol extensions.

use std::ops::Range;

const ENQ: u8 = 0x05;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
/// The first byte of the C1 controls from U+0080 to U+009F in UTF-8.
const C1: u8 = 0xc2;

/// More than the length of the parameters and intermediates of the longest query.
const CSI_BYTES: usize = 64;

/// The ranges of the queries. An unfinished sequence is not a query.
pub(super) fn queries(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(skip) = bytes[at..].iter().position(|byte| [ENQ, ESC, C1].contains(byte)) {
        at += skip;
        let (end, is_query) = sequence(bytes, at);
        if is_query {
            match found.last_mut() {
                Some(last) if last.end == at => last.end = end,
                _ => found.push(at..end),
            }
        }
        at = end;
    }
    found
}

/// The end of the sequence that begins at `start`, and whether it is a query.
fn sequence(bytes: &[u8], start: usize) -> (usize, bool) {
    if bytes[start] == ENQ {
        return (start + 1, true);
    }
    let introducer = match (bytes[start], bytes.get(start + 1)) {
        (ESC, Some(byte)) => *byte,
        (C1, Some(byte @ 0x80..=0x9f)) => byte - 0x40,
        _ => return (start + 1, false),
    };
    let body = start + 2;
    match introducer {
        b'[' => csi(bytes, body),
        b']' => string(bytes, body, osc),
        b'P' => string(bytes, body, dcs),
        b'_' => string(bytes, body, apc),
        // DECID.
        b'Z' => (body, true),
        // Another escape, or the byte after this one, can begin a sequence.
        _ => (start + 1, false),
    }
}

fn csi(bytes: &[u8], body: usize) -> (usize, bool) {
    let mut sequence = Vec::new();
    for (at, byte) in bytes.iter().copied().enumerate().skip(body) {
        match byte {
            ESC | CAN | SUB | 0x7f.. => return (at, false),
            // Terminals execute other controls in the middle of a sequence.
            ..0x20 => {}
            0x20..0x40 => sequence.push(byte),
            0x40..0x7f => {
                let is_query = sequence.len() <= CSI_BYTES && asks(&sequence, byte);
                return (at + 1, is_query);
            }
        }
    }
    (bytes.len(), false)
}

/// Whether a control sequence is a query.
fn asks(sequence: &[u8], end: u8) -> bool {
    let (prefix, rest) = match sequence {
        [prefix @ b'<'..=b'?', rest @ ..] => (*prefix, rest),
        rest => (0, rest),
    };
    let cut = rest.iter().position(|byte| *byte < 0x30).unwrap_or(rest.len());
    let (parameters, intermediates) = rest.split_at(cut);
    let first = parameters.split(|byte| !byte.is_ascii_digit()).next().unwrap_or_default();
    match (prefix, intermediates, end) {
        // DSR.
        (0, b"", b'n') => [&b"5"[..], b"6"].contains(&first),
        // XTWINOPS.
        (0, b"", b't') => {
            [&b"11"[..], b"13", b"14", b"15", b"16", b"18", b"19", b"20", b"21"].contains(&first)
        }
        // Device attributes; XTVERSION.
        (0 | b'>' | b'=', b"", b'c') | (b'>', b"", b'q')
        // DSR and keyboard modes; XTQMODKEYS; XTSMGRAPHICS.
        | (b'?', b"", b'n' | b'u' | b'm' | b'S')
        // DECRQM; DECRQCRA; DECREQTPARM.
        | (0 | b'?', b"$", b'p') | (0, b"*", b'y') | (0, b"", b'x')
        // DECRQPSR, DECRQTSR, DECRQUPSS, DECRQDE, DECRQLP; XTREPORTCOLORS, XTREPORTSGR.
        | (0, b"$", b'w' | b'u') | (0, b"&", b'u') | (0, b"\"", b'v') | (0, b"'", b'|')
        | (0, b"#", b'R' | b'|') => true,
        _ => false,
    }
}

/// A control string up to its end.
fn string(bytes: &[u8], body: usize, asks: fn(&[u8]) -> bool) -> (usize, bool) {
    for (at, byte) in bytes.iter().copied().enumerate().skip(body) {
        let length = match (byte, bytes.get(at + 1)) {
            (ESC, Some(b'\\')) | (C1, Some(0x9c)) => 2,
            (BEL, _) => 1,
            (ESC | CAN | SUB, _) => return (at, false),
            _ => continue,
        };
        return (at + length, asks(&bytes[body..at]));
    }
    (bytes.len(), false)
}

/// Colours, fonts, properties, the clipboard and the like, with `?` for a value.
fn osc(text: &[u8]) -> bool {
    let mut fields = text.split(|byte| *byte == b';');
    let number = fields.next().unwrap_or_default();
    let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<u16>().ok());
    match number {
        Some(3 | 4 | 5 | 10..=19 | 21 | 22 | 50 | 52 | 61 | 99) => {
            fields.any(|field| field.starts_with(b"?") || field.ends_with(b"=?"))
        }
        Some(60) => true,
        Some(1337) => fields
            .next()
            .is_some_and(|name| name.starts_with(b"Report") || name.starts_with(b"Capabilities")),
        _ => false,
    }
}

/// DECRQSS; XTGETTCAP; XTGETXRES; kitty's remote control.
fn dcs(text: &[u8]) -> bool {
    [&b"$q"[..], b"+q", b"+Q", b"@kitty-cmd"].iter().any(|start| text.starts_with(start))
}

/// Kitty's query for graphics.
fn apc(text: &[u8]) -> bool {
    let control = text.split(|byte| *byte == b';').next().unwrap_or_default();
    control
        .strip_prefix(b"G")
        .is_some_and(|keys| keys.split(|byte| *byte == b',').any(|key| key == b"a=q"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERIES: &[&str] = &[
        "\x1b[c",
        "\x1b[0c",
        "\x1b[>c",
        "\x1b[>0c",
        "\x1b[=c",
        "\x1bZ",
        "\u{9a}",
        "\x05",
        "\x1b[5n",
        "\x1b[6n",
        "\x1b[?6n",
        "\x1b[?996n",
        "\u{9b}6n",
        "\x1b[\r6n",
        "\x1b[?2026$p",
        "\x1b[4$p",
        "\x1b[>q",
        "\x1b[>0q",
        "\x1b[?u",
        "\x1b[?4m",
        "\x1b[?1;1;0S",
        "\x1b[14t",
        "\x1b[18t",
        "\x1b[21t",
        "\x1b[x",
        "\x1b[1;2;1;1;3;3*y",
        "\x1b[1$w",
        "\x1b]10;?\x07",
        "\x1b]11;?\x1b\\",
        "\x1b]4;1;?\x07",
        "\x1b]4;1;red;2;?\x07",
        "\u{9d}12;?\u{9c}",
        "\x1b]52;c;?\x07",
        "\x1b]21;foreground=?\x1b\\",
        "\x1b]1337;ReportCellSize\x07",
        "\x1bP$qm\x1b\\",
        "\x1bP+q544e\x1b\\",
        "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\",
    ];

    const OTHERS: &[&str] = &[
        "plain",
        "\u{e9}\u{4e00}",
        "\x1b[1;31mred\x1b[0m",
        "\x1b[2J",
        "\x1b[H",
        "\x1b[?25h",
        "\x1b[?1049h",
        "\x1b[>4;1m",
        "\x1b[>1u",
        "\x1b[<u",
        "\x1b[2 q",
        "\x1b[8;30;100t",
        "\x1b[22;0t",
        "\x1b[?62;4c",
        "\x1b[0n",
        "\x1b[1;2;3;4;5$x",
        "\x1b[!p",
        "\x1b[5\x186n",
        "\x1b]0;what; ?\x07",
        "\x1b]2;?\x07",
        "\x1b]4;1;red\x07",
        "\x1b]52;c;Zm9v\x07",
        "\x1b]8;;https://example.org/?\x07",
        "\x1b]1337;SetMark\x07",
        "\x1bPq#0\x1b\\",
        "\x1b_Ga=T,f=100;AAAA\x1b\\",
        "\x1b(B",
        "\x1b7",
        "\x1b\x1b",
        "\x1b[",
        "\x1b]11;?",
        "\x1bP$q",
        "\x1b",
    ];

    fn only(start: usize, end: usize) -> Vec<Range<usize>> {
        std::iter::once(start..end).collect()
    }

    #[test]
    fn every_query_is_found_and_nothing_else() {
        for query in QUERIES {
            assert_eq!(queries(query.as_bytes()), only(0, query.len()), "{query:?}");
        }
        for other in OTHERS {
            assert!(queries(other.as_bytes()).is_empty(), "{other:?}");
        }
    }

    #[test]
    fn a_query_is_found_among_other_output() {
        for query in QUERIES {
            for other in
                OTHERS.iter().filter(|other| !["\x1b[", "\x1b]11;?", "\x1bP$q"].contains(other))
            {
                let text = format!("{other}{query}{query}{other}");
                let found = only(other.len(), other.len() + 2 * query.len());
                assert_eq!(queries(text.as_bytes()), found, "{text:?}");
            }
        }
    }

    #[test]
    fn what_begins_in_the_middle_of_a_sequence_is_read_from_the_next_one_on() {
        assert_eq!(queries(b"1;?\x07text\x1b[c"), only(8, 11));
        assert_eq!(queries(b"\\\x1b[6n"), only(1, 5));
    }
}
