//! Managed processes: started again, watched, stopped.

use crate::server::{Sandbox, Server};
use crate::wait::{TIMEOUT, found};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};

/// The record of a process once `wanted` holds of it.
async fn once(sandbox: &Sandbox, process: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    found(TIMEOUT, process, async || {
        let info = sandbox.get(&format!("/processes/{process}")).await;
        Some(info).filter(|info| wanted(&info["managed"]))
    })
    .await
}

fn script(name: &str, script: &str) -> Value {
    json!({ "command": "sh", "args": ["-c", script], "name": name })
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

#[tokio::test]
async fn a_name_is_an_address_and_is_given_once() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let started = sandbox.start(script("web server-é 1", "sleep 1000")).await;
    let named = sandbox.get("/processes/web%20server-%C3%A9%201").await;
    assert_eq!(named["pid"], started["pid"]);
    assert_eq!(named["managed"]["name"], "web server-é 1");
    assert_eq!(named["managed"]["status"], "running");
    assert_eq!(named["managed"]["health_status"], "disabled");
    let never = json!({ "policy": "never", "max_restarts": null, "initial_backoff_ms": 500, "max_backoff_ms": 30000 });
    assert_eq!(named["managed"]["restart"], never);
    assert_eq!(named["managed"]["health_check"], Value::Null);
    let again = sandbox.request(Method::POST, "/processes").json(&script("web server-é 1", "true"));
    assert_eq!(sandbox.refused(again).await, (409, "NAME_TAKEN".to_owned()));
    for bad in ["", "a/b", "123", "a\0"] {
        let request = sandbox.request(Method::POST, "/processes").json(&script(bad, "true"));
        assert_eq!(sandbox.refused(request).await, (400, "INVALID_REQUEST".to_owned()), "{bad:?}");
    }
    let plain = sandbox.script("sleep 1000").await;
    let restart = sandbox.request(Method::POST, &format!("/processes/{plain}/restart"));
    assert_eq!(sandbox.refused(restart).await, (409, "CONFLICT".to_owned()));
    // One that cannot be started is no address, and leaves the name free.
    let missing = json!({ "command": "no-such", "name": "later" });
    let request = sandbox.request(Method::POST, "/processes").json(&missing);
    assert_eq!(sandbox.refused(request).await.0, 404);
    sandbox.start(script("later", "true")).await;
}

#[tokio::test]
async fn it_is_started_again_as_often_as_the_policy_says() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let quick = |policy: &str, most: Value| json!({ "policy": policy, "max_restarts": most, "initial_backoff_ms": 1, "max_backoff_ms": 4 });
    for (name, code, restart, restarts, exit) in [
        ("never", 1, quick("never", Value::Null), 0, 1),
        ("success", 0, quick("on_failure", Value::Null), 0, 0),
        ("failure", 3, quick("on_failure", json!(4)), 4, 3),
        ("always", 0, quick("always", json!(3)), 3, 0),
    ] {
        let body =
            with(script(name, &format!("echo run >> {name}; exit {code}")), "restart", restart);
        sandbox.start(body).await;
        let info = once(&sandbox, name, |managed| managed["status"] == "stopped").await;
        assert_eq!(info["managed"]["restart_count"], restarts, "{name}");
        assert_eq!(info["managed"]["last_exit"]["exit_code"], exit, "{name}");
        let runs = sandbox.run_script(&format!("wc -l < {name}")).await;
        assert_eq!(runs.stdout().trim(), (restarts + 1).to_string(), "{name}");
    }
}

#[tokio::test]
async fn it_waits_longer_each_time_and_says_until_when() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let restart = json!({ "policy": "always", "initial_backoff_ms": 60_000 });
    sandbox.start(with(script("slow", "exit 1"), "restart", restart)).await;
    let info = once(&sandbox, "slow", |managed| managed["status"] == "backing_off").await;
    let managed = &info["managed"];
    let wait = managed["next_restart_at"].as_u64().unwrap() - info["ended_at"].as_u64().unwrap();
    // The longest wait is 30 s where nothing else is said.
    assert!((30_000..31_000).contains(&wait), "{wait}");
    assert_eq!(managed["restart"]["max_restarts"], Value::Null);
    // Asked for, it does not wait.
    let restarted = sandbox.request(Method::POST, "/processes/slow/restart").send().await.unwrap();
    let restarted: Value = restarted.json().await.unwrap();
    assert_ne!(restarted["pid"], info["pid"]);
    once(&sandbox, "slow", |managed| managed["restart_count"] == 1).await;
    // And it can be stopped while it waits.
    let stopped = sandbox.request(Method::DELETE, "/processes/slow").send().await.unwrap();
    assert_eq!(stopped.status(), StatusCode::NO_CONTENT);
    once(&sandbox, "slow", |managed| managed["status"] == "stopped").await;
    let again = sandbox.request(Method::POST, "/processes/slow/restart");
    assert_eq!(sandbox.refused(again).await, (409, "CONFLICT".to_owned()));
}

