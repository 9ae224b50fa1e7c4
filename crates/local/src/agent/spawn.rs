//! Starts processes, and reports why a start failed.

use super::interpreter;
use super::message::Spawn;
use super::place::{WORKSPACE, inside};
use super::terminal::Terminals;
use crate::error::{ApiError, Result};
use crate::wire::process::{User, UserParts};
use rustix::fd::OwnedFd;
use rustix::process::{Resource, Rlimit, getgid, getuid, setrlimit};
use shoreline_protocol::error::ServerCode;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The subcommand that sets up its own process and then executes the requested program.
pub(crate) const LAUNCH: &str = "launch";

/// Starts a process in a group of its own, with at most `memory` bytes. With a terminal, returns the other
/// end of it.
pub(super) fn spawn(
    spawn: &Spawn,
    files: Vec<OwnedFd>,
    workspace: &Path,
    memory: Option<u64>,
    terminals: &Terminals,
) -> Result<(Child, Option<OwnedFd>)> {
    let directory = directory(spawn, workspace)?;
    let path = spawn.env.get("PATH").map(OsString::from).or_else(|| std::env::var_os("PATH"));
    let executable = find(&spawn.command, path.as_deref(), &directory)?;
    let failed = |error: io::Error| failed(&spawn.command, &executable, &directory, &error);
    let mut command = match (spawn.terminal, memory) {
        (None, None) => {
            let mut command = Command::new(&executable);
            command.arg0(&spawn.command);
            command
        }
        (terminal, memory) => {
            // The launcher could not report this error later.
            if interpreter::missing(&executable, &directory).is_some() {
                return Err(failed(io::ErrorKind::NotFound.into()));
            }
            let mut command = Command::new("/proc/self/exe");
            command.arg(LAUNCH).arg(if terminal.is_some() { TERMINAL } else { PIPES });
            command.arg(memory.map_or_else(|| UNLIMITED.to_owned(), |bytes| bytes.to_string()));
            command.arg(&executable).arg(&spawn.command);
            command
        }
    };
    let mut files = files.into_iter();
    let mut terminal = None;
    let [stdin, stdout, stderr] = match spawn.terminal {
        None => {
            command.process_group(0);
            spawn.files.map(|comes| comes.then(|| files.next()).flatten())
        }
        Some(size) => {
            let open = || -> io::Result<_> {
                let (ours, its) = terminals.open(size)?;
                Ok((ours, [Some(its.try_clone()?), Some(its.try_clone()?), Some(its)]))
            };
            let (ours, its) = open().map_err(|e| ApiError::internal(&e))?;
            terminal = Some(ours);
            its
        }
    };
    if let Some((uid, gid)) = identity(spawn.user.as_ref())? {
        command.uid(uid).gid(gid);
    }
    let stdio = |file: Option<OwnedFd>| file.map_or_else(Stdio::null, Stdio::from);
    command
        .args(&spawn.args)
        .envs(&spawn.env)
        .env("PWD", &directory)
        .current_dir(&directory)
        .stdin(stdio(stdin))
        .stdout(stdio(stdout))
        .stderr(stdio(stderr))
        .spawn()
        .map(|child| (child, terminal))
        .map_err(failed)
}

/// The working directory of a request.
fn directory(spawn: &Spawn, workspace: &Path) -> Result<PathBuf> {
    let named = spawn.working_dir.as_deref().unwrap_or(WORKSPACE);
    let directory = inside(named, workspace);
    if directory.is_dir() {
        return Ok(directory);
    }
    let text = format!("no such directory: {named:?}");
    Err(ApiError::new(ServerCode::WorkingDirNotFound, text))
}

