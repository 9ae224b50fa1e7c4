//! The server's own use of memory, time and addresses.

use crate::machine::resident;
use crate::server::{Server, isolations};
use crate::support::soaks;
use futures::{StreamExt as _, stream};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_server_answers_at_the_address_that_it_prints() {
    let server = Server::start(&["--host", "127.0.0.2"]);
    assert!(server.url.starts_with("http://127.0.0.2:"), "{}", server.url);
    assert_eq!(server.sandbox().await.run_script("echo here").await.stdout(), "here\n");
}

/// A comment comes in every silence of 15 s. The test takes as long, so that it runs in a soak only.
#[tokio::test]
async fn output_on_the_other_stream_does_not_put_off_a_comment() {
    if !soaks() {
        return;
    }
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("while :; do echo line; sleep 0.2; done").await;
    let path = format!("/processes/{pid}/stderr/follow");
    let mut answer = sandbox.request(Method::GET, &path).send().await.unwrap();
    let start = Instant::now();
    let chunk = tokio::time::timeout(Duration::from_secs(25), answer.chunk()).await;
    let chunk = chunk.expect("a comment comes").unwrap().unwrap();
    assert!(chunk.starts_with(b":"), "{chunk:?}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn little_memory_ends_what_is_inside_and_never_the_agent() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let body = json!({ "resources": { "memory_mb": 8 } });
        let sandbox = server.sandbox_with(body).await;
        let eats =
            sandbox.run_script("head -c 40000000 /dev/zero | tail -c 30000000 | wc -c").await;
        assert_ne!(eats.stdout(), "30000000\n");
        // What the agent handles itself: a long request, a file, a terminal.
        let long = json!({ "command": "true", "args": vec!["x".repeat(10_000); 100] });
        assert_eq!(sandbox.run(long).await.exit_code(), Some(0));
        let write = sandbox.request(Method::PUT, "/files?path=file").body(vec![7; 20_000_000]);
        assert_eq!(write.send().await.unwrap().status(), StatusCode::NO_CONTENT);
        let terminal = sandbox.request(Method::POST, "/pty").json(&json!({ "command": "true" }));
        assert_eq!(terminal.send().await.unwrap().status(), StatusCode::CREATED);
        assert_eq!(sandbox.run_script("echo fine").await.stdout(), "fine\n", "{isolation}");
    }
}

/// The kernel sends a parent death signal when the thread that started the process ends, not its process
/// (PR_SET_PDEATHSIG(2const)), and `bwrap --die-with-parent` asks for one. Idle threads of tokio's blocking pool end after 10 s.
#[tokio::test]
async fn a_sandbox_outlives_the_idle_threads_of_the_server() {
    let servers: Vec<_> =
        isolations().iter().map(|isolation| Server::start(&["--isolation", isolation])).collect();
    let mut sandboxes = Vec::new();
    for server in &servers {
        sandboxes.push(server.sandbox().await);
    }
    tokio::time::sleep(Duration::from_secs(12)).await;
    for sandbox in sandboxes {
        assert_eq!(sandbox.run_script("echo here").await.stdout(), "here\n");
    }
}

/// Runs `work` for each number, some at a time.
async fn repeat(count: usize, work: impl AsyncFn(usize)) {
    stream::iter(0..count).for_each_concurrent(8, |number| work(number)).await;
}

/// Bytes by which the server may grow for 300 of what is measured.
const GROWTH: u64 = 15 << 20;

#[tokio::test]
async fn ended_processes_take_little_memory() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let work = async |number: usize| {
        let body = json!({ "command": "echo", "args": [number.to_string()] });
        assert_eq!(sandbox.run(body).await.exit_code(), Some(0));
    };
    repeat(30, work).await;
    let before = resident(server.child.id());
    repeat(300, work).await;
    let growth = resident(server.child.id()).saturating_sub(before);
    assert!(growth < GROWTH, "{growth} bytes");
}

/// Each has had a managed process with 200 kB of output.
#[tokio::test]
async fn terminated_sandboxes_take_little_memory() {
    let server = Server::start(&[]);
    let work = async |_| {
        let sandbox = server.sandbox().await;
        let script = "head -c 200000 /dev/zero | tr '\\0' x; echo";
        let body = json!({ "command": "sh", "args": ["-c", script], "name": "writes" });
        let pid = sandbox.start(body).await["pid"].as_u64().unwrap();
        assert_eq!(sandbox.follow(pid, "stdout", None).await.bytes[0].len(), 200_001);
        let delete = server.request(Method::DELETE, &format!("/sandboxes/{}", sandbox.id));
        assert_eq!(delete.send().await.unwrap().status(), StatusCode::OK);
    };
    repeat(30, work).await;
    let before = resident(server.child.id());
    repeat(300, work).await;
    let growth = resident(server.child.id()).saturating_sub(before);
    assert!(growth < GROWTH, "{growth} bytes");
}
