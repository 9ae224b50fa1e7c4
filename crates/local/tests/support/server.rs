//! A server that belongs to one test, and the requests that tests send most.

use super::machine::mentioning;
use super::wait::TIMEOUT;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use shoreline_protocol::batch::{Batch, flag};
use shoreline_protocol::cursor::Position;
use shoreline_protocol::limits;
use shoreline_protocol::output::{End, LongLine, Mode, OutputDecoder};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;

pub const KEY: &str = "the key of the test";

/// Dropping it ends the server: its standard input closes, and SIGKILL follows if that does not help.
pub struct Server {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    pub url: String,
    pub client: Client,
    /// The server's TMPDIR, which servers of one test can share.
    pub temp: Arc<TempDir>,
    /// A copy of the server's executable.
    pub programs: Option<TempDir>,
}

impl Server {
    pub fn start(args: &[&str]) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), args)
    }

    /// Starts a server whose TMPDIR is `temp`.
    pub fn start_in(temp: Arc<TempDir>, args: &[&str]) -> Self {
        // Most machines set a low soft limit on open files, and the server has to raise its own.
        Self::start_by(limited("ulimit -Sn 256"), temp, args)
    }

    /// Starts a server under the limits that a shell command sets.
    pub fn start_under(limits: &str, args: &[&str]) -> Self {
        Self::start_by(limited(limits), Arc::new(tempfile::tempdir().unwrap()), args)
    }

    /// Starts a server as a user without privileges where the test runs as root, else as this user.
    pub fn start_unprivileged(args: &[&str]) -> Self {
        const NOBODY: u32 = 65534;
        let temp = Arc::new(tempfile::tempdir().unwrap());
        if !rustix::process::getuid().is_root() {
            return Self::start_in(temp, args);
        }
        // The build's directory may be closed to that user.
        let programs = tempfile::tempdir().unwrap();
        let program = programs.path().join("shoreline-local");
        std::fs::copy(env!("CARGO_BIN_EXE_shoreline-local"), &program).unwrap();
        std::fs::set_permissions(programs.path(), PermissionsExt::from_mode(0o755)).unwrap();
        chown(temp.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
        let mut server = Self::start_by(command, temp, args);
        server.programs = Some(programs);
        server
    }

    /// Starts a server by a command that takes the server's arguments.
    pub fn start_by(mut command: Command, temp: Arc<TempDir>, args: &[&str]) -> Self {
        let mut child = command
            .args(["--port", "0", "--json", "--until-stdin-closes"])
            .args(if args.contains(&"--isolation") { &[][..] } else { &["--isolation", "none"] })
            .args(args)
            .env("SHORELINE_LOCAL_API_KEY", KEY)
            .env("TENSORLAKE_API_KEY", "a secret of the user")
            .env("TMPDIR", temp.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["apiKey"], KEY);
        Self {
            stdin: child.stdin.take(),
            child,
            url: ready["url"].as_str().unwrap().to_owned(),
            client: Client::builder().no_proxy().read_timeout(TIMEOUT).build().unwrap(),
            temp,
            programs: None,
        }
    }

    /// Sends a signal, such as `-TERM`, to the server.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// The server's exit status, or nothing where it still runs after `limit`.
    pub fn exit_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            let status = self.child.try_wait().unwrap();
            if status.is_some() || Instant::now() > end {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(KEY)
    }

    /// A connection without a client library.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await.unwrap()
    }

    pub async fn sandbox(&self) -> Sandbox {
        self.sandbox_with(json!({})).await
    }

    /// Creates a sandbox as `body` describes it.
    pub async fn sandbox_with(&self, body: Value) -> Sandbox {
        let answer = self.request(Method::POST, "/sandboxes").json(&body).send().await.unwrap();
        let status = answer.status();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
        self.attach(answer["sandbox_id"].as_str().unwrap())
    }

    /// A handle for a sandbox that exists.
    pub fn attach(&self, id: &str) -> Sandbox {
        let url = format!("{}/s/{id}/api/v1", self.url);
        Sandbox { client: self.client.clone(), id: id.to_owned(), url }
    }

    /// The files in the server's TMPDIR, which is a directory of its own.
    pub fn files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.temp.path()).unwrap().map(|file| file.unwrap().path()).collect()
    }
}

impl Server {
    /// The directories of all sandboxes on this machine.
    pub fn directories(&self) -> Vec<PathBuf> {
        let own = self.files();
        let below = own.iter().filter_map(|path| std::fs::read_dir(path).ok()).flatten().flatten();
        below.map(|entry| entry.path()).filter(|path| id_of(path).is_some()).collect()
    }

    /// The directory in which a sandbox's processes start.
    pub fn workspace(&self, id: &str) -> PathBuf {
        let found = self.directories().into_iter().find(|path| id_of(path) == Some(id));
        found.unwrap_or_else(|| panic!("sandbox {id} has no directory")).join("workspace")
    }
}

/// The id of the sandbox that a directory belongs to: its name begins with the id.
pub fn id_of(directory: &Path) -> Option<&str> {
    directory.file_name()?.to_str()?.get(..21)
}

/// A server below a shell that sets limits. Descriptor 9 is inherited from the parent, as a careless parent leaves it open.
fn limited(limits: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{limits} && exec \"$0\" \"$@\" 9</dev/null")])
        .arg(env!("CARGO_BIN_EXE_shoreline-local"));
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        if self.exit_within(Duration::from_secs(15)).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if Arc::strong_count(&self.temp) == 1 {
            // A process that the server left would hold the test's output open.
            for left in mentioning(self.temp.path().to_str().unwrap()) {
                let _ = Command::new("kill").args(["-KILL", &left.pid.to_string()]).status();
            }
            // `rm` removes trees of any depth; TempDir recurses and would overflow the stack.
            let files = std::fs::read_dir(self.temp.path()).into_iter().flatten().flatten();
            let files: Vec<_> = files.map(|file| file.path()).collect();
            if !files.is_empty() {
                let _ = Command::new("rm").arg("-rf").args(files).status();
            }
        }
    }
}

