//! Channels of a WebSocket: who may open them, what is refused, and what closes the socket.

use crate::server::{KEY, Server, refused};
use crate::socket::{PLENTY, Socket};
use crate::wait::TIMEOUT;
use reqwest::Method;
use serde_json::{Value, json};
use shoreline_protocol::channel::{Ask, Opening};
use shoreline_protocol::limits::{CHANNEL_MESSAGE_BYTES, REQUEST_HEAD_SECONDS};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

const PAGE: &str = "http://page.example";

#[tokio::test]
async fn what_is_refused_is_refused_as_over_http() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("echo one").await;
    let mut socket = Socket::open(&sandbox).await;
    for path in [
        "/processes/4000000/output/follow".to_owned(),
        format!("/processes/{pid}/output/follow?last_event_id=x"),
        format!("/processes/{pid}/output/follow?last_event_id=100"),
        format!("/processes/{pid}/output/follow?unfinished=maybe"),
        "/processes/%ff/output/follow".to_owned(),
        "/nothing".to_owned(),
    ] {
        let channel = socket.get(PLENTY, &path).await;
        let expected = refused(sandbox.request(Method::GET, &path)).await;
        assert_eq!(socket.whole(channel).await.refusal(), expected, "{path}");
    }
    // Only what streams has a channel.
    for path in ["/health", "/processes", "/files?path=.", "/channels", "/../../../sandboxes"] {
        let channel = socket.get(PLENTY, path).await;
        assert_eq!(socket.whole(channel).await.refusal().0, 404, "{path}");
    }
    let delete = Opening {
        method: "DELETE",
        path: &format!("/api/v1/processes/{pid}/output/follow"),
        headers: vec![],
        body: &[],
    };
    let channel = socket.request(PLENTY, delete).await;
    assert_eq!(socket.whole(channel).await.refusal(), (405, "METHOD_NOT_ALLOWED".to_owned()));
    let plain =
        Opening { method: "POST", path: "/api/v1/processes/run", headers: vec![], body: b"{}" };
    let channel = socket.request(PLENTY, plain).await;
    assert_eq!(socket.whole(channel).await.refusal().1, "UNSUPPORTED_MEDIA_TYPE");
    let shape = socket.run(&json!({ "command": 1 })).await;
    assert_eq!(socket.whole(shape).await.refusal().1, "INVALID_SHAPE");
    // The socket still works.
    let follow = socket.follow(pid).await;
    assert!(socket.whole(follow).await.text().contains("one"));
}

#[tokio::test]
async fn a_socket_can_be_held_to_scopes() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("echo one").await;
    let url = format!("ws{}/channels", sandbox.url.strip_prefix("http").unwrap());
    let key = format!("Bearer {KEY}");
    let headers = [("authorization", key.as_str())];
    let run = json!({ "command": "echo", "args": ["two"] });
    for (allow, follows, runs) in [
        ("output", true, false),
        ("processes", false, true),
        ("files:read,output,processes", true, true),
        ("terminals", false, false),
    ] {
        let mut socket = Socket::connect(&format!("{url}?allow={allow}"), &headers).await.unwrap();
        for (channel, allowed) in
            [(socket.follow(pid).await, follows), (socket.run(&run).await, runs)]
        {
            let received = socket.whole(channel).await;
            let expected = if allowed { (200, Some("end")) } else { (404, Some("refused")) };
            assert_eq!((received.status, received.end), expected, "{allow}");
        }
    }
    for allow in ["", "smoke", "output,", "output&allow=processes"] {
        let refused = Socket::connect(&format!("{url}?allow={allow}"), &headers).await.err();
        assert_eq!(status(refused), 400, "{allow}");
    }
}

