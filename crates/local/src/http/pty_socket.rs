//! A terminal's WebSocket (docs/api.md, Terminals).

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

/// The interval of pings. A client that sends nothing for two of them counts as gone.
const PING: Duration = Duration::from_secs(30);

/// Queued input, with the permit for its place in the queue.
type Queued = (Bytes, OwnedSemaphorePermit);

/// The state of a client: what its messages said, and the number of consumed bytes of its input.
#[derive(Clone, Copy, Debug)]
struct ClientState {
    /// The time of its last message.
    seen: Instant,
    /// Whether its messages are read. They are not read while its queue is full.
    listening: bool,
    /// The position at which the output begins, set when the client is ready: the start of the kept output, or the
    /// position that the client gave.
    begin: Option<Option<u64>>,
    /// With flow control: the total number of bytes of output that it accepts.
    credit: Option<u64>,
    /// The number of bytes of its input that the terminal has accepted.
    typed: u64,
}

/// Serves a client until it disconnects or the session ends. `credit`: the number of bytes of output that the client
/// accepts at first, if it has flow control.
pub(super) async fn attach(socket: WebSocket, session: Arc<Session>, credit: Option<u64>) {
    let attached = session.attach();
    let (mut to_client, from_client) = socket.split();
    let now = Instant::now();
    let state = ClientState { seen: now, listening: true, begin: None, credit, typed: 0 };
    let state = watch::Sender::new(state);
    let (queue, queued) = mpsc::unbounded_channel();
    let mut typing = pin!(type_in(&session, queued, &state));
    let close = tokio::select! {
        close = read_input(from_client, &session, queue, &attached, &state) => close,
        close = write_output(&mut to_client, &session, &attached, state.subscribe()) => close,
        // Ends with the queue, whose sender the reader has.
        () = typing.as_mut() => None,
    };
    if let Some(close) = close {
        attached.leave();
        let _ = to_client.send(Message::Close(Some(close))).await;
        // Wait until the client has read the close frame: a connection that is closed earlier can lose output.
        let _ = tokio::time::timeout(Duration::from_secs(2), to_client.close()).await;
    }
    drop((attached, to_client));
    // Input that the client sent before it left still reaches the program, unless the program ends first.
    tokio::select! {
        () = typing => {}
        () = session.wait() => {}
    }
}

/// Writes the queued input to the terminal, as fast as the program reads it.
async fn type_in(
    session: &Session,
    mut queued: mpsc::UnboundedReceiver<Queued>,
    state: &watch::Sender<ClientState>,
) {
    while let Some((bytes, _room)) = queued.recv().await {
        // A terminal that has ended accepts no input. The writer reports the end.
        let _ = session.type_in(&bytes).await;
        state.send_modify(|state| state.typed += bytes.len() as u64);
    }
}

/// Reads the client's messages. Input is queued, so that pongs and resizes are handled while the program does not
/// read.
async fn read_input(
    mut from_client: SplitStream<WebSocket>,
    session: &Session,
    queue: mpsc::UnboundedSender<Queued>,
    attached: &Attached,
    state: &watch::Sender<ClientState>,
) -> Option<CloseFrame> {
    let room = Arc::new(Semaphore::new(PTY_INPUT_QUEUE_BYTES));
    while let Some(message) = from_client.next().await {
        let message = match message {
            Ok(message) => message,
            Err(error) if is_too_large(&error) => return Some(frame(1009, "message too big")),
            Err(_) => return None,
        };
        state.send_modify(|state| state.seen = Instant::now());
        match message {
            Message::Close(_) => {
                attached.leave();
                return None;
            }
            Message::Binary(bytes) => match Input::decode(&bytes) {
                Some(Input::Data(data)) => {
                    // A message is smaller than the queue, since larger ones are refused above.
                    let length = u32::try_from(data.len()).ok()?;
                    let data = bytes.slice_ref(data);
                    state.send_modify(|state| state.listening = false);
                    let room = room.clone().acquire_many_owned(length).await.ok()?;
                    state.send_modify(|state| {
                        (state.seen, state.listening) = (Instant::now(), true);
                    });
                    queue.send((data, room)).ok()?;
                }
                Some(Input::Resize(Size { cols, rows })) => {
                    let _ = session.resize(rows, cols);
                }
                Some(Input::Ready(position)) => {
                    state.send_modify(|state| _ = state.begin.get_or_insert(position));
                }
                Some(Input::Credit(bytes)) => {
                    // Only a client that requested flow control in its address has it.
                    state
                        .send_modify(|state| state.credit = state.credit.map(|now| now.max(bytes)));
                }
                None => {}
            },
            _ => {}
        }
    }
    None
}

/// Whether a message was larger than the socket accepts.
pub(super) fn is_too_large(error: &axum::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(tungstenite::Error::Capacity(_)))
}

/// Sends the session's output, from the client's position to the end.
async fn write_output(
    to_client: &mut SplitSink<WebSocket, Message>,
    session: &Session,
    attached: &Attached,
    mut state: watch::Receiver<ClientState>,
) -> Option<CloseFrame> {
    let mut watch = session.watch();
    let mut ping = interval_at(Instant::now() + PING, PING);
    let mut output: Option<Written> = None;
    loop {
        watch.mark_unchanged();
        let now = *state.borrow_and_update();
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
            _ = state.changed() => {}
            _ = ping.tick() => {
                let state = *state.borrow();
                if state.listening && state.seen.elapsed() > PING + PING {
                    return None;
                }
                to_client.send(Message::Ping(Bytes::new())).await.ok()?;
            }
        }
    }
}

/// The progress and limits of a client's output.
struct Written {
    start: u64,
    position: u64,
    limit: u64,
    /// The positions of queries that the client must not answer.
    queries: VecDeque<Range<u64>>,
    /// The number of bytes of input that the client has credit for.
    granted: u64,
}

impl Written {
    fn new(Begun { position, queries }: Begun, credit: Option<u64>) -> Self {
        let limit = credit.map_or(u64::MAX, |credit| position.saturating_add(credit));
        Self { start: position, position, limit, queries: queries.into(), granted: 0 }
    }

    /// Applies the client's credit, and returns new credit for its input: the size of the queue.
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

    /// Counts the next bytes. Replaces each byte of a query with NUL, which terminals ignore (ECMA-48, 8.3.88), so that
    /// positions do not change.
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
