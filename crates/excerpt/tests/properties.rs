//! Excerpts for a language model: against a terminal, and against all of the text.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use shoreline_excerpt::{Budget, Excerpt, Finished, LEAST_BYTES, MOST_BYTES, from_text, to_text};
use shoreline_protocol::batch::{Batch, flag};
use shoreline_protocol::cursor::Cursor;

const STDOUT: u8 = 1;
const STDERR: u8 = 2;

/// One event: its flags and its text.
type Event = (u8, String);

fn batch(events: &[Event]) -> Batch {
    let mut batch = Batch::default();
    for (flags, text) in events {
        batch.text.push_str(text);
        batch.byte_ends.push(batch.text.len() as u32);
        batch.ends.push(batch.text.encode_utf16().count() as u32);
        batch.times.push(f64::NAN);
        batch.flags.push(*flags);
        batch.last_ids.push(None);
    }
    batch
}

fn line(stream: u8, text: &str) -> Event {
    (stream | flag::TERMINATED, format!("{text}\n"))
}

fn excerpt(budget: Budget, events: &[Event]) -> Excerpt {
    let mut excerpt = Excerpt::new(budget, Cursor::default()).unwrap();
    excerpt.push(&batch(events));
    excerpt
}

/// All of the text.
fn whole(events: &[Event]) -> String {
    excerpt(Budget::Bytes(MOST_BYTES), events).finish().text
}

/// Parts of a line as programs write them: text, movements within it, styles, strings, and broken sequences.
fn part() -> impl Strategy<Value = String> {
    let text = select(vec![
        "a",
        "bc",
        " ",
        "0123456789",
        "é",
        "e\u{301}",
        "世界",
        "한",
        "🦀",
        "\t",
        "\r",
        "\u{8}",
        "\u{8}\u{8}",
    ]);
    let number =
        prop_oneof![Just(String::new()), (0_u16..12).prop_map(|number| number.to_string())];
    let moves = (number, select(vec!['C', 'D', 'G', 'K', 'X']));
    let none = select(vec![
        "\x1b[m",
        "\x1b[1;31m",
        "\x1b[38;5;9m",
        "\x1b[?25l",
        "\x1b[5n",
        "\x1b]0;title\x07",
        "\x1b]8;;u\x1b\\",
        "\x1b(B",
        "\x1b[2\x18",
        "\x07",
        "\x1b[3\x1b[m",
    ]);
    prop_oneof![
        6 => text.prop_map(String::from),
        2 => moves.prop_map(|(number, last)| format!("\x1b[{number}{last}")),
        1 => none.prop_map(String::from),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let text = prop::collection::vec(part(), 0..40).prop_map(|parts| parts.concat());
    let event = (select(vec![STDOUT, STDERR]), text).prop_map(|(stream, text)| line(stream, &text));
    prop::collection::vec(event, 0..60)
}

/// The text with tabs as a terminal shows them, without what is blank at its end.
fn shown(text: &str) -> String {
    let mut terminal = vt100::Parser::new(1, 6000, 0);
    terminal.process(text.as_bytes());
    terminal.screen().contents().trim_end().to_owned()
}

proptest! {
    #[test]
    fn a_line_is_what_a_terminal_shows(
        parts in prop::collection::vec(part(), 0..60),
    ) {
        let text = parts.concat();
        let folded = whole(&[line(STDOUT, &text)]);
        prop_assert!(!folded.contains(['\x1b', '\r', '\x08', '\x07']));
        // Unchanged text keeps its tabs.
        prop_assert_eq!(shown(folded.trim_end_matches('\n')), shown(&text), "{:?}", text);
    }

    #[test]
    fn pieces_and_batches_give_the_same(events in events(), cuts in prop::collection::vec(any::<Index>(), 0..20)) {
        let mut excerpt = Excerpt::new(Budget::Bytes(MOST_BYTES), Cursor::default()).unwrap();
        for (flags, text) in &events {
            let line = text.trim_end_matches('\n');
            let places: Vec<usize> = line.char_indices().map(|(at, _)| at).chain([line.len()]).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| places[cut.index(places.len())]).collect();
            cuts.sort_unstable();
            let mut begin = 0;
            for cut in cuts {
                let piece = (flags & flag::STREAM | flag::PIECE, line[begin..cut].to_owned());
                excerpt.push(&batch(&[piece]));
                let held = excerpt.clone().finish().cursor.unfinished;
                prop_assert!(held.iter().sum::<u64>() <= cut as u64);
                begin = cut;
            }
            excerpt.push(&batch(&[(*flags, text[begin..].to_owned())]));
        }
        let Finished { text, cursor, .. } = excerpt.finish();
        prop_assert_eq!(text, whole(&events));
        prop_assert_eq!(cursor.counts.iter().sum::<u64>(), events.len() as u64);
    }

    #[test]
    fn head_and_tail_are_those_of_all_the_text(
        events in events(), size in LEAST_BYTES..3000_usize, tokens: bool,
    ) {
        let budget = if tokens { Budget::Tokens(size / 4) } else { Budget::Bytes(size) };
        let whole = whole(&events);
        let excerpt = Excerpt::new(budget, Cursor::default());
        let Some(mut excerpt) = excerpt else { return Ok(()) };
        // By single events and by several at once.
        for events in events.chunks(7) {
            excerpt.push(&batch(events));
        }
        let Finished { text, omitted, .. } = excerpt.finish();
        let weight = if tokens { text.chars().map(|c| if c.is_ascii() { 1 } else { 4 }).sum() } else { text.len() };
        prop_assert!(weight <= size, "{} of {}", weight, size);
        let Some(omitted) = omitted else {
            prop_assert_eq!(text, whole);
            return Ok(());
        };
        let mark = format!(
            "[{} lines ({} bytes) omitted; cursor to read them: {}]\n",
            omitted.lines, omitted.bytes, to_text(&omitted.after),
        );
        let (head, tail) = text.split_once(&mark).unwrap();
        // A head that ends within a line has a line end before the mark.
        let middle = whole.strip_suffix(tail).unwrap();
        let begin = middle.len() - omitted.bytes as usize;
        let end = if head.ends_with('\n') && !middle[..begin].ends_with('\n') { "\n" } else { "" };
        prop_assert_eq!(head, format!("{}{end}", &middle[..begin]));
        let middle = &middle[begin..];
        prop_assert_eq!(middle.matches('\n').count() as u64, omitted.lines);
        let accent = '\u{301}';
        prop_assert!(!middle.starts_with(accent) && !tail.starts_with(accent));
        // The budget is used: neither part is left empty.
        prop_assert!(weight + 256 + 130 * 4 > size / 2, "{} of {}", weight, size);
        // The cursor is at the last event of which everything is in the head.
        let taken = omitted.after.counts.iter().sum::<u64>() as usize;
        prop_assert!(head.starts_with(self::whole(&events[..taken]).as_str()));
        prop_assert_eq!(from_text(&to_text(&omitted.after)), Some(omitted.after));
    }

    #[test]
    fn an_escape_sequence_is_not_cut_by_a_cursor(text in "[ab]{0,3}", at in 0..9_usize) {
        let sequence = "\x1b[38;5;9m";
        let mut first = excerpt(Budget::Bytes(2000), &[(STDERR | flag::PIECE, format!("{text}{}", &sequence[..at]))]);
        let so_far = first.clone().finish();
        prop_assert_eq!(so_far.cursor.unfinished, [0, text.len() as u64]);
        let mark = if text.is_empty() { "" } else { "[stderr] " };
        prop_assert_eq!(so_far.text, format!("{mark}{text}"));
        // The rest of the sequence is not shown.
        first.push(&batch(&[(STDERR, sequence[at..].to_owned())]));
        prop_assert_eq!(first.finish().text, format!("{mark}{text}"));
    }
}

