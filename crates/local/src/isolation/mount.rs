//! Files of the machine that every sandbox sees. Only the command line of the server names them; no request can.

use super::environment::HOME;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// A file or directory of the machine, and where sandboxes see it.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(super) source: PathBuf,
    pub(super) target: PathBuf,
    pub(super) writable: bool,
}

/// Directories of the sandbox in and above which nothing can be mounted.
const SYSTEM: [&str; 13] = [
    "/bin", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/proc", "/run",
    "/sbin", "/sys", "/usr",
];
/// Directories of the sandbox in which something can be mounted, but not in their place.
const OWN: [&str; 4] = ["/workspace", "/tmp", "/var/tmp", HOME];
/// File systems through which a sandbox would reach processes and devices of the machine.
const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

const FORM: &str = "a mount is HOST:INSIDE, HOST:INSIDE:ro or HOST:INSIDE:rw";

impl Mount {
    /// Reads the mounts of a command line. `private` is a directory that sandboxes must not see.
    ///
    /// # Errors
    /// A path that cannot be mounted, or two that collide. The text names it.
    pub(crate) fn read(all: &[OsString], private: &Path) -> io::Result<Vec<Self>> {
        let private = fs::canonicalize(private)?;
        let mut mounts: Vec<Self> = Vec::new();
        for given in all {
            let wrong = |why: &str| {
                let text = format!("--mount {}: {why}", given.display());
                io::Error::new(io::ErrorKind::InvalidInput, text)
            };
            let mount = Self::parse(given).map_err(|why| wrong(&why))?;
            mount.check(&private).map_err(|why| wrong(&why))?;
            let (one, target) = (&mount.target, |other: &Self| other.target.clone());
            let other =
                mounts.iter().map(target).find(|o| o.starts_with(one) || one.starts_with(o));
            if let Some(other) = other {
                return Err(wrong(&format!(
                    "INSIDE collides with the mount at {}",
                    other.display()
                )));
            }
            mounts.push(mount);
        }
        Ok(mounts)
    }

    /// The path on the machine may contain colons; the path inside may not.
    fn parse(given: &OsStr) -> Result<Self, String> {
        let given = given.as_bytes();
        let (paths, writable) = match given.strip_suffix(b":rw") {
            Some(paths) => (paths, true),
            None => (given.strip_suffix(b":ro").unwrap_or(given), false),
        };
        let colon = paths.iter().rposition(|byte| *byte == b':').ok_or(FORM)?;
        let (source, target) = (paths.get(..colon), paths.get(colon + 1..));
        let path =
            |bytes: Option<&[u8]>| PathBuf::from(OsStr::from_bytes(bytes.unwrap_or_default()));
        let (source, target) = (path(source), path(target));
        if !target.is_absolute() || target.components().any(|part| part == Component::ParentDir) {
            return Err(format!("INSIDE must be an absolute path without `..`: {FORM}"));
        }
        // Without what a path can contain in vain, such as `//`.
        let target = target.components().collect();
        let source = fs::canonicalize(source).map_err(|error| format!("HOST: {error}"))?;
        Ok(Self { source, target, writable })
    }