#[derive(Clone)]
pub struct Sandbox {
    pub client: Client,
    pub id: String,
    pub url: String,
}

impl Sandbox {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(KEY)
    }

    pub async fn get(&self, path: &str) -> Value {
        self.request(Method::GET, path).send().await.unwrap().json().await.unwrap()
    }

    pub async fn start(&self, body: Value) -> Value {
        let answer = self.request(Method::POST, "/processes").json(&body).send().await.unwrap();
        if answer.status() != StatusCode::CREATED {
            panic!("{}: {}", answer.status(), answer.text().await.unwrap());
        }
        answer.json().await.unwrap()
    }

    /// Starts a shell's script and gives its pid.
    pub async fn script(&self, script: &str) -> u64 {
        let info = self.start(json!({ "command": "sh", "args": ["-c", script] })).await;
        info["pid"].as_u64().unwrap()
    }

    pub async fn run(&self, body: Value) -> Seen {
        let answer = self.request(Method::POST, "/processes/run").json(&body).send().await.unwrap();
        if answer.status() != StatusCode::OK {
            panic!("{}: {}", answer.status(), answer.text().await.unwrap());
        }
        Seen::read(Mode::Run, answer).await
    }

    pub async fn run_script(&self, script: &str) -> Seen {
        self.run(json!({ "command": "sh", "args": ["-c", script] })).await
    }

    pub async fn follow(&self, pid: u64, which: &str, after: Option<u64>) -> Seen {
        let mut request = self.request(Method::GET, &format!("/processes/{pid}/{which}/follow"));
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after.to_string());
        }
        Seen::read(Mode::Follow, request.send().await.unwrap()).await
    }

    /// The code of the error that a request is answered with.
    pub async fn refused(&self, request: RequestBuilder) -> (u16, String) {
        refused(request).await
    }
}

pub async fn refused(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    assert!(!body["error"].as_str().unwrap().is_empty());
    (status, body["code"].as_str().unwrap().to_owned())
}

/// The outcome of a stream.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    pub end: Option<End>,
    pub pid: Option<u32>,
    /// What the exit says of it.
    pub output_open: bool,
    pub batch: Batch,
    /// The exact bytes of stdout and of stderr.
    pub bytes: [Vec<u8>; 2],
}

impl Seen {
    pub async fn read(mode: Mode, answer: Response) -> Self {
        Self::read_with(mode, answer, |_| {}).await
    }

    /// `progress` is told how many events have been read.
    pub async fn read_with(
        mode: Mode,
        mut answer: Response,
        mut progress: impl FnMut(usize),
    ) -> Self {
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut decoder = OutputDecoder::new(mode, limits::LINE_BYTES, LongLine::Refuse);
        let mut batch = Batch::default();
        while let Some(chunk) = answer.chunk().await.unwrap() {
            decoder.push(&chunk, &mut Position::default(), &mut batch).unwrap();
            progress(batch.len());
        }
        let pid = decoder.started().map(|started| started.pid);
        let (end, output_open) = (decoder.end(), decoder.output_open());
        let mut seen = Self { end, pid, output_open, batch, ..Self::default() };
        let mut start = 0;
        for index in 0..seen.batch.len() {
            let (end, flags) = (seen.batch.byte_ends[index] as usize, seen.batch.flags[index]);
            let stream = usize::from((flags & flag::STREAM).saturating_sub(1));
            let raw = seen.batch.raw.iter().find(|(at, _)| *at as usize == index);
            match raw {
                Some((_, bytes)) => {
                    seen.bytes[stream].extend_from_slice(bytes);
                    if flags & flag::TERMINATED != 0 {
                        seen.bytes[stream].push(b'\n');
                    }
                }
                None => {
                    seen.bytes[stream].extend_from_slice(&seen.batch.text.as_bytes()[start..end]);
                }
            }
            start = end;
        }
        seen
    }

    pub fn stdout(&self) -> &str {
        std::str::from_utf8(&self.bytes[0]).unwrap()
    }

    pub fn stderr(&self) -> &str {
        std::str::from_utf8(&self.bytes[1]).unwrap()
    }

    pub fn exit_code(&self) -> Option<i32> {
        match self.end {
            Some(End::Exit(exit)) => exit.exit_code(),
            _ => None,
        }
    }
}

/// The isolations that can be tested on this machine. With CI set, bubblewrap must be installed; a kernel can be too
/// old for Landlock.
pub fn isolations() -> Vec<&'static str> {
    static LEVELS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let there = Command::new("bwrap").arg("--version").stdout(Stdio::null()).status().is_ok();
        assert!(there || std::env::var_os("CI").is_none(), "bubblewrap is not installed");
        let levels = [("none", true), ("bubblewrap", there), ("landlock", works("landlock"))];
        levels.into_iter().filter(|(_, there)| *there).map(|(level, _)| level).collect()
    });
    LEVELS.clone()
}

/// Whether this machine supports an isolation level.
pub fn works(level: &str) -> bool {
    // It stops at once, since its standard input is empty.
    let args = ["--port", "0", "--until-stdin-closes", "--isolation", level];
    let mut server = Command::new(env!("CARGO_BIN_EXE_shoreline-local"));
    server.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    server.status().is_ok_and(|status| status.success())
}

/// Whether a process exists and is no zombie.
pub fn is_alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}
