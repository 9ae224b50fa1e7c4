//! A plain client of channels.

use super::server::{KEY, Sandbox};
use super::wait::TIMEOUT;
use futures::{SinkExt as _, StreamExt as _};
use shoreline_protocol::channel::{Ask, Opening, Tell};
use std::collections::BTreeMap;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Credit that no test uses up.
pub const PLENTY: u32 = 64 * 1024 * 1024;

/// The messages of a channel.
#[derive(Debug, Default)]
pub struct Received {
    /// 200 once the stream was opened, or the status of an error.
    pub status: u16,
    pub bytes: Vec<u8>,
    /// The end of the channel.
    pub end: Option<&'static str>,
}

impl Received {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    /// The status and the code of an error.
    pub fn refusal(&self) -> (u16, String) {
        assert_eq!(self.end, Some("refused"), "{self:?}");
        let body: serde_json::Value = serde_json::from_slice(&self.bytes).unwrap();
        assert!(!body["error"].as_str().unwrap().is_empty());
        (self.status, body["code"].as_str().unwrap().to_owned())
    }
}

pub struct Socket {
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub channels: BTreeMap<u32, Received>,
    last: u32,
}

impl Socket {
    /// A socket whose request has the key.
    pub async fn open(sandbox: &Sandbox) -> Self {
        Self::at(sandbox, &[("authorization", &format!("Bearer {KEY}"))]).await.unwrap()
    }

    pub async fn at(sandbox: &Sandbox, headers: &[(&str, &str)]) -> Result<Self, Error> {
        let url = format!("ws{}/channels", sandbox.url.strip_prefix("http").unwrap());
        Self::connect(&url, headers).await
    }

    pub async fn connect(url: &str, headers: &[(&str, &str)]) -> Result<Self, Error> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        let (stream, _) = connect_async(request).await?;
        Ok(Self { stream, channels: BTreeMap::new(), last: 0 })
    }

    pub async fn send(&mut self, message: impl Into<Message>) {
        self.stream.send(message.into()).await.unwrap();
    }

    pub async fn ask(&mut self, channel: u32, ask: Ask<'_>) {
        self.send(ask.encode(channel)).await;
    }

    /// Opens the next channel.
    pub async fn request(&mut self, credit: u32, opening: Opening<'_>) -> u32 {
        self.last += 1;
        self.channels.insert(self.last, Received::default());
        self.ask(self.last, Ask::Open { credit, opening }).await;
        self.last
    }

    pub async fn get(&mut self, credit: u32, path: &str) -> u32 {
        self.get_with(credit, path, Vec::new()).await
    }

    pub async fn get_with(&mut self, credit: u32, path: &str, headers: Vec<(&str, &str)>) -> u32 {
        let path = format!("/api/v1{path}");
        self.request(credit, Opening { method: "GET", path: &path, headers, body: &[] }).await
    }

    /// Follows both streams of a process.
    pub async fn follow(&mut self, pid: u64) -> u32 {
        self.get(PLENTY, &format!("/processes/{pid}/output/follow")).await
    }

    pub async fn run(&mut self, body: &serde_json::Value) -> u32 {
        let body = body.to_string();
        let headers = vec![("content-type", "application/json")];
        let path = "/api/v1/processes/run";
        let opening = Opening { method: "POST", path, headers, body: body.as_bytes() };
        self.request(PLENTY, opening).await
    }

    /// Takes the next message; nothing where it was the close, which is given.
    pub async fn step(&mut self) -> Option<(u16, String)> {
        let next = timeout(TIMEOUT, self.stream.next());
        match next.await.unwrap_or_else(|_| panic!("nothing more after {:?}", self.channels)) {
            Some(Ok(Message::Binary(message))) => {
                let (channel, tell) = Tell::decode(&message).unwrap();
                let received = self.channels.get_mut(&channel)?;
                assert_eq!(received.end, None, "{channel}: {tell:?} after its end");
                match tell {
                    Tell::Opened => received.status = 200,
                    Tell::Refused(status, body) => {
                        received.status = status;
                        received.bytes = body.to_vec();
                        received.end = Some("refused");
                    }
                    Tell::Data(data) => received.bytes.extend_from_slice(data),
                    Tell::End => received.end = Some("end"),
                    Tell::Broken => received.end = Some("broken"),
                }
                None
            }
            Some(Ok(Message::Close(close))) => {
                Some(close.map_or((0, String::new()), |close| {
                    (close.code.into(), close.reason.to_string())
                }))
            }
            Some(Ok(_)) => None,
            other => Some((0, format!("{other:?}"))),
        }
    }

    /// Reads until the channel has ended, and gives all of it.
    pub async fn whole(&mut self, channel: u32) -> Received {
        self.until(channel, |received| received.end.is_some()).await;
        self.channels.remove(&channel).unwrap()
    }

    pub async fn until(&mut self, channel: u32, is_so: impl Fn(&Received) -> bool) {
        while !is_so(&self.channels[&channel]) {
            let close = self.step().await;
            assert_eq!(close, None, "closed after {:?}", self.channels[&channel]);
        }
    }

    /// Reads to the close: its code and reason.
    pub async fn until_close(&mut self) -> (u16, String) {
        loop {
            if let Some(close) = self.step().await {
                return close;
            }
        }
    }
}
