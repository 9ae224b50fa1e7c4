//! A terminal's WebSocket, from the first message to the last (protocol, section 8).

use crate::pty::{At, Session};
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use shoreline_protocol::limits::PTY_INPUT_QUEUE_BYTES;
use shoreline_protocol::pty::{Input, Output, Size};
use std::error::Error as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, interval_at};

/// Between pings. A client that has sent nothing for two of them is gone.
const PING: Duration = Duration::from_secs(30);

/// Input that waits for the program, with the room that it takes in the queue.
type Queued = (Bytes, OwnedSemaphorePermit);

/// Serves a client until it or the session ends.
pub(super) async fn attach(socket: WebSocket, session: Arc<Session>) {
    let attached = session.attach();
    let (mut to_client, from_client) = socket.split();
    // Where the client wants to begin, once it has said that it is ready.
    let (ready, begin) = watch::channel(None);
    let (alive, life) = watch::channel(Life::seen());
    let (queue, queued) = mpsc::unbounded_channel();
    let mut typing = pin!(type_in(&session, queued));
    let close = tokio::select! {
        close = read_input(from_client, &session, queue, &ready, &alive) => close,
        close = write_output(&mut to_client, &session, begin, life) => close,
        // It ends with the queue, whose sender is the reader's.
        () = typing.as_mut() => None,
    };
    if let Some(close) = close {
        let _ = to_client.send(Message::Close(Some(close))).await;
        // Taken by the client, or given up: a close that is torn off loses what came before it.
        let _ = tokio::time::timeout(Duration::from_secs(2), to_client.close()).await;
    }
    drop((attached, to_client));
    // What the client typed before it left is typed, unless the program ends before it reads it.
    tokio::select! {
        () = typing => {}
        () = session.wait() => {}
    }
}

/// When a client was last heard of.
#[derive(Clone, Copy, Debug)]
struct Life {
    seen: Instant,
    /// Its messages are read. They are not while its queue is full, and then it cannot be heard.
    listening: bool,
}

impl Life {
    fn seen() -> Self {
        Self { seen: Instant::now(), listening: true }
    }
}

/// Types what is queued, as fast as the program reads it.
async fn type_in(session: &Session, mut queued: mpsc::UnboundedReceiver<Queued>) {
    while let Some((bytes, _room)) = queued.recv().await {
        // A terminal that has ended takes no input; the writer reports the end.
        let _ = session.type_in(&bytes).await;
    }
}

/// Reads the client's messages. Input is queued, so that a program which does not read holds up nothing
/// else: pongs and resizes are read while it waits.
async fn read_input(
    mut from_client: SplitStream<WebSocket>,
    session: &Session,
    queue: mpsc::UnboundedSender<Queued>,
    ready: &watch::Sender<Option<Begin>>,
    alive: &watch::Sender<Life>,
) -> Option<CloseFrame> {
    let room = Arc::new(Semaphore::new(PTY_INPUT_QUEUE_BYTES));
    while let Some(message) = from_client.next().await {
        let message = match message {
            Ok(message) => message,
            Err(error) if is_too_large(&error) => return Some(frame(1009, "message too big")),
            Err(_) => return None,
        };
        alive.send_replace(Life::seen());
        match message {
            Message::Close(_) => return None,
            Message::Binary(bytes) => match Input::decode(&bytes) {
                Some(Input::Data(data)) => {
                    // A message is smaller than the queue: larger ones are refused above.
                    let length = u32::try_from(data.len()).ok()?;
                    let data = bytes.slice_ref(data);
                    alive.send_modify(|life| life.listening = false);
                    let room = room.clone().acquire_many_owned(length).await.ok()?;
                    alive.send_replace(Life::seen());
                    queue.send((data, room)).ok()?;
                }
                Some(Input::Resize(Size { cols, rows })) => {
                    let _ = session.resize(rows, cols);
                }
                Some(Input::Ready(position)) => {
                    ready.send_if_modified(|begin| {
                        let first = begin.is_none();
                        begin.get_or_insert(Begin(position));
                        first
                    });
                }
                None => {}
            },
            _ => {}
        }
    }
    None
}

/// Whether a message was larger than the socket takes.
fn is_too_large(error: &axum::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(tungstenite::Error::Capacity(_)))
}

/// Where a client begins: at the start of what is kept, or at a position that it names.
#[derive(Clone, Copy, Debug)]
struct Begin(Option<u64>);

/// The session's output from where the client begins, to its end.
async fn write_output(
    to_client: &mut SplitSink<WebSocket, Message>,
    session: &Session,
    mut begin: watch::Receiver<Option<Begin>>,
    life: watch::Receiver<Life>,
) -> Option<CloseFrame> {
    let mut watch = session.watch();
    let mut ping = interval_at(Instant::now() + PING, PING);
    let mut next = None;
    loop {
        watch.mark_unchanged();
        let begun = *begin.borrow_and_update();
        if let (None, Some(Begin(wanted))) = (next, begun) {
            let (start, end) = session.positions();
            let from = wanted.unwrap_or(start).clamp(start, end);
            let position = Output::Position(from).encode();
            to_client.send(Message::Binary(position.into())).await.ok()?;
            next = Some(from);
        }
        if let Some(position) = next {
            match session.at(position) {
                At::Bytes(bytes) => {
                    next = Some(position + bytes.len() as u64);
                    let data = Bytes::from(Output::Data(&bytes).encode());
                    to_client.send(Message::Binary(data)).await.ok()?;
                    continue;
                }
                At::Lost(kept) => {
                    let lost = kept - position;
                    return Some(frame(1008, &format!("output lagged by {lost} bytes")));
                }
                At::End(exited) => {
                    let code = exited.code.unwrap_or(-1);
                    let exit = Output::Exit(code).encode();
                    to_client.send(Message::Binary(exit.into())).await.ok()?;
                    return Some(frame(1000, &format!("exit:{code}")));
                }
                At::Nothing => {}
            }
        }
        tokio::select! {
            _ = watch.changed() => {}
            _ = begin.changed() => {}
            _ = ping.tick() => {
                let life = *life.borrow();
                if life.listening && life.seen.elapsed() > PING + PING {
                    return None;
                }
                to_client.send(Message::Ping(Bytes::new())).await.ok()?;
            }
        }
    }
}

fn frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame { code, reason: reason.into() }
}
