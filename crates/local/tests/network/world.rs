//! A small internet: the test runs again in namespaces of its own, as root of them, so that it needs no privileges
//! and no network. There is "this machine", where the test and the servers run, and behind a cable "the internet",
//! a network namespace in which a thread of the test serves.

use crate::internet::{self, Internet};
use crate::server::{Sandbox, Server, isolations};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

/// Set where the test runs again.
const MARK: &str = "SHORELINE_TEST_WORLD";

/// The addresses of this machine on the cable.
pub const OWN: [&str; 2] = ["198.51.100.254", "2001:db8:1::fe"];
/// Addresses on the internet. Nothing listens on most ports of the second one.
pub const OUTSIDE: [&str; 3] = ["198.51.100.1", "198.51.100.2", "2001:db8:1::1"];
/// Nobody answers there.
pub const SILENT: &str = "198.51.100.77";

pub struct World {
    pub internet: Internet,
}

impl World {
    /// `None` after the test was run again by name, or where that cannot be done.
    pub fn enter(test: &str) -> Option<Self> {
        if std::env::var_os(MARK).is_some() {
            return Some(Self::make());
        }
        let has_python = Path::new("/usr/bin/python3").exists();
        if !isolations().contains(&"bubblewrap") || !has_python || !namespaces() {
            assert!(std::env::var_os("CI").is_none(), "bwrap, python3, unshare and ip must work");
            return None;
        }
        let mut again = Command::new("unshare");
        again.args(unshared()).arg("--");
        again.arg(std::env::current_exe().unwrap());
        again.args(["--exact", test, "--nocapture"]).env(MARK, "1");
        assert!(again.status().unwrap().success(), "{test} failed in its own world");
        None
    }

    fn make() -> Self {
        let resolver = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(resolver.path(), "# as systemd-resolved\nnameserver 127.0.0.53\n").unwrap();
        let target = std::fs::canonicalize("/etc/resolv.conf").unwrap();
        let resolver = resolver.path().to_str().unwrap().to_owned();
        run("mount", &["--bind", &resolver, target.to_str().unwrap()]);
        run("ip", &["link", "set", "lo", "up"]);
        let (ready, begun) = channel();
        let (cabled, plugged) = channel::<()>();
        thread::spawn(move || {
            // SAFETY and deprecation: a namespace of the network has nothing to do with descriptors.
            #[allow(deprecated)]
            rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET).unwrap();
            ready.send(rustix::thread::gettid().as_raw_nonzero().to_string()).unwrap();
            plugged.recv().unwrap();
            run("ip", &["link", "set", "lo", "up"]);
            run("ip", &["link", "set", "cable1", "up"]);
            for address in OUTSIDE {
                add(address, "cable1");
            }
            internet::serve(&ready);
        });
        let thread = begun.recv().unwrap();
        let cable = ["link", "add", "cable0", "type", "veth", "peer", "name", "cable1"];
        run("ip", &[&cable[..], &["netns", &thread]].concat());
        run("ip", &["link", "set", "cable0", "up"]);
        for address in OWN {
            add(address, "cable0");
        }
        cabled.send(()).unwrap();
        begun.recv().unwrap();
        Self { internet: Internet::new() }
    }

    pub fn server(&self, args: &[&str]) -> Server {
        Server::start(&[&["--isolation", "bubblewrap"], args].concat())
    }
}

/// Runs a Python program in a sandbox and returns its output and errors.
pub async fn python(sandbox: &Sandbox, program: &str) -> String {
    let program = format!("{PRELUDE}\n{program}");
    let body = serde_json::json!({ "command": "/usr/bin/python3", "args": ["-c", program] });
    let seen = sandbox.run(body).await;
    format!("{}{}", seen.stdout(), seen.stderr()).trim().to_owned()
}

/// `tried` names how connecting or sending ends, by the name of its errno.
const PRELUDE: &str = "
import errno, hashlib, socket, sys, time
def connect(host, port, timeout=30):
    kind = socket.AF_INET6 if ':' in host else socket.AF_INET
    s = socket.socket(kind, socket.SOCK_STREAM)
    s.settimeout(timeout)
    s.connect((host, port))
    return s
def tried(host, port, timeout=30):
    try:
        connect(host, port, timeout).close()
        return 'connected'
    except TimeoutError:
        return 'silent'
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def ask(command, host='198.51.100.1'):
    s = connect(host, 80)
    s.sendall(command.encode() + b'\\n')
    return s
def read(s):
    parts = []
    while part := s.recv(1 << 20):
        parts.append(part)
    return b''.join(parts)
";

/// Gives an interface an address, usable at once.
fn add(address: &str, interface: &str) {
    match address.contains(':') {
        true => {
            let address = format!("{address}/64");
            run("ip", &["address", "add", &address, "dev", interface, "nodad"]);
        }
        false => run("ip", &["address", "add", &format!("{address}/24"), "dev", interface]),
    }
}

/// A user is root in a user namespace only.
fn unshared() -> &'static [&'static str] {
    match rustix::process::geteuid().is_root() {
        true => &["--net", "--mount"],
        false => &["--user", "--map-root-user", "--net", "--mount"],
    }
}

fn namespaces() -> bool {
    let mut command = Command::new("unshare");
    command.args(unshared()).args(["ip", "link"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap();
    assert!(status.success(), "{program} {args:?}");
}
