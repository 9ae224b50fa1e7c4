//! Managed processes that have ended, their names, and what their records say.

use crate::machine::Mark;
use crate::server::{Sandbox, Server, refused};
use crate::wait::{TIMEOUT, until};
use reqwest::Method;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn named(name: &str, script: &str) -> Value {
    json!({ "command": "sh", "args": ["-c", script], "name": name })
}

async fn until_stopped(sandbox: &Sandbox, pid: &Value) {
    let path = format!("/processes/{pid}");
    until(TIMEOUT, "supervision ends", async || {
        sandbox.get(&path).await["managed"]["status"] == "stopped"
    })
    .await;
}

/// Asks for a restart: the process that took the place, or nothing where there is a good refusal.
async fn restarted(sandbox: &Sandbox, address: &str) -> Option<Value> {
    let request = || sandbox.request(Method::POST, &format!("/processes/{address}/restart"));
    let answer = request().send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    if status == 200 {
        return Some(body);
    }
    assert_eq!((status, &body["code"]), (409, &json!("CONFLICT")), "{body}");
    assert!(body["error"].as_str().unwrap().contains(' '), "{body}");
    None
}

#[tokio::test]
async fn a_managed_process_that_has_ended_is_restarted_or_refused_with_a_reason() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let first = sandbox.start(named("once", "echo ran >> runs; exit 3")).await;
    until_stopped(&sandbox, &first["pid"]).await;
    if let Some(second) = restarted(&sandbox, &first["pid"].to_string()).await {
        assert_ne!(second["pid"], first["pid"]);
        until(TIMEOUT, "the process ran again", async || {
            sandbox.run_script("wc -l < runs").await.stdout().trim() == "2"
        })
        .await;
    }
    // The restart and the end of the process can come in either order.
    for round in 0..20 {
        let process = sandbox.start(named(&format!("race-{round}"), "exit 3")).await;
        restarted(&sandbox, &process["pid"].to_string()).await;
    }
}

#[tokio::test]
async fn the_answer_for_a_stopped_name_stays_when_another_process_starts() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let gone = sandbox.start(named("gone", "true")).await;
    until_stopped(&sandbox, &gone["pid"]).await;
    let answer = async || {
        let answer = sandbox.request(Method::GET, "/processes/gone").send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let before = answer().await;
    sandbox.start(named("other", "sleep 1000")).await;
    assert_eq!(answer().await, before);
}

#[tokio::test]
async fn the_record_of_a_managed_process_always_has_a_restart_policy() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let started = sandbox.start(named("plain", "sleep 1000")).await;
    let listed = sandbox.get("/processes").await["processes"][0].take();
    for info in [started, listed, sandbox.get("/processes/plain").await] {
        let restart = &info["managed"]["restart"];
        assert_eq!(restart["policy"], "never", "{info}");
        assert!(restart["initial_backoff_ms"].is_u64(), "{restart}");
        assert!(restart["max_backoff_ms"].is_u64(), "{restart}");
    }
}

#[tokio::test]
async fn a_dot_is_no_name_of_a_process() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    for name in [".", ".."] {
        let request = sandbox.request(Method::POST, "/processes").json(&named(name, "true"));
        assert_eq!(sandbox.refused(request).await, (400, "INVALID_REQUEST".to_owned()), "{name}");
    }
    sandbox.start(named("...", "true")).await;
    sandbox.start(named(".hidden", "true")).await;
}

/// A process that became another user, by a setuid executable, may not be signalled by the server.
#[tokio::test]
async fn a_signal_that_the_system_forbids_is_refused_as_such() {
    let python = Path::new("/usr/bin/python3");
    if !rustix::process::getuid().is_root() || !python.exists() {
        return;
    }
    let server = Server::start_unprivileged(&["--isolation", "none"]);
    let sandbox = server.sandbox().await;
    let programs = tempfile::tempdir().unwrap();
    std::fs::set_permissions(programs.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = programs.path().join("becomes-root");
    std::fs::copy(python, &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    let mark = Mark::new();
    let mut body = mark
        .script("import os, time\nos.setuid(0)\nprint(os.getuid(), flush=True)\ntime.sleep(20)");
    body["command"] = json!(program.to_str().unwrap());
    let process = sandbox.start(body).await;
    let path = format!("/processes/{}", process["pid"]);
    until(TIMEOUT, "the process starts", async || {
        let output = sandbox.get(&format!("{path}/output")).await;
        output["line_count"] != 0 || sandbox.get(&path).await["status"] != "running"
    })
    .await;
    if sandbox.get(&format!("{path}/stdout")).await["lines"] != json!(["0"]) {
        eprintln!("skipped: the file system ignores the setuid bit");
        return;
    }
    let signal = sandbox.request(Method::POST, &format!("{path}/signal"));
    let forbidden = (403, "PERMISSION_DENIED".to_owned());
    assert_eq!(refused(signal.json(&json!({ "signal": 10 }))).await, forbidden);
}
