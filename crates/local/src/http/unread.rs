//! Reads the rest of a refused request for a while. If the server closed the connection at once, the client would see a
//! reset instead of the answer.

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt as _;
use shoreline_protocol::limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

const BYTES: usize = 16 * limits::REQUEST_BYTES;
const TIME: Duration = Duration::from_secs(10);

pub(super) async fn read_on(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if axum::body::HttpBody::is_end_stream(&body) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    // Lent to the handler, which drops what it has of it when it refuses.
    let data = Arc::new(Mutex::new(body.into_data_stream()));
    let lent = futures::stream::unfold(data.clone(), async |data| {
        let part = data.lock().await.next().await?;
        Some((part, data))
    });
    let response = next.run(Request::from_parts(parts, Body::from_stream(lent))).await;
    let refused = response.status().is_client_error() || response.status().is_server_error();
    // A client that has stalled sends nothing more that is worth waiting for.
    if refused && response.status() != StatusCode::REQUEST_TIMEOUT {
        // Not awaited: the answer goes out at once.
        tokio::spawn(timeout(TIME, async move {
            let (mut data, mut left) = (data.lock_owned().await, BYTES);
            while let Some(Ok(part)) = data.next().await
                && left > part.len()
            {
                left -= part.len();
            }
        }));
    }
    response
}
