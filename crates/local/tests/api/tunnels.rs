//! Tunnels whose two sides end one after the other.

use crate::server::{KEY, Sandbox, Server, isolations};
use crate::wait::{TIMEOUT, found, until};
use futures::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Answers with the number of bytes that it got, once it has got the last.
const COUNTS: &str = "c.sendall(b'%d bytes' % len(all_of(c)))";
/// Says that it sends nothing more, and prints the number of bytes that it gets after that.
const LEAVES_FIRST: &str =
    "c.sendall(b'bye'); c.shutdown(socket.SHUT_WR); print(len(all_of(c)), flush=True)";

/// Starts a server in a sandbox that handles each connection `c`; gives its pid and its port.
async fn serving(sandbox: &Sandbox, handle: &str) -> (u64, u16) {
    let script = format!(
        "import socket, threading\n\
         def all_of(c):\n data = b''\n while part := c.recv(65536): data += part\n return data\n\
         def handle(c):\n with c: {handle}\n\
         s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n\
         while True: threading.Thread(target=handle, args=(s.accept()[0],), daemon=True).start()"
    );
    let info = sandbox.start(json!({ "command": "python3", "args": ["-c", script] })).await;
    let pid = info["pid"].as_u64().unwrap();
    let port = line(sandbox, pid, 0).await;
    (pid, port.parse().unwrap())
}

/// A line of a process's output, once it is there.
async fn line(sandbox: &Sandbox, pid: u64, index: usize) -> String {
    let path = format!("/processes/{pid}/stdout");
    found(TIMEOUT, "the server in the sandbox prints a line", async || {
        sandbox.get(&path).await["lines"][index].as_str().map(str::to_owned)
    })
    .await
}

async fn tunnel(sandbox: &Sandbox, port: u16, more: &str) -> Socket {
    let url = sandbox.url.strip_prefix("http").unwrap();
    let url = format!("ws{url}/tunnels/tcp?port={port}{more}");
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    connect_async(request).await.unwrap().0
}

async fn half_closing(sandbox: &Sandbox, port: u16) -> Socket {
    tunnel(sandbox, port, "&half_close=true").await
}

async fn send(socket: &mut Socket, bytes: &[u8]) {
    socket.send(Message::Binary(bytes.to_vec().into())).await.unwrap();
}

async fn end(socket: &mut Socket) {
    socket.send(Message::Text("end".into())).await.unwrap();
}

/// Reads up to the end of the port's side (`end`) or the close of the socket (its code).
async fn rest(socket: &mut Socket) -> (String, String) {
    let mut bytes = Vec::new();
    let last = loop {
        match timeout(TIMEOUT, socket.next()).await {
            Ok(Some(Ok(Message::Binary(more)))) => bytes.extend_from_slice(&more),
            Ok(Some(Ok(Message::Text(text)))) => break text.to_string(),
            Ok(Some(Ok(Message::Close(Some(frame))))) => break u16::from(frame.code).to_string(),
            Ok(Some(Ok(_))) => {}
            other => break format!("{other:?}"),
        }
    };
    (String::from_utf8(bytes).unwrap(), last)
}

fn seen(bytes: &str, last: &str) -> (String, String) {
    (bytes.to_owned(), last.to_owned())
}

#[tokio::test]
async fn an_end_reaches_the_other_side_whose_bytes_still_come() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        assert_eq!(sandbox.get("/info").await["tunnel_half_close"], true);

        let (_, port) = serving(&sandbox, COUNTS).await;
        let mut socket = half_closing(&sandbox, port).await;
        for _ in 0..100 {
            send(&mut socket, &[b'x'; 10_000]).await;
        }
        // Saying it again is no error.
        end(&mut socket).await;
        end(&mut socket).await;
        assert_eq!(rest(&mut socket).await, seen("1000000 bytes", "end"), "{isolation}");
        assert_eq!(rest(&mut socket).await, seen("", "1000"));
        // A client that sends nothing at all.
        let mut socket = half_closing(&sandbox, port).await;
        end(&mut socket).await;
        assert_eq!(rest(&mut socket).await, seen("0 bytes", "end"));

        let (pid, port) = serving(&sandbox, LEAVES_FIRST).await;
        let mut socket = half_closing(&sandbox, port).await;
        assert_eq!(rest(&mut socket).await, seen("bye", "end"), "{isolation}");
        for _ in 0..100 {
            send(&mut socket, &[b'x'; 10_000]).await;
        }
        end(&mut socket).await;
        assert_eq!(line(&sandbox, pid, 1).await, "1000000", "{isolation}");
        assert_eq!(rest(&mut socket).await, seen("", "1000"));
    }
}

#[tokio::test]
async fn nothing_changes_for_clients_that_do_not_ask() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let (_, port) = serving(&sandbox, LEAVES_FIRST).await;
    for more in ["", "&half_close=false"] {
        let mut socket = tunnel(&sandbox, port, more).await;
        assert_eq!(rest(&mut socket).await, seen("bye", "1000"));
    }
    let (_, port) = serving(&sandbox, COUNTS).await;
    let mut socket = tunnel(&sandbox, port, "").await;
    end(&mut socket).await;
    assert_eq!(rest(&mut socket).await, seen("", "1003"));
    let wrong = sandbox.request(Method::GET, &format!("/tunnels/tcp?port={port}&half_close=maybe"));
    assert_eq!(sandbox.refused(wrong).await, (400, "INVALID_REQUEST".to_owned()));
}

#[tokio::test]
async fn bytes_after_the_end_are_refused_and_so_is_other_text() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    // It reads on, so that the answer is not its end.
    let (_, port) = serving(&sandbox, "all_of(c); threading.Event().wait()").await;
    let mut socket = half_closing(&sandbox, port).await;
    end(&mut socket).await;
    send(&mut socket, b"more").await;
    assert_eq!(rest(&mut socket).await, seen("", "1002"));
    for text in ["End", "end ", ""] {
        let mut socket = half_closing(&sandbox, port).await;
        socket.send(Message::Text(text.into())).await.unwrap();
        assert_eq!(rest(&mut socket).await, seen("", "1003"), "{text:?}");
    }
}

#[tokio::test]
async fn a_client_that_vanishes_after_its_end_leaves_no_connection() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let (_, silent) = serving(&sandbox, "all_of(c); threading.Event().wait()").await;
    let (_, leaving) = serving(&sandbox, LEAVES_FIRST).await;
    let descriptors =
        || std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap().count();
    let before = descriptors();
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = half_closing(&sandbox, silent).await;
        end(&mut socket).await;
        sockets.push(socket);
        let mut socket = half_closing(&sandbox, leaving).await;
        assert_eq!(rest(&mut socket).await, seen("bye", "end"));
        sockets.push(socket);
    }
    assert!(descriptors() >= before + 2 * sockets.len());
    drop(sockets);
    until(TIMEOUT, "both connections of each tunnel are closed", async || descriptors() <= before)
        .await;
}

#[tokio::test]
async fn a_half_closed_tunnel_ends_with_its_sandbox() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        let (_, port) = serving(&sandbox, LEAVES_FIRST).await;
        let mut socket = half_closing(&sandbox, port).await;
        assert_eq!(rest(&mut socket).await, seen("bye", "end"));
        let delete = server.request(Method::DELETE, &format!("/sandboxes/{}", sandbox.id));
        assert_eq!(delete.send().await.unwrap().status(), 200);
        assert_eq!(rest(&mut socket).await, seen("", "1001"), "{isolation}");
    }
}
