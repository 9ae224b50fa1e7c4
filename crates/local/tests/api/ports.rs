//! Ports of a sandbox: through a tunnel, and by their own host names.

use crate::server::{KEY, Sandbox, Server, isolations, refused};
use crate::wait::{TIMEOUT, found, until};
use futures::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A sandbox, closed to the network where it can be, in which Node serves: it answers with what it
/// was sent, and speaks raw bytes after an upgrade.
async fn serving(isolation: &str) -> (Server, Sandbox, u16) {
    let server = Server::start(&["--isolation", isolation]);
    // Without namespaces, a sandbox without network has no loopback either.
    let network = json!({ "allow_internet_access": isolation != "bubblewrap" });
    let sandbox = server.sandbox_with(json!({ "network": network })).await;
    let script =
        "const server = require('http').createServer((request, answer) => {
            answer.setHeader('x-auth', request.headers.authorization ?? 'none');
            answer.write(request.method + ' ' + request.url + ' ' + request.headers.host + '\\n');
            request.pipe(answer);
        });
        server.on('upgrade', (request, socket, head) => {
            socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n');
            socket.pipe(socket);
        });
        server.listen(0, '127.0.0.1', () => console.log(server.address().port));";
    // Node is beside the other programs of the system, or somewhere on this machine's path.
    let node = which_node();
    let body = json!({ "command": node, "args": ["-e", script] });
    let info = sandbox.start(body).await;
    // The system chooses a free port, which the first line names.
    let path = format!("/processes/{}/stdout", info["pid"]);
    let port = found(TIMEOUT, "the server in the sandbox listens", async || {
        sandbox.get(&path).await["lines"][0].as_str().map(|line| line.parse::<u16>().unwrap())
    })
    .await;
    let patch = server.request(Method::PATCH, &format!("/sandboxes/{}", sandbox.id));
    let patched = patch.json(&json!({ "exposed_ports": [port] })).send().await.unwrap();
    assert_eq!(patched.status(), StatusCode::OK);
    (server, sandbox, port)
}

fn which_node() -> String {
    let path = std::env::var("PATH").unwrap();
    let mut found = path.split(':').map(|folder| format!("{folder}/node"));
    found.find(|file| std::fs::metadata(file).is_ok()).unwrap()
}

fn kinds() -> Vec<&'static str> {
    // An isolated sandbox sees only what lies below /usr.
    let reachable = which_node().starts_with("/usr/");
    isolations().into_iter().filter(|kind| *kind == "none" || reachable).collect()
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways() {
    for isolation in kinds() {
        let (_server, sandbox, port) = serving(isolation).await;
        let url = |port: &str| {
            format!("ws{}/tunnels/tcp?port={port}", sandbox.url.strip_prefix("http").unwrap())
        };
        let request = |port: &str| {
            let mut request = url(port).into_client_request().unwrap();
            request.headers_mut().insert("authorization", format!("Bearer {KEY}").parse().unwrap());
            request
        };
        let (mut socket, _) = connect_async(request(&port.to_string())).await.unwrap();
        for part in [
            "POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n",
            "Content-Length: 5\r\n\r\nhello",
        ] {
            socket.send(Message::Binary(part.as_bytes().to_vec().into())).await.unwrap();
        }
        let (mut answer, mut close) = (Vec::new(), None);
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Binary(bytes) => answer.extend_from_slice(&bytes),
                Message::Close(frame) => close = frame.map(|frame| u16::from(frame.code)),
                _ => {}
            }
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && answer.contains("POST /x h\n"),
            "{answer}"
        );
        assert!(answer.contains("hello"), "{answer}");
        assert_eq!(close, Some(1000));
        let (mut socket, _) = connect_async(request(&port.to_string())).await.unwrap();
        socket.send(Message::Text("text".into())).await.unwrap();
        assert!(
            matches!(socket.next().await, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1003)
        );
        for (port, status) in [("0", 400), ("x", 400), ("65536", 400), ("1", 502)] {
            match connect_async(request(port)).await {
                Err(Error::Http(answer)) => assert_eq!(answer.status().as_u16(), status, "{port}"),
                other => panic!("{port}: {other:?}"),
            }
        }
        let no_key = connect_async(url(&port.to_string())).await;
        assert!(matches!(no_key, Err(Error::Http(answer)) if answer.status().as_u16() == 401));
    }
}

