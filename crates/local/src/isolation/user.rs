//! The user of a sandbox if root starts the server: a uid of the host that owns nothing else. As
//! host uid 0, a process without capabilities would still own every visible file of root, including most of
//! /proc and /sys.

use std::fs;
use std::io;

/// Host uids for sandboxes. systemd gives none of them to containers or users (its UIDS-GIDS.md: "unused").
const FIRST: u32 = 0x7000_0000;
const COUNT: u32 = 0x0F00_0000;

/// A uid, also used as gid, for a new sandbox. `None` if the server is not root.
///
/// # Errors
/// The server is root, and cannot change to another user.
pub(super) fn dedicated() -> io::Result<Option<u32>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let map = fs::read_to_string("/proc/self/uid_map")?;
    let Some((first, count)) = range(&map)? else { return Ok(None) };
    let random = u32::from_le_bytes(crate::random::bytes()?);
    Ok(Some(first + random % count))
}

/// The first and the number of the uids to choose from, given the server's uid_map (user_namespaces(7)).
fn range(map: &str) -> io::Result<Option<(u32, u32)>> {
    let lines = map.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().filter_map(|text| text.parse::<u32>().ok());
        Some((numbers.next()?, numbers.next()?, numbers.next()?))
    });
    let lines: Vec<_> = lines.collect();
    let has_all = |&(inside, _, count): &(u32, u32, u32)| {
        inside <= FIRST && count.saturating_sub(FIRST - inside) >= COUNT
    };
    if lines.iter().any(has_all) {
        return Ok(Some((FIRST, COUNT)));
    }
    // A container: the upper half of its largest range, without 65534, which is `nobody`.
    match lines.iter().max_by_key(|(_, _, count)| count) {
        Some((inside, _, count)) if *count > 1024 => Ok(Some((inside + count / 2, count / 2 - 2))),
        // Root of a user namespace, which is an ordinary user of the host.
        Some((0, outside, 1)) if *outside != 0 => Ok(None),
        _ => Err(io::Error::other(
            "root can become no other user here (/proc/self/uid_map): start the server as an ordinary user, \
             or map at least 1024 uids",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_chosen_from_what_is_mapped() {
        let whole = "         0          0 4294967295\n";
        assert_eq!(range(whole).unwrap(), Some((FIRST, COUNT)));
        assert_eq!(range("0 100000 65536\n").unwrap(), Some((32768, 32766)));
        assert_eq!(range("0 1000 1\n1 100000 65536\n").unwrap(), Some((32769, 32766)));
        assert_eq!(range("0 1000 1\n").unwrap(), None);
        // It may be the host's root.
        assert!(range("0 0 1\n").is_err());
        assert!(range("").is_err());
    }
}
