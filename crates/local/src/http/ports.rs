//! Ports that a sandbox exposes, at `<port>-<sandbox>.localhost` (docs/protocol.md, 1.3).

use super::app::App;
use super::member::Peer;
use crate::error::{ApiError, Result};
use crate::sandbox::Sandbox;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use shoreline_protocol::error::ServerCode;

/// Forwards a request to a port, without the key of this server.
pub(super) async fn forward(
    app: &App,
    peer: &Peer,
    port: u16,
    sandbox: &str,
    mut request: Request,
) -> Result<Response> {
    let has_key = app.guard.is_authorized(request.headers());
    let sandbox = match app.registry.get(sandbox) {
        Ok(sandbox) if has_key || is_open(&sandbox, port) => sandbox,
        Err(error) if has_key => return Err(error),
        // The same answer for every sandbox and port, so that it does not tell whether they exist.
        _ => {
            let text = "this port needs the server's key";
            return Err(ApiError::new(ServerCode::Unauthorized, text));
        }
    };
    // A connection without the key is evicted first, even if it is to a port that is open to everyone.
    if has_key {
        peer.member.prove();
    }
    if !sandbox.settings().exposed_ports.contains(&port) {
        let text = format!("port {port} of this sandbox is not exposed");
        return Err(ApiError::new(ServerCode::NotFound, text));
    }
    sandbox.resume().await?;
    // Programs in the sandbox must not see the key.
    if has_key {
        request.headers_mut().remove(header::AUTHORIZATION);
    }
    let connection = sandbox.connect(port).await?;
    let broken = |_| ApiError::new(ServerCode::ProxyError, "the port broke the connection off");
    let (mut sender, connection) =
        http1::handshake::<_, Body>(TokioIo::new(connection)).await.map_err(broken)?;
    tokio::spawn(connection.with_upgrades());
    let client = hyper::upgrade::on(&mut request);
    // An absolute URI names this server. The port in the sandbox expects a path.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().unwrap_or_default();
    let mut response = sender.send_request(request).await.map_err(broken)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let inside = hyper::upgrade::on(&mut response);
        let member = peer.member.clone();
        tokio::spawn(async move {
            if let (Ok(client), Ok(inside)) = (client.await, inside.await) {
                let (mut client, mut inside) = (TokioIo::new(client), TokioIo::new(inside));
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut inside) => {}
                    () = member.evicted.cancelled() => {}
                }
            }
        });
    }
    Ok(response.map(Body::new).into_response())
}

/// Whether everyone can use a port.
fn is_open(sandbox: &Sandbox, port: u16) -> bool {
    let settings = sandbox.settings();
    settings.allow_unauthenticated_access && settings.exposed_ports.contains(&port)
}
