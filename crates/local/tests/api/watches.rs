//! Watches on files: each change once or twice, never not at all, through broken connections.

use crate::machine;
use crate::server::{Sandbox, Server, isolations, refused};
use crate::wait::{TIMEOUT, until};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::process::Command;
use std::time::Instant;
use tokio::time::timeout;

fn starting(sandbox: &Sandbox, path: &str, recursive: bool) -> RequestBuilder {
    let body = json!({ "path": path, "recursive": recursive });
    sandbox.request(Method::POST, "/fs/watches").json(&body)
}

async fn start(sandbox: &Sandbox, path: &str, recursive: bool) -> String {
    let answer = starting(sandbox, path, recursive).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let answer: Value = answer.json().await.unwrap();
    answer["watch_id"].as_str().unwrap().to_owned()
}

async fn end(sandbox: &Sandbox, id: &str) {
    let ending = sandbox.request(Method::DELETE, &format!("/fs/watches/{id}"));
    assert_eq!(ending.send().await.unwrap().status().as_u16(), 204);
}

/// A follower, and the events that it has read.
struct Follower {
    path: String,
    answer: Response,
    text: Vec<u8>,
    last: u64,
    /// The numbers and the changes.
    events: Vec<(u64, Value)>,
}

impl Follower {
    async fn new(sandbox: &Sandbox, id: &str) -> Self {
        let path = format!("/fs/watches/{id}/follow");
        let answer = sandbox.request(Method::GET, &path).send().await.unwrap();
        Self { path, answer, text: Vec::new(), last: 0, events: Vec::new() }
    }

    /// Breaks the connection, and resumes.
    async fn reconnect(&mut self, sandbox: &Sandbox) {
        let request = sandbox.request(Method::GET, &self.path);
        self.answer = request.header("last-event-id", self.last).send().await.unwrap();
        assert_eq!(self.answer.status().as_u16(), 200);
        self.text.clear();
    }

    /// Reads a chunk; `false` at the end.
    async fn read(&mut self) -> bool {
        let chunk = timeout(TIMEOUT, self.answer.chunk()).await.expect("a chunk").unwrap();
        let Some(chunk) = chunk else { return false };
        self.text.extend_from_slice(&chunk);
        while let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
            let event = String::from_utf8(self.text.drain(..end + 2).collect()).unwrap();
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            let (Some(id), Some(data)) = (field("id: "), field("data: ")) else { continue };
            let data: Value = serde_json::from_str(data).unwrap();
            self.last = id.parse().unwrap();
            let change = serde_json::from_str(data["line"].as_str().unwrap()).unwrap();
            self.events.push((self.last, change));
        }
        true
    }

    /// Reads until an event of this type has this path; what came, as `type path`, directories with a slash.
    async fn until(&mut self, kind: &str, path: &str) -> Vec<String> {
        let is_it = |(_, change): &(u64, Value)| change["type"] == kind && change["path"] == path;
        // Keep-alives come for ever.
        let end = Instant::now() + TIMEOUT;
        while !self.events.iter().any(is_it) {
            assert!(self.read().await && Instant::now() < end, "not seen: {:?}", self.events);
        }
        self.taken()
    }

    fn taken(&mut self) -> Vec<String> {
        let shown = |(_, change): (u64, Value)| {
            let slash = if change["directory"] == true { "/" } else { "" };
            let text = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
            match change["type"].as_str() {
                Some("ended") => format!("ended {}", text("code")),
                kind => format!("{} {}{slash}", kind.unwrap(), text("path")),
            }
        };
        self.events.drain(..).map(shown).collect()
    }

    async fn until_end(&mut self) -> Vec<String> {
        while self.read().await {}
        self.taken()
    }
}

/// The types of changes of one path, in order.
fn of<'a>(changes: &'a [String], path: &str) -> Vec<&'a str> {
    changes.iter().filter_map(|change| change.strip_suffix(&format!(" {path}"))).collect()
}

