//! A server as root or as a user, two sandboxes, and a program of the same user on the host.

use crate::Outcomes;
use crate::support::server::{Sandbox, Server, works};
use reqwest::Method;
use serde_json::{Value, json};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// One world at a time: at the level `landlock` the kernel counts the tasks of all sandboxes of one user together, so
/// that an attempt to exhaust them would be felt by other tests.
static ONE: Mutex<()> = Mutex::const_new(());

/// Of `nobody`, who starts the server as an ordinary user where the test runs as root.
const NOBODY: u32 = 65534;

/// The system's: one in a home directory cannot be run by other users.
const PYTHON: &str = "/usr/bin/python3";

const ATTEMPTS: &str = concat!(
    include_str!("prelude.py"),
    include_str!("processes.py"),
    include_str!("kernel.py"),
    include_str!("files.py"),
    include_str!("sockets.py"),
    "main()\n"
);
const LAUNCH: &str = include_str!("launch.py");
const LISTEN: &str = "import socket, sys\nlistener = socket.create_server(('127.0.0.1', 0))\n\
    print(listener.getsockname()[1], flush=True)\nwhile True: listener.accept()[0].close()";

/// The outcome of an attempt.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub claim: String,
    /// `got`, `held` or `broken`.
    pub result: String,
    pub detail: String,
}

impl Outcome {
    pub fn got(&self) -> bool {
        self.result == "got"
    }
}

/// The levels that work here, as every user who can be tried. What is missing is said, and is an error where CI
/// is set.
pub fn worlds() -> Vec<(&'static str, &'static str)> {
    let is_root = rustix::process::getuid().is_root();
    let users: &[&str] = if is_root { &["root", "user"] } else { &["user"] };
    if Command::new(PYTHON).arg("--version").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("CI").is_none(), "{PYTHON} is not installed");
        println!("escape: skipped: {PYTHON} is not installed");
        return Vec::new();
    }
    let works = |level: &&str| {
        let works = works(level);
        // A kernel can be too old for Landlock, also in CI.
        assert!(works || *level == "landlock" || std::env::var_os("CI").is_none(), "{level}");
        if !works {
            println!("escape: {level}: skipped: does not work here");
        }
        works
    };
    let levels = ["bubblewrap", "landlock"].into_iter().filter(works);
    levels.flat_map(|level| users.iter().map(move |user| (level, *user))).collect()
}

pub struct World {
    pub server: Server,
    pub attacker: Sandbox,
    pub neighbour: Sandbox,
    /// What attempts look for.
    targets: Value,
    /// To the program on the host.
    control: BufReader<UnixStream>,
    /// The files of the program.
    directory: TempDir,
    _one: MutexGuard<'static, ()>,
}

impl World {
    pub async fn start(level: &str, user: &str) -> Self {
        let _one = ONE.lock().await;
        let other_user = user == "user" && rustix::process::getuid().is_root();
        let (directory, temp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // At the level `landlock`, sandboxes walk through the directory that theirs are in.
        std::fs::set_permissions(temp.path(), PermissionsExt::from_mode(0o711)).unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o700)).unwrap();
        let file = directory.path().join("file");
        let secret = hex(16);
        std::fs::write(&file, &secret).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        let mut targets = json!({
            "secret": secret,
            "directory": directory.path(),
            "file": file,
            "server_directory": temp.path(),
            "key": format!("shoreline-{}", hex(8)),
            "abstract": format!("shoreline-{}", hex(8)),
            "queue": format!("shoreline-{}", hex(8)),
            "shared_memory": format!("/dev/shm/shoreline-{}", hex(8)),
            "segment": i32::from_str_radix(&hex(3), 16).unwrap() + 1,
            "program_mark": hex(12),
            "server_mark": hex(12),
            "neighbour_mark": hex(12),
        });
        let mut command = Command::new(PYTHON);
        if other_user {
            for path in [directory.path(), temp.path(), &file] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", PYTHON]);
        }
        // The build's directory may be closed to that user.
        let programs = tempfile::tempdir().unwrap();
        std::fs::set_permissions(programs.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let program = programs.path().join("shoreline-local");
        std::fs::copy(env!("CARGO_BIN_EXE_shoreline-local"), &program).unwrap();
        let launch = programs.path().join("launch.py");
        std::fs::write(&launch, LAUNCH).unwrap();
        std::fs::write(programs.path().join("attempts.py"), ATTEMPTS).unwrap();
        command.arg(&launch).arg(targets["program_mark"].as_str().unwrap()).arg(program);
        command.env("TARGETS", targets.to_string());
        let origin = format!("http://{}.example", targets["server_mark"].as_str().unwrap());
        let args = ["--isolation", level, "--allow-origin", &origin];
        let mut server = Server::start_by(command, Arc::new(temp), &args);
        server.programs = Some(programs);
        let control = connect(&directory.path().join("control")).await;
        let mut control = BufReader::new(control);
        merge(&mut targets, read(&mut control));
        let (attacker, neighbour) = (server.sandbox().await, server.sandbox().await);
        assert_eq!(attacker.get("/info").await["isolation"], level);
        let put = neighbour.request(Method::PUT, "/files?path=file").body(secret);
        assert_eq!(put.send().await.unwrap().status(), 204);
        let mark = targets["neighbour_mark"].as_str().unwrap();
        let body = json!({ "command": "python3", "args": ["-c", LISTEN, mark] });
        let pid = neighbour.start(body).await["pid"].as_u64().unwrap();
        let port =
            crate::support::wait::found(crate::support::wait::TIMEOUT, "a port", async || {
                let output = neighbour.get(&format!("/processes/{pid}/stdout")).await;
                output["lines"][0].as_str().and_then(|line| line.parse::<u16>().ok())
            })
            .await;
        let server_port: u16 = server.url.rsplit(':').next().unwrap().parse().unwrap();
        let found = json!({
            "neighbour_port": port,
            "neighbour_file": server.workspace(&neighbour.id).join("file"),
            "server_port": server_port,
            "addresses": addresses(),
        });
        merge(&mut targets, found);
        Self { server, attacker, neighbour, targets, control, directory, _one }
    }

