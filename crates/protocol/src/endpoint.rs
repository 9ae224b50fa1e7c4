//! Addresses of servers and sandboxes (docs/protocol.md, section 1). A key is sent only to a host that the user
//! configured, or that a server which has the key already returned. The official clients fall back to a public host.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::limits;
use crate::text::{self, digits, joined};

/// The public cloud.
pub const PUBLIC_API: &str = "https://api.tensorlake.ai";
/// The domain of the public cloud's sandboxes.
const PUBLIC_SANDBOXES: &str = "sandbox.tensorlake.ai";
/// The address of the proxy beside a self-hosted lifecycle server on this machine.
const LOCAL_PROXY: &str = "http://localhost:9443";

/// Why an address cannot be used, as a sentence. The sentence never repeats the address, which can contain a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError(pub String);

/// An http(s) URL without credentials, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    /// In lower case; IPv6 in brackets.
    host: String,
    port: Option<u16>,
    /// Without a trailing slash.
    path: String,
}

impl Url {
    /// Parses a URL; `what` names it in errors.
    ///
    /// # Errors
    /// The text is not an http(s) URL without credentials, query and fragment.
    pub fn parse(what: &str, url: &str) -> Result<Self, EndpointError> {
        Self::read(url.trim_ascii()).map_err(|why| EndpointError(joined(&[what, " ", why])))
    }

    fn read(url: &str) -> Result<Self, &'static str> {
        let after = |scheme: &str| {
            let start = url.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme));
            start.and(url.get(scheme.len()..))
        };
        let (secure, rest) = match (after("https://"), after("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err("must start with http:// or https://"),
        };
        if text::split(rest, b"?#").is_some() {
            return Err("must not have a query or a fragment");
        }
        let (authority, path) = text::split(rest, b"/").unwrap_or((rest, ""));
        if text::split(authority, b"@").is_some() {
            return Err("must not hold credentials: use `apiKey`");
        }
        // The colons of an IPv6 address are within its brackets.
        let end = authority.bytes().rposition(|b| b == b']').unwrap_or(0);
        let (within, after) = authority.split_at_checked(end).unwrap_or_default();
        let (last, port) = match text::split(after, b":") {
            Some((last, port)) => (last, Some(port)),
            None => (after, None),
        };
        let host = joined(&[within, last]).to_ascii_lowercase();
        let v6 = host.starts_with('[') && host.ends_with(']');
        let of_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let of_v6 = |b: u8| b.is_ascii_hexdigit() || b"[]:.".contains(&b);
        if host.is_empty() || !host.bytes().all(|b| if v6 { of_v6(b) } else { of_name(b) }) {
            return Err("has no valid host");
        }
        let port = match port {
            None => None,
            Some(port) => match text::decimal(port.as_bytes()).map(u16::try_from) {
                Some(Ok(port)) if port > 0 => Some(port),
                _ => return Err("has no valid port"),
            },
        };
        let length = path.bytes().rposition(|b| b != b'/').map_or(0, |at| at + 1);
        let path = path.get(..length).unwrap_or_default();
        if path.bytes().any(|b| b.is_ascii_control() || b" \\".contains(&b)) {
            return Err("has no valid path");
        }
        let slash = if path.is_empty() { "" } else { "/" };
        Ok(Self {
            secure,
            host,
            port: port.filter(|port| *port != if secure { 443 } else { 80 }),
            path: joined(&[slash, path]),
        })
    }

    /// Whether the host is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host.as_str();
        let v4 = host.starts_with("127.")
            && host.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && host.bytes().filter(|b| *b == b'.').count() == 3;
        v4 || matches!(host, "localhost" | "[::1]") || host.ends_with(".localhost")
    }

    fn text(&self) -> String {
        self.with_host(&self.host)
    }

    fn with_host(&self, host: &str) -> String {
        let scheme = if self.secure { "https://" } else { "http://" };
        let port = self.port.map(|port| joined(&[":", &digits(port.into())])).unwrap_or_default();
        joined(&[scheme, host, &port, &self.path])
    }
}

/// The address of the lifecycle API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    base: String,
    public: bool,
    secure: bool,
    loopback: bool,
}

impl Lifecycle {
    /// Resolves the configured addresses:
    ///
    /// - `sandbox_api_url`, if given, is used unchanged, with flat paths;
    /// - an `api_url` whose host begins with `api.` has its lifecycle API at `sandbox.`, with flat
    ///   paths;
    /// - any other `api_url`, also one on this machine, is used unchanged, with the namespaced paths of
    ///   Indexify.
    ///
    /// # Errors
    /// An address is not an http(s) URL, or the namespace is not one path segment.
    pub fn resolve(
        api_url: &str,
        sandbox_api_url: Option<&str>,
        namespace: &str,
    ) -> Result<Self, EndpointError> {
        let api = Url::parse("`apiUrl`", api_url)?;
        let explicit = sandbox_api_url.map(|url| Url::parse("`sandboxApiUrl`", url)).transpose()?;
        let base = match (&explicit, api.host.strip_prefix("api.")) {
            (Some(url), _) => url.text(),
            (None, Some(domain)) => api.with_host(&joined(&["sandbox.", domain])),
            (None, None) if namespace.is_empty() => {
                return Err(EndpointError("`namespace` must not be empty".to_string()));
            }
            (None, None) => {
                let mut base = joined(&[&api.text(), "/v1/namespaces/"]);
                crate::route::percent_encode(namespace, &mut base);
                base
            }
        };
        let public = api.text() == PUBLIC_API;
        let used = explicit.unwrap_or(api);
        Ok(Self { base, public, secure: used.secure, loopback: used.is_loopback() })
    }

