//! Resolves the paths of requests.

use std::path::{Path, PathBuf};

/// The name of the sandbox's own directory, as in the cloud.
pub(super) const WORKSPACE: &str = "/workspace";

/// Resolves a path: `/workspace` is the sandbox's own directory, and relative paths begin there.
pub(super) fn inside(path: &str, workspace: &Path) -> PathBuf {
    match Path::new(path).strip_prefix(WORKSPACE) {
        Ok(below) if below.as_os_str().is_empty() => workspace.to_owned(),
        Ok(below) => workspace.join(below),
        Err(_) => workspace.join(path),
    }
}