/// Finds the executable. The kernel reports a missing command and a missing interpreter by the same
/// error.
fn find(command: &str, path: Option<&OsStr>, directory: &Path) -> Result<PathBuf> {
    which::which_in(command, path, directory).map_err(|_| {
        let named = directory.join(command);
        if command.contains('/') && named.exists() {
            return failed(command, &named, directory, &io::ErrorKind::PermissionDenied.into());
        }
        let text = format!("no such executable: {command:?}");
        ApiError::new(ServerCode::ExecutableNotFound, text)
    })
}

/// The uid and gid to change to; `None` if the agent already has them.
fn identity(user: Option<&User>) -> Result<Option<(u32, u32)>> {
    let (name, mut uid, mut gid) = match user {
        None => return Ok(None),
        Some(User::Text(text)) => match text.split_once(':') {
            Some((uid, gid)) => (None, Some(number(uid)?), Some(number(gid)?)),
            None if text.bytes().all(|b| b.is_ascii_digit()) => (None, Some(number(text)?), None),
            None => (Some(text.as_str()), None, None),
        },
        Some(User::Parts(UserParts { name, uid, gid })) => (name.as_deref(), *uid, *gid),
    };
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let known = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (user, _) = (fields.next()?, fields.next()?);
        let (its, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let found = name.map_or(uid == Some(its), |name| name == user);
        found.then_some((its, group))
    });
    if let Some(name) = name {
        let (its, _) = known.ok_or_else(|| no_user(name))?;
        uid = uid.or(Some(its));
    }
    gid = gid.or(known.map(|(_, group)| group));
    let own = (getuid().as_raw(), getgid().as_raw());
    let wanted = (uid.unwrap_or(own.0), gid.unwrap_or(own.1));
    match wanted {
        same if same == own => Ok(None),
        other if own.0 == 0 => Ok(Some(other)),
        _ => Err(ApiError::unsupported("another `user` than the sandbox's own")),
    }
}

fn number(text: &str) -> Result<u32> {
    text.parse().map_err(|_| no_user(text))
}

fn no_user(name: &str) -> ApiError {
    ApiError::new(ServerCode::UserNotFound, format!("no such user: {name:?}"))
}

const TERMINAL: &str = "terminal";
const PIPES: &str = "pipes";
const UNLIMITED: &str = "-";

/// The exit code of shells for a file that cannot be executed.
const NOT_EXECUTABLE: i32 = 126;

/// Sets up this process and executes a program. With a terminal on stdin, the process leads a session with that controlling
/// terminal. With a number, it is limited to this many bytes of memory. `args` are both of these, the executable, its name,
/// and its arguments.
pub(crate) fn launch(mut args: impl Iterator<Item = OsString>) -> io::Result<()> {
    let mut next = || args.next().unwrap_or_default();
    if next() == TERMINAL {
        rustix::process::setsid()?;
        rustix::process::ioctl_tiocsctty(io::stdin())?;
    }
    let memory = next();
    let (executable, name) = (next(), next());
    let mut command = Command::new(executable);
    command.arg0(name).args(args);
    if let Some(bytes) = memory.to_str().and_then(|bytes| bytes.parse().ok()) {
        setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
    }
    let name = command.get_program().to_owned();
    let error = command.exec();
    eprintln!("{}: {error}", Path::new(&name).display());
    std::process::exit(NOT_EXECUTABLE);
}

fn failed(command: &str, executable: &Path, directory: &Path, error: &io::Error) -> ApiError {
    // fork(2) and execve(2) fail with EAGAIN at a limit on processes.
    if error.kind() == io::ErrorKind::WouldBlock {
        let text = format!("{command:?} could not be started: too many processes run");
        return ApiError::new(ServerCode::TooManyProcesses, text);
    }
    let not_found = error.kind() == io::ErrorKind::NotFound;
    let why = match not_found.then(|| interpreter::missing(executable, directory)).flatten() {
        Some(interpreter) => format!("its interpreter {interpreter:?} is not there"),
        None => error.to_string(),
    };
    let text = format!("{command:?} could not be started: {why}");
    ApiError::new(ServerCode::SpawnFailed, text)
}
