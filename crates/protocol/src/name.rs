//! Rules for names: sandboxes and managed processes.

/// Why a name was refused; [`NameError::sentence`] is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum NameError {
    SandboxShape,
    LooksLikeId,
    ProcessEmpty,
    ProcessSlash,
    ProcessDigits,
    ProcessNul,
    ProcessDots,
}

impl NameError {
    /// A sentence that says which rule the name breaks.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::SandboxShape => {
                "a sandbox name has 1 to 63 characters a-z, 0-9 and '-', starts with a letter and does not end in '-'"
            }
            Self::LooksLikeId => {
                "a sandbox name of 21 lower-case letters and digits looks like a sandbox id: add a '-' or change its length"
            }
            Self::ProcessEmpty => "a process name must not be empty",
            Self::ProcessSlash => "a process name must not contain '/'",
            Self::ProcessDigits => {
                "a process name of digits only would be taken for a pid: add a letter"
            }
            Self::ProcessNul => "a process name must not contain a NUL character",
            Self::ProcessDots => {
                "a process name must not be `.` or `..`: clients remove these from a URL's path"
            }
        }
    }
}

/// Whether `text` has the form of a sandbox id: 21 characters of `0-9a-z`.
#[must_use]
pub fn is_sandbox_id(text: &str) -> bool {
    text.len() == 21 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

/// Checks a name for a new sandbox.
///
/// # Errors
/// Says which rule the name breaks.
pub fn check_sandbox_name(name: &str) -> Result<(), NameError> {
    let shape = name.len() <= 63
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !shape {
        Err(NameError::SandboxShape)
    } else if is_sandbox_id(name) {
        Err(NameError::LooksLikeId)
    } else {
        Ok(())
    }
}

/// Checks an id or a name that is about to address a sandbox.
///
/// # Errors
/// Says which rule it breaks.
pub fn check_sandbox_id_or_name(text: &str) -> Result<(), NameError> {
    if is_sandbox_id(text) { Ok(()) } else { check_sandbox_name(text) }
}

/// Whether `text` addresses a process by pid: ASCII digits only.
#[must_use]
pub fn is_pid(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Checks a name for a managed process.
///
/// # Errors
/// Says which rule the name breaks.
pub fn check_process_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        Err(NameError::ProcessEmpty)
    } else if name.contains('/') {
        Err(NameError::ProcessSlash)
    } else if name.contains('\0') {
        Err(NameError::ProcessNul)
    } else if matches!(name, "." | "..") {
        // URL standard, "double-dot URL path segment"; percent-encoded ones too.
        Err(NameError::ProcessDots)
    } else if is_pid(name) {
        Err(NameError::ProcessDigits)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sandbox_names() {
        for good in ["a", "my-env", "a1", &"a".repeat(20), &"a".repeat(22), &"a".repeat(63)] {
            assert_eq!(check_sandbox_name(good), Ok(()), "{good}");
        }
        for bad in ["", "A", "1a", "a-", "a_b", "-a", "a.b", "é", &"a".repeat(64)] {
            assert_eq!(check_sandbox_name(bad), Err(NameError::SandboxShape), "{bad}");
        }
        assert_eq!(check_sandbox_name(&"a".repeat(21)), Err(NameError::LooksLikeId));
        assert_eq!(check_sandbox_id_or_name("0".repeat(21).as_str()), Ok(()));
    }

    #[test]
    fn process_names() {
        for good in ["web", "web server", "é", "1a"] {
            assert_eq!(check_process_name(good), Ok(()), "{good}");
        }
        assert_eq!(check_process_name(""), Err(NameError::ProcessEmpty));
        assert_eq!(check_process_name("a/b"), Err(NameError::ProcessSlash));
        assert_eq!(check_process_name("12"), Err(NameError::ProcessDigits));
        assert_eq!(check_process_name("a\0"), Err(NameError::ProcessNul));
        assert_eq!(check_process_name("."), Err(NameError::ProcessDots));
        assert_eq!(check_process_name(".."), Err(NameError::ProcessDots));
        assert_eq!(check_process_name("..."), Ok(()));
    }
}
