//! The standard input of a process. Requests are written in order, as fast as the process reads.

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

/// The time limit for the rest of a body after the process has ended, or after another client requested to close.
const CLOSING: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Stdin {
    /// Locked for a whole body, so that bodies are not interleaved.
    turn: Mutex<()>,
    pipe: Mutex<Option<pipe::Sender>>,
    /// Whether the process was started with a pipe.
    piped: bool,
    /// Cancelled when a client requests to close the input.
    closing: CancellationToken,
    /// Cancelled when the input is closed.
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

    /// Writes a body. Returns once all of it is in the pipe, even if the process has ended meanwhile.
    pub(crate) async fn write(&self, body: Body) -> Result<()> {
        let turn = self.closed.run_until_cancelled(self.turn.lock()).await;
        let _turn = turn.ok_or_else(|| self.not_writable())?;
        let mut data = body.into_data_stream();
        let stall = Duration::from_secs(STDIN_STALL_SECONDS);
        let mut taken = false;
        loop {
            let next = tokio::select! {
                next = timeout(stall, data.next()) => next.map_err(|_| stalled())?,
                () = self.over() => return Err(self.not_writable()),
            };
            let Some(bytes) = next else { break };
            let bytes = bytes
                .map_err(|_| ApiError::new(ServerCode::InvalidRequest, "the body broke off"))?;
            taken = tokio::select! {
                biased;
                taken = self.put(&bytes) => taken,
                () = self.closed.cancelled() => false,
            };
            if !taken {
                return Err(self.not_writable());
            }
        }
        if taken || self.is_writable() { Ok(()) } else { Err(self.not_writable()) }
    }

    /// Writes the bytes to the pipe; `false` if it is closed.
    async fn put(&self, bytes: &[u8]) -> bool {
        let mut pipe = self.pipe.lock().await;
        let Some(open) = pipe.as_mut() else { return false };
        let taken = open.write_all(bytes).await.is_ok();
        if !taken {
            *pipe = None;
            self.closed.cancel();
        }
        taken
    }

    /// Returns [`CLOSING`] after a client requested to close, or after the process has ended.
    async fn over(&self) {
        tokio::select! {
            () = self.closing.cancelled() => {}
            () = self.closed.cancelled() => {}
        }
        sleep(CLOSING).await;
    }

    /// Closes the input after the earlier bodies are written. Closing again is not an error.
    pub(crate) async fn close(&self) -> Result<()> {
        if !self.piped {
            return Err(self.not_writable());
        }
        self.closing.cancel();
        let _ = self.closed.run_until_cancelled(self.turn.lock()).await;
        self.end().await;
        Ok(())
    }

    /// Closes the input at once, since the process has ended.
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