/// The status with which a socket was refused.
fn status(error: Option<Error>) -> u16 {
    match error {
        Some(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_channel_is_authorized_by_the_key_or_by_a_token_of_the_page() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("echo one").await;
    let path = format!("/processes/{pid}/output/follow");
    let made = server.request(Method::POST, "/local/page-tokens").json(&json!({ "origin": PAGE }));
    let made: Value = made.send().await.unwrap().json().await.unwrap();
    let token = format!("Bearer {}", made["token"].as_str().unwrap());
    let key = format!("Bearer {KEY}");
    let origin = ("origin", PAGE);
    for (of_socket, of_channel, good) in [
        (vec![], vec![], false),
        (vec![], vec![("authorization", "Bearer wrong")], false),
        (vec![], vec![("authorization", key.as_str())], true),
        (vec![("authorization", key.as_str())], vec![], true),
        (vec![origin], vec![("authorization", token.as_str())], true),
        (vec![origin], vec![], false),
        // A token is good for its origin, which the socket's request says.
        (vec![], vec![("authorization", token.as_str())], false),
        (vec![], vec![("authorization", token.as_str()), origin], false),
    ] {
        let mut socket = Socket::at(&sandbox, &of_socket).await.unwrap();
        let channel = socket.get_with(PLENTY, &path, of_channel.clone()).await;
        let received = socket.whole(channel).await;
        if good {
            assert!(received.text().contains("one"), "{of_socket:?} {of_channel:?}");
        } else {
            assert_eq!(received.refusal(), (401, "UNAUTHORIZED".to_owned()), "{of_channel:?}");
            // At once, and not when the time for an authorized channel is over.
            let close = (1008, "the key is missing or wrong".to_owned());
            assert_eq!(socket.until_close().await, close);
        }
    }
    // One wrong key does not end a socket that has shown a good one.
    let mut socket = Socket::at(&sandbox, &[]).await.unwrap();
    for (key, status) in [(key.as_str(), 200), ("Bearer wrong", 401), (key.as_str(), 200)] {
        let channel = socket.get_with(PLENTY, &path, vec![("authorization", key)]).await;
        assert_eq!(socket.whole(channel).await.status, status);
    }
    // Behind a relay, whose key is good, the key of a page is the relay's matter.
    let mut relayed = Socket::open(&sandbox).await;
    let channel = relayed.get_with(PLENTY, &path, vec![("authorization", "Bearer page")]).await;
    assert_eq!(relayed.whole(channel).await.status, 200);
}

#[tokio::test]
async fn host_and_origin_are_checked_before_anything() {
    let server = Server::start(&["--allow-origin", "http://allowed.example"]);
    let sandbox = server.sandbox().await;
    let key = format!("Bearer {KEY}");
    for header in [
        ("host", "evil.example"),
        ("host", "192.0.2.1"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
    ] {
        let headers = [header, ("authorization", key.as_str())];
        assert_eq!(status(Socket::at(&sandbox, &headers).await.err()), 403, "{header:?}");
    }
    let allowed = [("origin", "http://allowed.example")];
    assert!(Socket::at(&sandbox, &allowed).await.is_ok());
    let plain = server.client.get(format!("{}/channels", sandbox.url));
    assert_eq!(refused(plain).await, (401, "UNAUTHORIZED".to_owned()));
    let with_key = sandbox.request(Method::GET, "/channels");
    assert_eq!(refused(with_key).await, (426, "UPGRADE_REQUIRED".to_owned()));
}

#[tokio::test]
async fn a_message_that_breaks_a_rule_closes_the_socket() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("sleep 1000").await;
    let path = format!("/api/v1/processes/{pid}/output/follow");
    let opening = || Opening { method: "GET", path: &path, headers: vec![], body: &[] };
    let open = |channel| Ask::Open { credit: 10, opening: opening() }.encode(channel);
    let large = vec![b'x'; CHANNEL_MESSAGE_BYTES];
    let body = Ask::Open { credit: 0, opening: Opening { body: &large, ..opening() } }.encode(8);
    let binary = |bytes: &[u8]| Message::Binary(Bytes::copy_from_slice(bytes));
    for (message, code) in [
        (Message::Text("hello".into()), 1003),
        (binary(b""), 1002),
        (binary(&[1, 0, 0, 0]), 1002),
        (binary(&[99, 0, 0, 0, 8]), 1002),
        (binary(&open(8)[..20]), 1002),
        (binary(&[3, 0, 0, 0, 1, 0]), 1002),
        (binary(&open(1)), 1002),
        (binary(&open(0)), 1002),
        (binary(&body), 1009),
        (binary(&Ask::Credit(u32::MAX).encode(1)), 1008),
        (binary(&Ask::Open { credit: PLENTY + 1, opening: opening() }.encode(8)), 1008),
    ] {
        let mut socket = Socket::open(&sandbox).await;
        let channel = socket.follow(pid).await;
        assert_eq!(channel, 1);
        socket.until(channel, |received| received.status == 200).await;
        // The credit of this channel is used up by nothing, and has its bound.
        socket.send(message.clone()).await;
        assert_eq!(socket.until_close().await.0, code, "{message:?}");
    }
    // The process, and the server, are as before.
    assert_eq!(sandbox.get(&format!("/processes/{pid}")).await["status"], "running");
}

#[tokio::test]
async fn sockets_without_an_authorized_channel_are_bounded_in_time() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let begun = Instant::now();
    let mut silent = Socket::at(&sandbox, &[]).await.unwrap();
    let mut kept = Socket::open(&sandbox).await;
    assert_eq!(silent.until_close().await.0, 1008);
    assert!(begun.elapsed() >= Duration::from_secs(REQUEST_HEAD_SECONDS));
    // The key with the request is enough to stay.
    let pid = sandbox.script("echo one").await;
    let channel = kept.follow(pid).await;
    assert!(kept.whole(channel).await.text().contains("one"));
}

#[tokio::test]
async fn sockets_without_an_authorized_channel_keep_nobody_out() {
    let server = Server::start_under("ulimit -n 256", &[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("echo one; exec sleep 1000").await;
    let mut used = Socket::open(&sandbox).await;
    let channel = used.follow(pid).await;
    used.until(channel, |received| received.text().contains("one")).await;
    let mut idle = Vec::new();
    for _ in 0..120 {
        idle.push(Socket::at(&sandbox, &[]).await.unwrap());
    }
    let seen = timeout(TIMEOUT, sandbox.run_script("echo fine")).await.expect("no process");
    assert_eq!(seen.stdout(), "fine\n");
    // The oldest made room, and the socket in use was none of them.
    assert_eq!(idle[0].until_close().await.0, 0);
    let another = used.follow(pid).await;
    used.until(another, |received| received.text().contains("one")).await;
}
