//! Accepts connections and serves requests on them, until the server stops.

use super::app::App;
use super::body::BusyBody;
use super::connection::{Connection, refuse};
use super::member::{Peer, Roster, Seat};
use super::routes::router;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit};
use shoreline_protocol::limits::{CONNECTIONS_PART, OPEN_FILES};
use std::pin::pin;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Serves the API on a listener until `stop` resolves. Then waits until the requests in progress are
/// answered and their changes are complete, but not for upgraded connections.
pub(crate) async fn serve(
    mut listener: TcpListener,
    app: Arc<App>,
    stop: impl Future<Output = ()>,
) {
    let router = router(app.clone());
    let roster = Roster::new(capacity());
    let stopping = CancellationToken::new();
    let accepting = async {
        loop {
            let (stream, _) = Listener::accept(&mut listener).await;
            match roster.admit().await {
                Some(seat) => {
                    app.tasks.spawn(attend(stream, seat, router.clone(), stopping.clone()));
                }
                None => refuse(&stream),
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop => {}
    }
    drop(listener);
    stopping.cancel();
    app.tasks.close();
    app.tasks.wait().await;
}

/// The number of connections that leaves enough descriptors for processes.
fn capacity() -> usize {
    let open = getrlimit(Resource::Nofile).current.unwrap_or(OPEN_FILES);
    usize::try_from(open / CONNECTIONS_PART).unwrap_or(usize::MAX).max(1)
}

/// Serves one connection until it closes.
async fn attend(stream: TcpStream, seat: Seat, router: Router, stopping: CancellationToken) {
    let Ok(local) = stream.local_addr() else { return };
    // Small writes, such as one line of output, must be sent at once.
    let _ = stream.set_nodelay(true);
    let peer = Peer { local, member: seat.member.clone() };
    let member = seat.member.clone();
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request: Request<Incoming>| {
        let busy = peer.member.begin();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        let (answer, member) = (router.call(request), peer.member.clone());
        async move {
            let mut response = answer.await?;
            let refused = !member.is_proven() && response.status().is_client_error();
            // A client without the key does not need the connection again, and a client that stalls may be gone.
            if refused || response.status() == StatusCode::REQUEST_TIMEOUT {
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, std::convert::Infallible>(response.map(|body| BusyBody::new(body, busy)))
        }
    });
    // hyper's own time limit for heads would also end idle connections of authorized clients.
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(Connection::new(stream, seat)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            served = connection.as_mut() => {
                if served.is_ok() {
                    member.upgrade();
                }
                return;
            }
            () = member.evicted.cancelled() => return,
            () = member.overdue() => return,
            () = stopping.cancelled(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
