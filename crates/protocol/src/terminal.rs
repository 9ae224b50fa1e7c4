//! A client's side of a terminal's session, over as many connections as it takes.
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

/// What is new of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'a> {
    /// Terminal output.
    Data(&'a [u8]),
    /// So many bytes of output are gone for good.
    Gap(u64),
    /// Terminal output that begins anew with what may have been delivered: the screen is to be cleared.
    Anew(&'a [u8]),
    /// The session has ended with this code; -1 = a signal, or unknown.
    Exit(i32),
}

/// The session as far as it has come.
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
    /// How far the session's output was delivered, where the server counts it.
    position: Option<u64>,
    /// What comes next in the count; less than what was delivered while that is played again.
    next: u64,
    delivered: bool,
    /// Nothing has come over this connection.
    fresh: bool,
    /// The next output is what may have been delivered.
    anew: bool,
    exit: Option<i32>,
    /// Connections in a row that brought no new output.
    failures: u32,
    /// Bytes that were delivered and are not consumed yet.
    held: u64,
    /// Bytes of output that this connection has brought, and may bring.
    received: u64,
    granted: u64,
    /// Bytes of input that this connection has taken, and takes; nothing where the server has no flow control.
    typed: u64,
    room: Option<u64>,
}

/// What the client may hold before it is consumed.
const WINDOW: u64 = PTY_CREDIT_BYTES as u64;
/// Credit is given in parts of this size, so that a message of credit costs little.
const PART: u64 = WINDOW / 4;

/// The largest message of input: servers drop what is over 64 KiB, and what is smaller is echoed sooner.
pub const INPUT_BYTES: usize = 16 * 1024;

impl Terminal {
    /// A connection is about to be made: how many bytes of output it may bring. Its address says so.
    pub fn credit(&mut self) -> u64 {
        (self.received, self.typed, self.room) = (0, 0, None);
        self.granted = WINDOW.saturating_sub(self.held);
        self.granted
    }

    /// Delivered bytes were consumed: what to send, if anything. Call it with 0 after a message without news.
    pub fn consumed(&mut self, bytes: u64) -> Option<Vec<u8>> {
        self.held = self.held.saturating_sub(bytes);
        let granted = self.received.saturating_add(WINDOW.saturating_sub(self.held));
        if self.room.is_none() || granted < self.granted.saturating_add(PART) {
            return None;
        }
        self.granted = granted;
        Some(Input::Credit(granted).encode())
    }

    /// Whether the server takes part in flow control. It says so right after its position.
    #[must_use]
    pub fn has_flow_control(&self) -> bool {
        self.room.is_some()
    }

    /// How much of so many bytes of input can be sent in one message now; these count as sent. Nothing if the
    /// program reads more slowly: a later message of the server says that there is room again.
    pub fn input(&mut self, bytes: usize) -> usize {
        let most = match self.room {
            // Nothing is paced here, and large messages cost less.
            Some(room) => (PTY_MESSAGE_BYTES as u64 - 1).min(room.saturating_sub(self.typed)),
            None => INPUT_BYTES as u64,
        };
        let bytes = bytes.min(most as usize);
        self.typed = self.typed.saturating_add(bytes as u64);
        bytes
    }

    /// There is a connection: what to send first.
    pub fn ready(&mut self) -> Vec<u8> {
        self.fresh = true;
        Input::Ready(self.position).encode()
    }

    /// Takes a message.
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
        // Only before output does it say what the output is.
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
            // This server does not count, or does not any more.
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
            // The server may have sent all of it before.
            return Some(News::Anew(news));
        }
        self.failures = 0;
        Some(News::Data(news))
    }

    /// The connection has closed: the exit code, or why there is none. `code` is nothing where it broke
    /// without one.
    ///
    /// # Errors
    /// The loss; [`Self::again`] says whether to come back.
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

    /// After how many ms to attach again after a loss; nothing to give up. `random` as in
    /// [`retry::decide`].
    pub fn again(&mut self, loss: Loss, random: f64, policy: &Policy) -> Option<u64> {
        // Of the others the session is over, or would do the same again.
        if !matches!(loss, Loss::ConnectionLost | Loss::OutputLost) || self.exit.is_some() {
            return None;
        }
        self.failures += 1;
        retry::decide(Method::Get, &Failure::Lost, self.failures - 1, random, policy)
    }
}

/// Keeps input under what servers take in any second, with room for a server that counts otherwise.
#[derive(Debug, Default)]
pub struct Pace {
    /// When what was sent is paid off, in ms of the caller's clock.
    paid: f64,
}

impl Pace {
    /// In a burst, and in every second after it, a quarter of the limit each.
    const BYTES_PER_MS: f64 = PTY_INPUT_BYTES_PER_SECOND as f64 / 4.0 / 1000.0;

    /// How many ms to wait before so many bytes are sent; they count as sent.
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
        // With the position of the output, and without.
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
