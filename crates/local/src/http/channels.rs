//! Many streams over one WebSocket. A channel is a request of a route that streams. It passes the same checks and has the
//! same handler as over HTTP, and its answer is sent in messages.

use super::app::App;
use super::member::{Member, Peer};
use super::pty_socket::{frame, is_too_large};
use super::routes::channel_router;
use crate::error::{ApiError, Result};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{OriginalUri, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use shoreline_protocol::channel::{Ask, Opening, Tell};
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits::{
    CHANNEL_CREDIT_BYTES, CHANNEL_MESSAGE_BYTES, CHANNELS, ERROR_BODY_BYTES, REQUEST_HEAD_SECONDS,
};
use shoreline_protocol::route::{self, Scope};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, interval_at, sleep, timeout};

/// The most bytes of a stream in one message. Other channels wait while a message is sent.
const DATA_BYTES: usize = 16 * 1024;

/// Messages of all channels that wait to be sent.
const QUEUE: usize = 4;

/// The interval of pings. A client that sends nothing for two of them counts as gone.
const PING: Duration = Duration::from_secs(30);

/// The time limit for sending the last message before the socket is closed.
const CLOSING: Duration = Duration::from_secs(2);

/// Headers that every channel inherits from the request of the socket.
const OF_SOCKET: [&str; 4] = ["host", "origin", "authorization", "x-tensorlake-sandbox-id"];

/// Headers that a channel can set. Others are ignored. The key of a channel is ignored if the socket's key is valid, since
/// behind a relay the page's key is for the relay.
const OF_CHANNEL: [&str; 4] =
    ["authorization", "content-type", "last-event-id", "x-tensorlake-sandbox-id"];

#[derive(Deserialize)]
pub(super) struct ChannelsQuery {
    /// Scopes, separated by commas. Without it every scope is allowed.
    allow: Option<String>,
}

/// Opens the socket. A page cannot send the key with this request, so each channel is authorized separately.
pub(super) async fn open(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    query: std::result::Result<Query<ChannelsQuery>, QueryRejection>,
    upgrade: std::result::Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    // If there is an upgrade, each channel is authorized instead.
    if upgrade.is_err() && !app.guard.is_authorized(&headers) {
        let text = "the server's key is missing or wrong";
        return Err(ApiError::new(ServerCode::Unauthorized, text));
    }
    let allowed = query.ok().and_then(|Query(query)| scopes(query.allow.as_deref()));
    let allowed = allowed.ok_or_else(|| {
        let text = "`allow` must be scopes, separated by commas, for example `output,processes`";
        ApiError::new(ServerCode::InvalidRequest, text)
    })?;
    let upgrade = upgrade.map_err(|_| {
        ApiError::new(ServerCode::UpgradeRequired, "this route speaks WebSocket only")
    })?;
    let mut own = HeaderMap::new();
    for name in OF_SOCKET {
        if let Some(value) = headers.get(name) {
            own.insert(name, value.clone());
        }
    }
    let prefix = uri.path().strip_suffix(route::CHANNELS.path).unwrap_or_default().to_owned();
    let router = channel_router(app.clone(), &allowed);
    let requests = Requests { app: app.clone(), router, peer, headers: own, prefix };
    let upgrade =
        upgrade.max_message_size(CHANNEL_MESSAGE_BYTES).max_frame_size(CHANNEL_MESSAGE_BYTES);
    // A server that stops waits for the socket, as for other streams, which end with the processes.
    Ok(upgrade.on_upgrade(async move |socket| {
        let _ = app.tasks.spawn(serve(socket, requests)).await;
    }))
}

/// `None` if `text` is not a list of scopes.
fn scopes(text: Option<&str>) -> Option<Vec<Scope>> {
    let Some(text) = text else { return Some(Scope::ALL.to_vec()) };
    let scope = |name: &str| Scope::ALL.iter().copied().find(|scope| scope.as_str() == name);
    text.split(',').map(scope).collect()
}

/// Makes the requests of channels.
struct Requests {
    app: Arc<App>,
    router: Router,
    peer: Peer,
    /// The headers of the socket, which every request of a channel inherits.
    headers: HeaderMap,
    /// The path prefix of the socket, such as `/s/{id}`, which every channel's path gets.
    prefix: String,
}

