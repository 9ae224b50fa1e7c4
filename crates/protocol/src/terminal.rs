//! The client's side of a terminal's session, across any number of connections.
//!
//! A server replays recent output to each client that attaches. A server that counts the session's output
//! (an extension, see [`Output::Position`]) says where the replay begins: nothing is delivered twice, and
//! missing output is known. With other servers the screen has to be cleared first.
//!
//! Flow control by credit: each side says how many bytes the other one may send over the connection, counted from
//! its beginning, so that a connection that replaces another one starts anew. What the client's consumer has not
//! consumed is subtracted, whichever connection brought it.

use alloc::vec::Vec;

use crate::limits::{PTY_CREDIT_BYTES, PTY_INPUT_BYTES_PER_SECOND, PTY_MESSAGE_BYTES};
use crate::pty::{Closed, Input, Loss, Output, closed};
use crate::retry::{self, Failure, Policy};
use crate::route::Method;

/// The new part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'a> {
    /// Terminal output.
    Data(&'a [u8]),
    /// This number of bytes of output is lost.
    Gap(u64),
    /// Terminal output that can repeat delivered output. The caller clears the screen first.
    Anew(&'a [u8]),
    /// The session has ended with this code; -1 = a signal, or unknown.
    Exit(i32),
}

/// The state of a session.
///
/// ```
/// use shoreline_protocol::pty::Output;
/// use shoreline_protocol::terminal::{News, Terminal};
/// let mut terminal = Terminal::default();
/// terminal.ready();
/// let data = Output::Data(b"$ ").encode();
/// assert_eq!(terminal.receive(&data), Some(News::Data(b"$ ")));
/// ```
#[derive(Debug, Default)]
pub struct Terminal {
    /// The end of the delivered output in the session's output, if the server counts it.
    position: Option<u64>,
    /// The position of the next byte of this connection. It is below `position` while the server replays delivered output.
    next: u64,
    delivered: bool,
    /// Whether this connection has received nothing yet.
    fresh: bool,
    /// Whether the next output can repeat delivered output.
    anew: bool,
    exit: Option<i32>,
    /// The number of connections in a row without new output.
    failures: u32,
    /// The number of bytes that were delivered and are not consumed yet.
    held: u64,
    /// The number of bytes of output that this connection has received, and that it can receive.
    received: u64,
    granted: u64,
    /// The number of bytes of input that were sent on this connection, and that can be sent; `None` if the server has no flow
    /// control.
    typed: u64,
    room: Option<u64>,
}

/// The most bytes that the client buffers for its consumer.
const WINDOW: u64 = PTY_CREDIT_BYTES as u64;
/// Credit is sent in parts of at least this size, to limit the number of messages.
const PART: u64 = WINDOW / 4;

/// The largest message of input. Servers drop messages over 64 KiB, and echo smaller ones sooner.
pub const INPUT_BYTES: usize = 16 * 1024;

impl Terminal {
    /// Call this before each connection. Returns the number of bytes of output that the connection can receive, which the client
    /// puts into its address.
    pub fn credit(&mut self) -> u64 {
        (self.received, self.typed, self.room) = (0, 0, None);
        self.granted = WINDOW.saturating_sub(self.held);
        self.granted
    }

    /// Call this when delivered bytes were consumed, and with 0 after a message without news. Returns the message to send, if
    /// any.
    pub fn consumed(&mut self, bytes: u64) -> Option<Vec<u8>> {
        self.held = self.held.saturating_sub(bytes);
        let granted = self.received.saturating_add(WINDOW.saturating_sub(self.held));
        if self.room.is_none() || granted < self.granted.saturating_add(PART) {
            return None;
        }
        self.granted = granted;
        Some(Input::Credit(granted).encode())
    }

    /// Whether the server supports flow control. It announces that right after its position.
    #[must_use]
    pub fn has_flow_control(&self) -> bool {
        self.room.is_some()
    }

    /// The number of these bytes of input that can be sent in one message now. They count as sent. 0 if the
    /// program reads more slowly: a later message of the server gives more credit.
    pub fn input(&mut self, bytes: usize) -> usize {
        let most = match self.room {
            // Without flow control, input is limited elsewhere, and large messages cost less.
            Some(room) => (PTY_MESSAGE_BYTES as u64 - 1).min(room.saturating_sub(self.typed)),
            None => INPUT_BYTES as u64,
        };
        let bytes = bytes.min(most as usize);
        self.typed = self.typed.saturating_add(bytes as u64);
        bytes
    }

    /// Call this when connected. Returns the first message to send.
    pub fn ready(&mut self) -> Vec<u8> {
        self.fresh = true;
        Input::Ready(self.position).encode()
    }

    /// Takes a message of the server.
    pub fn receive<'a>(&mut self, message: &'a [u8]) -> Option<News<'a>> {
        match Output::decode(message)? {
            Output::Position(position) => self.counted(position),
            Output::Data(data) => self.data(data),
            Output::Credit(bytes) => {
                self.room = self.room.max(Some(bytes));
                None
            }
            Output::Exit(code) => {
                self.exit = Some(code);
                Some(News::Exit(code))
            }
        }
    }

    fn counted(&mut self, position: u64) -> Option<News<'static>> {
        // A position is valid only before output.
        if !self.fresh {
            return None;
        }
        self.fresh = false;
        self.next = position;
        self.anew |= self.delivered && self.position.is_none();
        let delivered = *self.position.get_or_insert(position);
        if position <= delivered {
            return None;
        }
        self.position = Some(position);
        Some(News::Gap(position - delivered))
    }

    fn data<'a>(&mut self, data: &'a [u8]) -> Option<News<'a>> {
        if self.fresh {
            self.fresh = false;
            self.anew = self.delivered;
            // This server does not count, or stopped counting.
            self.position = None;
        }
        self.received = self.received.saturating_add(data.len() as u64);
        let mut news = data;
        if let Some(position) = &mut self.position {
            let again = position.saturating_sub(self.next);
            news = usize::try_from(again).ok().and_then(|again| data.get(again..)).unwrap_or(&[]);
            self.next = self.next.saturating_add(data.len() as u64);
            *position = self.next.max(*position);
        }
        if news.is_empty() {
            return None;
        }
        self.delivered = true;
        self.held = self.held.saturating_add(news.len() as u64);
        if core::mem::take(&mut self.anew) {
            // The server may have sent all of this output before.
            return Some(News::Anew(news));
        }
        self.failures = 0;
        Some(News::Data(news))
    }

    /// The connection has closed. Returns the exit code. `code` is `None` if the connection broke without a
    /// close frame.
    ///
    /// # Errors
    /// The loss; [`Self::again`] says whether to reconnect.
    pub fn closed(&mut self, code: Option<u16>, reason: &str) -> Result<i32, Loss> {
        if let Some(code) = self.exit {
            return Ok(code);
        }
        match closed(code, reason) {
            Closed::Exited(code) => {
                self.exit = Some(code);
                Ok(code)
            }
            Closed::Lost(loss) => Err(loss),
        }
    }

    /// The delay in ms before the client attaches again after a loss; `None` to give up. `random` as in
    /// [`retry::decide`].
    pub fn again(&mut self, loss: Loss, random: f64, policy: &Policy) -> Option<u64> {
        // After other losses the session has ended, or the same loss would follow again.
        if !matches!(loss, Loss::ConnectionLost | Loss::OutputLost) || self.exit.is_some() {
            return None;
        }
        self.failures += 1;
        retry::decide(Method::Get, &Failure::Lost, self.failures - 1, random, policy)
    }
}

