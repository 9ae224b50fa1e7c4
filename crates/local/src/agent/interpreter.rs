//! Finds a missing interpreter of an executable (execve(2)). The kernel reports one as "No such file or directory",
//! without its name.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The number of bytes that are read of an executable. They include the program headers of ELF files and the path of the
/// interpreter.
const HEAD: u64 = 4096;

/// The interpreter of an executable, if it does not exist.
pub(super) fn missing(executable: &Path, directory: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    File::open(executable).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    let named = of_script(&head).or_else(|| of_elf(&head))?;
    let interpreter = PathBuf::from(OsStr::from_bytes(named));
    (!directory.join(&interpreter).exists()).then_some(interpreter)
}

/// The first word after `#!`.
fn of_script(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())
}

/// The dynamic loader of a 64-bit little-endian executable (elf(5), `PT_INTERP`).
fn of_elf(head: &[u8]) -> Option<&[u8]> {
    const PT_INTERP: u32 = 3;
    let half = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?).into());
    let long = |at: usize| {
        usize::try_from(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?)).ok()
    };
    // The magic number, the class and the byte order.
    head.strip_prefix(b"\x7fELF\x02\x01")?;
    let (table, size, count): (usize, usize, usize) = (long(32)?, half(54)?, half(56)?);
    let headers = (0..count).map(|index| table.checked_add(index * size));
    for at in headers {
        let at = at?;
        if head.get(at..at.checked_add(4)?)? == PT_INTERP.to_le_bytes() {
            let start = long(at.checked_add(8)?)?;
            let path = head.get(start..start.checked_add(long(at.checked_add(32)?)?)?)?;
            return path.split(|byte| *byte == 0).next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_is_the_first_word_of_a_script() {
        for (head, named) in [
            (&b"#!/bin/sh\necho"[..], Some(&b"/bin/sh"[..])),
            (b"#! \t/usr/bin/env  python3 -u\n", Some(b"/usr/bin/env")),
            (b"#!/bin/a", Some(b"/bin/a")),
            (b"#!\n/bin/sh", None),
            (b"echo", None),
            (b"", None),
        ] {
            assert_eq!(of_script(head), named);
        }
    }

    #[test]
    fn the_loader_of_an_executable_is_found_and_no_head_is_too_short() {
        let mut head = vec![0; 200];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        head[32] = 64;
        (head[54], head[56]) = (56, 1);
        (head[64], head[72], head[96]) = (3, 130, 8);
        head[130..138].copy_from_slice(b"/lib/ld\0");
        assert_eq!(of_elf(&head), Some(&b"/lib/ld"[..]));
        for length in 0..138 {
            assert_eq!(of_elf(&head[..length]), None, "{length}");
        }
        for at in 6..138 {
            let mut damaged = head.clone();
            damaged[at] = 0xff;
            of_elf(&damaged);
        }
    }
}