/// The paths that exist for a reader of the changes.
fn known(before: &[&str], changes: &[String]) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = before.iter().map(ToString::to_string).collect();
    for change in changes {
        if let Some(path) = change.strip_prefix("created ") {
            known.insert(path.to_owned());
        } else if let Some(path) = change.strip_prefix("removed ") {
            known
                .retain(|other| other != path && !(path.ends_with('/') && other.starts_with(path)));
        }
    }
    known
}

#[tokio::test]
async fn changes_are_seen_in_directories_old_and_new() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        sandbox
            .run_script("mkdir -p w/old/deep w/gone; echo 1 >w/old/deep/file; echo 1 >w/gone/x")
            .await;
        let id = start(&sandbox, "w", true).await;
        let mut follower = Follower::new(&sandbox, &id).await;
        let script = "cd w; echo 2 >>old/deep/file; mkdir -p 'new/ é\n'; echo x >'new/ é\n/-f'; \
                      chmod 700 old; rm -r gone; mv old moved; echo 3 >>moved/deep/file; \
                      mv moved/deep ..; echo 4 >>../deep/file; ln -s / link; touch done";
        assert_eq!(sandbox.run_script(script).await.stderr(), "");
        let changes = follower.until("created", "done").await;
        assert_eq!(of(&changes, "old/deep/file"), ["changed"], "{changes:?}");
        assert!(of(&changes, "new/").starts_with(&["created"]), "{changes:?}");
        assert!(of(&changes, "new/ é\n/").starts_with(&["created"]), "{changes:?}");
        assert!(of(&changes, "new/ é\n/-f").starts_with(&["created"]), "{changes:?}");
        assert_eq!(of(&changes, "old/"), ["changed", "removed"], "{changes:?}");
        assert_eq!(of(&changes, "gone/").last(), Some(&"removed"), "{changes:?}");
        assert_eq!(of(&changes, "link"), ["created"], "{changes:?}");
        assert!(!changes.iter().any(|change| change.starts_with("overflow")), "{changes:?}");
        let before = ["old/", "old/deep/", "old/deep/file", "gone/", "gone/x"];
        let known = known(&before, &changes);
        let there = ["done", "link", "moved/", "new/", "new/ é\n/", "new/ é\n/-f"];
        assert_eq!(known.iter().collect::<Vec<_>>(), there, "{changes:?}");
        end(&sandbox, &id).await;
        assert_eq!(follower.until_end().await, ["ended SANDBOX_NOT_RUNNING"]);
    }
}

#[tokio::test]
async fn without_recursive_only_entries_are_seen_and_a_file_survives_its_replacement() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox.run_script("mkdir -p w/below; echo 1 >w/file; ln -s w/file link").await;
    let directory = start(&sandbox, "w", false).await;
    let file = start(&sandbox, "link", true).await;
    let mut directory = Follower::new(&sandbox, &directory).await;
    let mut file = Follower::new(&sandbox, &file).await;
    sandbox
        .run_script("cd w; echo x >below/x; echo 2 >new; mv new file; echo 3 >>file; rm file")
        .await;
    let changes = directory.until("removed", "file").await;
    assert!(of(&changes, "below/x").is_empty(), "{changes:?}");
    assert!(of(&changes, "new").contains(&"removed"), "{changes:?}");
    let changes = file.until("removed", "file").await;
    assert_eq!(changes.first().unwrap(), "created file");
    assert!(changes.iter().all(|change| change.ends_with(" file")), "{changes:?}");
}

#[tokio::test]
async fn a_file_that_the_server_writes_is_one_change() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let id = start(&sandbox, ".", true).await;
    let mut follower = Follower::new(&sandbox, &id).await;
    for name in ["a", "a", "b"] {
        let put = sandbox.request(Method::PUT, &format!("/files?path={name}")).body("text");
        assert!(put.send().await.unwrap().status().is_success());
    }
    assert_eq!(follower.until("created", "b").await, ["created a", "created a", "created b"]);
}

