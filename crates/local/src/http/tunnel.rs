//! A TCP connection into a sandbox, over a WebSocket (docs/protocol.md, section 9).

use super::request::Target;
use crate::error::{ApiError, Result};
use crate::sandbox::Sandbox;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::tunnel::END;
use std::num::NonZeroU16;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

/// The largest message to a client, in bytes.
const MESSAGE: usize = 16 * 1024;

#[derive(Deserialize)]
pub(super) struct TunnelQuery {
    port: NonZeroU16,
    /// Whether the connection can be half-closed. Otherwise it ends when the port closes its side.
    #[serde(default)]
    half_close: bool,
}

/// The code and the reason of a close frame.
type Close = (u16, &'static str);

pub(super) async fn open(
    Target(sandbox): Target,
    query: std::result::Result<Query<TunnelQuery>, QueryRejection>,
    upgrade: std::result::Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    let Query(TunnelQuery { port, half_close }) = query.map_err(|_| {
        let text = "the query must have a `port` from 1 to 65535, and may have `half_close=true`";
        ApiError::new(ServerCode::InvalidRequest, text)
    })?;
    let upgrade = upgrade.map_err(|_| {
        ApiError::new(ServerCode::UpgradeRequired, "this route speaks WebSocket only")
    })?;
    // Connect before the upgrade, so that the status reports a refused connection.
    let connection = sandbox.connect(port.get()).await?;
    Ok(upgrade.on_upgrade(move |socket| join(socket, connection, sandbox, half_close)))
}

/// Forwards bytes both ways until both sides have ended, or one of them if half-closing was not requested.
async fn join(socket: WebSocket, connection: TcpStream, sandbox: Arc<Sandbox>, half_close: bool) {
    let (read, write) = connection.into_split();
    let (mut to_client, from_client) = socket.split();
    let (input_ended, input_end) = half_close.then(oneshot::channel).unzip();
    let close = tokio::select! {
        close = inward(from_client, write, input_ended) => close,
        close = outward(read, &mut to_client, input_end, &sandbox) => close,
    };
    if let Some((code, reason)) = close {
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = to_client.send(Message::Close(Some(frame))).await;
    }
    // The answer to a client that closes.
    let _ = to_client.close().await;
}

/// Forwards bytes from the client until it closes the socket or sends an invalid message. After the client has ended its
/// side, the socket is still read to notice that it closes.
async fn inward(
    mut from_client: SplitStream<WebSocket>,
    mut write: OwnedWriteHalf,
    input_ended: Option<oneshot::Sender<()>>,
) -> Option<Close> {
    let half_close = input_ended.is_some();
    let mut input_ended = input_ended;
    while let Some(Ok(message)) = from_client.next().await {
        match message {
            Message::Binary(_) if half_close && input_ended.is_none() => {
                return Some((1002, "bytes after the end of the input"));
            }
            Message::Binary(bytes) if write.write_all(&bytes).await.is_ok() => {}
            Message::Text(text) if half_close && text.as_str() == END => {
                if let Some(input_ended) = input_ended.take() {
                    write.shutdown().await.ok()?;
                    let _ = input_ended.send(());
                }
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Text(_) => return Some((1003, "a tunnel takes binary messages")),
            _ => return None,
        }
    }
    None
}

/// Forwards bytes from the port until it ends its side. Then waits for the client's end, if half-closing was requested.
async fn outward(
    mut read: OwnedReadHalf,
    to_client: &mut SplitSink<WebSocket, Message>,
    input_end: Option<oneshot::Receiver<()>>,
    sandbox: &Sandbox,
) -> Option<Close> {
    let done = Some((1000, ""));
    let mut buffer = vec![0; MESSAGE];
    loop {
        match read.read(&mut buffer).await {
            Ok(0) => break,
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default().to_vec();
                if to_client.send(Message::Binary(bytes.into())).await.is_err() {
                    return done;
                }
            }
            Err(_) => return done,
        }
    }
    let Some(input_end) = input_end else { return done };
    if to_client.send(Message::Text(END.into())).await.is_err() {
        return done;
    }
    tokio::select! {
        _ = input_end => done,
        // The kernel reports a lost peer only at the next write.
        () = sandbox.lost() => Some((1001, "the sandbox has ended")),
    }
}
