//! Destinations that a sandbox can reach or not, and ports of a sandbox that others can reach or not.

use crate::server::{KEY, Sandbox, Server};
use crate::wait::{TIMEOUT, found};
use crate::world::{OUTSIDE, OWN, World, python};
use futures::{SinkExt as _, StreamExt as _};
use reqwest::{Method, header};
use serde_json::json;
use std::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Serves `text` on a port, on one address.
async fn listening(sandbox: &Sandbox, address: &str, port: u16, text: &str) {
    let program = format!(
        "import socket\n\
         s = socket.create_server(('{address}', {port}), family=socket.AF_INET6 if ':' in '{address}' else socket.AF_INET)\n\
         print('ready', flush=True)\n\
         answer = 'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n{text}'\n\
         while True:\n\
         \x20   c, _ = s.accept(); c.recv(1 << 16); c.sendall(answer.encode()); c.close()"
    );
    let info =
        sandbox.start(json!({ "command": "/usr/bin/python3", "args": ["-c", program] })).await;
    let path = format!("/processes/{}/stdout", info["pid"]);
    found(TIMEOUT, "it listens", async || {
        (sandbox.get(&path).await["lines"][0] == "ready").then_some(())
    })
    .await;
}

async fn through_tunnel(sandbox: &Sandbox, port: u16) -> String {
    let url = format!("ws{}/tunnels/tcp?port={port}", sandbox.url.strip_prefix("http").unwrap());
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    socket.send(Message::Binary(b"GET / HTTP/1.1\r\n\r\n".to_vec().into())).await.unwrap();
    let mut all = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Binary(bytes) = message {
            all.extend(bytes);
        }
    }
    String::from_utf8(all).unwrap().split("\r\n\r\n").nth(1).unwrap().to_owned()
}

