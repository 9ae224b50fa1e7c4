//! The DNS forwarder. It forwards a sandbox's queries to this machine's nameservers, which can be on loopback, where the
//! sandbox cannot reach them. It records the addresses of names for rules by name.

use super::packet::{Packet, Transport, udp};
use super::{MTU, Rules, Shared};
use smoltcp::wire::{DnsPacket, DnsQuestion, DnsRcode, DnsRecord, DnsRecordData};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// The time limit for one nameserver (resolv.conf(5), timeout).
const ANSWER: Duration = Duration::from_secs(5);
/// The most nameservers that are asked (resolv.conf(5), MAXNS).
const NAMESERVERS: usize = 3;
/// Bytes of an answer over UDP: more than any nameserver sends (RFC 6891, section 6.2.5).
const DATAGRAM: usize = 16 * 1024;
/// How long a connection can be idle before the next query (RFC 7766, section 6.2.3).
const IDLE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
enum Way {
    Udp,
    Tcp,
}

/// Takes a query in a datagram. Beyond the limit it is dropped, and the client repeats it.
pub(super) fn take(shared: &Arc<Shared>, packet: &Packet<'_>) {
    let Transport::Udp(query) = packet.transport else { return };
    let (Some(room), Some(_)) = (shared.share.query(), name(query)) else { return };
    let (query, from, to) = (query.to_vec(), packet.from, packet.to);
    let shared = shared.clone();
    shared.clone().spawn(async move {
        let _room = room;
        let answer = resolve(&shared.rules, &query, Way::Udp).await;
        let packet = answer.and_then(|answer| udp(to, from, &answer));
        packet.into_iter().for_each(|packet| shared.tun.write(&packet));
    });
}

/// The forwarder's end of a TCP connection.
pub(super) fn stream(shared: &Arc<Shared>) -> DuplexStream {
    let (ours, theirs) = duplex(MTU as usize);
    let rules = shared.rules.clone();
    shared.spawn(async move {
        let _ = serve(&rules, ours).await;
    });
    theirs
}

async fn serve(rules: &Rules, mut stream: DuplexStream) -> io::Result<()> {
    loop {
        let query = timeout(IDLE, receive(&mut stream)).await??;
        let answer = resolve(rules, &query, Way::Tcp).await;
        send(&mut stream, &answer.ok_or(io::ErrorKind::InvalidData)?).await?;
    }
}

/// The answer to a query; `None` if the message is not a query.
async fn resolve(rules: &Rules, query: &[u8], way: Way) -> Option<Vec<u8>> {
    let name = name(query)?;
    if !rules.resolves(&name) {
        return refusal(query, DnsRcode::Refused);
    }
    for nameserver in nameservers().await {
        let asked = async {
            match way {
                Way::Udp => ask_by_datagram(nameserver, query).await,
                Way::Tcp => {
                    let mut stream = TcpStream::connect(nameserver).await?;
                    send(&mut stream, query).await?;
                    receive(&mut stream).await
                }
            }
        };
        if let Ok(Ok(answer)) = timeout(ANSWER, asked).await {
            // Record the addresses before the program receives them.
            learn(rules, &name, &answer);
            return Some(answer);
        }
    }
    refusal(query, DnsRcode::ServFail)
}

async fn ask_by_datagram(nameserver: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = match nameserver {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(nameserver).await?;
    socket.send(query).await?;
    let mut answer = vec![0; DATAGRAM];
    loop {
        let count = socket.recv(&mut answer).await?;
        // The id and the sender must match, since other hosts can send datagrams.
        if count >= HEADER && answer.get(..2) == query.get(..2) {
            answer.truncate(count);
            return Ok(answer);
        }
    }
}

/// Bytes of a message's header (RFC 1035, section 4.1.1).
const HEADER: usize = 12;

/// The present nameservers of this machine.
async fn nameservers() -> Vec<SocketAddr> {
    let text = tokio::fs::read_to_string("/etc/resolv.conf").await.unwrap_or_default();
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next())?
    });
    let mut found: Vec<_> = named
        .filter_map(|address| Some(SocketAddr::new(address.parse().ok()?, super::DNS)))
        .take(NAMESERVERS)
        .collect();
    if found.is_empty() {
        found.push((Ipv4Addr::LOCALHOST, super::DNS).into());
    }
    found
}

/// Receives a message of a TCP connection (RFC 1035, section 4.2.2).
async fn receive(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn send(stream: &mut (impl tokio::io::AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(message);
    stream.write_all(&bytes).await
}

/// The queried name, in lower case.
fn name(query: &[u8]) -> Option<String> {
    let packet = DnsPacket::new_checked(query).ok()?;
    let is_query = !packet.flags().contains(smoltcp::wire::DnsFlags::RESPONSE);
    if !is_query || packet.question_count() != 1 {
        return None;
    }
    let (_, question) = DnsQuestion::parse(packet.payload()).ok()?;
    let labels: Result<Vec<_>, _> = packet.parse_name(question.name).collect();
    let labels: Vec<_> = labels.ok()?.into_iter().map(String::from_utf8_lossy).collect();
    Some(labels.join(".").to_ascii_lowercase())
}

/// Records the addresses of an answer under the queried name, also if it is an alias.
fn learn(rules: &Rules, name: &str, answer: &[u8]) {
    let Ok(packet) = DnsPacket::new_checked(answer) else { return };
    let mut rest = packet.payload();
    for _ in 0..packet.question_count() {
        let Ok((after, _)) = DnsQuestion::parse(rest) else { return };
        rest = after;
    }
    let mut names = rules.names.lock();
    for _ in 0..packet.answer_record_count() {
        let Ok((after, record)) = DnsRecord::parse(rest) else { return };
        rest = after;
        let ttl = Duration::from_secs(record.ttl.into());
        match record.data {
            DnsRecordData::A(address) => names.learn(address.into(), name, ttl),
            DnsRecordData::Aaaa(address) => names.learn(address.into(), name, ttl),
            _ => {}
        }
    }
}

/// An answer without records.
fn refusal(query: &[u8], code: DnsRcode) -> Option<Vec<u8>> {
    let packet = DnsPacket::new_checked(query).ok()?;
    let (rest, _) = DnsQuestion::parse(packet.payload()).ok()?;
    let mut answer = query.get(..query.len() - rest.len())?.to_vec();
    // RFC 1035, section 4.1.1: an answer, with the query's opcode and RD; recursion is available.
    let [_, _, first, second, ..] = answer.as_mut_slice() else { return None };
    *first = (*first & 0x79) | 0x80;
    *second = 0x80 | (u8::from(code) & 0xf);
    answer.get_mut(6..HEADER)?.fill(0);
    Some(answer)
}
