use crate::naive::{self, in_pieces};
use crate::{cuts, reads};
use proptest::prelude::*;

/// Bytes that look like a stream, and some that do not.
pub(crate) fn stream() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "data",
        "data:",
        "data: ",
        "event: ",
        "id: ",
        "id",
        "retry: ",
        ":",
        ": ",
        " ",
        "\n",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        "\r\n\r\n",
        "7",
        "0012",
        "x",
        "ü",
        "🦊",
        "\u{feff}",
        "\0",
        "{\"a\":1}",
    ]);
    let part = prop_oneof![
        9 => words.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    (any::<bool>(), prop::collection::vec(part, 0..40)).prop_map(|(bom, parts)| {
        let bom: &[u8] = if bom { b"\xEF\xBB\xBF" } else { b"" };
        [bom, &parts.concat()].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn decodes_as_the_whole_does(bytes in stream(), cuts in cuts()) {
        let mut expected = naive::decode(&bytes);
        expected.longest = 0;
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        for reads in [reads(&bytes, &cuts), vec![&bytes[..]], singles] {
            prop_assert_eq!(&in_pieces(&reads, usize::MAX), &(expected.clone(), false));
        }
    }

    /// At the limit everything is taken; one below it, nothing after the event that is too long.
    #[test]
    fn refuses_by_size_and_not_by_split(bytes in stream(), cuts in cuts()) {
        let longest = naive::decode(&bytes).longest;
        let reads = reads(&bytes, &cuts);
        let (all, failed) = in_pieces(&reads, longest);
        prop_assert!(!failed);
        if longest > 0 {
            let (before, failed) = in_pieces(&reads, longest - 1);
            prop_assert!(failed);
            prop_assert!(all.events.starts_with(&before.events));
            prop_assert_eq!(before, in_pieces(&[&bytes], longest - 1).0);
        }
    }
}
