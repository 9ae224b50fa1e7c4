//! The servers at the other end of the cable, and the nameserver of "this machine".

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// The nameserver, which answers for the names that a test gives it.
#[derive(Clone)]
pub struct Internet {
    pub names: Arc<Mutex<HashMap<String, Ipv4Addr>>>,
}

impl Internet {
    pub fn new() -> Self {
        let names = Arc::new(Mutex::new(HashMap::new()));
        let (udp, tcp) = (names.clone(), names.clone());
        let datagrams = std::net::UdpSocket::bind("127.0.0.53:53").unwrap();
        let streams = std::net::TcpListener::bind("127.0.0.53:53").unwrap();
        std::thread::spawn(move || {
            let mut query = [0; 1500];
            while let Ok((count, from)) = datagrams.recv_from(&mut query) {
                let _ = datagrams.send_to(&answer(&udp, &query[..count]), from);
            }
        });
        std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            for stream in streams.incoming() {
                let mut stream = stream.unwrap();
                let mut length = [0; 2];
                if stream.read_exact(&mut length).is_err() {
                    continue;
                }
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut query).unwrap();
                let answer = answer(&tcp, &query);
                stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
                stream.write_all(&answer).unwrap();
            }
        });
        Self { names }
    }

    pub fn name(&self, name: &str, address: &str) {
        self.names.lock().unwrap().insert(name.to_owned(), address.parse().unwrap());
    }
}

/// An answer to a query for one name: its address, by way of an alias, or none (RFC 1035, section 4.1).
fn answer(names: &Mutex<HashMap<String, Ipv4Addr>>, query: &[u8]) -> Vec<u8> {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_ascii_lowercase());
        at += length + 1;
    }
    let is_a = query[at + 1..at + 3] == [0, 1];
    let known = names.lock().unwrap().get(&labels.join(".")).copied();
    let mut answer = query[..at + 5].to_vec();
    answer[2] |= 0x80;
    answer[3] = if known.is_some() { 0x80 } else { 0x83 };
    let records = known.filter(|_| is_a);
    answer[6..12].copy_from_slice(&[0, if records.is_some() { 2 } else { 0 }, 0, 0, 0, 0]);
    if let Some(address) = records {
        let alias = [b"\x05alias".as_slice(), &[0xc0, 12]].concat();
        answer.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, u8::try_from(alias.len()).unwrap()]);
        let target = u8::try_from(answer.len()).unwrap();
        answer.extend(alias);
        answer.extend([0xc0, target, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4]);
        answer.extend(address.octets());
    }
    answer
}

/// Serves until the process ends, in the network namespace of this thread.
pub fn serve(ready: &Sender<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let any = IpAddr::from([0_u16; 8]);
        let listener = TcpListener::bind((any, 80)).await.unwrap();
        let echo = UdpSocket::bind((any, 7)).await.unwrap();
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_535];
            while let Ok((count, from)) = echo.recv_from(&mut buffer).await {
                let _ = echo.send_to(&buffer[..count], from).await;
            }
        });
        ready.send(String::new()).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { perform(stream).await });
        }
    });
}

/// Does what the first line of a connection says.
async fn perform(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let number = || line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap();
    match line.split_whitespace().next() {
        // Sends back what it has got once that has ended.
        Some("whole") => {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await?;
            stream.write_all(&all).await
        }
        // Ends its own side, and counts what still comes.
        Some("count") => {
            stream.write_all(b"go on").await?;
            stream.shutdown().await?;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await?;
            *COUNTED.lock().unwrap() = Some(all.len());
            Ok(())
        }
        Some("download") => stream.write_all(&pattern(number())).await,
        Some("reset") => {
            let stream = stream.into_inner();
            stream.set_zero_linger()
        }
        // Tells how the connection ends.
        Some("watch") => {
            stream.write_all(b"watching\n").await?;
            let end = stream.read(&mut [0; 16]).await;
            *WATCHED.lock().unwrap() = Some(end.map_err(|error| error.kind()));
            Ok(())
        }
        // Reads nothing.
        Some("hold") => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            drop(stream);
            Ok(())
        }
        _ => stream.write_all(b"hello\n").await,
    }
}

/// The number of bytes of the last counted connection.
pub static COUNTED: Mutex<Option<usize>> = Mutex::new(None);

/// The end of the last watched connection.
pub static WATCHED: Mutex<Option<Result<usize, std::io::ErrorKind>>> = Mutex::new(None);

/// Bytes of which each part differs from the others.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0]).collect()
}
