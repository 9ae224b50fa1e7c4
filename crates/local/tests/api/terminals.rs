//! Terminals: a plain WebSocket client and what it sees.

use crate::server::{KEY, Server, is_alive, isolations};
use crate::terminal::Terminal;
use futures::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shoreline_protocol::limits;
use shoreline_protocol::pty::{Input, Size};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::test]
async fn a_program_on_a_terminal_is_typed_at_and_read() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        let body = json!({ "command": "sh", "env": { "PS1": "$ " }, "rows": 30, "cols": 100 });
        let terminal = Terminal::open(&sandbox, body).await;
        let mut client = terminal.ready().await;
        client.until("$ ").await;
        client.send(Input::Data(b"stty size; tty; echo $TERM\n")).await;
        client.until("30 100").await;
        client.until("/dev/pts/").await;
        client.until("xterm-256color").await;
        client.send(Input::Resize(Size { cols: 132, rows: 43 })).await;
        client.send(Input::Data(b"stty size\n")).await;
        client.until("43 132\r\n$ ").await;
        // Ctrl-C reaches what runs in the foreground, so the terminal controls it.
        client.send(Input::Data(b"cat\n")).await;
        client.send(Input::Data(b"twice\n")).await;
        client.until("twice\r\ntwice\r\n").await;
        client.seen.clear();
        client.send(Input::Data(b"\x03")).await;
        // The terminal echoes ^C once it has sent the signal: the shell may be faster.
        client.until("$ ").await;
        client.send(Input::Data(b"exit 7\n")).await;
        assert_eq!(client.until_close().await, (1000, "exit:7".to_owned()));
        assert_eq!(client.exit, Some(7));
        let info = terminal.info().await;
        assert_eq!((&info["is_alive"], &info["exit_code"]), (&json!(false), &json!(7)));
        assert_eq!((&info["rows"], &info["cols"]), (&json!(43), &json!(132)));
    }
}

#[tokio::test]
async fn nothing_is_lost_at_the_end_and_no_exit_is_made_up() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    for round in 0..20 {
        let terminal = Terminal::shell(&sandbox, &format!("seq 500; exit {round}")).await;
        let mut client = terminal.ready().await;
        assert_eq!(client.until_close().await, (1000, format!("exit:{round}")));
        let expected: String = (1..=500).map(|i| format!("{i}\r\n")).collect();
        assert_eq!(client.text(), expected);
        assert_eq!(client.exit, Some(round));
    }
    let terminal = Terminal::shell(&sandbox, "kill -KILL $$").await;
    let mut client = terminal.ready().await;
    assert_eq!(client.until_close().await, (1000, "exit:-1".to_owned()));
    let info = terminal.info().await;
    assert_eq!((&info["exit_code"], &info["signal"]), (&Value::Null, &json!(9)));
}

#[tokio::test]
async fn output_waits_for_ready_and_comes_again_to_whoever_attaches() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let terminal =
        Terminal::shell(&sandbox, "echo one; read line; echo got $line; sleep 1000").await;
    let mut first = terminal.ready().await;
    first.until("one").await;
    // Input counts before ready; output does not come.
    let mut second = terminal.attach().await;
    second.send(Input::Data(b"typed\n")).await;
    first.until("got typed").await;
    assert!(second.seen.is_empty());
    second.send(Input::Ready(None)).await;
    second.until("got typed").await;
    assert_eq!(second.text(), first.text());
    // From a position, and beyond the end.
    let whole = first.text();
    for position in [0, 4, whole.len() as u64] {
        let mut later = terminal.attach().await;
        later.send(Input::Ready(Some(position))).await;
        while later.position.is_none() {
            later.step().await;
        }
        assert_eq!(later.position, Some(position));
        first.send(Input::Data(b"x")).await;
        later.until("x").await;
        assert!(later.text().starts_with(&whole[position as usize..]), "{position}");
    }
    let mut ahead = terminal.attach().await;
    ahead.send(Input::Ready(Some(1 << 50))).await;
    while ahead.position.is_none() {
        ahead.step().await;
    }
    assert!(ahead.position.unwrap() < 1000);
}

#[tokio::test]
async fn messages_that_mean_nothing_are_ignored() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let terminal = Terminal::shell(&sandbox, "read line; echo \"<$line>\"; stty size").await;
    let mut client = terminal.attach().await;
    for message in [
        Message::Text("\0hello".into()),
        Message::Binary(vec![].into()),
        Message::Binary(vec![1, 0, 80, 0].into()),
        Message::Binary(vec![0x7f, 1, 2].into()),
        Message::Binary(vec![3, 0, 0, 0, 0].into()),
    ] {
        client.socket.send(message).await.unwrap();
    }
    client.send(Input::Ready(None)).await;
    client.send(Input::Data(b"fine\n")).await;
    let text = {
        client.until_close().await;
        client.text()
    };
    assert!(text.contains("<fine>") && text.contains("24 80"), "{text}");
}

