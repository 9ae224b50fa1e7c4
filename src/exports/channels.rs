use js_sys::{Array, Uint8Array};
use shoreline_protocol::channel::{Ask, HEAD_BYTES, Opening, Tell, WINDOW, is_credit_due};
use shoreline_protocol::limits::CHANNEL_MESSAGE_BYTES;
use wasm_bindgen::prelude::*;

/// Bytes that a server may send before there is more credit.
#[wasm_bindgen(js_name = channelWindow)]
#[must_use]
pub fn channel_window() -> u32 {
    WINDOW
}

/// The message that opens a channel. `headers`: names and values in turn, a line each. Nothing where the message would
/// be larger than servers take.
#[wasm_bindgen(js_name = openChannel)]
#[must_use]
pub fn open_channel(
    channel: u32,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Option<Uint8Array> {
    let mut fields = headers.split('\n');
    let pairs = core::iter::from_fn(|| Some((fields.next()?, fields.next()?)));
    let opening = Opening { method, path, headers: pairs.collect(), body: body.as_bytes() };
    let message = Ask::Open { credit: WINDOW, opening }.encode(channel);
    (message.len() <= CHANNEL_MESSAGE_BYTES).then(|| Uint8Array::from(message.as_slice()))
}

/// The message that closes a channel.
#[wasm_bindgen(js_name = closeChannel)]
#[must_use]
pub fn close_channel(channel: u32) -> Uint8Array {
    Uint8Array::from(Ask::Close.encode(channel).as_slice())
}

/// The message that gives back what was taken from a channel as credit, once it is due.
#[wasm_bindgen(js_name = creditChannel)]
#[must_use]
pub fn credit_channel(channel: u32, taken: u32) -> Option<Uint8Array> {
    is_credit_due(taken).then(|| Uint8Array::from(Ask::Credit(taken).encode(channel).as_slice()))
}

/// What a message of the server is: `[channel, kind, payload]`, where `kind` is 0 for data, 1 for an answer that is
/// a stream, 2 for its end, 3 for a stream that broke off, and otherwise the status of an error. Nothing for a
/// message that is malformed.
#[wasm_bindgen(js_name = readChannel)]
#[must_use]
pub fn read_channel(message: &Uint8Array) -> Option<Array> {
    /// With the status of an error. What follows stays outside of the wasm.
    const READ: usize = HEAD_BYTES + 2;
    let length = message.length();
    let head = message.subarray(0, length.min(READ as u32)).to_vec();
    let (channel, tell) = Tell::decode(&head)?;
    let (kind, at) = match tell {
        Tell::Data(_) => (0, HEAD_BYTES),
        Tell::Opened => (1, HEAD_BYTES),
        Tell::End => (2, HEAD_BYTES),
        Tell::Broken => (3, HEAD_BYTES),
        // The statuses that errors have.
        Tell::Refused(status @ 400..=599, _) => (status, READ),
        Tell::Refused(..) => return None,
    };
    let payload = message.subarray(at as u32, length);
    Some(Array::of3(&channel.into(), &kind.into(), &payload))
}
