//! Channels of a WebSocket: the same streams as over HTTP.

use crate::machine::resident;
use crate::server::{Sandbox, Server, is_alive, refused};
use crate::socket::{PLENTY, Socket};
use crate::wait::{TIMEOUT, until};
use futures::StreamExt as _;
use futures::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use shoreline_protocol::channel::{Ask, Opening};
use shoreline_protocol::limits::CHANNELS;
use std::time::{Duration, Instant};
use tokio::time::timeout;

async fn bytes(request: RequestBuilder) -> Vec<u8> {
    request.send().await.unwrap().bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn a_channel_carries_the_very_bytes_of_the_event_stream() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("seq 20000; echo err >&2; printf '\\377 no line end'; exit 3").await;
    let follow = |path: &str| sandbox.request(Method::GET, &format!("/processes/{pid}{path}"));
    bytes(follow("/output/follow")).await;
    let mut socket = Socket::open(&sandbox).await;
    for (path, last) in [
        ("/output/follow", None),
        ("/stdout/follow?unfinished=true", None),
        ("/stderr/follow", None),
        ("/output/follow", Some("19000")),
        ("/output/follow?last_event_id=19000", None),
    ] {
        let request = follow(path);
        let request = match last {
            Some(id) => request.header("Last-Event-ID", id),
            None => request,
        };
        let headers = last.map(|id| ("last-event-id", id)).into_iter().collect();
        let channel = socket.get_with(PLENTY, &format!("/processes/{pid}{path}"), headers).await;
        let received = socket.whole(channel).await;
        assert_eq!((received.status, received.end), (200, Some("end")), "{path}");
        assert!(received.bytes == bytes(request).await, "{path} differs");
    }
}

#[tokio::test]
async fn a_run_is_started_and_ends_as_over_http() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let mut socket = Socket::open(&sandbox).await;
    let body = json!({ "command": "sh", "args": ["-c", "echo out; echo err >&2; exit 7"] });
    let run = socket.run(&body).await;
    let received = socket.whole(run).await;
    assert!(received.text().starts_with("data: {\"handle\":1,\"pid\":"), "{received:?}");
    assert!(
        received.text().contains("\"line\":\"out\"") && received.text().contains("\"exit_code\":7")
    );
    assert_eq!(received.end, Some("end"));
    let missing = socket.run(&json!({ "command": "no-such-program" })).await;
    assert_eq!(socket.whole(missing).await.refusal(), (404, "EXECUTABLE_NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn two_hundred_outputs_share_a_socket_and_each_is_whole() {
    const OUTPUTS: u32 = 200;
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = |number: u32| format!("for i in $(seq 20); do echo {number} $i; seq 200; done");
    let pids = join_all((0..OUTPUTS).map(|number| {
        let (sandbox, script) = (sandbox.clone(), script(number));
        async move { sandbox.script(&script).await }
    }));
    let mut socket = Socket::open(&sandbox).await;
    let mut channels = Vec::new();
    for pid in pids.await {
        channels.push((pid, socket.follow(pid).await));
    }
    for (pid, channel) in channels {
        let received = socket.whole(channel).await;
        let path = format!("/processes/{pid}/output/follow");
        let expected = bytes(sandbox.request(Method::GET, &path)).await;
        assert_eq!(Sha256::digest(&received.bytes), Sha256::digest(&expected), "{pid}");
    }
}

/// A process that has written so many lines, and has ended.
async fn written(sandbox: &Sandbox, lines: u32) -> (u64, Vec<u8>) {
    let pid = sandbox.script(&format!("seq {lines}")).await;
    let path = format!("/processes/{pid}/output/follow");
    (pid, bytes(sandbox.request(Method::GET, &path)).await)
}

#[tokio::test]
async fn a_channel_without_credit_waits_and_holds_up_no_other() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let (pid, expected) = written(&sandbox, 50_000).await;
    let mut socket = Socket::open(&sandbox).await;
    let path = format!("/processes/{pid}/output/follow");
    let (none, few) = (socket.get(0, &path).await, socket.get(1000, &path).await);
    let plenty = socket.follow(pid).await;
    assert!(socket.whole(plenty).await.bytes == expected);
    // The others send nothing more without credit: a third answer would arrive before it.
    let again = socket.follow(pid).await;
    assert!(socket.whole(again).await.bytes == expected);
    let at = |socket: &Socket, channel| socket.channels[&channel].bytes.len();
    assert_eq!((at(&socket, none), at(&socket, few)), (0, 1000));
    socket.ask(few, Ask::Credit(1)).await;
    socket.ask(none, Ask::Credit(PLENTY)).await;
    assert!(socket.whole(none).await.bytes == expected);
    socket.until(few, |received| received.bytes.len() == 1001).await;
    socket.ask(few, Ask::Credit(PLENTY - 1001)).await;
    assert!(socket.whole(few).await.bytes == expected);
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_up_nobody_and_costs_little_memory() {
    const CHANNELS_EACH: u64 = 100;
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let (pid, expected) = written(&sandbox, 300_000).await;
    let before = resident(server.child.id());
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let mut socket = Socket::open(&sandbox).await;
        for _ in 0..CHANNELS_EACH {
            socket.follow(pid).await;
        }
        stalled.push(socket);
    }
    let mut socket = Socket::open(&sandbox).await;
    let channel = socket.follow(pid).await;
    let whole = timeout(TIMEOUT, socket.whole(channel)).await.expect("it is held up");
    assert!(whole.bytes == expected);
    // Each channel has what was read of the log at once at hand, and not all of it.
    let grown = resident(server.child.id()).saturating_sub(before);
    assert!(grown < 2 * CHANNELS_EACH * 1024 * 1024, "{grown} bytes more");
}

