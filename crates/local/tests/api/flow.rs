//! Flow control of terminals, and what is replayed of their output.

use crate::server::{Sandbox, Server};
use crate::terminal::{Client, Terminal};
use crate::wait::{TIMEOUT, until};
use futures::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::json;
use shoreline_protocol::limits::PTY_INPUT_QUEUE_BYTES;
use shoreline_protocol::pty::Input;
use tokio_tungstenite::tungstenite::Message;

/// The output of `seq` on a terminal.
fn numbers(count: u32) -> String {
    (1..=count).map(|number| format!("{number}\r\n")).collect()
}

/// Exchanges messages, in which a server that had more to send would send it.
async fn settle(client: &mut Client) {
    for round in 0..20_u8 {
        client.socket.send(Message::Ping(vec![round].into())).await.unwrap();
        loop {
            match client.socket.next().await.unwrap().unwrap() {
                Message::Pong(pong) if pong[..] == [round] => break,
                Message::Binary(bytes) if bytes[0] == 0 => client.seen.extend(&bytes[1..]),
                _ => {}
            }
        }
    }
}

/// Reads `bytes` more.
async fn read(client: &mut Client, bytes: usize) {
    let wanted = client.seen.len() + bytes;
    while client.seen.len() < wanted {
        assert!(client.step().await.is_none(), "closed");
    }
}

/// A script that prints the number of bytes that the flood process has written.
const WRITTEN: &str = "io=$(grep -lx flood /proc/[0-9]*/comm); sed -n 's/wchar: //p' ${io%comm}io";

async fn floods(sandbox: &Sandbox) -> bool {
    !sandbox.run_script("grep -lx flood /proc/[0-9]*/comm").await.stdout().is_empty()
}

#[tokio::test]
async fn a_program_is_stopped_where_the_credit_ends_and_ctrl_c_ends_it() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    // A name that no other test's program has.
    sandbox.run_script("ln -s $(command -v yes) flood").await;
    let body = json!({ "command": "sh", "env": { "PS1": "ready>" } });
    let terminal = Terminal::open(&sandbox, body).await;
    let credit = 100_000;
    let mut client = terminal.controlled(None, credit).await;
    client.until("ready>").await;
    client.send(Input::Data(b"./flood\n")).await;
    let left = credit as usize - client.seen.len();
    read(&mut client, left).await;
    settle(&mut client).await;
    assert_eq!(client.seen.len() as u64, credit);
    assert!(floods(&sandbox).await);
    // The program is blocked: beyond the credit it has written no more than the terminal's buffers hold.
    let looked = sandbox.run_script(WRITTEN).await;
    let written = looked.stdout();
    assert!(written.trim().parse::<u64>().unwrap() < 4 * credit, "{written}");
    client.send(Input::Data(b"\x03")).await;
    until(TIMEOUT, "the program has ended", async || !floods(&sandbox).await).await;
    settle(&mut client).await;
    assert_eq!(client.seen.len() as u64, credit);
    client.send(Input::Credit(10 * credit)).await;
    client.until("^C").await;
    while client.text().matches("ready>").count() < 2 {
        assert!(client.step().await.is_none(), "closed");
    }
    let text = client.text();
    let (before, flood) = text.split_once("./flood\r\n").unwrap();
    // Nothing that was read is lost. What the terminal had not given out yet Ctrl-C drops, as on any terminal.
    let (whole, rest) = flood.split_at(credit as usize - before.len() - 9);
    assert!("y\r\n".repeat(40_000).starts_with(whole));
    // The terminal echoes ^C once it has sent the signal: the shell may be faster.
    let end = rest.trim_start_matches(['y', '\r', '\n']);
    assert!(["^C\r\nready>", "^Cready>", "ready>^C"].contains(&end), "{rest}");
}

#[tokio::test]
async fn nothing_is_lost_however_slowly_it_is_read() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let terminal = Terminal::shell(&sandbox, "seq 400000; exit 4").await;
    let mut credit = 50_000;
    let mut client = terminal.controlled(None, credit).await;
    // Credit that was given before does not count again.
    client.send(Input::Credit(10)).await;
    while client.exit.is_none() {
        assert!(client.step().await.is_none(), "closed");
        if client.seen.len() as u64 == credit {
            settle(&mut client).await;
            credit += 50_000;
            client.send(Input::Credit(credit)).await;
        }
    }
    assert_eq!(client.until_close().await, (1000, "exit:4".to_owned()));
    assert!(client.text() == numbers(400_000));
}

#[tokio::test]
async fn who_comes_back_after_a_break_finds_everything() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let terminal = Terminal::shell(&sandbox, "seq 400000; read end; exit 4").await;
    let mut seen: Vec<u8> = Vec::new();
    for round in 0.. {
        let position = (round > 0).then_some(seen.len() as u64);
        let mut client = terminal.controlled(position, 200_000).await;
        // More comes than is read before the connection breaks.
        while client.seen.len() < 150_000 && !client.seen.ends_with(b"400000\r\n") {
            assert!(client.step().await.is_none(), "closed");
        }
        seen.extend(&client.seen);
        if client.seen.ends_with(b"400000\r\n") {
            client.send(Input::Data(b"\n")).await;
            client.until_close().await;
            break;
        }
    }
    assert!(seen == numbers(400_000).into_bytes());
}

