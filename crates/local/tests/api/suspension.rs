//! Suspended sandboxes: their clocks and processes stop, and continue on resume.

use crate::machine::Mark;
use crate::server::{Sandbox, Server, isolations};
use crate::wait::{TIMEOUT, until};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::time::sleep;

async fn change(server: &Server, sandbox: &Sandbox, what: &str) {
    let path = format!("/sandboxes/{}/{what}", sandbox.id);
    let changed = server.request(Method::POST, &path).send().await.unwrap();
    assert!(changed.status().is_success(), "{what}: {}", changed.status());
}

/// This request does not wake the sandbox.
async fn status(server: &Server, sandbox: &Sandbox) -> Value {
    let path = format!("/sandboxes/{}", sandbox.id);
    let info = server.request(Method::GET, &path).send().await.unwrap();
    info.json::<Value>().await.unwrap()["status"].take()
}

#[tokio::test]
async fn the_time_limit_starts_over_when_a_sandbox_is_resumed() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox_with(json!({ "name": "limited", "timeout_secs": 2 })).await;
    sleep(Duration::from_millis(1200)).await;
    change(&server, &sandbox, "suspend").await;
    let resumed = Instant::now();
    change(&server, &sandbox, "resume").await;
    until(TIMEOUT, "the time limit suspends the sandbox", async || {
        status(&server, &sandbox).await == "suspended"
    })
    .await;
    assert!(resumed.elapsed() >= Duration::from_secs(2), "{:?}", resumed.elapsed());
}

#[tokio::test]
async fn a_shell_does_not_see_that_its_child_was_stopped() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox_with(json!({ "name": "shells" })).await;
        let mark = Mark::new();
        // With job control, bash waits for stopped children too (waitpid(2), WUNTRACED).
        let script = "set -m; touch up; until [ -e done ]; do sleep 0.3 || exit 9; done; exit 0";
        let mut body = mark.script(script);
        body["command"] = json!("bash");
        let mut pids = Vec::new();
        for _ in 0..4 {
            pids.push(sandbox.start(body.clone()).await["pid"].as_u64().unwrap());
        }
        let up = server.workspace(&sandbox.id).join("up");
        until(TIMEOUT, "the shells run", async || up.exists()).await;
        for _ in 0..5 {
            change(&server, &sandbox, "suspend").await;
            sleep(Duration::from_millis(50)).await;
            change(&server, &sandbox, "resume").await;
            sleep(Duration::from_millis(50)).await;
        }
        sandbox.run_script("touch done").await;
        for pid in pids {
            let path = format!("/processes/{pid}");
            until(TIMEOUT, "the shell ends", async || {
                sandbox.get(&path).await["status"] != "running"
            })
            .await;
            let info = sandbox.get(&path).await;
            let errors = sandbox.get(&format!("{path}/stderr")).await["lines"].take();
            assert_eq!((&info["exit_code"], errors), (&json!(0), json!([])), "{isolation}");
        }
    }
}

#[tokio::test]
async fn a_managed_process_is_not_restarted_while_its_sandbox_is_suspended() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox_with(json!({ "name": "waits" })).await;
    let restart = json!({ "policy": "always", "initial_backoff_ms": 400, "max_backoff_ms": 400 });
    let body = json!({ "command": "sh", "args": ["-c", "echo run >> runs"], "name": "again",
        "restart": restart });
    sandbox.start(body).await;
    let runs = server.workspace(&sandbox.id).join("runs");
    let count = || std::fs::read_to_string(&runs).unwrap_or_default().lines().count();
    until(TIMEOUT, "the process ran", async || count() > 0).await;
    change(&server, &sandbox, "suspend").await;
    let before = count();
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(count(), before);
    assert_eq!(status(&server, &sandbox).await, "suspended");
    change(&server, &sandbox, "resume").await;
    until(TIMEOUT, "the process is restarted", async || count() > before).await;
}

#[tokio::test]
async fn health_checks_stand_still_while_a_sandbox_is_suspended() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox_with(json!({ "name": "checked" })).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let checks = Arc::new(AtomicUsize::new(0));
    let counted = checks.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let check = json!({ "type": "tcp", "port": port, "initial_delay_ms": 1, "interval_ms": 20 });
    let body =
        json!({ "command": "sleep", "args": ["1000"], "name": "web", "health_check": check });
    sandbox.start(body).await;
    let count = || checks.load(Ordering::Relaxed);
    until(TIMEOUT, "the process is checked", async || count() > 3).await;
    change(&server, &sandbox, "suspend").await;
    // A check that was under way may still arrive.
    sleep(Duration::from_millis(300)).await;
    let before = count();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(count(), before);
    change(&server, &sandbox, "resume").await;
    until(TIMEOUT, "the process is checked again", async || count() > before).await;
    let info = sandbox.get("/processes/web").await;
    assert_eq!(info["managed"]["health_status"], "healthy");
    assert_eq!(info["managed"]["restart_count"], 0);
}

#[tokio::test]
async fn what_is_started_while_a_sandbox_is_being_suspended_stands_still_too() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox_with(json!({ "name": "racing" })).await;
    let workspace = server.workspace(&sandbox.id);
    let ticks = || std::fs::metadata(workspace.join("ticks")).map_or(0, |file| file.len());
    let mut suspended = 0;
    for round in 0..40_u64 {
        let start = async {
            let script = "while :; do echo tick >> ticks; done";
            let body = json!({ "command": "sh", "args": ["-c", script] });
            sandbox.request(Method::POST, "/processes").json(&body).send().await.unwrap()
        };
        let suspend = async {
            // At another moment of the start each time.
            sleep(Duration::from_micros(150 * (round % 20))).await;
            change(&server, &sandbox, "suspend").await;
        };
        let (started, ()) = tokio::join!(start, suspend);
        // A start that comes after the suspension resumes the sandbox.
        if status(&server, &sandbox).await == "suspended" {
            suspended += 1;
            let before = ticks();
            sleep(Duration::from_millis(20)).await;
            assert_eq!(ticks(), before, "round {round}");
        }
        let started = started.json::<Value>().await.unwrap();
        let kill = sandbox.request(Method::DELETE, &format!("/processes/{}", started["pid"]));
        let killed = kill.send().await.unwrap();
        assert!(killed.status().is_success(), "{started}: {}", killed.text().await.unwrap());
    }
    assert!(suspended > 0);
}
