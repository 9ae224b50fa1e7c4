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

/// The time that the rest of a body has once the process has ended, or another client wants to close.
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

    /// Writes a body; returns once the pipe has taken all of it, even if the process has ended since.
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

    /// Returns when a body has had its time to end after somebody wanted to close, or the process has ended.
    async fn over(&self) {
        tokio::select! {
            () = self.closing.cancelled() => {}
            () = self.closed.cancelled() => {}
        }
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
