//! A process's standard input: written in the order of the requests, as fast as it is read.

use crate::error::{ApiError, Result};
use axum::body::Body;
use futures::StreamExt as _;
use shoreline_protocol::error::ServerCode;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::Mutex;

#[derive(Debug)]
pub(crate) struct Stdin {
    pipe: Mutex<Option<pipe::Sender>>,
    /// Whether the process was started with a pipe.
    piped: bool,
    open: AtomicBool,
}

impl Stdin {
    pub(super) fn new(pipe: Option<pipe::Sender>) -> Self {
        let piped = pipe.is_some();
        Self { pipe: Mutex::new(pipe), piped, open: AtomicBool::new(piped) }
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Writes a body; done means that the pipe has taken all of it.
    pub(crate) async fn write(&self, body: Body) -> Result<()> {
        // Held for the whole body, so that two writers do not mix.
        let mut pipe = self.pipe.lock().await;
        let mut data = body.into_data_stream();
        while let Some(bytes) = data.next().await {
            let bytes = bytes
                .map_err(|_| ApiError::new(ServerCode::InvalidRequest, "the body broke off"))?;
            let Some(open) = pipe.as_mut() else { return Err(self.not_writable()) };
            if open.write_all(&bytes).await.is_err() {
                *pipe = None;
                self.open.store(false, Ordering::Relaxed);
                return Err(self.not_writable());
            }
        }
        if pipe.is_none() { Err(self.not_writable()) } else { Ok(()) }
    }

    /// Closes it once what was written before has been taken. Again is no error.
    pub(crate) async fn close(&self) -> Result<()> {
        if !self.piped {
            return Err(self.not_writable());
        }
        *self.pipe.lock().await = None;
        self.open.store(false, Ordering::Relaxed);
        Ok(())
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
