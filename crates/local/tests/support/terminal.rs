//! Terminals: a plain WebSocket client and what it reads.

use super::server::Sandbox;
use super::wait::TIMEOUT;
use futures::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shoreline_protocol::pty::{Input, Output};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub struct Terminal {
    pub sandbox: Sandbox,
    pub id: String,
    pub token: String,
}

impl Terminal {
    pub async fn open(sandbox: &Sandbox, body: Value) -> Self {
        let answer = sandbox.request(Method::POST, "/pty").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let answer: Value = answer.json().await.unwrap();
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        let (id, token) = (text("session_id"), text("token"));
        assert_eq!((id.len(), token.len()), (21, 64));
        Self { sandbox: sandbox.clone(), id, token }
    }

    pub async fn shell(sandbox: &Sandbox, script: &str) -> Self {
        Self::open(sandbox, json!({ "command": "sh", "args": ["-c", script] })).await
    }

    pub fn socket_url(&self) -> String {
        format!("ws{}/pty/{}/ws", self.sandbox.url.strip_prefix("http").unwrap(), self.id)
    }

    pub async fn attach(&self) -> Client {
        self.attach_at(&format!("{}?token={}", self.socket_url(), self.token)).await
    }

    async fn attach_at(&self, url: &str) -> Client {
        let (socket, _) = connect_async(url).await.unwrap();
        Client { socket, seen: Vec::new(), exit: None, position: None, room: None }
    }

    /// Attaches with flow control, and says that it is ready.
    pub async fn controlled(&self, position: Option<u64>, credit: u64) -> Client {
        let url = format!("{}?token={}&credit={credit}", self.socket_url(), self.token);
        let mut client = self.attach_at(&url).await;
        client.send(Input::Ready(position)).await;
        client
    }

    pub async fn ready(&self) -> Client {
        let mut client = self.attach().await;
        client.send(Input::Ready(None)).await;
        client
    }

    pub async fn info(&self) -> Value {
        self.sandbox.get(&format!("/pty/{}", self.id)).await
    }
}

pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub seen: Vec<u8>,
    pub exit: Option<i32>,
    pub position: Option<u64>,
    /// The number of bytes of input that the server accepts.
    pub room: Option<u64>,
}

impl Client {
    pub async fn send(&mut self, input: Input<'_>) {
        self.socket.send(Message::Binary(input.encode().into())).await.unwrap();
    }

    /// Reads until what was seen contains `wanted`.
    pub async fn until(&mut self, wanted: &str) -> String {
        while !String::from_utf8_lossy(&self.seen).contains(wanted) {
            assert!(self.step().await.is_none(), "closed before {wanted:?}: {:?}", self.text());
        }
        self.text()
    }

    /// Reads to the close frame: its code and reason.
    pub async fn until_close(&mut self) -> (u16, String) {
        loop {
            if let Some(close) = self.step().await {
                return close;
            }
        }
    }

    pub async fn step(&mut self) -> Option<(u16, String)> {
        let next = tokio::time::timeout(TIMEOUT, self.socket.next());
        match next.await.unwrap_or_else(|_| panic!("nothing more after {:?}", self.text())) {
            Some(Ok(Message::Binary(bytes))) => match Output::decode(&bytes) {
                Some(Output::Data(data)) => self.seen.extend_from_slice(data),
                Some(Output::Exit(code)) => self.exit = Some(code),
                Some(Output::Position(position)) => self.position = Some(position),
                Some(Output::Credit(bytes)) => self.room = Some(bytes),
                None => panic!("{bytes:?}"),
            },
            Some(Ok(Message::Close(close))) => {
                return Some(close.map_or((0, String::new()), |close| {
                    (close.code.into(), close.reason.to_string())
                }));
            }
            Some(Ok(_)) => {}
            other => return Some((0, format!("{other:?}"))),
        }
        None
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}
