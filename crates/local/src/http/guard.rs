//! Decides who can use this server: clients with the key, and pages of allowed origins. Without the check of origins,
//! every page in a browser on this machine could try keys.

use super::host::{Address, Host};
use super::page_tokens::PageTokens;
use crate::error::ApiError;
use axum::http::{HeaderMap, HeaderValue, header};
use shoreline_protocol::error::ServerCode;
use std::net::{IpAddr, SocketAddr};
use subtle::ConstantTimeEq as _;

/// The rules that requests are checked against.
pub(super) struct Guard {
    key: String,
    /// Origins of web pages, such as `http://localhost:5173`.
    origins: Vec<String>,
    /// The address on which the server listens.
    bound: SocketAddr,
    pub(super) pages: PageTokens,
}

impl Guard {
    pub(super) fn new(key: String, origins: Vec<String>, bound: SocketAddr) -> Self {
        Self { key, origins, bound, pages: PageTokens::default() }
    }

    pub(super) fn key(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// The port on which the server listens.
    pub(super) fn port(&self) -> u16 {
        self.bound.port()
    }

    /// The address of a request. A host name that an attacker could point at this machine is refused (DNS
    /// rebinding); an IP address cannot be pointed elsewhere, and is accepted if it is one of this server's.
    /// `local` is the address to which the client connected.
    pub(super) fn address(&self, headers: &HeaderMap, local: IpAddr) -> Result<Address, ApiError> {
        let address = Host::of(headers).map(|host| host.address);
        let address = address.filter(|address| self.is_known(address, local)).ok_or_else(|| {
            ApiError::new(
                ServerCode::ForbiddenHost,
                "the `Host` header does not name this server: use the URL that it printed, `localhost`, or the `sandbox_url` of a sandbox",
            )
        })?;
        if matches!(address, Address::DotLocal(_)) && !self.is_key(headers) {
            let text = "a `Host` in `.local` is accepted with the server's key only";
            return Err(ApiError::new(ServerCode::Unauthorized, text));
        }
        Ok(address)
    }

    fn is_known(&self, address: &Address, local: IpAddr) -> bool {
        match address {
            Address::Ip(ip) => self.is_own_ip(*ip, local),
            _ => true,
        }
    }

    /// Whether an IP address is one of this server's: any of the loopback, the one on which it listens
    /// (which can be unspecified, as in `http://0.0.0.0:8900`), or the one to which the client connected.
    fn is_own_ip(&self, ip: IpAddr, local: IpAddr) -> bool {
        ip.is_loopback() || ip == self.bound.ip() || ip == local.to_canonical()
    }

    /// Refuses a request of a page whose origin is not allowed. Returns the origin, if there is one.
    pub(super) fn check_origin<'a>(
        &self,
        headers: &'a HeaderMap,
        local: IpAddr,
    ) -> Result<Option<&'a HeaderValue>, ApiError> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(None) };
        let bytes = origin.as_bytes();
        let allowed = self.origins.iter().any(|allowed| allowed.as_bytes() == bytes);
        if allowed || self.pages.allow(bytes) || self.is_own(origin, local) {
            return Ok(Some(origin));
        }
        Err(ApiError::new(
            ServerCode::ForbiddenOrigin,
            "pages of this origin are not allowed to use this server: start it with `--allow-origin`",
        ))
    }

    /// Whether an origin is where this server listens. No page comes from there, but clients that are not
    /// browsers name the address to which they connect (Python's `websocket-client` does).
    fn is_own(&self, origin: &HeaderValue, local: IpAddr) -> bool {
        let host = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        let Some(Host { address, port }) = host.and_then(Host::parse) else { return false };
        let named = match address {
            Address::Localhost => true,
            Address::Ip(ip) => self.is_own_ip(ip, local),
            Address::Sandbox(_) | Address::DotLocal(_) | Address::Port { .. } => false,
        };
        named && port.unwrap_or(80) == self.bound.port()
    }

    /// Whether a request carries the server's key.
    pub(super) fn is_key(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|token| token.ct_eq(self.key.as_bytes()).into())
    }

    /// Whether a request carries the key, or a page token of its origin.
    pub(super) fn is_authorized(&self, headers: &HeaderMap) -> bool {
        if self.is_key(headers) {
            return true;
        }
        let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
        let (Some(token), Some(origin)) = (bearer(headers), origin) else { return false };
        self.pages.is_known(token, origin)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let given = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = given.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}