#[tokio::test]
async fn no_change_is_lost_through_fifty_broken_connections() {
    const FILES: usize = 10_000;
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let id = start(&sandbox, ".", true).await;
    let mut follower = Follower::new(&sandbox, &id).await;
    let script =
        "for d in $(seq 100); do mkdir d$d; for f in $(seq 99); do :>d$d/$f; done; done; :>done";
    let pid = sandbox.script(script).await;
    let mut seen = Vec::new();
    for part in 1..=50 {
        while seen.len() + follower.events.len() < part * FILES / 60 {
            assert!(follower.read().await);
        }
        seen.append(&mut follower.events);
        follower.reconnect(&sandbox).await;
    }
    while !follower.events.iter().any(|(_, change)| change["path"] == "done") {
        assert!(follower.read().await);
    }
    seen.append(&mut follower.events);
    assert!(sandbox.get(&format!("/processes/{pid}")).await["pid"].is_number());
    let numbers: Vec<u64> = seen.iter().map(|(id, _)| *id).collect();
    let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, expected);
    let mut created: HashMap<&str, usize> = HashMap::new();
    for (_, change) in seen.iter().filter(|(_, change)| change["type"] == "created") {
        *created.entry(change["path"].as_str().unwrap()).or_default() += 1;
    }
    let overflows = seen.iter().filter(|(_, change)| change["type"] == "overflow").count();
    assert_eq!((created.len(), overflows), (FILES + 1, 0));
}

#[tokio::test]
async fn what_the_kernel_dropped_is_said_and_later_changes_are_seen() {
    let server = Server::start(&["--isolation", "none"]);
    let sandbox = server.sandbox().await;
    let workspace = server.workspace(&sandbox.id);
    let id = start(&sandbox, ".", true).await;
    let mut follower = Follower::new(&sandbox, &id).await;
    let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let agents = machine::children(server.child.id());
    let signal = |name: &str| {
        for agent in &agents {
            let sent = Command::new("kill").args([name, &agent.to_string()]).status();
            assert!(sent.unwrap().success());
        }
    };
    signal("-STOP");
    for number in 0..=queue.trim().parse::<u32>().unwrap() {
        fs::write(workspace.join(number.to_string()), "").unwrap();
    }
    fs::create_dir(workspace.join("new")).unwrap();
    signal("-CONT");
    follower.until("overflow", "").await;
    fs::write(workspace.join("new/file"), "").unwrap();
    follower.until("created", "new/file").await;
}

#[tokio::test]
async fn a_watch_ends_with_what_it_watches_and_is_refused_where_there_is_nothing() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox.run_script("mkdir -p a/b; echo x >a/b/file").await;
    let id = start(&sandbox, "a/b", true).await;
    let mut follower = Follower::new(&sandbox, &id).await;
    sandbox.run_script("mv a/b a/c").await;
    assert_eq!(follower.until_end().await, ["ended ENOENT", "ended SANDBOX_NOT_RUNNING"]);
    for (path, code) in [("none", "ENOENT"), ("a/c/file/x", "ENOTDIR"), ("", "INVALID_PATH")] {
        assert_eq!(sandbox.refused(starting(&sandbox, path, true)).await.1, code, "{path}");
    }
    let unknown = sandbox.request(Method::GET, "/fs/watches/77/follow");
    assert_eq!(refused(unknown).await, (404, "NOT_FOUND".to_owned()));
    let future = sandbox.request(Method::GET, &format!("/fs/watches/{id}/follow"));
    assert_eq!(refused(future.header("last-event-id", 9)).await.1, "OUTPUT_EXPIRED");
}

#[tokio::test]
async fn watches_are_few_and_one_that_was_ended_makes_room() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let mut ids = vec![id_of_the_second(&sandbox).await];
    for _ in 2..=shoreline_protocol::limits::WATCHES {
        ids.push(start(&sandbox, ".", false).await);
    }
    assert_eq!(refused(starting(&sandbox, ".", false)).await.0, 429);
    end(&sandbox, &ids[3]).await;
    until(TIMEOUT, "room for another watch", async || {
        starting(&sandbox, ".", false).send().await.unwrap().status().as_u16() == 201
    })
    .await;
}

/// A watch whose predecessor was refused, which takes no room.
async fn id_of_the_second(sandbox: &Sandbox) -> String {
    assert_eq!(refused(starting(sandbox, "none", false)).await.1, "ENOENT");
    start(sandbox, ".", false).await
}