#[tokio::test]
async fn who_sends_too_large_a_message_is_told_so() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let terminal = Terminal::shell(&sandbox, "sleep 1000").await;
    let too_large = vec![0; 4 * limits::PTY_HISTORY_BYTES];
    for _ in 0..20 {
        let mut client = terminal.attach().await;
        // All of it is taken, since a client may read only what comes after it has sent.
        client.send(Input::Data(&too_large)).await;
        assert_eq!(client.until_close().await, (1009, "message too big".to_owned()));
    }
}

#[tokio::test]
async fn a_terminal_that_has_ended_is_not_resized() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let terminal = Terminal::shell(&sandbox, "exit 0").await;
    assert_eq!(terminal.ready().await.until_close().await, (1000, "exit:0".to_owned()));
    let body = json!({ "rows": 10, "cols": 10 });
    let resize = sandbox.request(Method::POST, &format!("/pty/{}/resize", terminal.id)).json(&body);
    assert_eq!(sandbox.refused(resize).await, (409, "CONFLICT".to_owned()));
}

#[tokio::test]
async fn sizes_are_clamped_or_refused() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let body = json!({ "command": "sleep", "args": ["1000"], "rows": 0, "cols": 5000 });
    let terminal = Terminal::open(&sandbox, body).await;
    let info = terminal.info().await;
    assert_eq!((&info["rows"], &info["cols"]), (&json!(1), &json!(1000)));
    let resize = |body: Value| {
        sandbox.request(Method::POST, &format!("/pty/{}/resize", terminal.id)).json(&body)
    };
    let done = resize(json!({ "rows": 0, "cols": 0 })).send().await.unwrap();
    assert_eq!(done.status(), StatusCode::NO_CONTENT);
    let info = terminal.info().await;
    assert_eq!((&info["rows"], &info["cols"]), (&json!(1), &json!(1)));
    let too_big = resize(json!({ "rows": 65536, "cols": 1 }));
    assert_eq!(sandbox.refused(too_big).await, (422, "INVALID_SHAPE".to_owned()));
    for (body, status, code) in [
        (json!({ "command": "no-such" }), 404, "EXECUTABLE_NOT_FOUND"),
        (json!({ "command": "" }), 400, "INVALID_REQUEST"),
        (json!({ "command": "sh", "args": ["\0"] }), 400, "INVALID_REQUEST"),
        (json!({ "command": "sh", "working_dir": "/no/such" }), 400, "WORKING_DIR_NOT_FOUND"),
        (json!({ "command": "sh", "rows": 70000 }), 422, "INVALID_SHAPE"),
    ] {
        let request = sandbox.request(Method::POST, "/pty").json(&body);
        assert_eq!(sandbox.refused(request).await, (status, code.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn who_has_no_token_is_not_let_in() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let terminal = Terminal::shell(&sandbox, "sleep 1000").await;
    let status = async |url: String, headers: &[(&'static str, &str)]| {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok(_) => 101,
            Err(Error::Http(answer)) => answer.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    let url = terminal.socket_url();
    let unknown = url.replace(&terminal.id, &"x".repeat(21));
    let no_sandbox = url.replace(&sandbox.id, "nobody");
    let key = format!("Bearer {KEY}");
    let key = ("authorization", key.as_str());
    let token = ("x-pty-token", terminal.token.as_str());
    assert_eq!(status(url.clone(), &[token]).await, 101);
    assert_eq!(status(format!("{url}?token={}", terminal.token), &[]).await, 101);
    assert_eq!(status(format!("{url}?token=wrong"), &[token]).await, 101);
    for url in [&url, &unknown, &no_sandbox, &format!("{url}?token={}x", terminal.token)] {
        assert_eq!(status(url.clone(), &[]).await, 403, "{url}");
        assert_eq!(status(url.clone(), &[("x-pty-token", "wrong")]).await, 403, "{url}");
    }
    // Who has the key may know what there is, but it is no token.
    assert_eq!(status(url.clone(), &[key]).await, 403);
    assert_eq!(status(unknown, &[key, token]).await, 404);
    assert_eq!(status(no_sandbox, &[key, token]).await, 404);
    // Nor may a page.
    assert_eq!(status(url.clone(), &[token, ("origin", "https://evil.example")]).await, 403);
    let plain =
        sandbox.request(Method::GET, &format!("/pty/{}/ws?token={}", terminal.id, terminal.token));
    assert_eq!(sandbox.refused(plain).await, (426, "UPGRADE_REQUIRED".to_owned()));
}

#[tokio::test]
async fn a_session_that_is_killed_hangs_up_and_is_forgotten() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = "trap 'echo hung up; exit 3' HUP; echo up; while :; do sleep 0.05; done";
    let terminal = Terminal::shell(&sandbox, script).await;
    let mut client = terminal.ready().await;
    client.until("up").await;
    let path = format!("/pty/{}", terminal.id);
    for _ in 0..2 {
        let killed = sandbox.request(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(killed.status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(client.until_close().await, (1000, "exit:3".to_owned()));
    assert!(client.text().contains("hung up"));
    let unknown = sandbox.request(Method::DELETE, "/pty/nothing");
    assert_eq!(sandbox.refused(unknown).await, (404, "NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn a_sandbox_takes_its_terminals_with_it() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        let terminal =
            Terminal::shell(&sandbox, "trap '' HUP; setsid sleep 1000 & sleep 1000").await;
        let mut client = terminal.ready().await;
        let pid = terminal.info().await["pid"].as_u64().unwrap();
        let ended = server.request(Method::DELETE, &format!("/sandboxes/{}", sandbox.id));
        ended.send().await.unwrap();
        let (code, reason) = client.until_close().await;
        assert_eq!((code, reason.as_str()), (1000, "exit:-1"));
        assert!(isolation == "bubblewrap" || !is_alive(pid));
    }
}

#[tokio::test]
async fn there_are_so_many_and_the_next_is_refused() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let open = (0..limits::PTY_SESSIONS).map(|_| Terminal::shell(&sandbox, "sleep 1000"));
    let open = futures::future::join_all(open).await;
    let listed = sandbox.get("/pty").await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), limits::PTY_SESSIONS);
    let next = || sandbox.request(Method::POST, "/pty").json(&json!({ "command": "sh" }));
    assert_eq!(sandbox.refused(next()).await, (429, "TOO_MANY_SESSIONS".to_owned()));
    // One that has ended makes room.
    let mut client = open[0].ready().await;
    sandbox.request(Method::DELETE, &format!("/pty/{}", open[0].id)).send().await.unwrap();
    client.until_close().await;
    assert_eq!(next().send().await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn much_input_arrives_and_who_reads_nothing_is_told_that_output_is_lost() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    // The program waits for the client after each part: a client that reads can fall behind on a busy machine.
    let script = "stty raw -echo; echo up; head -c 3000000 | sha256sum; i=0; while [ $i -lt 18 ]; do \
        yes lots of output | head -c 500000; echo part $i; head -c 1 >/dev/null; i=$((i+1)); done; echo done";
    let terminal = Terminal::shell(&sandbox, script).await;
    let mut asleep = terminal.ready().await;
    asleep.until("up").await;
    let mut client = terminal.ready().await;
    client.until("up").await;
    let bytes: Vec<u8> =
        (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    // More than existing servers take in a second, in messages larger than they allow.
    for part in bytes.chunks(100_000) {
        client.send(Input::Data(part)).await;
    }
    client.until(&sha256(&bytes)).await;
    for part in 0..18 {
        client.until(&format!("part {part}\n")).await;
        client.seen.clear();
        client.send(Input::Data(b"x")).await;
    }
    assert_eq!(client.until_close().await, (1000, "exit:0".to_owned()));
    assert!(client.text().ends_with("done\n"));
    let (code, reason) = asleep.until_close().await;
    assert_eq!(code, 1008);
    assert!(reason.starts_with("output lagged by "), "{reason}");
}

#[tokio::test]
async fn a_program_that_does_not_read_holds_up_its_input_only() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = "stty raw -echo; echo up; while [ ! -e go ]; do sleep 0.05; done; head -c 600000 | sha256sum; sleep 1000";
    let terminal = Terminal::shell(&sandbox, script).await;
    let mut client = terminal.ready().await;
    client.until("up").await;
    // Much more than a terminal holds for its program.
    let bytes: Vec<u8> = (0..600_000_u32).map(|i| (i % 251) as u8).collect();
    for part in bytes.chunks(50_000) {
        client.send(Input::Data(part)).await;
    }
    client.send(Input::Resize(Size { cols: 132, rows: 43 })).await;
    client.socket.send(Message::Ping(b"there?".as_slice().into())).await.unwrap();
    let ponged = async {
        while !matches!(client.socket.next().await, Some(Ok(Message::Pong(pong))) if &pong[..] == b"there?")
        {
        }
    };
    let limit = std::time::Duration::from_secs(20);
    tokio::time::timeout(limit, ponged).await.expect("no pong");
    let info = terminal.info().await;
    assert_eq!((&info["rows"], &info["cols"]), (&json!(43), &json!(132)));
    // Input of a client that leaves is typed all the same.
    client.socket.close(None).await.unwrap();
    let mut other = terminal.ready().await;
    let seen = sandbox.run_script("touch go").await;
    assert_eq!(seen.exit_code(), Some(0));
    assert_eq!(other.until(" -").await.split_whitespace().nth(1), Some(sha256(&bytes).as_str()));
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::io::Write as _;
    let mut sum = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    sum.stdin.take().unwrap().write_all(bytes).unwrap();
    let text = String::from_utf8(sum.wait_with_output().unwrap().stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}