    /// Makes every attempt in a sandbox.
    pub async fn inside(&self) -> Outcomes {
        let put = self.attacker.request(Method::PUT, "/files?path=attempts.py").body(ATTEMPTS);
        assert_eq!(put.send().await.unwrap().status(), 204);
        let body = json!({
            "command": "python3",
            "args": ["-I", "attempts.py"],
            "env": { "TARGETS": self.targets.to_string() },
        });
        let seen = self.attacker.run(body).await;
        assert_eq!(seen.exit_code(), Some(0), "{}", seen.stderr());
        outcomes(seen.stdout())
    }

    /// Makes every attempt on the host, as a child of the program there.
    pub fn outside(&mut self) -> Outcomes {
        let path = self.server.programs.as_ref().unwrap().path().join("attempts.py");
        let request = json!([path, self.targets.to_string()]);
        writeln!(self.control.get_mut(), "{request}").unwrap();
        outcomes(read(&mut self.control).as_str().unwrap())
    }

    pub fn end(self) {
        drop(self.control);
        drop(self.server);
        drop(self.directory);
    }

    /// A file that only the server's user can read.
    pub fn secret_file(&self) -> PathBuf {
        self.directory.path().join("file")
    }

    pub fn secret(&self) -> &str {
        self.targets["secret"].as_str().unwrap()
    }
}

/// A random text of so many bytes in hexadecimal.
fn hex(bytes: usize) -> String {
    let numbers = (0..bytes.div_ceil(8)).map(|_| RandomState::new().build_hasher().finish());
    numbers.map(|number| format!("{number:016x}")).collect::<String>()[..2 * bytes].to_owned()
}

async fn connect(path: &std::path::Path) -> UnixStream {
    let what = "the program on the host listens";
    crate::support::wait::found(crate::support::wait::TIMEOUT, what, async || {
        UnixStream::connect(path).ok()
    })
    .await
}

fn read(from: &mut impl std::io::BufRead) -> Value {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn merge(into: &mut Value, from: Value) {
    let Value::Object(from) = from else { panic!("not an object: {from}") };
    into.as_object_mut().unwrap().extend(from);
}

fn outcomes(text: &str) -> Outcomes {
    let line = |line: &str| {
        let mut fields = line.splitn(4, '\t').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        let (claim, name) = (next(), next());
        (name, Outcome { claim, result: next(), detail: next() })
    };
    let outcomes: Outcomes = text.lines().map(line).collect();
    assert_eq!(outcomes.len(), text.lines().count(), "two attempts have one name");
    outcomes
}

/// The machine's addresses beside loopback.
fn addresses() -> Vec<String> {
    let output = Command::new("hostname").arg("-I").output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output).into_owned();
    text.split_whitespace().filter(|it| !it.contains(':')).map(str::to_owned).collect()
}
