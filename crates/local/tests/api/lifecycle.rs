//! Sandboxes: made, found, listed, ended.

use crate::server::{Server, isolations, refused};
use crate::wait::{TIMEOUT, found, until};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use shoreline_protocol::limits;

pub(crate) async fn create(server: &Server, body: Value) -> Value {
    let answer = server.request(Method::POST, "/sandboxes").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

pub(crate) async fn get(server: &Server, path: &str) -> Value {
    server.request(Method::GET, path).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_sandbox_from_its_making_to_its_end() {
    let server = Server::start(&[]);
    let made =
        create(&server, json!({ "name": "my-env", "image": "tensorlake/ubuntu-minimal", "resources": { "cpus": 2 } }))
            .await;
    let id = made["sandbox_id"].as_str().unwrap();
    assert_eq!(id.len(), 21);
    assert_eq!(made["status"], "running");
    for path in [
        format!("/sandboxes/{id}"),
        "/sandboxes/my-env".to_owned(),
        format!("/v1/namespaces/default/sandboxes/{id}"),
    ] {
        let info = get(&server, &path).await;
        assert_eq!(info["id"], id, "{path}");
        assert_eq!((&info["status"], &info["name"]), (&json!("running"), &json!("my-env")));
        assert_eq!(
            info["resources"],
            json!({ "cpus": 2.0, "memory_mb": 1024, "disk_mb": 1024, "ephemeral_disk_mb": 1024 })
        );
        for place in ["sandbox_url", "ingress_endpoint"] {
            assert!(info[place].is_string() && info[place] == made[place], "{place}: {info}");
        }
        // A body with both spellings breaks the official decoder.
        assert!(info.get("sandbox_id").is_none());
    }
    // Twice, since ending what has ended is no error.
    for _ in 0..2 {
        let ended = server.request(Method::DELETE, "/sandboxes/my-env").send().await.unwrap();
        assert_eq!(ended.status(), StatusCode::OK);
        assert_eq!(ended.text().await.unwrap(), "");
    }
    let info = get(&server, &format!("/sandboxes/{id}")).await;
    assert_eq!(info["status"], "terminated");
    assert_eq!((&info["sandbox_url"], &info["ingress_endpoint"]), (&Value::Null, &Value::Null));
    assert!(info["terminated_at"].as_u64().unwrap() >= info["created_at"].as_u64().unwrap());
    let call = server.request(Method::GET, &format!("/s/{id}/api/v1/health"));
    assert_eq!(refused(call).await, (503, "SANDBOX_NOT_RUNNING".to_owned()));
    // Its files are gone; what is left is the server's own directory.
    let below: Vec<_> = std::fs::read_dir(&server.files()[0]).unwrap().collect();
    assert_eq!(below.len(), 0);
}

#[tokio::test]
async fn names_are_unique_among_the_living() {
    let server = Server::start(&[]);
    let body = json!({ "name": "twice" });
    create(&server, body.clone()).await;
    let again = server.request(Method::POST, "/sandboxes").json(&body);
    assert_eq!(refused(again).await, (409, "NAME_TAKEN".to_owned()));
    server.request(Method::DELETE, "/sandboxes/twice").send().await.unwrap();
    create(&server, body).await;
}

#[tokio::test]
async fn what_is_wrong_or_not_done_is_refused() {
    let server = Server::start(&[]);
    for (body, status, code) in [
        (json!({ "name": "Bad_Name" }), 400, "INVALID_REQUEST"),
        (json!({ "name": "abcdefghijklmnopqrstu" }), 400, "INVALID_REQUEST"),
        (json!({ "name": 7 }), 422, "INVALID_SHAPE"),
        (json!([]), 422, "INVALID_SHAPE"),
        (json!({ "snapshot_id": "s" }), 501, "UNSUPPORTED"),
        (json!({ "template_id": "t" }), 501, "UNSUPPORTED"),
        (json!({ "image": "any" }), 501, "UNSUPPORTED"),
        (json!({ "image": "" }), 501, "UNSUPPORTED"),
        (json!({ "auto_resume": false }), 501, "UNSUPPORTED"),
        (json!({ "resources": { "gpus": [{ "count": 1, "model": "T4" }] } }), 501, "UNSUPPORTED"),
        (json!({ "resources": { "gpus": 1 } }), 422, "INVALID_SHAPE"),
        (json!({ "secret_names": ["A"] }), 501, "UNSUPPORTED"),
        (json!({ "entrypoint": ["sh"] }), 501, "UNSUPPORTED"),
        (json!({ "exposed_ports": [9501] }), 400, "INVALID_REQUEST"),
        (json!({ "exposed_ports": [0] }), 400, "INVALID_REQUEST"),
        (json!({ "exposed_ports": [65536] }), 422, "INVALID_SHAPE"),
        (
            json!({ "file_systems": [{ "file_system_id": "f", "mount_path": "/f" }] }),
            501,
            "UNSUPPORTED",
        ),
        (json!({ "network": { "allow_internet_access": false } }), 501, "UNSUPPORTED"),
        (json!({ "network": { "deny_out": ["10.0.0.0/8"] } }), 501, "UNSUPPORTED"),
    ] {
        let request = server.request(Method::POST, "/sandboxes").json(&body);
        assert_eq!(refused(request).await, (status, code.to_owned()), "{body}");
    }
    let nothing = json!({ "network": { "allow_internet_access": true }, "resources": { "gpus": [] },
        "template_id": null, "image": null, "auto_resume": true, "later": 1 });
    create(&server, nothing).await;
    let unknown = server.request(Method::GET, "/sandboxes/nobody");
    assert_eq!(refused(unknown).await, (404, "SANDBOX_NOT_FOUND".to_owned()));
    let unknown = server.request(Method::DELETE, "/sandboxes/nobody");
    assert_eq!(refused(unknown).await, (404, "SANDBOX_NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn what_the_api_has_and_this_server_lacks_is_told_from_what_nobody_has() {
    let server = Server::start(&[]);
    for path in [
        "/sandboxes/my-env/logs",
        // The processes that have logs.
        "/sandboxes/my-env/processes",
        "/v1/namespaces/default/sandboxes/my-env/processes",
        "/snapshots",
        "/sandbox-pools",
    ] {
        let request = server.request(Method::GET, path);
        assert_eq!(refused(request).await, (501, "UNSUPPORTED".to_owned()), "{path}");
    }
    for path in ["/processes", "/sandboxes/my-env/process", "/s/my-env/api/v1/sandboxes"] {
        let request = server.request(Method::GET, path);
        assert_eq!(refused(request).await, (404, "ROUTE_NOT_FOUND".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn pages_of_the_list_hold_every_sandbox_once() {
    let server = Server::start(&[]);
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(create(&server, json!({})).await["sandbox_id"].as_str().unwrap().to_owned());
    }
    server.request(Method::DELETE, &format!("/sandboxes/{}", made[3])).send().await.unwrap();
    for limit in [1, 3, 7, 100] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&server, &format!("/sandboxes?limit={limit}{cursor}")).await;
            let page_ids = page["sandboxes"].as_array().unwrap().iter();
            seen.extend(page_ids.map(|sandbox| sandbox["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        seen.reverse();
        assert_eq!(seen, made, "{limit}");
        // And back from the last page to the first.
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = format!("/sandboxes?direction=backward&limit={limit}{cursor}");
            let page = get(&server, &page).await;
            let page_ids = page["sandboxes"].as_array().unwrap().iter().rev();
            seen.extend(page_ids.map(|sandbox| sandbox["id"].as_str().unwrap().to_owned()));
            match page["prev_cursor"].as_str() {
                Some(previous) => cursor = format!("&cursor={previous}"),
                None => break,
            }
        }
        assert_eq!(seen, made, "{limit}, backward");
    }
    let middle = get(&server, &format!("/sandboxes?limit=2&cursor={}", made[5])).await;
    assert_eq!(
        (&middle["prev_cursor"], &middle["next_cursor"]),
        (&json!(made[4]), &json!(made[3]))
    );
    for (status, count) in [("running", 6), ("Terminated", 1), ("suspended", 0), ("pending", 0)] {
        let page = get(&server, &format!("/sandboxes?status={status}")).await;
        assert_eq!(page["sandboxes"].as_array().unwrap().len(), count, "{status}");
    }
    for wrong in ["limit=many", "cursor=nobody", "cursor=", "direction=up", "status=fine"] {
        let wrong = server.request(Method::GET, &format!("/sandboxes?{wrong}"));
        assert_eq!(refused(wrong).await, (400, "INVALID_REQUEST".to_owned()));
    }
}

#[tokio::test]
async fn a_sandbox_is_reached_by_path_header_and_host() {
    let server = Server::start(&[]);
    let id = create(&server, json!({ "name": "by-name" })).await["sandbox_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let port = server.url.rsplit_once(':').unwrap().1;
    let health = || server.request(Method::GET, "/api/v1/health");
    let mut ways = vec![
        server.request(Method::GET, &format!("/s/{id}/api/v1/health")),
        server.request(Method::GET, "/s/by-name/api/v1/health"),
        health().header("X-Tensorlake-Sandbox-Id", &id),
    ];
    for host in
        [format!("{id}.localhost"), "by-name.local".to_owned(), format!("9501-{id}.localhost")]
    {
        ways.push(health().header(header::HOST, format!("{host}:{port}")));
    }
    for way in ways {
        let answer = way.send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "healthy": true }));
    }
    assert_eq!(refused(health()).await, (400, "MISSING_SANDBOX_ID".to_owned()));
    let other = health().header("X-Tensorlake-Sandbox-Id", "nobody");
    assert_eq!(refused(other).await, (404, "SANDBOX_NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn a_time_limit_ends_a_sandbox() {
    let server = Server::start(&[]);
    let made = create(&server, json!({ "timeout_secs": 1 })).await;
    let id = made["sandbox_id"].as_str().unwrap();
    // Its end is seen by what runs in it.
    let body = json!({ "command": "sleep", "args": ["1000"] });
    let run = server.request(Method::POST, &format!("/s/{id}/api/v1/processes/run")).json(&body);
    let events = run.send().await.unwrap().text().await.unwrap();
    assert!(events.ends_with("data: {\"signal\":9,\"reason\":\"signaled\"}\n\n"), "{events}");
    // The processes end first.
    let info = found(TIMEOUT, "the sandbox ends", async || {
        let info = get(&server, &format!("/sandboxes/{id}")).await;
        Some(info).filter(|info| info["status"] == "terminated")
    })
    .await;
    assert_eq!(info["termination_reason"], "timeout");
}

#[tokio::test]
async fn a_suspended_sandbox_stands_still_and_goes_on() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let made = create(&server, json!({ "name": "still" })).await;
        let id = made["sandbox_id"].as_str().unwrap();
        let sandbox = server.attach(id);
        let ticking = "i=0; while :; do i=$((i+1)); echo $i > tick; sleep 0.01; done";
        // In a group of its own, and one that has left its session.
        sandbox
            .script(&format!("setsid sh -c '{ticking}' & {}", ticking.replace("tick", "tock")))
            .await;
        let post = async |what: &str| {
            let request = server.request(Method::POST, &format!("/sandboxes/still/{what}"));
            request.send().await.unwrap()
        };
        for (what, first, status) in [("suspend", 202, "suspended"), ("resume", 202, "running")] {
            if what == "suspend" {
                until(TIMEOUT, "both clocks tick", async || {
                    sandbox.run_script("cat tick tock").await.stdout().lines().count() == 2
                })
                .await;
            }
            let answer = post(what).await;
            assert_eq!(answer.status().as_u16(), first, "{what}");
            assert_eq!(answer.json::<Value>().await.unwrap()["status"], status);
            assert_eq!(post(what).await.status(), StatusCode::OK, "{what}");
            let listed = get(&server, &format!("/sandboxes?status={status}")).await;
            assert_eq!(listed["sandboxes"].as_array().unwrap().len(), 1);
        }
        post("suspend").await;
        let files = std::fs::read_dir(&server.files()[0]).unwrap().next().unwrap().unwrap().path();
        let read = || {
            let file =
                |name: &str| std::fs::read_to_string(files.join("workspace").join(name)).unwrap();
            (file("tick"), file("tock"))
        };
        let before = read();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(read(), before, "{isolation}");
        // A request wakes it.
        assert_eq!(sandbox.run_script("echo awake").await.stdout(), "awake\n");
        assert_eq!(get(&server, "/sandboxes/still").await["status"], "running");
        until(TIMEOUT, "the clocks go on", async || read() != before).await;
    }
}

#[tokio::test]
async fn only_a_named_sandbox_that_lives_is_suspended() {
    let server = Server::start(&[]);
    let nameless = create(&server, json!({})).await["sandbox_id"].as_str().unwrap().to_owned();
    let suspend = |id: &str| server.request(Method::POST, &format!("/sandboxes/{id}/suspend"));
    assert_eq!(refused(suspend(&nameless)).await, (400, "INVALID_REQUEST".to_owned()));
    assert_eq!(refused(suspend("nobody")).await, (404, "SANDBOX_NOT_FOUND".to_owned()));
    create(&server, json!({ "name": "named" })).await;
    server.request(Method::DELETE, "/sandboxes/named").send().await.unwrap();
    for what in ["suspend", "resume"] {
        // Not 503, with which clients would ask again.
        let request = server.request(Method::POST, &format!("/sandboxes/named/{what}"));
        assert_eq!(refused(request).await, (409, "CONFLICT".to_owned()));
    }
}

#[tokio::test]
async fn a_time_limit_suspends_a_named_sandbox_and_begins_anew_when_it_wakes() {
    let server = Server::start(&[]);
    create(&server, json!({ "name": "sleepy", "timeout_secs": 1 })).await;
    for _ in 0..2 {
        until(TIMEOUT, "the sandbox is suspended", async || {
            get(&server, "/sandboxes/sleepy").await["status"] == "suspended"
        })
        .await;
        let health = server.request(Method::GET, "/s/sleepy/api/v1/health").send().await.unwrap();
        assert_eq!(health.status(), StatusCode::OK);
        assert_eq!(get(&server, "/sandboxes/sleepy").await["status"], "running");
    }
}

#[tokio::test]
async fn what_this_server_has_not_is_told_from_what_nobody_has() {
    let server = Server::start(&[]);
    let id = create(&server, json!({})).await["sandbox_id"].as_str().unwrap().to_owned();
    let snapshot = format!("/sandboxes/{id}/snapshot");
    for path in [
        "/snapshots",
        "/sandbox-pools/x",
        "/archived-sandboxes",
        "/v1/namespaces/d/snapshots",
        "/api/v1/blob/sign",
        "/api/v1/ssh/enable",
        &snapshot,
    ] {
        let request = server.request(Method::POST, path);
        assert_eq!(refused(request).await, (501, "UNSUPPORTED".to_owned()), "{path}");
    }
    let nobody = server.request(Method::GET, "/something");
    assert_eq!(refused(nobody).await, (404, "ROUTE_NOT_FOUND".to_owned()));
    let key = server.request(Method::POST, "/platform/v1/keys/introspect").send().await.unwrap();
    assert_eq!(key.json::<Value>().await.unwrap()["projectId"], "default");
}

#[tokio::test]
async fn so_many_live_at_once_and_the_next_is_refused() {
    let server = Server::start(&[]);
    let mut last = Value::Null;
    for _ in 0..limits::SANDBOXES {
        last = create(&server, json!({})).await;
    }
    let next = server.request(Method::POST, "/sandboxes").json(&json!({}));
    assert_eq!(refused(next).await, (429, "TOO_MANY_SANDBOXES".to_owned()));
    // One that has ended makes room.
    let path = format!("/sandboxes/{}", last["sandbox_id"].as_str().unwrap());
    server.request(Method::DELETE, &path).send().await.unwrap();
    create(&server, json!({})).await;
}
