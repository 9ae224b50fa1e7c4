//! A TCP connection into a sandbox, over a WebSocket (protocol, section 9).

use super::request::Target;
use crate::error::{ApiError, Result};
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use shoreline_protocol::error::ServerCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[derive(Deserialize)]
pub(super) struct TunnelQuery {
    port: u16,
}

pub(super) async fn open(
    Target(sandbox): Target,
    query: std::result::Result<Query<TunnelQuery>, QueryRejection>,
    upgrade: std::result::Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    let port = query.ok().map(|Query(query)| query.port).filter(|port| *port > 0);
    let port = port.ok_or_else(|| {
        ApiError::new(ServerCode::InvalidRequest, "the query must have a `port` from 1 to 65535")
    })?;
    let upgrade = upgrade.map_err(|_| {
        ApiError::new(ServerCode::UpgradeRequired, "this route speaks WebSocket only")
    })?;
    // Connected before the upgrade, so that a port where nobody listens is told by the status.
    let connection = sandbox.connect(port).await?;
    Ok(upgrade.on_upgrade(|socket| join(socket, connection)))
}

/// Passes bytes both ways until either side ends.
async fn join(socket: WebSocket, connection: TcpStream) {
    let (mut read, mut write) = connection.into_split();
    let (mut to_client, mut from_client) = socket.split();
    let inward = async {
        while let Some(Ok(message)) = from_client.next().await {
            match message {
                Message::Binary(bytes) if write.write_all(&bytes).await.is_ok() => {}
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Text(_) => return Some((1003, "a tunnel takes binary messages")),
                _ => break,
            }
        }
        None
    };
    let outward = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = read.read(&mut buffer).await {
            let bytes = buffer.get(..count).unwrap_or_default().to_vec();
            if to_client.send(Message::Binary(bytes.into())).await.is_err() {
                break;
            }
        }
        Some((1000, ""))
    };
    let close = tokio::select! {
        close = inward => close,
        close = outward => close,
    };
    if let Some((code, reason)) = close {
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = to_client.send(Message::Close(Some(frame))).await;
    }
    // The answer to a client that closes.
    let _ = to_client.close().await;
}