impl Requests {
    /// Resolves to the answer to a channel's request.
    fn answer(&self, opening: &Opening<'_>, body: Bytes) -> impl Future<Output = Response> + use<> {
        let request = self.request(opening, body);
        let router = TowerToHyperService::new(self.router.clone());
        async move {
            let Some(request) = request else {
                let text = "the channel's method, path or headers are malformed";
                return ApiError::new(ServerCode::InvalidRequest, text).into_response();
            };
            let Ok(response) = router.call(request).await;
            response
        }
    }

    fn request(&self, opening: &Opening<'_>, body: Bytes) -> Option<Request> {
        let uri = format!("{}{}", self.prefix, opening.path);
        let request = Request::builder().method(opening.method).uri(uri);
        let mut request = request.body(Body::from(body)).ok()?;
        *request.headers_mut() = self.headers.clone();
        let is_authorized = self.app.guard.is_authorized(&self.headers);
        for (name, value) in &opening.headers {
            let name = OF_CHANNEL.iter().find(|known| known.eq_ignore_ascii_case(name));
            let Some(name) = name.filter(|name| !(is_authorized && **name == "authorization"))
            else {
                continue;
            };
            request.headers_mut().insert(*name, HeaderValue::from_str(value).ok()?);
        }
        request.extensions_mut().insert(self.peer.clone());
        Some(request)
    }
}

/// Serves a socket until the client leaves or breaks a rule.
async fn serve(socket: WebSocket, requests: Requests) {
    let (to_client, from_client) = socket.split();
    let (messages, queue) = mpsc::channel(QUEUE);
    let (alive, life) = watch::channel(Instant::now());
    let member = requests.peer.member.clone();
    let mut writing = pin!(write(to_client, queue, life));
    let close = {
        let channels = Channels {
            requests,
            open: HashMap::new(),
            tasks: JoinSet::new(),
            last: None,
            messages,
        };
        tokio::select! {
            close = channels.read(from_client, &alive) => close,
            _ = writing.as_mut() => return,
            close = unauthorized(&member) => close,
            () = member.evicted.cancelled() => return,
        }
    };
    // Without channels, nothing adds messages.
    let _ = timeout(CLOSING, async {
        let Some(mut to_client) = writing.await else { return };
        let _ = to_client.send(Message::Close(close)).await;
        let _ = to_client.close().await;
    })
    .await;
}

/// Waits until a socket without an authorized channel must be closed.
async fn unauthorized(member: &Member) -> Option<CloseFrame> {
    sleep(Duration::from_secs(REQUEST_HEAD_SECONDS)).await;
    if member.is_proven() {
        std::future::pending::<()>().await;
    }
    Some(frame(1008, "no authorized channel was opened in time"))
}

/// Sends messages until the queue is closed, and then returns the socket; `None` if the client is gone.
async fn write(
    mut to_client: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Vec<u8>>,
    life: watch::Receiver<Instant>,
) -> Option<SplitSink<WebSocket, Message>> {
    let mut ping = interval_at(Instant::now() + PING, PING);
    loop {
        let message = tokio::select! {
            message = queue.recv() => match message {
                Some(message) => Message::Binary(message.into()),
                None => return Some(to_client),
            },
            _ = ping.tick() => {
                if life.borrow().elapsed() > PING + PING {
                    return None;
                }
                Message::Ping(Bytes::new())
            }
        };
        to_client.send(message).await.ok()?;
    }
}

/// The state of an open channel.
struct Channel {
    credit: Arc<Semaphore>,
    task: AbortHandle,
}

/// A channel that has ended.
struct Ended {
    channel: u32,
    status: StatusCode,
}

/// The channels of one socket. Dropping them ends them.
struct Channels {
    requests: Requests,
    open: HashMap<u32, Channel>,
    tasks: JoinSet<Ended>,
    /// The highest channel number so far.
    last: Option<u32>,
    messages: mpsc::Sender<Vec<u8>>,
}

