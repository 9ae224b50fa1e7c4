//! Requests as bytes on a socket, which breaks off at a chosen place.

use crate::support::random::Random;
use crate::support::server::KEY;
use crate::world::World;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub is_json: bool,
    pub body: Vec<u8>,
}

/// The point at which the client disconnects.
#[derive(Clone, Copy)]
enum Cut {
    AfterHeaders,
    InBody,
    AfterBody,
    InAnswer,
}

/// The way in which the client disconnects.
#[derive(Clone, Copy)]
enum Close {
    /// FIN, or RST where something is unread.
    Drop,
    /// RST (`SO_LINGER` with 0).
    Reset,
    /// FIN of its own side first.
    HalfFirst,
}

/// Milliseconds between the last byte and the close.
const WAITS: [u64; 6] = [0, 0, 0, 1, 3, 10];

pub async fn send_and_vanish(world: &World, request: &Request, random: &mut Random) {
    let cut = random.pick(&[Cut::AfterHeaders, Cut::InBody, Cut::AfterBody, Cut::InAnswer]);
    let Request { method, path, is_json, body } = request;
    let kind = if *is_json { "application/json" } else { "application/octet-stream" };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        world.address,
        body.len()
    );
    let sent = match cut {
        Cut::AfterHeaders => 0,
        Cut::InBody => random.below(body.len()),
        Cut::AfterBody | Cut::InAnswer => body.len(),
    };
    let mut stream = TcpStream::connect(&world.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may refuse the request, and close, before it has read the whole body.
    let _ = stream.write_all(&body[..sent]).await;
    if matches!(cut, Cut::InAnswer) {
        let mut answer = vec![0; 1 + random.below(300)];
        // A run's answer goes on for as long as its process.
        let _ = timeout(Duration::from_millis(300), stream.read_exact(&mut answer)).await;
    } else {
        sleep(Duration::from_millis(random.pick(&WAITS))).await;
    }
    match random.pick(&[Close::Drop, Close::Reset, Close::HalfFirst]) {
        Close::Drop => {}
        Close::Reset => stream.set_zero_linger().unwrap(),
        Close::HalfFirst => {
            let _ = stream.shutdown().await;
            sleep(Duration::from_millis(random.pick(&WAITS))).await;
        }
    }
}
