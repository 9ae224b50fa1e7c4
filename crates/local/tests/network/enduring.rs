//! Sandboxes that are suspended, ended or hostile in the middle of traffic.

use crate::machine::resident;
use crate::server::Server;
use crate::wait::{TIMEOUT, until};
use crate::world::{World, python};
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};

/// The TUN devices of a server, and its sockets that lead to the internet.
fn open(server: &Server) -> (usize, usize) {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap().flatten();
    let links = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    let devices = links.filter(|link| link.ends_with("net/tun")).count();
    let list = |name: &str| std::fs::read_to_string(format!("/proc/net/{name}")).unwrap();
    let is_open = |line: &&str| {
        let words: Vec<_> = line.split_whitespace().collect();
        // 198.51.100.1; established, connecting, or closed by the other side only (net/tcp_states.h).
        words[2].starts_with("016433C6") && ["01", "02", "08"].contains(&words[3])
    };
    let sockets =
        ["tcp", "udp"].map(list).iter().flat_map(|list| list.lines()).filter(is_open).count();
    (devices, sockets)
}

#[tokio::test]
async fn connections_outlive_a_suspension() {
    let test = "enduring::connections_outlive_a_suspension";
    let Some(world) = World::enter(test) else { return };
    let server = world.server(&[]);
    let sandbox = server.sandbox_with(json!({ "name": "sleeper" })).await;
    let program = "
s = ask('download 33554432')
first = s.recv(1)
open('/tmp/begun', 'w')
print(1 + len(read(s)))
";
    let pause = async {
        while sandbox.run_script("test -e /tmp/begun").await.exit_code() != Some(0) {}
        for change in ["suspend", "resume"] {
            let path = format!("/sandboxes/{}/{change}", sandbox.id);
            assert!(
                server.request(Method::POST, &path).send().await.unwrap().status().is_success()
            );
        }
    };
    let (seen, ()) = tokio::join!(python(&sandbox, program), pause);
    assert_eq!(seen, "33554432");
}

#[tokio::test]
async fn the_end_of_a_sandbox_leaves_nothing() {
    let test = "enduring::the_end_of_a_sandbox_leaves_nothing";
    let Some(world) = World::enter(test) else { return };
    let server = world.server(&[]);
    let warm = server.sandbox().await;
    python(&warm, "read(ask('hello'))").await;
    server.request(Method::DELETE, &format!("/sandboxes/{}", warm.id)).send().await.unwrap();
    assert_eq!(open(&server), (0, 0));
    let sandbox = server.sandbox().await;
    let busy = "
held = [ask('hold') for i in range(40)]
held += [connect('198.51.100.1', 80) for i in range(40)]
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(1, 100): u.sendto(b'x', ('198.51.100.1', port))
s = ask('download 1000000000')
open('/tmp/busy', 'w')
while s.recv(1 << 16): pass
";
    let ended = async {
        while sandbox.run_script("test -e /tmp/busy").await.exit_code() != Some(0) {}
        assert!(open(&server).1 > 80, "{:?}", open(&server));
        let began = Instant::now();
        let path = format!("/sandboxes/{}", sandbox.id);
        assert!(server.request(Method::DELETE, &path).send().await.unwrap().status().is_success());
        began.elapsed()
    };
    let (_, took) = tokio::join!(python(&sandbox, busy), ended);
    assert!(took < Duration::from_secs(5), "{took:?}");
    until(TIMEOUT, "everything is closed", async || open(&server) == (0, 0)).await;
}

#[tokio::test]
async fn a_flood_takes_neither_memory_nor_the_others_network() {
    let test = "enduring::a_flood_takes_neither_memory_nor_the_others_network";
    let Some(world) = World::enter(test) else { return };
    let server = world.server(&[]);
    let (flooding, other) = (server.sandbox().await, server.sandbox().await);
    python(&other, "read(ask('hello'))").await;
    let before = resident(server.child.id());
    // Addresses that nobody has, or that answer; as many sockets as the sandbox may have open.
    let flood = "
import random, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.setblocking(False)
open('/tmp/flooding', 'w')
held, end = [], time.monotonic() + 8
while time.monotonic() < end:
    for i in range(200):
        s = socket.socket(); s.setblocking(False)
        s.connect_ex(('198.51.100.%d' % random.randrange(1, 250), random.randrange(1, 65536)))
        held.append(s)
        for address in ('198.51.100.%d' % random.randrange(1, 250), '192.0.2.1'):
            try: u.sendto(bytes(1000), (address, random.choice([53, random.randrange(1, 65536)])))
            except OSError: pass
    if len(held) > 3000: held = []
print('done')
";
    let served = async {
        while flooding.run_script("test -e /tmp/flooding").await.exit_code() != Some(0) {}
        let mut slowest = Duration::ZERO;
        for _ in 0..10 {
            let began = Instant::now();
            assert_eq!(python(&other, "print(read(ask('hello')))").await, "b'hello\\n'");
            slowest = slowest.max(began.elapsed());
        }
        slowest
    };
    let (seen, slowest) = tokio::join!(python(&flooding, flood), served);
    assert_eq!(seen, "done");
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    let grown = resident(server.child.id()).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    // And the flooding sandbox can go on.
    assert_eq!(python(&flooding, "print(read(ask('hello')))").await, "b'hello\\n'");
}
