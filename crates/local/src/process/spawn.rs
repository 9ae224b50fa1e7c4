//! Starting a process, with the cause when that fails.

use crate::error::{ApiError, Result};
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::wire::process::{OutputMode, StartRequest, StdinMode};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What of the server's own environment a process sees: nothing that may be a secret.
const INHERITED: [&str; 8] =
    ["PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "USER", "LOGNAME", "SHELL"];
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The name under which a process reaches the sandbox's own directory, as in the cloud.
const WORKSPACE: &str = "/workspace";

/// Where a sandbox's processes run.
#[derive(Debug)]
pub(crate) struct Place {
    /// The sandbox's own directory, where processes start.
    pub(crate) workspace: PathBuf,
}

impl Place {
    /// The directory that a request names; `/workspace` is the sandbox's own.
    fn directory(&self, named: Option<&str>) -> PathBuf {
        let Some(named) = named else { return self.workspace.clone() };
        match Path::new(named).strip_prefix(WORKSPACE) {
            Ok(below) => self.workspace.join(below),
            Err(_) => self.workspace.join(named),
        }
    }

    fn environment(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let inherited = INHERITED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let own = [("HOME", self.workspace.clone().into_os_string())];
        [("PATH", DEFAULT_PATH.into())].into_iter().chain(inherited).chain(own)
    }
}

/// The time limit of a run.
pub(super) fn timeout(request: &StartRequest) -> Result<Option<Duration>> {
    let Some(seconds) = request.timeout else { return Ok(None) };
    match Duration::try_from_secs_f64(seconds) {
        Ok(timeout) if !timeout.is_zero() => Ok(Some(timeout)),
        _ => Err(ApiError::new(
            ServerCode::InvalidRequest,
            "`timeout` must be a number of seconds above 0",
        )),
    }
}

pub(super) fn spawn(request: &StartRequest, place: &Place) -> Result<Child> {
    check(request)?;
    let directory = place.directory(request.working_dir.as_deref());
    if !directory.is_dir() {
        let named = request.working_dir.as_deref().unwrap_or_default();
        return Err(ApiError::new(
            ServerCode::WorkingDirNotFound,
            format!("no such directory: {named:?}"),
        ));
    }
    let mut environment: Vec<(OsString, OsString)> =
        place.environment().map(|(name, value)| (name.into(), value)).collect();
    environment.extend(request.env.iter().map(|(name, value)| (name.into(), value.into())));
    let path = environment.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path);
    let executable = find(&request.command, path, &directory)?;

    let output = |mode| match mode {
        OutputMode::Capture => Stdio::piped(),
        OutputMode::Discard => Stdio::null(),
    };
    Command::new(executable)
        .arg0(&request.command)
        .args(&request.args)
        .env_clear()
        .envs(environment)
        .env("PWD", &directory)
        .current_dir(&directory)
        .stdin(match request.stdin_mode {
            StdinMode::Closed => Stdio::null(),
            StdinMode::Pipe => Stdio::piped(),
        })
        .stdout(output(request.stdout_mode))
        .stderr(output(request.stderr_mode))
        .process_group(0)
        .spawn()
        .map_err(|error| failed(&request.command, &error))
}

fn check(request: &StartRequest) -> Result<()> {
    let wrong = |text: &str| Err(ApiError::new(ServerCode::InvalidRequest, text));
    if request.command.is_empty() {
        return wrong("`command` must not be empty");
    }
    let strings = [&request.command]
        .into_iter()
        .chain(&request.args)
        .chain(&request.working_dir)
        .chain(request.env.iter().flat_map(|(name, value)| [name, value]));
    if strings.into_iter().any(|text| text.contains('\0')) {
        return wrong("a NUL character cannot be passed to a process");
    }
    if request.env.keys().any(|name| name.is_empty() || name.contains('=')) {
        return wrong("the name of a variable is not empty and has no '='");
    }
    if request.name.is_some() || request.restart.is_some() || request.health_check.is_some() {
        return Err(ApiError::unsupported("managed processes (`name`, `restart`, `health_check`)"));
    }
    if request.user.is_some() {
        return Err(ApiError::unsupported(
            "another `user`: without isolation it cannot be changed",
        ));
    }
    Ok(())
}

/// The file that is run: found here and not by the kernel, so that a missing command is told from a
/// missing interpreter.
fn find(command: &str, path: Option<&OsString>, directory: &Path) -> Result<PathBuf> {
    let path: Option<&OsStr> = path.map(OsString::as_os_str);
    which::which_in(command, path, directory).map_err(|_| {
        let named = directory.join(command);
        if command.contains('/') && named.exists() {
            return failed(command, &io::ErrorKind::PermissionDenied.into());
        }
        ApiError::new(ServerCode::ExecutableNotFound, format!("no such executable: {command:?}"))
    })
}

fn failed(command: &str, error: &io::Error) -> ApiError {
    ApiError::new(ServerCode::SpawnFailed, format!("{command:?} could not be started: {error}"))
}
