//! Terminals: sessions by request, and where their sockets and the other ones are.

use super::{Call, Sandbox, Shape, to_json};
use crate::error::{Error, Result};
use crate::js;
use crate::transport::{CancelToken, Payload};
use crate::types::{self, CreatePtyOptions};
use alloc::rc::Rc;
use alloc::string::String;
use js_sys::{Array, Object};
use shoreline_protocol::route::{self, Route};
use shoreline_protocol::text::{digits, joined};
use shoreline_protocol::tunnel;
use wasm_bindgen::prelude::*;

/// A new session.
pub(crate) fn create(options: &JsValue) -> Result<Call> {
    let body = types::read("", options, CreatePtyOptions::FIELDS)?;
    if js::text(&body, "command").is_none_or(|command| command.is_empty()) {
        return Err(Error::argument("`command` must be a string that is not empty"));
    }
    let payload = Payload::Json(to_json(&body)?);
    Ok(Call { payload, patient: true, ..Call::new(route::CREATE_PTY, Shape::Object) })
}

pub(crate) fn list() -> Call {
    Call::new(route::LIST_PTYS, Shape::Processes("sessions"))
}

/// A call about one session.
fn about(route: Route, session: &JsValue, shape: Shape) -> Result<Call> {
    Ok(Call { process: text("`sessionId`", session)?, ..Call::new(route, shape) })
}

pub(crate) fn info(session: &JsValue) -> Result<Call> {
    about(route::GET_PTY, session, Shape::Process)
}

pub(crate) fn kill(session: &JsValue) -> Result<Call> {
    about(route::KILL_PTY, session, Shape::Nothing)
}

/// A tunnel without a WebSocket. How the server refuses it tells whether it has tunnels.
pub(crate) fn tunnels() -> Call {
    Call::new(route::TCP_TUNNEL, Shape::Nothing)
}

fn text(what: &str, value: &JsValue) -> Result<String> {
    value
        .as_string()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Error::argument(&joined(&[what, " must be a string that is not empty"])))
}

impl Sandbox {
    /// Opens a session's socket, which may send `credit` bytes before more credit is given. The token is in its
    /// address and in its headers, since some servers know only one of them (docs/protocol.md, 8.2).
    pub(crate) async fn terminal_socket(
        self: Rc<Self>,
        session: JsValue,
        token: JsValue,
        credit: u32,
        cancel: CancelToken,
    ) -> Result<JsValue> {
        let (session, token) = (text("`sessionId`", &session)?, text("`token`", &token)?);
        let mut address = joined(&[&route::PTY_SOCKET.fill(&[&session]), "?token="]);
        route::percent_encode(&token, &mut address);
        address.push_str("&credit=");
        address.push_str(&digits(credit.into()));
        let headers = Object::new();
        js::set(&headers, "X-PTY-Token", &token.into());
        Ok(self.socket(&address, headers, cancel).await?.into())
    }

    /// The socket of a connection to a port: `[url, headers, end]`, where `end` is the message that ends one side.
    pub(crate) async fn tunnel_socket(
        self: Rc<Self>,
        port: String,
        cancel: CancelToken,
    ) -> Result<JsValue> {
        let path = route::TCP_TUNNEL.fill(&[]);
        let address = joined(&[&path, "?port=", &port, "&", tunnel::HALF_CLOSE]);
        let socket = self.socket(&address, Object::new(), cancel).await?;
        socket.push(&tunnel::END.into());
        Ok(socket.into())
    }

    /// Where the socket with channels is, and where the requests are that its channels make: `[socket, base]`.
    pub(crate) fn channel_socket(&self) -> Array {
        let base = self.base();
        let place = base.url.strip_prefix("http").unwrap_or_default();
        let socket = joined(&["ws", place, &route::CHANNELS.fill(&[])]);
        Array::of2(&socket.into(), &base.url.as_str().into())
    }

    /// Where a socket is, and what to send to it where headers can be sent: `[url, headers]`.
    async fn socket(&self, address: &str, headers: Object, cancel: CancelToken) -> Result<Array> {
        let base = self.base();
        // http becomes ws, and https wss.
        let place = base.url.strip_prefix("http").unwrap_or_default();
        for (name, value) in &base.headers {
            js::set(&headers, name, &value.into());
        }
        if let Some(key) = self.client.transport.key.get(false, &cancel).await? {
            js::set(&headers, "Authorization", &joined(&["Bearer ", &key]).into());
        }
        Ok(Array::of2(&joined(&["ws", place, address]).into(), &headers))
    }
}