#[tokio::test]
async fn who_leaves_is_no_brake() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = "read go; seq 400000; touch over; sleep 1000";
    let terminal = Terminal::shell(&sandbox, script).await;
    let mut client = terminal.controlled(None, 1000).await;
    let mut other = terminal.controlled(None, 500_000).await;
    client.send(Input::Data(b"\n")).await;
    read(&mut client, 1000).await;
    settle(&mut other).await;
    // The slowest decides, since nothing is to be lost.
    assert!(other.seen.len() < 10_000, "{}", other.seen.len());
    client.socket.close(None).await.unwrap();
    read(&mut other, 490_000).await;
    other.socket.close(None).await.unwrap();
    let over = async || sandbox.run_script("test -e over").await.exit_code() == Some(0);
    until(TIMEOUT, "the program goes on", over).await;
}

#[tokio::test]
async fn who_gives_no_credit_holds_up_nothing_else() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox_with(json!({ "name": "flooded" })).await;
    for credit in [0, 1, u64::MAX] {
        let terminal = Terminal::shell(&sandbox, "yes").await;
        let mut client = terminal.controlled(None, credit).await;
        while client.room.is_none() {
            client.step().await;
        }
        let other = Terminal::shell(&sandbox, "echo other; exit 3").await;
        assert_eq!(other.ready().await.until_close().await, (1000, "exit:3".to_owned()));
        for action in ["suspend", "resume"] {
            let path = format!("/sandboxes/{}/{action}", sandbox.id);
            assert!(
                server.request(Method::POST, &path).send().await.unwrap().status().is_success()
            );
        }
        let killed = sandbox.request(Method::DELETE, &format!("/pty/{}", terminal.id));
        assert_eq!(killed.send().await.unwrap().status(), StatusCode::NO_CONTENT);
        // The end is told without credit; a client that claims to take everything may have fallen behind.
        let (code, reason) = client.until_close().await;
        assert!(code == 1000 && reason == "exit:-1" || credit > 1 && code == 1008, "{reason}");
    }
    let terminal = Terminal::shell(&sandbox, "yes").await;
    let mut client = terminal.controlled(None, 0).await;
    let ended = server.request(Method::DELETE, &format!("/sandboxes/{}", sandbox.id));
    assert!(ended.send().await.unwrap().status().is_success());
    assert_eq!(client.until_close().await, (1000, "exit:-1".to_owned()));
}

#[tokio::test]
async fn input_that_waits_does_not_hold_up_credit() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    // The program reads nothing before all of its output was taken.
    let script = "stty raw -echo; echo up; head -c 3000000 /dev/zero; head -c 1048576 | sha256sum";
    let terminal = Terminal::shell(&sandbox, script).await;
    let mut client = terminal.controlled(None, 1000).await;
    client.until("up").await;
    assert_eq!(client.room, Some(PTY_INPUT_QUEUE_BYTES as u64));
    let bytes: Vec<u8> = (0..PTY_INPUT_QUEUE_BYTES).map(|i| (i % 251) as u8).collect();
    for part in bytes.chunks(16 * 1024) {
        client.send(Input::Data(part)).await;
    }
    settle(&mut client).await;
    client.send(Input::Credit(4_000_000)).await;
    client.until(" -").await;
    // What was typed has made room.
    assert!(client.room > Some(PTY_INPUT_QUEUE_BYTES as u64), "{:?}", client.room);
    let text = client.text().replace('\0', "");
    assert!(text.contains(&crate::terminals::sha256(&bytes)), "{text}");
}

#[tokio::test]
async fn credit_is_a_number() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let terminal = Terminal::shell(&sandbox, "sleep 1000").await;
    for credit in ["", "-1", "x", "99999999999999999999"] {
        let path = format!("/pty/{}/ws?token={}&credit={credit}", terminal.id, terminal.token);
        let request = sandbox
            .request(Method::GET, &path)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(sandbox.refused(request).await, (400, "INVALID_REQUEST".to_owned()), "{credit}");
    }
}

#[tokio::test]
async fn queries_are_not_replayed() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = r"stty -echo -opost; ask() { printf 'a\033[cb\033[6nc\033]11;?\007d\033[1me'; }
        ask; read go; ask; read go; ask; sleep 1000";
    let asked = "a\x1b[cb\x1b[6nc\x1b]11;?\x07d\x1b[1me";
    let blank = "a\0\0\0b\0\0\0\0c\0\0\0\0\0\0\0d\x1b[1me";
    assert_eq!(asked.len(), blank.len());
    let terminal = Terminal::shell(&sandbox, script).await;
    // The first client is the terminal that the program asks, though it asked before.
    let mut first = terminal.controlled(None, 1000).await;
    assert_eq!(first.until("me").await, asked);
    for count in 0..2 {
        let mut second = terminal.controlled(None, 5).await;
        second.send(Input::Credit(1000)).await;
        let old = blank.repeat(count + 1);
        while second.seen.len() < old.len() {
            second.step().await;
        }
        assert_eq!(second.text(), old);
        // Of a client that goes on, nothing is changed.
        let mut back = terminal.controlled(Some(3), 1000).await;
        while back.seen.len() < old.len() - 3 {
            back.step().await;
        }
        assert_eq!(back.text(), asked.repeat(count + 1)[3..]);
        // What is asked now comes as it is.
        first.send(Input::Data(b"\n")).await;
        while second.seen.len() < old.len() + asked.len() {
            second.step().await;
        }
        assert_eq!(second.text(), format!("{old}{asked}"));
    }
}