#[tokio::test]
async fn a_kill_stops_it_for_good_and_a_restart_does_not() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let restart = json!({ "policy": "always", "initial_backoff_ms": 1 });
    let first = sandbox.start(with(script("web", "sleep 1000"), "restart", restart)).await;
    let second = sandbox.request(Method::POST, "/processes/web/restart").send().await.unwrap();
    let second: Value = second.json().await.unwrap();
    assert_ne!(second["pid"], first["pid"]);
    assert_eq!(second["managed"]["restart_count"], 1);
    assert_eq!(second["managed"]["last_exit"]["signal"], 9);
    // The output of the one before can still be read.
    assert_eq!(sandbox.get(&format!("/processes/{}/stdout", first["pid"])).await["line_count"], 0);
    sandbox.request(Method::DELETE, "/processes/web").send().await.unwrap();
    once(&sandbox, "web", |managed| managed["status"] == "stopped").await;
    assert_eq!(sandbox.get("/info").await["running_processes"], 0);
}

/// A port of this machine on which HTTP requests for `/ok` are answered with 204, others with 500.
fn answering() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 1000];
            let count = stream.read(&mut head).unwrap_or(0);
            let status = if head[..count].starts_with(b"GET /ok ") { 204 } else { 500 };
            let _ = write!(stream, "HTTP/1.1 {status} -\r\nContent-Length: 0\r\n\r\n");
        }
    });
    port
}

#[tokio::test]
async fn one_that_does_not_answer_is_started_again() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    // One port that answers, and one that is taken without anybody listening.
    let port = answering();
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = silent.local_addr().unwrap().port();
    let check = |kind: &str, port: u16, path: Value| {
        json!({ "type": kind, "port": port, "path": path, "initial_delay_ms": 1, "interval_ms": 5,
            "timeout_ms": 2000, "failure_threshold": 2 })
    };
    let restart = json!({ "policy": "on_failure", "initial_backoff_ms": 1, "max_restarts": 1 });
    let body = with(script("tcp", "sleep 1000"), "health_check", check("tcp", port, Value::Null));
    sandbox.start(body).await;
    once(&sandbox, "tcp", |managed| managed["health_status"] == "healthy").await;
    sandbox.request(Method::DELETE, "/processes/tcp").send().await.unwrap();
    let body =
        with(script("dead", "sleep 1000"), "health_check", check("tcp", nobody, Value::Null));
    sandbox.start(with(body, "restart", restart)).await;
    let info = once(&sandbox, "dead", |managed| managed["status"] == "stopped").await;
    let managed = &info["managed"];
    assert_eq!(
        (&managed["restart_count"], &managed["health_status"]),
        (&json!(1), &json!("unhealthy"))
    );
    assert_eq!(
        (&managed["consecutive_health_failures"], &managed["last_exit"]["signal"]),
        (&json!(2), &json!(9))
    );

    for (name, path, health) in
        [("good", json!("/ok"), "healthy"), ("bad", Value::Null, "unhealthy")]
    {
        let check = with(check("http", port, path), "failure_threshold", json!(400));
        let body = with(script(name, "sleep 1000"), "health_check", check);
        sandbox.start(body).await;
        if health == "healthy" {
            let info = once(&sandbox, name, |managed| managed["health_status"] == health).await;
            assert_eq!(info["managed"]["status"], "running");
        } else {
            once(&sandbox, name, |managed| {
                managed["consecutive_health_failures"].as_u64() > Some(20)
            })
            .await;
        }
        sandbox.request(Method::DELETE, &format!("/processes/{name}")).send().await.unwrap();
        once(&sandbox, name, |managed| managed["status"] == "stopped").await;
    }
}

#[tokio::test]
async fn it_ends_with_its_sandbox() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let restart = json!({ "policy": "always", "initial_backoff_ms": 1 });
    for index in 0..5 {
        sandbox
            .start(with(script(&format!("p{index}"), "exit 1"), "restart", restart.clone()))
            .await;
    }
    let ended = server.request(Method::DELETE, &format!("/sandboxes/{}", sandbox.id)).send().await;
    assert_eq!(ended.unwrap().status(), StatusCode::OK);
    assert_eq!(server.sandbox().await.run_script("echo fine").await.stdout(), "fine\n");
}
