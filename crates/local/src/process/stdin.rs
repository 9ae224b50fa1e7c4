//! A process's standard input: written in the order of the requests, as fast as it is read.

use crate::error::{ApiError, Result};
use axum::body::Body;
use futures::StreamExt as _;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits::STDIN_STALL_SECONDS;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a client that sends nothing may keep another one from closing.
const CLOSING: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Stdin {
    /// Held for a whole body, so that two writers do not mix.
    turn: Mutex<()>,
    pipe: Mutex<Option<pipe::Sender>>,
    /// Whether the process was started with a pipe.
    piped: bool,
    /// Somebody waits to close it.
    closing: CancellationToken,
    /// Nothing is written any more.
    closed: CancellationToken,
}

impl Stdin {
    pub(super) fn new(pipe: Option<pipe::Sender>) -> Self {
        let piped = pipe.is_some();
        let (closing, closed) = (CancellationToken::new(), CancellationToken::new());
        Self { turn: Mutex::default(), pipe: Mutex::new(pipe), piped, closing, closed }
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.piped && !self.closed.is_cancelled()
    }

    /// Writes a body; returns once the pipe has taken all of it.
    pub(crate) async fn write(&self, body: Body) -> Result<()> {
        let written = self.closed.run_until_cancelled(self.write_body(body)).await;
        written.unwrap_or_else(|| Err(self.not_writable()))
    }

    async fn write_body(&self, body: Body) -> Result<()> {
        let _turn = self.turn.lock().await;
        let mut data = body.into_data_stream();
        let stall = Duration::from_secs(STDIN_STALL_SECONDS);
        loop {
            let next = tokio::select! {
                next = timeout(stall, data.next()) => next.map_err(|_| stalled())?,
                () = self.waited_for() => return Err(self.not_writable()),
            };
            let Some(bytes) = next else { break };
            let bytes = bytes
                .map_err(|_| ApiError::new(ServerCode::InvalidRequest, "the body broke off"))?;
            let mut pipe = self.pipe.lock().await;
            let Some(open) = pipe.as_mut() else { return Err(self.not_writable()) };
            if open.write_all(&bytes).await.is_err() {
                *pipe = None;
                self.closed.cancel();
                return Err(self.not_writable());
            }
        }
        if self.is_writable() { Ok(()) } else { Err(self.not_writable()) }
    }

    /// Returns when somebody has waited to close for long enough.
    async fn waited_for(&self) {
        self.closing.cancelled().await;
        sleep(CLOSING).await;
    }

    /// Closes it once what was sent before has been taken. Closing again is no error.
    pub(crate) async fn close(&self) -> Result<()> {
        if !self.piped {
            return Err(self.not_writable());
        }
        self.closing.cancel();
        let _ = self.closed.run_until_cancelled(self.turn.lock()).await;
        self.end().await;
        Ok(())
    }

    /// Closes it at once: the process has ended.
    pub(super) async fn end(&self) {
        self.closed.cancel();
        *self.pipe.lock().await = None;
    }

    fn not_writable(&self) -> ApiError {
        let text = if self.piped {
            "stdin is closed, or its process has ended"
        } else {
            "stdin is not a pipe: start the process with `stdin_mode: \"pipe\"`"
        };
        ApiError::new(ServerCode::StdinNotWritable, text)
    }
}

fn stalled() -> ApiError {
    let text = format!("the body stalled for {STDIN_STALL_SECONDS} s: send it in smaller requests");
    ApiError::new(ServerCode::RequestTimeout, text)
}