    fn check(&self, private: &Path) -> Result<(), String> {
        let Self { source, target, .. } = self;
        let is_near = |name: &str| target.starts_with(name) || Path::new(name).starts_with(target);
        if let Some(name) = SYSTEM.into_iter().find(|name| is_near(name)) {
            return Err(format!("INSIDE collides with {name}, which sandboxes need"));
        }
        if let Some(name) = OWN.iter().find(|name| Path::new(name).starts_with(target)) {
            return Err(format!("INSIDE collides with {name}: use a directory in it"));
        }
        if let Some(name) = KERNEL.iter().find(|name| source.starts_with(name)) {
            return Err(format!("HOST is in {name}, which would open the machine to sandboxes"));
        }
        if private.starts_with(source) {
            let private = private.display();
            return Err(format!("HOST contains {private}, where sandboxes have their files"));
        }
        let kind = fs::metadata(source).map_err(|error| format!("HOST: {error}"))?.file_type();
        if !kind.is_dir() && !kind.is_file() {
            return Err("HOST is neither a file nor a directory".to_owned());
        }
        // Opening a device or a pipe could block, which are refused by now.
        File::open(source).map_err(|error| format!("HOST: {error}"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(all: &[String]) -> Result<Vec<(PathBuf, PathBuf, bool)>, String> {
        let all: Vec<_> = all.iter().map(OsString::from).collect();
        let private = std::env::temp_dir();
        let mounts = Mount::read(&all, &private).map_err(|error| error.to_string())?;
        Ok(mounts.into_iter().map(|m| (m.source, m.target, m.writable)).collect())
    }

    #[test]
    fn the_last_colon_separates_the_paths() {
        let directory = tempfile::tempdir().unwrap();
        let odd = fs::canonicalize(directory.path()).unwrap().join("a: b:ro\n");
        fs::create_dir(&odd).unwrap();
        let host = odd.to_str().unwrap();
        for (rest, target, writable) in [
            (":/data", "/data", false),
            (":/data:ro", "/data", false),
            (":/data:rw", "/data", true),
            ("/.:/ro", "/ro", false),
            (":/a b//c/./", "/a b/c", false),
            (":/workspace/src:rw", "/workspace/src", true),
            (":/home/tl-user/.cache", "/home/tl-user/.cache", false),
            (":/usrlocal", "/usrlocal", false),
        ] {
            let mount = format!("{host}{rest}");
            assert_eq!(read(&[mount]), Ok(vec![(odd.clone(), target.into(), writable)]), "{rest}");
        }
    }

    #[test]
    fn what_cannot_be_mounted_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let host = directory.path().to_str().unwrap();
        let fifo = directory.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, 0o600.into()).unwrap();
        let fifo = fifo.to_str().unwrap();
        let parent = std::env::temp_dir();
        for (mount, why) in [
            (host.to_owned(), FORM),
            (format!("{host}:ro"), FORM),
            (format!("{host}:data"), "INSIDE must be an absolute path"),
            (format!("{host}:/data:rx"), "INSIDE must be an absolute path"),
            (format!("{host}:/data:"), "INSIDE must be an absolute path"),
            (format!("{host}:/data/../usr"), "INSIDE must be an absolute path"),
            (format!("{host}:/"), "INSIDE collides with /bin"),
            (format!("{host}:/proc"), "INSIDE collides with /proc"),
            (format!("{host}:/dev/shm"), "INSIDE collides with /dev"),
            (format!("{host}://usr//lib/"), "INSIDE collides with /usr"),
            (format!("{host}:/etc/ssl"), "INSIDE collides with /etc"),
            (format!("{host}:/workspace"), "INSIDE collides with /workspace"),
            (format!("{host}:/home"), "INSIDE collides with /home/tl-user"),
            (format!("{host}:/var"), "INSIDE collides with /var/tmp"),
            (format!("{host}/missing:/data"), "HOST: No such file or directory"),
            (":/data".to_owned(), "HOST: No such file or directory"),
            (format!("{fifo}:/data"), "HOST is neither a file nor a directory"),
            ("/dev/null:/data".to_owned(), "HOST is in /dev"),
            ("/proc/self:/data".to_owned(), "HOST is in /proc"),
            (format!("{}:/data", parent.display()), "where sandboxes have their files"),
            ("/:/data".to_owned(), "where sandboxes have their files"),
        ] {
            let error = read(std::slice::from_ref(&mount)).unwrap_err();
            assert!(error.starts_with("--mount ") && error.contains(why), "{mount}: {error}");
        }
        for (one, other) in [("/data", "/data"), ("/data", "/data/sub"), ("/data/sub", "/data")] {
            let error = read(&[format!("{host}:{one}"), format!("{host}:{other}")]).unwrap_err();
            assert!(error.contains("collides with the mount at"), "{error}");
        }
        assert_eq!(read(&[]), Ok(vec![]));
    }
}
