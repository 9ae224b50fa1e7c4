//! Writes the server's event streams into a buffer.
//!
//! Beyond the public protocol: `id`, `eol`, `bytes`, `reason`, `unfinished`, `output_open` and a follow's `exit` event
//! (see `docs/api.md`); a client that ignores them loses nothing.

use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::exit::{Exit, ExitStatus};
use crate::stream::Stream;

/// A comment, which keeps an idle connection alive.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

/// The end of a follow stream.
pub const EOF: &[u8] = b"event: eof\ndata: {}\n\n";

/// The form of an output event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether the event has `event: output`, as in follow streams but not in runs.
    pub named: bool,
    /// Whether the event names its stream, as in streams of both outputs.
    pub with_stream: bool,
}

/// A line of output.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The number in the process's log, from 1.
    pub id: u64,
    /// Which stream.
    pub stream: Stream,
    /// When the line was read, in ms since the epoch.
    pub time: u64,
    /// Whether the line ends in a line feed.
    pub terminated: bool,
    /// The bytes, without the line end.
    pub bytes: &'a [u8],
}

/// New bytes of an unfinished line.
#[derive(Clone, Copy, Debug)]
pub struct Gain<'a> {
    /// Which stream.
    pub stream: Stream,
    /// The number of bytes of the line before the new ones.
    pub offset: usize,
    /// The new bytes.
    pub bytes: &'a [u8],
}

/// The name of the events that [`unfinished`] writes.
pub const UNFINISHED: &[u8] = b"unfinished";

/// Appends an output event.
pub fn output(line: &Line<'_>, style: Style, out: &mut Vec<u8>) {
    out.extend_from_slice(b"id: ");
    decimal(line.id, out);
    out.extend_from_slice(if style.named {
        b"\nevent: output\ndata: {\"line\":\""
    } else {
        b"\ndata: {\"line\":\"" as &[u8]
    });
    let exact = text(line.bytes, out);
    out.extend_from_slice(b"\",\"timestamp\":");
    decimal(line.time, out);
    if style.with_stream {
        stream(line.stream, out);
    }
    if !line.terminated {
        out.extend_from_slice(b",\"eol\":false");
    }
    if !exact {
        bytes(line.bytes, out);
    }
    out.extend_from_slice(b"}\n\n");
}

/// Appends the new bytes of an unfinished line. The event has a name in runs too.
pub fn unfinished(gain: &Gain<'_>, style: Style, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(UNFINISHED);
    out.extend_from_slice(b"\ndata: {\"line\":\"");
    let exact = text(gain.bytes, out);
    out.push(b'"');
    if style.with_stream {
        stream(gain.stream, out);
    }
    out.extend_from_slice(b",\"offset\":");
    decimal(gain.offset as u64, out);
    if !exact {
        bytes(gain.bytes, out);
    }
    out.extend_from_slice(b"}\n\n");
}

/// Appends bytes as the content of a JSON string. Returns `false` if they are not UTF-8, so that the text is not
/// exact.
fn text(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let exact = core::str::from_utf8(bytes).is_ok();
    if exact {
        escape(bytes, out);
    } else {
        escape(String::from_utf8_lossy(bytes).as_bytes(), out);
    }
    exact
}

fn stream(stream: Stream, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"stream\":\"");
    out.extend_from_slice(stream.as_str().as_bytes());
    out.push(b'"');
}

fn bytes(exact: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"bytes\":\"");
    out.extend_from_slice(STANDARD.encode(exact).as_bytes());
    out.push(b'"');
}

/// Appends a run's first event.
pub fn started(handle: u64, pid: u32, started_at: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: {\"handle\":");
    decimal(handle, out);
    out.extend_from_slice(b",\"pid\":");
    decimal(pid.into(), out);
    out.extend_from_slice(b",\"started_at\":");
    decimal(started_at, out);
    out.extend_from_slice(b"}\n\n");
}

/// Appends a run's last event. With `output_open`, more output can follow in the log.
pub fn exited(exit: &Exit, output_open: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: {");
    exit_members(exit, output_open, out);
    out.extend_from_slice(b"}\n\n");
}

/// Appends the event that marks the exit in a follow stream. `line_count` lines of the stream precede it.
pub fn exit_mark(exit: &Exit, output_open: bool, line_count: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: exit\ndata: {");
    exit_members(exit, output_open, out);
    out.extend_from_slice(b",\"line_count\":");
    decimal(line_count, out);
    out.extend_from_slice(b"}\n\n");
}

fn exit_members(exit: &Exit, output_open: bool, out: &mut Vec<u8>) {
    match exit.status {
        ExitStatus::Code(code) => {
            out.extend_from_slice(b"\"exit_code\":");
            if code < 0 {
                out.push(b'-');
            }
            decimal(code.unsigned_abs().into(), out);
        }
        ExitStatus::Signal(signal) => {
            out.extend_from_slice(b"\"signal\":");
            decimal(signal.unsigned_abs().into(), out);
        }
        ExitStatus::Unreported => out.extend_from_slice(b"\"exit_code\":null"),
    }
    if exit.oom_killed() {
        out.extend_from_slice(b",\"oom_killed\":true");
    }
    if let Some(reason) = exit.reason {
        out.extend_from_slice(b",\"reason\":\"");
        out.extend_from_slice(reason.as_str().as_bytes());
        out.push(b'"');
    }
    if output_open {
        out.extend_from_slice(b",\"output_open\":true");
    }
}

/// Appends the event which reports that events `from` to `to` are no longer kept.
pub fn gap(from: u64, to: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: gap\ndata: {\"gap\":{\"from\":");
    decimal(from, out);
    out.extend_from_slice(b",\"to\":");
    decimal(to, out);
    out.extend_from_slice(b"}}\n\n");
}

/// Appends the content of a JSON string.
pub fn escape(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut plain = text;
    while let Some(at) = plain.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
    {
        let (before, after) = plain.split_at_checked(at).unwrap_or((plain, &[]));
        out.extend_from_slice(before);
        let Some((byte, rest)) = after.split_first() else { return };
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            _ => {
                out.extend_from_slice(b"\\u00");
                for nibble in [byte >> 4, byte & 15] {
                    out.extend(HEX.get(usize::from(nibble)));
                }
            }
        }
        plain = rest;
    }
    out.extend_from_slice(plain);
}

fn decimal(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut rest = number;
    let mut start = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        start = at;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}