#[tokio::test]
async fn an_exposed_port_has_a_host_name() {
    for isolation in kinds() {
        let (server, sandbox, port) = serving(isolation).await;
        let own = server.url.rsplit_once(':').unwrap().1;
        let info = server.request(Method::GET, &format!("/sandboxes/{}", sandbox.id)).send();
        let info: Value = info.await.unwrap().json().await.unwrap();
        // What clients make a port's address of.
        let ingress = info["ingress_endpoint"].as_str().unwrap().strip_prefix("http://").unwrap();
        let host = format!("{port}-{}.{ingress}", sandbox.id);
        let at = |host: &str, path: &str| {
            server.client.post(format!("{}{path}", server.url)).header(header::HOST, host)
        };
        assert_eq!(refused(at(&host, "/")).await, (401, "UNAUTHORIZED".to_owned()));
        let answer = at(&host, "/a/b?c=d").bearer_auth(KEY).body("body").send().await.unwrap();
        // What runs inside must not learn the key of the server.
        assert_eq!(answer.headers()["x-auth"], "none");
        assert_eq!(answer.text().await.unwrap(), format!("POST /a/b?c=d {host}\nbody"));
        let other = format!("{}-{}.localhost:{own}", port ^ 1, sandbox.id);
        assert_eq!(refused(at(&other, "/").bearer_auth(KEY)).await, (404, "NOT_FOUND".to_owned()));
        let nobody = format!("{port}-nobody.localhost:{own}");
        assert_eq!(refused(at(&nobody, "/").bearer_auth(KEY)).await.0, 404);
        let patch = server.request(Method::PATCH, &format!("/sandboxes/{}", sandbox.id));
        let body = json!({ "allow_unauthenticated_access": true });
        assert_eq!(patch.json(&body).send().await.unwrap().status(), StatusCode::OK);
        let answer = at(&host, "/open").bearer_auth("its own").send().await.unwrap();
        assert_eq!(answer.headers()["x-auth"], "Bearer its own");
        // An upgrade passes through.
        let upgrade = at(&host, "/up").header("connection", "Upgrade").header("upgrade", "echo");
        let upgraded = upgrade.send().await.unwrap();
        assert_eq!(upgraded.status(), StatusCode::SWITCHING_PROTOCOLS);
        let mut stream = upgraded.upgrade().await.unwrap();
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        stream.write_all(b"raw bytes").await.unwrap();
        let mut back = [0; 9];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"raw bytes");
        // Nobody listens any more.
        let listed = sandbox.get("/processes").await;
        let pid = &listed["processes"][0]["pid"];
        sandbox.request(Method::DELETE, &format!("/processes/{pid}")).send().await.unwrap();
        until(TIMEOUT, "the process ends", async || {
            sandbox.get("/info").await["running_processes"] == 0
        })
        .await;
        assert_eq!(refused(at(&host, "/")).await, (502, "CONNECTION_REFUSED".to_owned()));
    }
}

#[tokio::test]
async fn the_port_of_the_server_itself_is_not_exposed() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let own: u16 = server.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let body = json!({ "exposed_ports": [8000, own] });
    let path = format!("/sandboxes/{}", sandbox.id);
    for (method, path) in [(Method::POST, "/sandboxes"), (Method::PATCH, &path)] {
        let request = server.request(method, path).json(&body);
        assert_eq!(refused(request).await, (400, "INVALID_REQUEST".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn clients_of_an_open_port_keep_nobody_out() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    // Every connection that there can be, less the one of the test's client.
    const CLIENTS: usize = 84;
    let server = Server::start_under("ulimit -n 256", &[]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    // A program that reads and never answers.
    let inside = std::thread::spawn(move || free.incoming().take(CLIENTS).collect::<Vec<_>>());
    let body = json!({ "exposed_ports": [port], "allow_unauthenticated_access": true });
    let made = server.request(Method::POST, "/sandboxes").json(&body).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    let host = format!("{port}-{}.localhost", made["sandbox_id"].as_str().unwrap());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = server.connect().await;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        clients.push(client);
    }
    // Each of them waits for its answer now.
    let _inside = tokio::task::spawn_blocking(|| inside.join().unwrap()).await.unwrap();
    let mut one_more = server.connect().await;
    let request = format!(
        "GET /sandboxes HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    );
    for keyed in [&mut server.connect().await, &mut one_more] {
        keyed.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        keyed.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }
}
