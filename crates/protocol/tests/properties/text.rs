use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use shoreline_protocol::base64;
use shoreline_protocol::text;
use shoreline_protocol::utf8::{lossy_into, utf16_len};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn is_replaced_as_the_standard_library_does(
        parts in prop::collection::vec(
            prop_oneof![prop::collection::vec(any::<u8>(), 0..5), any::<char>().prop_map(|c| c.to_string().into_bytes())],
            0..12,
        ),
        keep in 0_usize..5,
    ) {
        // Characters that are cut short, too.
        let bytes: Vec<u8> = parts.iter().flat_map(|part| &part[..part.len().min(keep)]).copied().collect();
        let mut text = String::from("before");
        let clean = lossy_into(&bytes, &mut text);
        prop_assert_eq!(&text["before".len()..], &String::from_utf8_lossy(&bytes));
        prop_assert_eq!(clean, std::str::from_utf8(&bytes).is_ok());
        prop_assert_eq!(utf16_len(&text), text.encode_utf16().count());
    }

    #[test]
    fn is_taken_apart_as_the_standard_library_does(text in "[abAB:/é]{0,9}", needle in "[abé]{0,3}") {
        let lower = text.to_ascii_lowercase();
        prop_assert_eq!(text::contains(&text, &needle), lower.contains(&needle));
        prop_assert_eq!(text::split(&text, b":/"), text.split_once([':', '/']));
        prop_assert_eq!(text::joined(&[&text, "", &needle]), format!("{text}{needle}"));
    }

    #[test]
    fn numbers_are_written_and_read(number in any::<u64>(), digits in "0{0,3}[0-9]{0,21}") {
        prop_assert_eq!(text::digits(number), number.to_string());
        prop_assert_eq!(text::decimal(digits.as_bytes()), digits.parse().ok());
    }

    #[test]
    fn base64_is_read_as_it_is_written(
        bytes in prop::collection::vec(any::<u8>(), 0..12),
        (at, with) in (any::<prop::sample::Index>(), "[A-D+/=_ ]?"),
    ) {
        let mut text = STANDARD.encode(bytes);
        // One character replaced, most often by one that is wrong there.
        if !text.is_empty() {
            let at = at.index(text.len());
            text.replace_range(at..=at, &with);
        }
        prop_assert_eq!(base64::decode(text.as_bytes()), STANDARD.decode(text).ok());
    }
}
