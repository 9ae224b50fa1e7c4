//! The width of characters on a terminal. Characters of some blocks of Unicode take two columns (East Asian Width W and F,
//! Unicode Standard Annex #11) or none (combining marks and format characters). An exact table would be larger than the rest
//! of the folding, so a character outside of these blocks takes one column.

const WIDE: [(u32, u32); 12] = [
    (0x1100, 0x115f),
    (0x2e80, 0x303e),
    (0x3041, 0x3247),
    (0x3250, 0x4dbf),
    (0x4e00, 0xa4cf),
    (0xa960, 0xa97c),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0xfe30, 0xfe6f),
    (0xff01, 0xff60),
    (0xffe0, 0xffe6),
    (0x20000, 0x3fffd),
];

/// Emoji that are shown as such without a variation selector.
const EMOJI: [(u32, u32); 14] = [
    (0x1f32d, 0x1f335),
    (0x1f337, 0x1f37c),
    (0x1f3a0, 0x1f3ca),
    (0x1f3e0, 0x1f3f0),
    (0x1f400, 0x1f43e),
    (0x1f442, 0x1f4fc),
    (0x1f4ff, 0x1f53d),
    (0x1f550, 0x1f567),
    (0x1f5fb, 0x1f64f),
    (0x1f680, 0x1f6c5),
    (0x1f90c, 0x1f93a),
    (0x1f93c, 0x1f945),
    (0x1f947, 0x1f9ff),
    (0x1fa70, 0x1fad6),
];

const MARKS: [(u32, u32); 9] = [
    (0x300, 0x36f),
    (0x483, 0x489),
    (0x591, 0x5bd),
    (0x1ab0, 0x1ace),
    (0x1dc0, 0x1dff),
    (0x200b, 0x200f),
    (0x20d0, 0x20f0),
    (0xfe00, 0xfe0f),
    (0xfe20, 0xfe2f),
];

/// The columns of a character that is not a control character.
pub(super) fn width(character: char) -> usize {
    let code = u32::from(character);
    let within =
        |blocks: &[(u32, u32)]| blocks.iter().any(|(from, to)| (*from..=*to).contains(&code));
    if code < 0x300 {
        1
    } else if within(&MARKS) {
        0
    } else if within(&WIDE) || within(&EMOJI) {
        2
    } else {
        1
    }
}
