//! Updates of sandboxes.

use crate::lifecycle::{create, get};
use crate::server::{Server, refused};
use crate::wait::{TIMEOUT, until};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_change_of_the_time_limit_starts_it_over() {
    let server = Server::start(&[]);
    let made = create(&server, json!({ "timeout_secs": 2 })).await;
    let path = format!("/sandboxes/{}", made["sandbox_id"].as_str().unwrap());
    let began = std::time::Instant::now();
    let limit = async |seconds: u64| {
        let body = json!({ "timeout_secs": seconds });
        let answer = server.request(Method::PATCH, &path).json(&body).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap()["timeout_secs"], seconds);
    };
    // As a client does that keeps its sandbox.
    while began.elapsed().as_secs() < 4 {
        limit(2).await;
        assert_eq!(get(&server, &path).await["status"], "running");
    }
    limit(0).await;
    limit(1).await;
    until(TIMEOUT, "the sandbox ends", async || {
        get(&server, &path).await["termination_reason"] == "timeout"
    })
    .await;
}

#[tokio::test]
async fn what_can_be_changed_is_changed_and_the_rest_stays() {
    let server = Server::start(&[]);
    create(&server, json!({ "name": "taken" })).await;
    let id = create(&server, json!({})).await["sandbox_id"].as_str().unwrap().to_owned();
    let patch =
        |body: Value| server.request(Method::PATCH, &format!("/sandboxes/{id}")).json(&body);
    let changed =
        async |body: Value| patch(body).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(changed(json!({ "name": "other" })).await["name"], "other");
    let info =
        changed(json!({ "exposed_ports": [3000, 80], "allow_unauthenticated_access": true })).await;
    assert_eq!((&info["name"], &info["exposed_ports"]), (&json!("other"), &json!([3000, 80])));
    let info = changed(json!({ "exposed_ports": [] })).await;
    assert_eq!(
        (&info["exposed_ports"], &info["allow_unauthenticated_access"]),
        (&json!([]), &json!(true))
    );
    assert_eq!(
        changed(json!({ "name": "other", "network": null, "new": 1 })).await["name"],
        "other"
    );
    assert_eq!(get(&server, "/sandboxes/other").await["id"], id);
    for (body, status, code) in [
        (json!({ "name": "taken" }), 409, "NAME_TAKEN"),
        (json!({ "name": "Bad" }), 400, "INVALID_REQUEST"),
        (json!({ "exposed_ports": [9501] }), 400, "INVALID_REQUEST"),
        (json!({ "network": { "allow_internet_access": false } }), 501, "UNSUPPORTED"),
        (json!({ "auto_resume": false }), 501, "UNSUPPORTED"),
        (json!({ "exposed_ports": "80" }), 422, "INVALID_SHAPE"),
    ] {
        assert_eq!(refused(patch(body.clone())).await, (status, code.to_owned()), "{body}");
    }
    server.request(Method::DELETE, "/sandboxes/other").send().await.unwrap();
    assert_eq!(refused(patch(json!({ "name": "late" }))).await, (409, "CONFLICT".to_owned()));
}
