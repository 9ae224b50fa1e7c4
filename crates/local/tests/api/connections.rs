//! Connections: clients that hang up, stall, or open too many.

use crate::server::{KEY, Server};
use crate::wait::{TIMEOUT, until};
use reqwest::{Method, StatusCode};
use serde_json::json;
use shoreline_protocol::limits::{BODY_SILENCE_SECONDS, REQUEST_HEAD_SECONDS, STDIN_STALL_SECONDS};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The head of a request, but for the empty line at its end.
fn head(method: &str, path: &str, key: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n")
}

/// Reads one answer without a body of unknown length, and gives its head in lower case.
async fn answer(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let reading = async {
        loop {
            let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.split("content-length: ").nth(1).unwrap();
                let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                if body.len() >= length {
                    return head.to_owned();
                }
            }
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "closed after {text:?}");
        }
    };
    timeout(TIMEOUT, reading).await.expect("no answer")
}

/// Waits until the server closes a connection, and gives what it sent before.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    // Closed with a reset if the server did not read everything.
    let _ = timeout(TIMEOUT, stream.read_to_end(&mut seen)).await.expect("not closed");
    String::from_utf8(seen).unwrap()
}

#[tokio::test]
async fn a_request_is_done_or_not_begun_when_its_client_hangs_up() {
    const STARTS: u32 = 100;
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let body =
        |number: u32| json!({ "command": "sleep", "args": ["1000"], "name": format!("n{number}") });
    for number in 0..STARTS {
        let head = head("POST", &format!("/s/{}/api/v1/processes", sandbox.id), KEY);
        let body = body(number).to_string();
        let length = body.len();
        let request = format!(
            "{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        // At another moment each time.
        std::thread::sleep(Duration::from_micros(20) * number);
        drop(stream);
    }
    let begun = Instant::now();
    for number in 0..STARTS {
        let again = sandbox.request(Method::POST, "/processes").json(&body(number));
        let status = again.send().await.unwrap().status();
        assert!(status == StatusCode::CREATED || status == StatusCode::CONFLICT, "{status}");
        // A name that is taken is a process's, at the latest once that has started.
        let path = format!("/processes/n{number}");
        while sandbox.get(&path).await["status"] != "running" {
            assert!(begun.elapsed() < TIMEOUT, "{path} is taken by no process");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    // Every process that was started is known.
    let listed = sandbox.get("/processes").await["processes"].as_array().unwrap().len();
    assert_eq!(listed, children_of(&server, "sleep"));
}

/// Processes of a name that the server's sandboxes run.
fn children_of(server: &Server, name: &str) -> usize {
    let status = |entry: std::io::Result<std::fs::DirEntry>| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (start, rest) = stat.rsplit_once(')')?;
        let parent: u32 = rest.split_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent, start.split_once('(')?.1.to_owned()))
    };
    let all: Vec<_> = std::fs::read_dir("/proc").unwrap().filter_map(status).collect();
    let agents = all.iter().filter(|(_, parent, _)| *parent == server.child.id());
    let agents: Vec<_> = agents.map(|(pid, ..)| *pid).collect();
    all.iter().filter(|(_, parent, comm)| agents.contains(parent) && comm == name).count()
}

#[tokio::test]
async fn idle_connections_without_the_key_and_half_sent_heads_are_closed() {
    let server = Server::start(&[]);
    let begun = Instant::now();
    let mut idle = server.connect().await;
    let mut half = server.connect().await;
    half.write_all(head("GET", "/sandboxes", KEY).as_bytes()).await.unwrap();
    // With the key a connection can be idle, but not in the middle of a head.
    let mut keyed = [server.connect().await, server.connect().await];
    for stream in &mut keyed {
        let request = head("GET", "/sandboxes", KEY) + "\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(answer(stream).await.starts_with("http/1.1 200 "));
    }
    let [mut kept, mut stuck] = keyed;
    stuck.write_all(b"GET /sandboxes HTTP/1.1\r\n").await.unwrap();
    for stream in [&mut idle, &mut half, &mut stuck] {
        assert_eq!(until_closed(stream).await, "");
    }
    assert!(begun.elapsed() >= Duration::from_secs(REQUEST_HEAD_SECONDS));
    let request = head("GET", "/sandboxes", KEY) + "\r\n";
    kept.write_all(request.as_bytes()).await.unwrap();
    assert!(answer(&mut kept).await.starts_with("http/1.1 200 "));
}