/// Limits input to less than servers accept in any second, with a margin for servers that count differently.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the budget is full again, in ms of the caller's clock.
    paid: f64,
}

impl Pace {
    /// A quarter of the limit in a burst, and in every second after the burst.
    const BYTES_PER_MS: f64 = PTY_INPUT_BYTES_PER_SECOND as f64 / 4.0 / 1000.0;

    /// The delay in ms before these bytes are sent. They count as sent.
    pub fn wait(&mut self, bytes: usize, now: f64) -> f64 {
        const BURST_MS: f64 = 1000.0;
        let wait = (self.paid - BURST_MS - now).max(0.0);
        self.paid = self.paid.max(now) + bytes as f64 / Self::BYTES_PER_MS;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_that_is_sent_again_does_not_end_a_row_of_failures() {
        let policy = Policy { max_retries: 2, base_ms: 1, max_delay_ms: 1 };
        // With and without the position of the output.
        for head in [Some(Output::Position(0).encode()), None] {
            let mut terminal = Terminal::default();
            let mut connection = |data: &[&[u8]]| {
                terminal.ready();
                for message in
                    head.iter().cloned().chain(data.iter().map(|data| Output::Data(data).encode()))
                {
                    terminal.receive(&message);
                }
                terminal.again(Loss::ConnectionLost, 0.0, &policy).is_some()
            };
            assert!(connection(&[b"$ "]));
            assert!(connection(&[b"$ "]));
            assert!(!connection(&[b"$ "]));
            assert!(connection(&[b"$ ", b"new"]));
        }
    }

    #[test]
    fn input_stays_under_the_limit_in_every_second() {
        let mut pace = Pace::default();
        let mut now = 1e12;
        let mut sent = Vec::new();
        for _ in 0..1000 {
            now += pace.wait(INPUT_BYTES, now);
            sent.push(now);
        }
        let most = sent.iter().map(|from| {
            sent.iter().filter(|at| (*from..from + 1000.0).contains(*at)).count() * INPUT_BYTES
        });
        assert!(most.max().unwrap() < PTY_INPUT_BYTES_PER_SECOND * 3 / 4);
        let rate = (sent.len() * INPUT_BYTES) as f64 / (now - 1e12) * 1000.0;
        assert!(rate > PTY_INPUT_BYTES_PER_SECOND as f64 / 5.0, "{rate} bytes a second");
    }
}