#[test]
fn a_string_without_an_end_hides_no_line() {
    let text = whole(&[
        line(STDOUT, "a\x1b]0;title"),
        line(STDOUT, "b"),
        line(STDERR, "\x1b"),
        line(STDERR, "c"),
    ]);
    assert_eq!(text, "a\nb\n[stderr] \n[stderr] c\n");
}

#[test]
fn streams_are_apart_and_lines_keep_to_themselves() {
    let events = [
        (STDOUT | flag::PIECE, "50 %\r".to_owned()),
        line(STDERR, "warning"),
        (STDOUT | flag::PIECE, "100 %".to_owned()),
        (STDOUT, String::new()),
        (STDERR, "end".to_owned()),
    ];
    assert_eq!(whole(&events), "[stderr] warning\n100 %\n[stderr] end");
    assert_eq!(whole(&events[..3]), "[stderr] warning\n100 %");
}

#[test]
fn a_line_of_any_length_takes_bounded_memory() {
    let mut excerpt = Excerpt::new(Budget::Bytes(2000), Cursor::default()).unwrap();
    let part = "x".repeat(1_000_000);
    for _ in 0..100 {
        excerpt.push(&batch(&[
            (STDOUT | flag::PIECE, part.clone()),
            (STDERR | flag::PIECE, format!("\x1b[m{part}")),
        ]));
    }
    let Finished { text, omitted, .. } = excerpt.finish();
    assert!(text.len() <= 2000 && text.starts_with("xxx") && text.ends_with('x'), "{text}");
    let omitted = omitted.unwrap();
    assert!(omitted.bytes > 199_990_000 && omitted.after == Cursor::default());
}

#[test]
fn budgets_have_bounds() {
    for budget in [
        Budget::Bytes(LEAST_BYTES - 1),
        Budget::Bytes(MOST_BYTES + 1),
        Budget::Tokens(usize::MAX),
        Budget::Tokens(3),
    ] {
        assert!(Excerpt::new(budget, Cursor::default()).is_none());
    }
    assert!(Excerpt::new(Budget::Bytes(LEAST_BYTES), Cursor::default()).is_some());
}

proptest! {
    #[test]
    fn a_cursor_is_read_as_it_was_written(last_id: Option<u64>, counts: [u64; 2], unfinished: [u64; 2], text in "[0-9.-]{0,12}") {
        let cursor = Cursor { last_id, counts, unfinished };
        prop_assert_eq!(from_text(&to_text(&cursor)), Some(cursor));
        // Other text is refused, or is a number with zeros before it or two zeros at the end.
        if let Some(read) = from_text(&text) {
            prop_assert_eq!(from_text(&to_text(&read)), Some(read));
            prop_assert!(text.split('.').all(|part| !part.is_empty()) && text.split('.').count() % 2 == 1);
        }
    }
}
