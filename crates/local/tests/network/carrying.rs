//! Data between a sandbox and the internet.

use crate::internet::{COUNTED, WATCHED, pattern};
use crate::wait::{TIMEOUT, found};
use crate::world::{OUTSIDE, SILENT, World, python};
use std::io;

/// Bytes of a transfer that no buffer holds.
const LARGE: usize = 48 << 20;

#[tokio::test]
async fn bytes_arrive_whole_and_in_order_both_ways() {
    let test = "carrying::bytes_arrive_whole_and_in_order_both_ways";
    let Some(world) = World::enter(test) else { return };
    let server = world.server(&[]);
    let sandbox = server.sandbox().await;
    for host in [OUTSIDE[0], OUTSIDE[2]] {
        assert_eq!(
            python(&sandbox, &format!("print(read(ask('hello', {host:?})))")).await,
            "b'hello\\n'"
        );
    }
    let download = format!(
        "data = read(ask('download {LARGE}'))\n\
         print(len(data), hashlib.md5(data).hexdigest(), hashlib.md5(bytes(\
             (i ^ i >> 8 ^ i >> 16) & 255 for i in range(1 << 16))).hexdigest() == \
             hashlib.md5(data[:1 << 16]).hexdigest())\n\
         import zlib; print(zlib.crc32(data))"
    );
    let seen = python(&sandbox, &download).await;
    assert!(seen.starts_with(&LARGE.to_string()) && seen.contains(" True\n"), "{seen}");
    assert_eq!(seen.lines().last().unwrap().parse::<u32>().unwrap(), crc32(&pattern(LARGE)));
    // The other side answers only when this side has ended, and this side still reads.
    let whole = format!(
        "import os, threading\n\
         data = os.urandom({LARGE}); s = ask('whole'); s.sendall(data); s.shutdown(socket.SHUT_WR)\n\
         print(read(s) == data)"
    );
    assert_eq!(python(&sandbox, &whole).await, "True");
    // The other side ends first, and this side still writes.
    let count = format!("s = ask('count'); print(read(s)); s.sendall(bytes({LARGE})); s.close()");
    assert_eq!(python(&sandbox, &count).await, "b'go on'");
    let counted = found(TIMEOUT, "all is counted", async || COUNTED.lock().unwrap().take());
    assert_eq!(counted.await, LARGE);
}

/// CRC-32 (ISO 3309), as zlib has it.
fn crc32(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256)
        .map(|byte| (0..8).fold(byte, |crc, _| crc >> 1 ^ (0xedb8_8320 * (crc & 1))))
        .collect();
    !bytes.iter().fold(!0, |crc, byte| table[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ crc >> 8)
}

#[tokio::test]
async fn a_connection_ends_inside_as_it_does_outside() {
    let test = "carrying::a_connection_ends_inside_as_it_does_outside";
    let Some(world) = World::enter(test) else { return };
    let server = world.server(&[]);
    let sandbox = server.sandbox().await;
    let tried = |host: &str, port: u16| format!("print(tried({host:?}, {port}, 3))");
    assert_eq!(python(&sandbox, &tried(OUTSIDE[0], 81)).await, "ECONNREFUSED");
    assert_eq!(python(&sandbox, &tried(OUTSIDE[2], 81)).await, "ECONNREFUSED");
    assert_eq!(python(&sandbox, &tried("203.0.113.9", 80)).await, "ENETUNREACH");
    let silent = python(&sandbox, &tried(SILENT, 80)).await;
    // The kernel of this machine may find out that nobody has the address.
    assert!(["silent", "EHOSTUNREACH", "ENETUNREACH"].contains(&silent.as_str()), "{silent}");
    let reset =
        "try: print(read(ask('reset')))\nexcept OSError as e: print(errno.errorcode[e.errno])";
    assert_eq!(python(&sandbox, reset).await, "ECONNRESET");
    for (ending, seen) in [
        ("s.close()", Ok(0)),
        (
            "import struct; s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()",
            Err(io::ErrorKind::ConnectionReset),
        ),
        // A killed process.
        ("import os; os.kill(os.getpid(), 9)", Ok(0)),
    ] {
        python(&sandbox, &format!("s = ask('watch'); s.recv(9); {ending}")).await;
        let watched =
            found(TIMEOUT, "the connection ends", async || WATCHED.lock().unwrap().take());
        assert_eq!(watched.await, seen, "{ending}");
    }
}

#[tokio::test]
async fn datagrams_and_refusals_come_back() {
    let test = "carrying::datagrams_and_refusals_come_back";
    let Some(world) = World::enter(test) else { return };
    let server = world.server(&[]);
    let sandbox = server.sandbox().await;
    let program = "
def exchange(host, port, data):
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(30)
    s.connect((host, port))
    try:
        s.send(data)
        return s.recv(1 << 16) == data
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
";
    for (host, port, length, seen) in [
        (OUTSIDE[0], 7, 1, "True"),
        (OUTSIDE[0], 7, 0, "True"),
        (OUTSIDE[0], 7, 1400, "True"),
        // In fragments beyond this machine.
        (OUTSIDE[0], 7, 9000, "True"),
        (OUTSIDE[2], 7, 1200, "True"),
        (OUTSIDE[0], 8, 1, "ECONNREFUSED"),
        (OUTSIDE[2], 8, 1, "ECONNREFUSED"),
        ("192.0.2.1", 54, 1, "ECONNREFUSED"),
    ] {
        let exchange = format!("{program}print(exchange({host:?}, {port}, bytes({length})))");
        assert_eq!(python(&sandbox, &exchange).await, seen, "{host} {port} {length}");
    }
}

#[tokio::test]
async fn names_are_resolved_by_this_machines_nameserver() {
    let test = "carrying::names_are_resolved_by_this_machines_nameserver";
    let Some(world) = World::enter(test) else { return };
    world.internet.name("a.example", OUTSIDE[0]);
    let server = world.server(&[]);
    let sandbox = server.sandbox().await;
    assert_eq!(
        python(&sandbox, "print(open('/etc/resolv.conf').read())").await,
        "nameserver 192.0.2.1"
    );
    for (name, seen) in
        [("a.example", OUTSIDE[0]), ("A.EXAMPLE.", OUTSIDE[0]), ("none.example", "none")]
    {
        let program = format!(
            "try: print(socket.getaddrinfo({name:?}, 80, type=socket.SOCK_STREAM)[0][4][0])\n\
             except socket.gaierror: print('none')"
        );
        assert_eq!(python(&sandbox, &program).await, seen, "{name}");
    }
    // By TCP, several queries on one connection, and nonsense.
    let program = "
query = bytes.fromhex('abcd01000001000000000000') + b'\\x01a\\x07example\\0\\0\\1\\0\\1'
s = connect('192.0.2.1', 53)
for i in range(2):
    s.sendall(len(query).to_bytes(2, 'big') + query)
    length = int.from_bytes(s.recv(2), 'big')
    answer = s.recv(length)
    print(answer[:2].hex(), socket.inet_ntoa(answer[-4:]))
s.sendall(b'\\0\\3abc')
print(read(s))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.connect(('192.0.2.1', 53))
u.send(b'abc'); u.send(b''); u.send(query[:20]); u.send(query)
print(u.recv(999)[:2].hex())
";
    let seen = format!("abcd {0}\nabcd {0}\nb''\nabcd", OUTSIDE[0]);
    assert_eq!(python(&sandbox, program).await, seen);
}
