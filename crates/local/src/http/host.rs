//! Parses the `Host` of a request: it addresses this server, the API of a sandbox, or a port of a sandbox.

use axum::http::{HeaderMap, header};
use shoreline_protocol::limits::MANAGEMENT_PORT;
use shoreline_protocol::name::check_sandbox_id_or_name;
use std::net::{IpAddr, Ipv6Addr};

/// The host part of an authority (RFC 3986, section 3.2.2), as far as this server has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// `localhost`.
    Localhost,
    /// An IP address. Whether it is one of this server's is for the guard to decide.
    Ip(IpAddr),
    /// The management API of a sandbox: `{id or name}.localhost`, also with the management port before the label.
    Sandbox(String),
    /// The same under the official SDK's name for a sandbox behind a local proxy, `{id or name}.local`. A machine
    /// of the local network can have such a name too (RFC 6762).
    DotLocal(String),
    /// A port of a sandbox: `{port}-{id or name}.localhost`.
    Port { port: u16, sandbox: String },
}

/// An authority without user information: `host [ ":" port ]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) address: Address,
    pub(super) port: Option<u16>,
}

impl Host {
    /// The `Host` of a request. `None` if there is not exactly one (RFC 9112, section 3.2), if it is
    /// malformed, or if it names anything else than an IP address, `localhost` or a sandbox.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (all.next(), all.next()) else { return None };
        Self::parse(host.to_str().ok()?)
    }

    /// Reads `host [ ":" port ]`. Host names are compared without regard to case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(literal) = text.strip_prefix('[') {
            let (ip, rest) = literal.split_once(']')?;
            let ip: Ipv6Addr = ip.parse().ok()?;
            let address = Address::Ip(IpAddr::V6(ip).to_canonical());
            return Some(Self { address, port: port(rest)? });
        }
        let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
        Some(Self { address: address(&name.to_ascii_lowercase())?, port: port(rest)? })
    }
}

/// Parses the text after the host: empty, or a colon and digits. An empty port is the default port.
fn port(text: &str) -> Option<Option<u16>> {
    match text.strip_prefix(':') {
        None => text.is_empty().then_some(None),
        Some("") => Some(None),
        Some(digits) => number(digits).filter(|port| *port > 0).map(Some),
    }
}

/// A number of digits only: `parse` alone would accept a sign.
fn number(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn address(name: &str) -> Option<Address> {
    if name == "localhost" {
        return Some(Address::Localhost);
    }
    if let Ok(ip) = name.parse::<IpAddr>() {
        return Some(Address::Ip(ip));
    }
    let (label, is_dot_local) = match name.strip_suffix(".localhost") {
        Some(label) => (label, false),
        None => (name.strip_suffix(".local")?, true),
    };
    // Neither an id nor a name has digits before its first hyphen.
    let (port, sandbox) = match label.split_once('-') {
        Some((digits, sandbox)) if digits.starts_with(|first: char| first.is_ascii_digit()) => {
            (number(digits).filter(|port| *port > 0)?, sandbox)
        }
        _ => (MANAGEMENT_PORT, label),
    };
    check_sandbox_id_or_name(sandbox).ok()?;
    let sandbox = sandbox.to_owned();
    match port {
        MANAGEMENT_PORT if is_dot_local => Some(Address::DotLocal(sandbox)),
        MANAGEMENT_PORT => Some(Address::Sandbox(sandbox)),
        _ => (!is_dot_local).then_some(Address::Port { port, sandbox }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_server_and_of_sandboxes() {
        let sandbox = |name: &str| Address::Sandbox(name.to_owned());
        let dot_local = |name: &str| Address::DotLocal(name.to_owned());
        let at = |port, name: &str| Address::Port { port, sandbox: name.to_owned() };
        let ip = |text: &str| Address::Ip(text.parse().unwrap());
        let id = "0123456789abcdefghijk";
        for (text, address, port) in [
            ("localhost", Address::Localhost, None),
            ("LocalHost:", Address::Localhost, None),
            ("localhost:8900", Address::Localhost, Some(8900)),
            ("127.0.0.2:1", ip("127.0.0.2"), Some(1)),
            ("127.255.255.254:65535", ip("127.255.255.254"), Some(65535)),
            ("[::1]:80", ip("::1"), Some(80)),
            ("[::ffff:127.0.0.1]", ip("127.0.0.1"), None),
            ("my-env.localhost:1", sandbox("my-env"), Some(1)),
            ("my-env.local", dot_local("my-env"), None),
            ("9501-my-env.local", dot_local("my-env"), None),
            (&format!("{id}.localhost"), sandbox(id), None),
            (&format!("9501-{id}.localhost"), sandbox(id), None),
            ("8000-my-env.localhost:1", at(8000, "my-env"), Some(1)),
        ] {
            assert_eq!(Host::parse(text), Some(Host { address, port }), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            ":80",
            "evil.example",
            "localhost.evil.example",
            "evil.com:.localhost",
            "localhost:8900:1",
            "localhost:+1",
            "localhost:0",
            "localhost:65536",
            "localhost:x",
            "localhost: 1",
            "localhost.",
            "127.0.0.1.",
            "0177.0.0.1",
            "2130706433",
            "[::1%lo]",
            "[::1]:65536",
            "[::1]:0",
            "user@localhost",
            "[::1",
            "[::1]x",
            "[127.0.0.1]",
            "::1",
            "127.1",
            "local",
            ".local",
            ".localhost",
            "a.b.localhost",
            ".a.localhost",
            "a..localhost",
            "a.localhost.",
            "a.localhost:65536",
            "a_b\u{7f}.localhost",
            "a\u{212a}.localhost",
            "-a.localhost",
            "8000-my-env.local",
            "0-my-env.localhost",
            "65536-my-env.localhost",
            "+1-my-env.localhost",
            "8000-.localhost",
            "8000x-my-env.localhost",
            "evil.com.local",
        ] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }
}
