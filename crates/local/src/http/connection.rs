//! Connections of clients, closed so that the last answer arrives. The kernel resets a socket that is closed with unread
//! input, and the client then loses the data that it has not read yet.

use super::member::Seat;
use rustix::fd::AsFd as _;
use shoreline_protocol::error::ServerCode;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a client's input is still read and dropped, unless the client closes before.
const LINGER: Duration = Duration::from_secs(10);

/// One connection.
pub(super) struct Connection {
    stream: TcpStream,
    /// Released when the socket is closed, which can be after this is dropped.
    seat: Option<Seat>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, seat: Seat) -> Self {
        Self { stream, seat: Some(seat) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(seat) = self.seat.take() else { return };
        let member = seat.member.clone();
        if member.evicted.is_cancelled() {
            return;
        }
        let (Ok(runtime), Ok(socket)) =
            (Handle::try_current(), self.stream.as_fd().try_clone_to_owned())
        else {
            return;
        };
        let mut buffer = vec![0; 16 * 1024];
        if matches!(self.stream.try_read(&mut buffer), Ok(0)) {
            return;
        }
        let linger = timeout(LINGER, async move {
            let mut stream = TcpStream::from_std(socket.into())?;
            stream.shutdown().await?;
            while stream.read(&mut buffer).await? > 0 {}
            io::Result::Ok(())
        });
        runtime.spawn(async move {
            tokio::select! {
                _ = linger => {}
                () = member.evicted.cancelled() => {}
            }
            drop(seat);
        });
    }
}

/// Answers a connection beyond the limit with an error, and closes it.
pub(super) fn refuse(stream: &TcpStream) {
    let text = "too many connections are in use: close some first";
    let (code, body) = (ServerCode::TooManyConnections, ServerCode::TooManyConnections.as_str());
    let body = serde_json::json!({ "error": text, "code": body }).to_string();
    let head = format!(
        "HTTP/1.1 {} Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n",
        code.status(),
        body.len(),
    );
    // The answer fits into the buffer of a new socket.
    let _ = stream.try_write((head + &body).as_bytes());
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if buffer.filled().len() > before
            && let Some(seat) = &self.seat
        {
            seat.member.received();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
