//! Proves to a client that this server has the key, before the client sends the key. After a server has ended, any
//! program can listen on its port.

use super::app::App;
use super::member::Peer;
use super::request::json;
use crate::error::{ApiError, Result};
use crate::random;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use shoreline_protocol::error::ServerCode;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// Hexadecimal digits of a nonce.
const NONCE: usize = 64;

#[derive(Deserialize)]
pub(super) struct ProofQuery {
    nonce: String,
    proof: String,
}

/// Answers a client's proof with the server's own. A client without a valid proof gets none, which it could use to test
/// keys offline.
pub(super) async fn prove(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    query: std::result::Result<Query<ProofQuery>, QueryRejection>,
) -> Result<Response> {
    let refused = || {
        let text = "the proof of the key is missing or wrong";
        ApiError::new(ServerCode::Unauthorized, text)
    };
    let Query(ProofQuery { nonce, proof }) = query.map_err(|_| refused())?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if nonce.len() != NONCE || !nonce.bytes().all(is_digit) {
        return Err(refused());
    }
    let of_client = proof_of(app.guard.key(), "client", &app.url, &nonce)?;
    if !bool::from(proof.as_bytes().ct_eq(of_client.as_bytes())) {
        return Err(refused());
    }
    app.is_asked();
    peer.member.prove();
    let proof = proof_of(app.guard.key(), "server", &app.url, &nonce)?;
    json(StatusCode::OK, &serde_json::json!({ "proof": proof }))
}

/// An HMAC that needs the key. It contains the role, so that a proof cannot be reflected as its own answer, and the
/// address of the server, so that another server's answer cannot be forwarded.
fn proof_of(key: &[u8], role: &str, url: &str, nonce: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|error| ApiError::new(ServerCode::InternalError, error.to_string()))?;
    mac.update(format!("shoreline-local\n{role}\n{url}\n{nonce}").as_bytes());
    Ok(random::hex(mac.finalize().into_bytes()))
}