    /// The URL of a lifecycle path, such as `/sandboxes`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        joined(&[&self.base, path])
    }

    /// Whether paths contain a namespace, as on self-hosted servers.
    #[must_use]
    pub fn is_namespaced(&self) -> bool {
        text::contains(&self.base, "/v1/namespaces/")
    }

    /// Whether a key must be sent: everywhere but on this machine.
    #[must_use]
    pub const fn needs_key(&self) -> bool {
        !self.loopback
    }
}

/// The address of one sandbox, and the headers that requests to it need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxBase {
    /// Without a trailing slash.
    pub url: String,
    /// Routing headers.
    pub headers: Vec<(&'static str, String)>,
    /// Whether a key must be sent: everywhere but on this machine.
    pub needs_key: bool,
}

impl SandboxBase {
    /// Chooses the first of these that is known: the server's `sandbox_url`, the configured
    /// proxy, the proxy beside a lifecycle server on this machine, the public cloud's
    /// documented form (docs/protocol.md, 1.3 and 1.4). A proxy is sent both routing headers, since
    /// some proxies read only one.
    ///
    /// # Errors
    /// No address is known, or the address is not an http(s) URL, or it is http although the lifecycle API is https.
    pub fn choose(
        lifecycle: &Lifecycle,
        sandbox_url: Option<&str>,
        proxy_url: Option<&str>,
        id: &str,
    ) -> Result<Self, EndpointError> {
        let public;
        let (what, url) = match (sandbox_url, proxy_url) {
            (Some(url), _) => ("the server's `sandbox_url`", url),
            (None, Some(url)) => ("`proxyUrl`", url),
            (None, None) if lifecycle.loopback => ("", LOCAL_PROXY),
            (None, None) if lifecycle.public => {
                public = joined(&["https://", id, ".", PUBLIC_SANDBOXES]);
                ("", &*public)
            }
            (None, None) => {
                let text = "the server did not say where its sandboxes are (`sandbox_url`): pass `proxyUrl`";
                return Err(EndpointError(text.to_string()));
            }
        };
        let url = Url::parse(what, url)?;
        if sandbox_url.is_some() && lifecycle.secure && !url.secure {
            let why = " is http where `apiUrl` is https: the API key is not sent in the clear";
            return Err(EndpointError(joined(&[what, why])));
        }
        let mut headers = Vec::new();
        let near = url.is_loopback();
        // A host that begins with the id needs no routing header.
        if text::split(&url.host, b".").is_none_or(|(first, _)| first != id) {
            headers.push(("X-Tensorlake-Sandbox-Id", id.to_string()));
            if near && sandbox_url.is_none() {
                headers.push(("Host", joined(&[id, ".local"])));
            }
        }
        Ok(Self { url: url.text(), headers, needs_key: !near })
    }

