use crate::error::Error;
use crate::{host, js};
use js_sys::{Array, Uint8Array};
use shoreline_protocol::error::Code;
use shoreline_protocol::limits::{PTY_MAX_COLS, PTY_MAX_ROWS};
use shoreline_protocol::pty::{Input, Loss, Size};
use shoreline_protocol::retry::Policy;
use shoreline_protocol::terminal::{self, News, Pace};
use shoreline_protocol::text::joined;
use wasm_bindgen::prelude::*;

/// A client's side of a terminal's session. The socket is the shim's.
#[wasm_bindgen]
pub struct Terminal {
    session: terminal::Terminal,
    pace: Pace,
    policy: Policy,
    loss: Loss,
}

#[wasm_bindgen]
impl Terminal {
    /// `reattach`: `Reconnect`, or undefined for a session that does not reconnect.
    #[wasm_bindgen(constructor)]
    pub fn new(reattach: &JsValue) -> Result<Self, JsValue> {
        let read = crate::types::read("reattach", reattach, crate::types::Reconnect::FIELDS)?;
        let number = |name, default| js::number(&read, name).unwrap_or(default);
        let tries = if js::is_none(reattach) { 0.0 } else { number("max_attempts", 10.0) };
        let policy = Policy {
            max_retries: tries as u32,
            base_ms: 100,
            max_delay_ms: number("max_delay_ms", 5000.0) as u64,
        };
        let session = terminal::Terminal::default();
        Ok(Self { session, pace: Pace::default(), policy, loss: Loss::ConnectionLost })
    }

    /// A connection is about to be made: the bytes of output that it may bring.
    pub fn credit(&mut self) -> u32 {
        self.session.credit() as u32
    }

    /// So many delivered bytes were consumed: what to send, or `undefined`.
    pub fn consumed(&mut self, bytes: u32) -> Option<Uint8Array> {
        let message = self.session.consumed(bytes.into())?;
        Some(Uint8Array::from(message.as_slice()))
    }

    /// Whether the server has flow control.
    #[wasm_bindgen(js_name = hasFlowControl)]
    pub fn has_flow_control(&self) -> bool {
        self.session.has_flow_control()
    }

    /// There is a connection: what to send first.
    pub fn ready(&mut self) -> Uint8Array {
        Uint8Array::from(self.session.ready().as_slice())
    }

    /// Takes a message. `undefined` if it has no news, bytes for output, `[bytes]` for output that begins
    /// anew, or a number: bytes that are missing. An exit is told when the connection closes.
    pub fn receive(&mut self, message: &[u8]) -> JsValue {
        match self.session.receive(message) {
            None | Some(News::Exit(_)) => JsValue::UNDEFINED,
            Some(News::Data(data)) => Uint8Array::from(data).into(),
            Some(News::Anew(data)) => Array::of1(&Uint8Array::from(data)).into(),
            Some(News::Gap(bytes)) => (bytes as f64).into(),
        }
    }

    /// The connection has closed: the exit code, or why there is none, as an error.
    pub fn closed(&mut self, code: u16, reason: &str) -> Result<i32, JsValue> {
        // What browsers say of a close that was none.
        let code = Some(code).filter(|code| *code != 1006);
        self.session.closed(code, reason).map_err(|loss| {
            self.loss = loss;
            let text = ["the terminal's connection closed without an exit (", loss.as_str(), ")"];
            Error::new(Code::SessionClosed, &joined(&text)).into()
        })
    }

    /// After how many ms to attach again after a close; nothing to give up.
    pub fn again(&mut self) -> Option<f64> {
        let wait = self.session.again(self.loss, host::random(), &self.policy);
        wait.map(|ms| ms as f64)
    }

    /// The next message of `data` from `from` on, how many of the bytes it has, and how many ms to wait before it
    /// is sent. Without bytes there is no message: the program has to read first.
    pub fn input(&mut self, data: &Uint8Array, from: u32) -> Array {
        let length = data.length();
        let bytes = self.session.input(length.saturating_sub(from) as usize);
        let part = data.subarray(from, from.saturating_add(bytes as u32));
        // Servers with flow control have no limit on the pace.
        let flows = self.session.has_flow_control();
        let wait = if flows { 0.0 } else { self.pace.wait(bytes, host::now()) };
        let message = Input::Data(&part.to_vec()).encode();
        Array::of3(&Uint8Array::from(message.as_slice()), &part.length().into(), &wait.into())
    }

    /// The message for a terminal of this size.
    pub fn resize(&self, cols: f64, rows: f64) -> Result<Uint8Array, JsValue> {
        let whole = |number: f64, most: u16| {
            number % 1.0 == 0.0 && (1.0..=f64::from(most)).contains(&number)
        };
        if !whole(cols, PTY_MAX_COLS) || !whole(rows, PTY_MAX_ROWS) {
            let what = "a terminal has from 1 to 1000 columns and from 1 to 500 rows";
            return Err(Error::argument(what).into());
        }
        let size = Size { cols: cols as u16, rows: rows as u16 };
        Ok(Uint8Array::from(Input::Resize(size).encode().as_slice()))
    }
}