#[tokio::test]
async fn a_client_that_is_refused_has_its_connection_closed() {
    let server = Server::start(&[]);
    let mut stream = server.connect().await;
    let request = head("GET", "/sandboxes", "wrong") + "\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = answer(&mut stream).await;
    assert!(head.starts_with("http/1.1 401 ") && head.contains("connection: close"), "{head}");
    assert_eq!(until_closed(&mut stream).await, "");
}

#[tokio::test]
async fn connections_without_the_key_keep_nobody_out() {
    let server = Server::start_under("ulimit -n 256", &[]);
    let mut kept = server.connect().await;
    let request = head("GET", "/sandboxes", KEY) + "\r\n";
    kept.write_all(request.as_bytes()).await.unwrap();
    answer(&mut kept).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(server.connect().await);
    }
    let sandbox = timeout(TIMEOUT, server.sandbox()).await.expect("no sandbox");
    let seen = timeout(TIMEOUT, sandbox.run_script("echo fine")).await.expect("no process");
    assert_eq!(seen.stdout(), "fine\n");
    // The oldest made room, and the connection with the key was none of them.
    assert_eq!(until_closed(&mut idle[0]).await, "");
    kept.write_all(request.as_bytes()).await.unwrap();
    assert!(answer(&mut kept).await.starts_with("http/1.1 200 "));
}