#[tokio::test]
async fn leaving_a_channel_makes_room_for_another() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("echo one; exec sleep 1000").await;
    let mut socket = Socket::open(&sandbox).await;
    for _ in 0..CHANNELS {
        socket.follow(pid).await;
    }
    let refused = socket.follow(pid).await;
    assert_eq!(socket.whole(refused).await.refusal(), (429, "TOO_MANY_CHANNELS".to_owned()));
    socket.ask(1, Ask::Close).await;
    let another = socket.follow(pid).await;
    socket.until(another, |received| received.text().contains("one")).await;
    // One that was left gets nothing more; leaving it again, or giving it credit, is no error.
    socket.ask(1, Ask::Close).await;
    socket.ask(1, Ask::Credit(1)).await;
    let path = format!("/processes/{pid}");
    assert_eq!(sandbox.request(Method::DELETE, &path).send().await.unwrap().status(), 204);
    assert_eq!(socket.whole(another).await.end, Some("end"));
    assert_eq!(socket.channels[&1].end, None);
    // Those that have ended make room, too.
    let next = socket.follow(pid).await;
    assert_eq!(socket.whole(next).await.end, Some("end"));
}

#[tokio::test]
async fn a_run_whose_socket_vanishes_goes_on_as_over_http() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = "mkfifo fifo; echo begun; read it < fifo; exit 7";
    let mut socket = Socket::open(&sandbox).await;
    let run = socket.run(&json!({ "command": "sh", "args": ["-c", script] })).await;
    socket.until(run, |received| received.text().contains("begun")).await;
    drop(socket);
    sandbox.run_script("echo go > fifo").await;
    until(TIMEOUT, "the command ends by itself", async || {
        let listed = sandbox.get("/processes").await;
        let all = listed["processes"].as_array().unwrap();
        all.iter().any(|one| one["exit_code"] == 7)
    })
    .await;
}

#[tokio::test]
async fn the_end_of_a_sandbox_ends_its_channels_and_waits_for_no_socket() {
    let mut server = Server::start(&[]);
    let (ended, other) = (server.sandbox().await, server.sandbox().await);
    let pids = [ended.script("sleep 1000").await, other.script("sleep 1000").await];
    let mut socket = Socket::open(&ended).await;
    let mut others = Socket::open(&other).await;
    let (first, second) = (socket.follow(pids[0]).await, others.follow(pids[1]).await);
    socket.until(first, |received| received.status == 200).await;
    others.until(second, |received| received.status == 200).await;
    let begun = Instant::now();
    let path = format!("/sandboxes/{}", ended.id);
    assert_eq!(server.request(Method::DELETE, &path).send().await.unwrap().status(), 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let received = socket.whole(first).await;
    assert!(received.text().contains("event: eof") && received.end == Some("end"), "{received:?}");
    let gone = socket.follow(pids[0]).await;
    let status = socket.whole(gone).await.refusal();
    assert_eq!(status, refused(ended.request(Method::GET, "/processes")).await);
    // Both sockets are open still.
    server.signal("-TERM");
    let received = others.whole(second).await;
    assert!(received.text().contains("event: eof"), "{received:?}");
    assert!(server.exit_within(Duration::from_secs(5)).is_some_and(|status| status.success()));
    assert!(!pids.into_iter().any(is_alive));
}

#[tokio::test]
async fn a_suspended_sandbox_is_resumed_by_a_channel_as_by_a_request() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox_with(json!({ "name": "sleepy" })).await;
    let pid = sandbox.script("echo one; exec sleep 1000").await;
    let suspend = server.request(Method::POST, "/sandboxes/sleepy/suspend");
    assert!(suspend.send().await.unwrap().status().is_success());
    let mut socket = Socket::open(&sandbox).await;
    let channel = socket.follow(pid).await;
    socket.until(channel, |received| received.text().contains("one")).await;
    let state: serde_json::Value = server
        .request(Method::GET, "/sandboxes/sleepy")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(state["status"], "running");
    assert!(socket.stream.next().await.is_some(), "the end comes later than its close");
}

#[tokio::test]
async fn a_sandbox_is_named_by_host_and_by_header_too() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("echo here").await;
    let at = server.url.strip_prefix("http://").unwrap();
    let url = format!("ws://{at}/api/v1/channels");
    let host = format!("{}.localhost", sandbox.id);
    let id = sandbox.id.as_str();
    let key = format!("Bearer {}", crate::server::KEY);
    for headers in [vec![("host", host.as_str())], vec![("x-tensorlake-sandbox-id", id)], vec![]] {
        let of_socket = [headers.as_slice(), &[("authorization", &key)]].concat();
        let mut socket = Socket::connect(&url, &of_socket).await.unwrap();
        // A page can name it with the channel only.
        let of_channel =
            if headers.is_empty() { vec![("X-Tensorlake-Sandbox-Id", id)] } else { vec![] };
        let path = format!("/api/v1/processes/{pid}/output/follow");
        let opening = Opening { method: "GET", path: &path, headers: of_channel, body: &[] };
        let channel = socket.request(PLENTY, opening).await;
        assert!(socket.whole(channel).await.text().contains("here"), "{headers:?}");
    }
}
