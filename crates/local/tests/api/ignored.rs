//! Members of a request that the server does not know: ignored, and named in the answer.

use crate::server::{KEY, Server};
use reqwest::{Method, RequestBuilder, header};
use serde_json::{Map, Value, json};

/// The members that the answer says were ignored.
async fn ignored(request: RequestBuilder, body: &Value) -> Option<String> {
    let answer = request.json(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{body}: {}", answer.status());
    let named = answer.headers().get("shoreline-ignored-fields")?;
    Some(named.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_request_with_a_body_names_what_it_ignored() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox_with(json!({ "name": "my-env" })).await;
    let pid = sandbox.script("exec sleep 1000").await;
    let terminal = sandbox.request(Method::POST, "/pty").json(&json!({ "command": "cat" })).send();
    let terminal: Value = terminal.await.unwrap().json().await.unwrap();
    let session = terminal["session_id"].as_str().unwrap();
    let at = |method: Method, path: &str| server.request(method, path);
    let inside = |method: Method, path: &str| sandbox.request(method, path);
    for (request, body, named) in [
        (
            at(Method::POST, "/sandboxes"),
            json!({ "later": { "deep": 1 }, "resources": { "cpu": 1, "cpus": 1 }, "network": { "x": [] } }),
            "later, network.x, resources.cpu",
        ),
        (
            at(Method::POST, "/v1/namespaces/default/sandboxes"),
            json!({ "timeout": 5, "name": null }),
            "timeout",
        ),
        (
            at(Method::PATCH, "/sandboxes/my-env"),
            json!({ "timeout_secs": 5, "timeout": 5 }),
            "timeout",
        ),
        (
            inside(Method::POST, "/processes"),
            json!({ "command": "true", "cwd": "/", "user": { "gid": null, "username": "nobody" },
                "restart": { "max": 1, "policy": "never" },
                "health_check": { "type": "tcp", "port": 1, "every": 5 } }),
            "cwd, health_check.every, restart.max, user.username",
        ),
        (
            inside(Method::POST, "/processes/run"),
            json!({ "command": "true", "timeout": 60, "timeout_ms": 5 }),
            "timeout_ms",
        ),
        (
            inside(Method::POST, &format!("/processes/{pid}/signal")),
            json!({ "signal": 15, "group": true }),
            "group",
        ),
        (inside(Method::POST, "/pty"), json!({ "command": "true", "columns": 90 }), "columns"),
        (
            inside(Method::POST, &format!("/pty/{session}/resize")),
            json!({ "rows": 9, "cols": 9, "width": 9 }),
            "width",
        ),
        (
            at(Method::POST, "/local/page-tokens"),
            json!({ "origin": "http://a.example", "ttl": 5 }),
            "ttl",
        ),
    ] {
        assert_eq!(ignored(request, &body).await.as_deref(), Some(named), "{body}");
    }
}

#[tokio::test]
async fn what_is_known_is_not_named_whatever_it_says() {
    let server = Server::start(&[]);
    let body = json!({
        "name": "my-env", "image": null, "timeout_secs": 600, "snapshot_id": null, "template_id": null,
        "auto_resume": true, "secret_names": [], "entrypoint": [], "exposed_ports": [8080],
        "allow_unauthenticated_proxy_access": false, "file_systems": [], "env": { "later": "1" },
        "wait": false, "max_pending_secs": 60, "resources": { "cpus": 1, "disk_mb": 9, "ephemeral_disk_mb": 9, "gpus": [] },
        "network": { "allow_internet_access": true, "allow_out": [], "deny_out": [] },
    });
    assert_eq!(ignored(server.request(Method::POST, "/sandboxes"), &body).await, None);
    let sandbox = server.sandbox().await;
    let body = json!({
        "command": "true", "args": [], "env": { "later": "1" }, "working_dir": null, "stdin_mode": "pipe",
        "stdout_mode": "discard", "stderr_mode": "capture", "timeout": null, "name": "web",
        "user": { "name": null }, "restart": { "policy": "never", "max_restarts": null,
            "initial_backoff_ms": 1, "max_backoff_ms": 1 },
        "health_check": { "type": "http", "port": 1, "path": "/", "initial_delay_ms": 1, "interval_ms": 1,
            "timeout_ms": 1, "failure_threshold": 1 },
    });
    assert_eq!(ignored(sandbox.request(Method::POST, "/processes"), &body).await, None);
    // An error says what is wrong; nothing was done.
    let body = json!({ "command": "no-such-command", "later": 1 });
    let answer = sandbox.request(Method::POST, "/processes").json(&body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 404);
    assert!(!answer.headers().contains_key("shoreline-ignored-fields"));
}

#[tokio::test]
async fn any_name_fits_into_the_header() {
    let server = Server::start(&["--allow-origin", "http://a.example"]);
    let create = || server.request(Method::POST, "/sandboxes");
    let odd = json!({ "a.b": 1, "c\r\nd: e, f": 2, "\u{e9}": 3, "": 4 });
    let named = ignored(create(), &odd).await.unwrap();
    let mut named: Vec<_> = named.split(", ").collect();
    named.sort_unstable();
    assert_eq!(named, ["\"\"", "%C3%A9", "a%2Eb", "c%0D%0Ad%3A%20e%2C%20f"]);

    let many: Map<String, Value> =
        (0..10_000).map(|at| (format!("field-{at}"), json!(at))).collect();
    let named = ignored(create(), &many.into()).await.unwrap();
    assert!(named.len() < 1010 && named.ends_with(", ..."), "{named}");
    assert_eq!(named.matches("field-").count() + 1, named.split(", ").count());
    let long = json!({ "x".repeat(1_000_000): 1 });
    assert_eq!(ignored(create(), &long).await.unwrap(), "...");

    // A page can read it.
    let asked = create().header(header::ORIGIN, "http://a.example").bearer_auth(KEY);
    let answer = asked.json(&json!({ "later": 1 })).send().await.unwrap();
    let exposed = answer.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
    assert!(exposed.contains("Shoreline-Ignored-Fields"), "{exposed}");
}