#[tokio::test]
async fn idle_connections_make_room_and_those_in_use_are_left() {
    let server = Server::start_under("ulimit -n 256", &[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("sleep 1000").await;
    let follow = format!("/s/{}/api/v1/processes/{pid}/output/follow", sandbox.id);
    let mut following = Vec::new();
    // A third of 256, of which one is the client's own.
    for _ in 0..84 {
        let mut stream = server.connect().await;
        let request = head("GET", &follow, KEY) + "\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        following.push(stream);
    }
    // The client's own is idle, and makes room.
    let mut last = server.connect().await;
    last.write_all((head("GET", &follow, KEY) + "\r\n").as_bytes()).await.unwrap();
    let mut status = [0; 12];
    timeout(TIMEOUT, last.read_exact(&mut status)).await.expect("no answer").unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let mut refused = server.connect().await;
    let answer = until_closed(&mut refused).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("TOO_MANY_CONNECTIONS"));
    drop(following.pop());
    let begun = Instant::now();
    loop {
        let health = sandbox.request(Method::GET, "/health").send().await;
        if health.is_ok_and(|health| health.status() == StatusCode::OK) {
            break;
        }
        assert!(begun.elapsed() < TIMEOUT, "no room");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let begin = async |method: &str, path: &str| {
        let mut stream = server.connect().await;
        let fields = "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
        let request = head(method, path, KEY) + fields;
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    };
    let file = begin("PUT", &format!("/s/{}/api/v1/files?path=half", sandbox.id)).await;
    let body = begin("POST", "/sandboxes").await;
    let files =
        async || sandbox.get("/files/list?path=.").await["entries"].as_array().unwrap().len();
    until(TIMEOUT, "the file is begun", async || files().await == 1).await;
    for mut stream in [file, body] {
        let mut seen = String::new();
        let most = Duration::from_secs(BODY_SILENCE_SECONDS + 5);
        timeout(most, stream.read_to_string(&mut seen)).await.expect("not closed").unwrap();
        assert!(seen.starts_with("HTTP/1.1 408 ") && seen.contains("REQUEST_TIMEOUT"), "{seen}");
    }
    until(TIMEOUT, "the file is removed", async || files().await == 0).await;
}

#[tokio::test]
async fn closing_stdin_does_not_wait_for_an_upload_that_stalls() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let started = sandbox.start(json!({ "command": "cat", "stdin_mode": "pipe" })).await;
    let path = format!("/processes/{}", started["pid"]);
    let mut upload = server.connect().await;
    let request = head("POST", &format!("/s/{}/api/v1{path}/stdin", sandbox.id), KEY);
    let request = request + "Content-Length: 100\r\n\r\nbegun\n";
    upload.write_all(request.as_bytes()).await.unwrap();
    until(TIMEOUT, "the upload has begun", async || {
        sandbox.get(&format!("{path}/stdout")).await["lines"] == json!(["begun"])
    })
    .await;
    let close = sandbox.request(Method::POST, &format!("{path}/stdin/close")).send();
    let most = Duration::from_secs(STDIN_STALL_SECONDS / 2);
    let closed = timeout(most, close).await.expect("it waits").unwrap();
    assert_eq!(closed.status(), StatusCode::NO_CONTENT);
    let mut seen = String::new();
    timeout(TIMEOUT, upload.read_to_string(&mut seen)).await.expect("not closed").unwrap();
    assert!(seen.starts_with("HTTP/1.1 400 ") && seen.contains("STDIN_NOT_WRITABLE"), "{seen}");
    until(TIMEOUT, "cat ends", async || sandbox.get(&path).await["exit_code"] == 0).await;
}

#[tokio::test]
async fn input_that_was_taken_is_no_error_though_its_reader_ends_before_the_body_does() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    for (rest, answer) in [("0\r\n\r\n", "204"), ("1\r\nx\r\n0\r\n\r\n", "400")] {
        let command = json!({ "command": "head", "args": ["-n", "1"], "stdin_mode": "pipe" });
        let pid = sandbox.start(command).await["pid"].as_u64().unwrap();
        let path = format!("/s/{}/api/v1/processes/{pid}/stdin", sandbox.id);
        let mut upload = server.connect().await;
        let request = head("POST", &path, KEY)
            + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nline\n\r\n";
        upload.write_all(request.as_bytes()).await.unwrap();
        sandbox.follow(pid, "output", None).await;
        upload.write_all(rest.as_bytes()).await.unwrap();
        let seen = until_closed(&mut upload).await;
        assert!(seen.starts_with(&format!("HTTP/1.1 {answer} ")), "{seen}");
    }
}

#[tokio::test]
async fn every_refusal_is_json_with_a_sentence() {
    let server = Server::start(&[]);
    let id = server.sandbox().await.id;
    for (method, path) in [
        ("GET", "/s/%ff/api/v1/health".to_owned()),
        ("GET", "/sandboxes/%ff".to_owned()),
        ("GET", "/sandboxes?limit=x".to_owned()),
        ("GET", "/sandboxes?direction=up".to_owned()),
        ("GET", "//".to_owned()),
        ("OPTIONS", "*".to_owned()),
        ("TRACE", "/sandboxes".to_owned()),
        ("DELETE", "/sandboxes".to_owned()),
        ("POST", "/sandboxes".to_owned()),
        ("GET", format!("/s/{id}/api/v1/tunnels/tcp?port=1")),
        ("GET", format!("/s/{id}/api/v1/tunnels/tcp")),
        ("GET", format!("/s/{id}/api/v1/pty/%ff/ws")),
        ("GET", format!("/s/{id}/api/v1/processes/1/output/follow?last_event_id=x")),
        ("GET", format!("/s/{id}/api/v1/files/list?path=%ff")),
        ("POST", format!("/s/{id}/api/v1/processes/1/signal")),
    ] {
        let mut stream = server.connect().await;
        let request = head(method, &path, KEY) + "Connection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let seen = until_closed(&mut stream).await;
        let (head, body) = seen.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/json"), "{method} {path}: {seen}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(body["error"].as_str().unwrap().contains(' ') && body["code"].is_string());
    }
}