async fn through_host(server: &Server, sandbox: &Sandbox, port: u16) -> String {
    let own = server.url.rsplit_once(':').unwrap().1;
    let host = format!("{port}-{}.localhost:{own}", sandbox.id);
    let request = server.client.get(&server.url).header(header::HOST, host).bearer_auth(KEY);
    request.send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn every_sandbox_has_ports_of_its_own() {
    let test = "reaching::every_sandbox_has_ports_of_its_own";
    let Some(world) = World::enter(test) else { return };
    let server = world.server(&[]);
    // This machine's server on the same port is nobody's.
    let _host = TcpListener::bind("0.0.0.0:3000").unwrap();
    let own: u16 = server.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let mut sandboxes = Vec::new();
    for address in ["127.0.0.1", "::1", "0.0.0.0", "::", "127.0.0.1"] {
        let sandbox = server.sandbox_with(json!({ "exposed_ports": [3000, own] })).await;
        let id = sandbox.id.clone();
        listening(&sandbox, address, 3000, &id).await;
        sandboxes.push(sandbox);
    }
    // The port of the server itself is one like any other.
    listening(&sandboxes[0], "127.0.0.1", own, "own").await;
    for sandbox in &sandboxes {
        assert_eq!(through_tunnel(sandbox, 3000).await, sandbox.id);
        assert_eq!(through_host(&server, sandbox, 3000).await, sandbox.id);
        let local = "c = socket.create_connection(('localhost', 3000)); c.sendall(b'x')\n\
                     print(read(c).decode().split('\\r\\n\\r\\n')[1])";
        assert_eq!(python(sandbox, local).await, sandbox.id);
    }
    assert_eq!(through_host(&server, &sandboxes[0], own).await, "own");
    // A sandbox in which nothing listens there.
    let empty = server.sandbox().await;
    let nothing = empty.request(Method::GET, "/tunnels/tcp?port=3000");
    let nothing = nothing.header("connection", "Upgrade").header("upgrade", "websocket");
    let nothing = nothing
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
    assert_eq!(empty.refused(nothing).await, (502, "CONNECTION_REFUSED".to_owned()));
}

#[tokio::test]
async fn this_machine_is_not_reached() {
    let test = "reaching::this_machine_is_not_reached";
    let Some(world) = World::enter(test) else { return };
    let listener = TcpListener::bind("[::]:4444").unwrap();
    let udp = std::net::UdpSocket::bind("[::]:4444").unwrap();
    udp.set_nonblocking(true).unwrap();
    listener.set_nonblocking(true).unwrap();
    for name in ["here.example", "loop.example"] {
        world.internet.name(name, if name == "here.example" { OWN[0] } else { "127.0.0.1" });
    }
    let server = world.server(&[]);
    let (sandbox, other) = (server.sandbox().await, server.sandbox().await);
    listening(&other, "0.0.0.0", 4444, "other").await;
    // What leaves the sandbox is refused at once, and its own loopback has no such port.
    for (host, seen) in [
        ("127.0.0.1", "ECONNREFUSED"),
        ("::1", "ECONNREFUSED"),
        ("0.0.0.0", "ECONNREFUSED"),
        (OWN[0], "EHOSTUNREACH"),
        (OWN[1], "EACCES"),
        ("169.254.169.254", "EHOSTUNREACH"),
        ("198.51.100.255", "EHOSTUNREACH"),
        ("255.255.255.255", "ENETUNREACH"),
        ("240.0.0.1", "EHOSTUNREACH"),
        ("::ffff:127.0.0.1", "ECONNREFUSED"),
        ("2002:7f00:1::1", "EACCES"),
        ("64:ff9b::7f00:1", "EACCES"),
        // The sandbox's own addresses, which every sandbox has, and its gateway's other ports.
        ("192.0.2.2", "ECONNREFUSED"),
        ("192.0.2.1", "ECONNREFUSED"),
    ] {
        assert_eq!(
            python(&sandbox, &format!("print(tried({host:?}, 4444))")).await,
            seen,
            "{host}"
        );
    }
    // Also an address that this machine gets while the sandbox runs, and by name.
    let late = std::process::Command::new("ip")
        .args(["address", "add", "198.51.100.253/24", "dev", "cable0"])
        .status();
    assert!(late.unwrap().success());
    for host in ["198.51.100.253", "here.example"] {
        let tried = format!("print(tried(socket.gethostbyname({host:?}), 4444))");
        assert_eq!(python(&sandbox, &tried).await, "EHOSTUNREACH", "{host}");
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for host in [name.trim(), "loop.example", "localhost", "sandbox"] {
        let tried = format!(
            "try: print(tried(socket.gethostbyname({host:?}), 4444))\nexcept OSError as e: print('unknown')"
        );
        let seen = python(&sandbox, &tried).await;
        assert!(
            ["ECONNREFUSED", "unknown", "EHOSTUNREACH"].contains(&seen.as_str()),
            "{host}: {seen}"
        );
    }
    let datagrams = format!(
        "for host in ['127.0.0.1', '{}', '192.0.2.1', '198.51.100.255']:\n\
         \x20 try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (host, 4444))\n\
         \x20 except OSError: pass",
        OWN[0]
    );
    assert_eq!(python(&sandbox, &datagrams).await, "");
    assert!(listener.accept().is_err(), "the sandbox has connected to this machine");
    assert!(udp.recv(&mut [0; 9]).is_err(), "the sandbox has sent to this machine");
    // An abstract socket belongs to a network namespace (unix(7)).
    use std::os::linux::net::SocketAddrExt as _;
    let name = std::os::unix::net::SocketAddr::from_abstract_name("of this machine").unwrap();
    let _abstract = std::os::unix::net::UnixListener::bind_addr(&name).unwrap();
    let tried = "try: socket.socket(socket.AF_UNIX).connect('\\0of this machine'); print('connected')\n\
                 except OSError as e: print(errno.errorcode[e.errno])";
    assert_eq!(python(&sandbox, tried).await, "ECONNREFUSED");
}

#[tokio::test]
async fn a_sandbox_has_no_rights_over_its_network() {
    let test = "reaching::a_sandbox_has_no_rights_over_its_network";
    let Some(world) = World::enter(test) else { return };
    let server = world.server(&[]);
    let sandbox = server.sandbox().await;
    for process in ["self", "1"] {
        let status =
            sandbox.run_script(&format!("grep ^Cap /proc/{process}/status | grep -v Bnd")).await;
        assert_eq!(status.stdout().lines().count(), 4);
        assert!(status.stdout().lines().all(|line| line.ends_with("\t0000000000000000")));
    }
    let devices = sandbox
        .run_script("ls /dev/net /dev/tun* 2>/dev/null; cut -d: -f1 /proc/net/dev | tail -n +3")
        .await;
    let devices: Vec<_> = devices.stdout().split_whitespace().map(str::to_owned).collect();
    assert_eq!(devices, ["lo", "tun0"]);
    for attempt in [
        "ip link set lo down",
        "ip address add 10.0.0.1/8 dev lo",
        "ip route add local 0.0.0.0/0 dev lo",
        "unshare --net true",
        "nsenter --net=/proc/1/ns/net true",
    ] {
        let seen = sandbox.run_script(&format!("{attempt} 2>/dev/null && echo done")).await;
        assert_eq!(seen.stdout(), "", "{attempt}");
    }
    let raw = "for kind, proto in [(socket.AF_INET, 1), (socket.AF_PACKET, 3)]:\n\
               \x20 try: socket.socket(kind, socket.SOCK_RAW, proto); print('made')\n\
               \x20 except OSError as e: print(errno.errorcode[e.errno])";
    assert_eq!(python(&sandbox, raw).await, "EPERM\nEPERM");
}

#[tokio::test]
async fn the_network_of_this_machine_is_shared_where_that_is_asked_for() {
    let test = "reaching::the_network_of_this_machine_is_shared_where_that_is_asked_for";
    let Some(world) = World::enter(test) else { return };
    let _listener = TcpListener::bind("127.0.0.1:4444").unwrap();
    for (args, network, seen) in [
        (&["--network", "host"][..], "host", "connected"),
        (&["--network", "own"], "own", "ECONNREFUSED"),
    ] {
        let server = world.server(args);
        let sandbox = server.sandbox().await;
        assert_eq!(sandbox.get("/info").await["network"], network);
        assert_eq!(python(&sandbox, "print(tried('127.0.0.1', 4444))").await, seen);
        assert_eq!(
            python(&sandbox, &format!("print(tried('{}', 80))", OUTSIDE[0])).await,
            "connected"
        );
    }
}
