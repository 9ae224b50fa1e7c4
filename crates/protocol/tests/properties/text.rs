use proptest::prelude::*;
use shoreline_protocol::utf8::{contains, lossy_into, utf16_len};

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
    fn is_searched_as_the_standard_library_does(text in "[abé]{0,9}", needle in "[abé]{0,3}") {
        prop_assert_eq!(contains(&text, &needle), text.contains(&needle));
    }
}
