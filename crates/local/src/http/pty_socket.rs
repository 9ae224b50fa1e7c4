//! A terminal's WebSocket, from the first message to the last (docs/api.md, Terminals).

use crate::pty::{At, Attached, Begun, Session};
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use shoreline_protocol::limits::PTY_INPUT_QUEUE_BYTES;
use shoreline_protocol::pty::{Input, Output, Size};
use std::collections::VecDeque;
use std::error::Error as _;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, interval_at};

/// Between pings. A client that has sent nothing for two of them is gone.
const PING: Duration = Duration::from_secs(30);

/// Input that waits for the program, with the room that it takes in the queue.
type Queued = (Bytes, OwnedSemaphorePermit);

/// The state of a client: its messages, and how much of its input was taken.
#[derive(Clone, Copy, Debug)]
struct Told {
    /// When it was last heard of.
    seen: Instant,
    /// Its messages are read. They are not while its queue is full, and then it cannot be heard.
    listening: bool,
    /// The position at which the output begins, set when the client is ready: the start of the kept output, or the
    /// position that the client gave.
    begin: Option<Option<u64>>,
    /// With flow control: how many bytes of output it takes in all.
    credit: Option<u64>,
    /// How many bytes of its input the terminal has taken.
    typed: u64,
}

/// Serves a client until it or the session ends. `credit`: how many bytes of output the client takes at first, where
/// it has flow control.
pub(super) async fn attach(socket: WebSocket, session: Arc<Session>, credit: Option<u64>) {
    let attached = session.attach();
    let (mut to_client, from_client) = socket.split();
    let now = Instant::now();
    let told = Told { seen: now, listening: true, begin: None, credit, typed: 0 };
    let told = watch::Sender::new(told);
    let (queue, queued) = mpsc::unbounded_channel();
    let mut typing = pin!(type_in(&session, queued, &told));
    let close = tokio::select! {
        close = read_input(from_client, &session, queue, &attached, &told) => close,
        close = write_output(&mut to_client, &session, &attached, told.subscribe()) => close,
        // It ends with the queue, whose sender is the reader's.
        () = typing.as_mut() => None,
    };
    if let Some(close) = close {
        attached.leave();
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

/// Types what is queued, as fast as the program reads it.
async fn type_in(
    session: &Session,
    mut queued: mpsc::UnboundedReceiver<Queued>,
    told: &watch::Sender<Told>,
) {
    while let Some((bytes, _room)) = queued.recv().await {
        // A terminal that has ended takes no input; the writer reports the end.
        let _ = session.type_in(&bytes).await;
        told.send_modify(|told| told.typed += bytes.len() as u64);
    }
}

/// Reads the client's messages. Input is queued, so that a program which does not read holds up nothing
/// else: pongs and resizes are read while it waits.
async fn read_input(
    mut from_client: SplitStream<WebSocket>,
    session: &Session,
    queue: mpsc::UnboundedSender<Queued>,
    attached: &Attached,
    told: &watch::Sender<Told>,
) -> Option<CloseFrame> {
    let room = Arc::new(Semaphore::new(PTY_INPUT_QUEUE_BYTES));
    while let Some(message) = from_client.next().await {
        let message = match message {
            Ok(message) => message,
            Err(error) if is_too_large(&error) => return Some(frame(1009, "message too big")),
            Err(_) => return None,
        };
        told.send_modify(|told| told.seen = Instant::now());
        match message {
            Message::Close(_) => {
                attached.leave();
                return None;
            }
            Message::Binary(bytes) => match Input::decode(&bytes) {
                Some(Input::Data(data)) => {
                    // A message is smaller than the queue: larger ones are refused above.
                    let length = u32::try_from(data.len()).ok()?;
                    let data = bytes.slice_ref(data);
                    told.send_modify(|told| told.listening = false);
                    let room = room.clone().acquire_many_owned(length).await.ok()?;
                    told.send_modify(|told| (told.seen, told.listening) = (Instant::now(), true));
                    queue.send((data, room)).ok()?;
                }
                Some(Input::Resize(Size { cols, rows })) => {
                    let _ = session.resize(rows, cols);
                }
                Some(Input::Ready(position)) => {
                    told.send_modify(|told| _ = told.begin.get_or_insert(position));
                }
                Some(Input::Credit(bytes)) => {
                    // Only a client that said so in its address has flow control.
                    told.send_modify(|told| told.credit = told.credit.map(|now| now.max(bytes)));
                }
                None => {}
            },
            _ => {}
        }
    }
    None
}

/// Whether a message was larger than the socket takes.
pub(super) fn is_too_large(error: &axum::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(tungstenite::Error::Capacity(_)))
}

/// The session's output from where the client begins, to its end.
async fn write_output(
    to_client: &mut SplitSink<WebSocket, Message>,
    session: &Session,
    attached: &Attached,
    mut told: watch::Receiver<Told>,
) -> Option<CloseFrame> {
    let mut watch = session.watch();
    let mut ping = interval_at(Instant::now() + PING, PING);
    let mut output: Option<Written> = None;
    loop {
        watch.mark_unchanged();
        let now = *told.borrow_and_update();
        let mut messages = Vec::new();
        if let (None, Some(wanted)) = (&output, now.begin) {
            let begun = attached.begin(wanted, now.credit);
            messages.push(Output::Position(begun.position).encode());
            output = Some(Written::new(begun, now.credit));
        }
        if let Some(output) = &mut output {
            if let Some(credit) = now.credit {
                messages.extend(output.credit(attached, credit, now.typed));
            }
            let at = session.at(output.position, output.limit);
            match at {
                At::Bytes(mut bytes) => {
                    output.take(&mut bytes);
                    messages.push(Output::Data(&bytes).encode());
                }
                At::Lost(kept) => {
                    let lost = kept - output.position;
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
        if !messages.is_empty() {
            for message in messages {
                to_client.send(Message::Binary(message.into())).await.ok()?;
            }
            continue;
        }
        tokio::select! {
            _ = watch.changed() => {}
            _ = told.changed() => {}
            _ = ping.tick() => {
                let told = *told.borrow();
                if told.listening && told.seen.elapsed() > PING + PING {
                    return None;
                }
                to_client.send(Message::Ping(Bytes::new())).await.ok()?;
            }
        }
    }
}

/// How far a client was written to, and may be.
struct Written {
    start: u64,
    position: u64,
    limit: u64,
    /// What it is not to answer, by position.
    queries: VecDeque<Range<u64>>,
    /// How much input the client was told that it may send.
    granted: u64,
}

impl Written {
    fn new(Begun { position, queries }: Begun, credit: Option<u64>) -> Self {
        let limit = credit.map_or(u64::MAX, |credit| position.saturating_add(credit));
        Self { start: position, position, limit, queries: queries.into(), granted: 0 }
    }

    /// Takes the client's credit, and gives it what it may send itself: as much as is held for the program.
    fn credit(&mut self, attached: &Attached, credit: u64, typed: u64) -> Option<Vec<u8>> {
        const PART: u64 = PTY_INPUT_QUEUE_BYTES as u64 / 8;
        let limit = self.start.saturating_add(credit);
        if limit > self.limit {
            self.limit = limit;
            attached.extend(limit);
        }
        let granted = typed + PTY_INPUT_QUEUE_BYTES as u64;
        (granted >= self.granted + PART).then(|| {
            self.granted = granted;
            Output::Credit(granted).encode()
        })
    }

    /// Counts bytes that come next. In queries, NUL takes the place of each: terminals ignore it (ECMA-48, 8.3.88),
    /// and positions stay what they are.
    fn take(&mut self, bytes: &mut [u8]) {
        let (start, end) = (self.position, self.position + bytes.len() as u64);
        let within = |position: u64| (position.clamp(start, end) - start) as usize;
        while let Some(query) = self.queries.front().filter(|query| query.start < end) {
            bytes[within(query.start)..within(query.end)].fill(0);
            if query.end > end {
                break;
            }
            self.queries.pop_front();
        }
        self.position = end;
    }
}

pub(super) fn frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame { code, reason: reason.into() }
}
