//! Secrets and identifiers.

use std::io;

/// Bytes from the operating system's random generator.
pub(crate) fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// A secret that authorizes its bearer.
pub(crate) fn token() -> io::Result<String> {
    Ok(format!("sl_{}", hex(bytes::<24>()?)))
}

/// An identifier of 21 characters from `alphabet`, each equally likely.
pub(crate) fn id(alphabet: &[u8]) -> io::Result<String> {
    // The largest multiple of the alphabet's length: bytes beyond it would favor its first characters.
    let most = 256 - 256 % alphabet.len();
    let mut id = String::with_capacity(21);
    while id.len() < 21 {
        for byte in bytes::<32>()? {
            if usize::from(byte) < most && id.len() < 21 {
                id.push(char::from(alphabet[usize::from(byte) % alphabet.len()]));
            }
        }
    }
    Ok(id)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02x}")).collect()
}