    /// The address of a port of sandbox `id`. In the cloud and on self-hosted servers, the port is put before the host of
    /// the sandbox. On a local server, whose sandboxes are at `/s/{id}`, the host is a name below
    /// `localhost`.
    ///
    /// # Errors
    /// The sandbox has no address of its own, so its ports have none.
    pub fn port_url(&self, id: &str, port: u16) -> Result<String, EndpointError> {
        if port == limits::MANAGEMENT_PORT {
            return Ok(self.url.clone());
        }
        let mut url = Url::parse("", &self.url)?;
        if url.is_loopback() && url.path == joined(&["/s/", id]) {
            url.host = joined(&[id, ".localhost"]);
        } else if text::split(&url.host, b".").is_none_or(|(first, _)| first != id) {
            let text =
                "the ports of this sandbox have no addresses: use `openTunnel` or `createTunnel`";
            return Err(EndpointError(text.to_string()));
        }
        url.path.clear();
        Ok(url.with_host(&joined(&[&digits(port.into()), "-", &url.host])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    fn lifecycle(api: &str) -> Lifecycle {
        Lifecycle::resolve(api, None, "default").unwrap()
    }

    #[test]
    fn the_key_stays_with_the_host_that_was_named() {
        for (api, sandboxes) in [
            (PUBLIC_API, "https://sandbox.tensorlake.ai/sandboxes"),
            ("https://api.corp.example:8443/x/", "https://sandbox.corp.example:8443/x/sandboxes"),
            ("https://corp.example", "https://corp.example/v1/namespaces/default/sandboxes"),
            ("http://localhost:8900", "http://localhost:8900/v1/namespaces/default/sandboxes"),
            ("HTTP://[::1]:80/", "http://[::1]/v1/namespaces/default/sandboxes"),
        ] {
            assert_eq!(lifecycle(api).url("/sandboxes"), sandboxes, "{api}");
        }
        let explicit = Lifecycle::resolve(PUBLIC_API, Some("https://eu.example/"), "d").unwrap();
        assert_eq!(explicit.url("/sandboxes"), "https://eu.example/sandboxes");
    }

    #[test]
    fn refuses_what_is_no_plain_http_url() {
        for bad in [
            "",
            "x",
            "ftp://a",
            "http://",
            "http://a b",
            "http://u:p@a",
            "http://a?q",
            "http://a#f",
            "http://a:0",
            "http://a:65536",
            "http://a:x",
            "http://[::1",
            "http://[::1]x",
            "http://[::1]:",
            "http://a:b:1",
            "http://[x]",
            "//a",
            "http:///x",
        ] {
            let error = Lifecycle::resolve(bad, None, "default").unwrap_err().0;
            assert!(error.starts_with("`apiUrl` "), "{bad}: {error}");
            assert!(!error.contains("u:p"), "{error}");
        }
        assert!(Lifecycle::resolve("http://a", None, "").is_err());
    }

    #[test]
    fn sandboxes_are_where_the_server_says_then_where_the_caller_says() {
        let id = "0123456789abcdefghijk";
        let cloud = lifecycle(PUBLIC_API);
        let choose = |lifecycle: &Lifecycle, url: Option<&str>, proxy: Option<&str>| {
            SandboxBase::choose(lifecycle, url, proxy, id)
        };
        let routing = vec![("X-Tensorlake-Sandbox-Id", id.to_string())];
        let near = lifecycle("http://127.0.0.1:9");
        let from_server = choose(&near, Some("http://127.0.0.1:9/s/x/"), Some("http://p")).unwrap();
        let url = "http://127.0.0.1:9/s/x".into();
        let expected = SandboxBase { url, headers: routing.clone(), needs_key: false };
        assert_eq!(from_server, expected);
        assert!(choose(&near, Some("https://p"), None).is_ok());
        assert!(choose(&cloud, Some("http://p"), None).is_err());
        let named = choose(&cloud, Some(&format!("https://{id}.r.example")), None).unwrap();
        assert_eq!(named.headers, vec![]);
        assert_eq!(choose(&cloud, None, Some("https://p/x")).unwrap().headers, routing);
        let local = choose(&cloud, None, Some("http://localhost:9443")).unwrap();
        assert_eq!(local.headers.get(1), Some(&("Host", format!("{id}.local"))));
        assert_eq!(
            choose(&cloud, None, None).unwrap().url,
            format!("https://{id}.sandbox.tensorlake.ai")
        );
        assert_eq!(choose(&lifecycle("http://localhost:1"), None, None).unwrap().url, LOCAL_PROXY);
        assert!(choose(&lifecycle("https://corp.example"), None, None).is_err());
    }

    #[test]
    fn a_port_has_its_number_before_the_host_of_its_sandbox() {
        let base = |url: &str| SandboxBase { url: url.into(), headers: vec![], needs_key: true };
        for (url, port, expected) in [
            ("https://my-env.sandbox.example", 80, "https://80-my-env.sandbox.example"),
            ("http://my-env.127.0.0.1.nip.io:9443/x", 1, "http://1-my-env.127.0.0.1.nip.io:9443"),
            ("http://127.0.0.1:8900/s/my-env", 65535, "http://65535-my-env.localhost:8900"),
            ("https://my-env.sandbox.example", 9501, "https://my-env.sandbox.example"),
            ("http://127.0.0.1:8900/s/my-env", 9501, "http://127.0.0.1:8900/s/my-env"),
        ] {
            assert_eq!(base(url).port_url("my-env", port).as_deref(), Ok(expected));
        }
        for url in [
            "https://proxy.example",
            "https://app.example/sandboxes/my-env",
            "https://app.example/s/my-env",
            "http://localhost:3000/sandboxes/my-env",
            "http://127.0.0.1:8900/s/other",
        ] {
            assert!(base(url).port_url("my-env", 80).is_err(), "{url}");
        }
    }

    #[test]
    fn a_key_is_needed_beyond_this_machine() {
        let needs_key = |url: &str| {
            let explicit = Lifecycle::resolve(PUBLIC_API, Some(url), "d").unwrap();
            let sandbox = SandboxBase::choose(&lifecycle(url), Some(url), None, "id").unwrap();
            assert_eq!(lifecycle(url).needs_key(), sandbox.needs_key, "{url}");
            assert_eq!(explicit.needs_key(), sandbox.needs_key, "{url}");
            sandbox.needs_key
        };
        for near in
            ["http://localhost:1/x", "http://127.9.9.9", "HTTP://[::1]:2", "http://a.LOCALHOST"]
        {
            assert!(!needs_key(near), "{near}");
        }
        for far in [
            "https://a.example",
            "https://api.localhost.example",
            "http://127.0.0.1.nip.io",
            "http://localhost.example",
            "http://128.0.0.1",
            "http://10.0.0.1",
            "http://[::2]",
        ] {
            assert!(needs_key(far), "{far}");
        }
    }
}