impl Channels {
    /// Reads the client's messages. Returns the close code and reason for the socket.
    async fn read(
        mut self,
        mut from_client: SplitStream<WebSocket>,
        alive: &watch::Sender<Instant>,
    ) -> Option<CloseFrame> {
        loop {
            let message = tokio::select! {
                message = from_client.next() => message?,
                Some(ended) = self.tasks.join_next() => {
                    let Ok(Ended { channel, status }) = ended else { continue };
                    self.open.remove(&channel);
                    if status == StatusCode::UNAUTHORIZED && !self.requests.peer.member.is_proven() {
                        return Some(frame(1008, "the key is missing or wrong"));
                    }
                    continue;
                }
            };
            alive.send_replace(Instant::now());
            match message {
                Ok(Message::Binary(bytes)) => {
                    let Some((channel, ask)) = Ask::decode(&bytes) else {
                        return Some(frame(1002, "a message is malformed"));
                    };
                    if let Err(close) = self.obey(channel, ask, &bytes).await {
                        return Some(close);
                    }
                }
                Ok(Message::Text(_)) => return Some(frame(1003, "channels take binary messages")),
                Ok(Message::Close(_)) => return None,
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Err(error) if is_too_large(&error) => return Some(frame(1009, "message too big")),
                Err(_) => return None,
            }
        }
    }

    async fn obey(
        &mut self,
        channel: u32,
        ask: Ask<'_>,
        message: &Bytes,
    ) -> std::result::Result<(), CloseFrame> {
        match ask {
            Ask::Open { credit, opening } => {
                if self.last.is_some_and(|last| channel <= last) {
                    return Err(frame(1002, "the numbers of channels must ascend"));
                }
                self.last = Some(channel);
                if self.open.len() >= CHANNELS {
                    let text = format!(
                        "a socket has at most {CHANNELS} channels: close some, or open another"
                    );
                    let refusal = ApiError::new(ServerCode::TooManyChannels, text).into_response();
                    refuse(channel, refusal, &self.messages).await;
                    return Ok(());
                }
                let answer = self.requests.answer(&opening, message.slice_ref(opening.body));
                let room = Arc::new(Semaphore::new(0));
                give(&room, credit)?;
                let task =
                    self.tasks.spawn(carry(channel, answer, room.clone(), self.messages.clone()));
                self.open.insert(channel, Channel { credit: room, task });
            }
            // A channel can have ended while the message was in flight.
            Ask::Credit(bytes) => {
                if let Some(Channel { credit, .. }) = self.open.get(&channel) {
                    give(credit, bytes)?;
                }
            }
            Ask::Close => {
                if let Some(Channel { task, .. }) = self.open.remove(&channel) {
                    task.abort();
                }
            }
        }
        Ok(())
    }
}

fn give(credit: &Semaphore, bytes: u32) -> std::result::Result<(), CloseFrame> {
    let bytes = bytes as usize;
    if credit.available_permits() + bytes > CHANNEL_CREDIT_BYTES as usize {
        return Err(frame(1008, "a channel has too much credit"));
    }
    credit.add_permits(bytes);
    Ok(())
}

/// Sends a channel's answer to the client.
async fn carry(
    channel: u32,
    answer: impl Future<Output = Response>,
    credit: Arc<Semaphore>,
    messages: mpsc::Sender<Vec<u8>>,
) -> Ended {
    let response = answer.await;
    let status = response.status();
    if status.is_success() {
        // The reader notices that a client is gone.
        let _ = send_stream(channel, response.into_body(), &credit, &messages).await;
    } else {
        refuse(channel, response, &messages).await;
    }
    Ended { channel, status }
}

async fn send_stream(
    channel: u32,
    body: Body,
    credit: &Semaphore,
    messages: &mpsc::Sender<Vec<u8>>,
) -> Option<()> {
    messages.send(Tell::Opened.encode(channel)).await.ok()?;
    let mut body = body.into_data_stream();
    while let Some(part) = body.next().await {
        let Ok(mut part) = part else {
            return messages.send(Tell::Broken.encode(channel)).await.ok();
        };
        while !part.is_empty() {
            let count = take(credit, part.len().min(DATA_BYTES)).await?;
            messages.send(Tell::Data(&part.split_to(count)).encode(channel)).await.ok()?;
        }
    }
    messages.send(Tell::End.encode(channel)).await.ok()
}

/// Takes credit for at most `most` bytes, and waits while there is none.
async fn take(credit: &Semaphore, most: usize) -> Option<usize> {
    credit.acquire().await.ok()?.forget();
    // No other task takes credit.
    let more = credit.available_permits().min(most - 1);
    credit.try_acquire_many(u32::try_from(more).ok()?).ok()?.forget();
    Some(1 + more)
}

async fn refuse(channel: u32, response: Response, messages: &mpsc::Sender<Vec<u8>>) {
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), ERROR_BODY_BYTES).await.unwrap_or_default();
    let _ = messages.send(Tell::Refused(status, &body).encode(channel)).await;
}
