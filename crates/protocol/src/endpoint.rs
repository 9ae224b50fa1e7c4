//! Where requests go. A key goes only to a host that the user named, or that the server which has
//! the key already named (protocol, section 1; the official clients fall back to a public host).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The public cloud.
pub const PUBLIC_API: &str = "https://api.tensorlake.ai";
/// Where the public cloud's sandboxes are.
const PUBLIC_SANDBOXES: &str = "sandbox.tensorlake.ai";
/// Where a self-hosted proxy listens beside a lifecycle server on this machine (protocol, 1.2).
const LOCAL_PROXY: &str = "http://localhost:9443";

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError(String);

impl EndpointError {
    fn new(what: &str, why: &str) -> Self {
        Self([what, why].concat())
    }

    /// What people are told.
    #[must_use]
    pub fn message(self) -> String {
        self.0
    }
}

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
    /// Reads a URL; `what` names it in errors, which never repeat the text (it may hold a secret).
    ///
    /// # Errors
    /// It is no such URL.
    pub fn parse(what: &str, text: &str) -> Result<Self, EndpointError> {
        let wrong = |why: &str| EndpointError::new(what, why);
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong(" must start with http:// or https://")),
        };
        if rest.contains(['?', '#']) {
            return Err(wrong(" must not have a query or a fragment"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(wrong(" must not hold credentials: use `apiKey`"));
        }
        // The colons of an IPv6 address are within its brackets.
        let end = authority.rfind(']').unwrap_or(0);
        let (host, port) = match authority.rfind(':').filter(|at| *at > end) {
            Some(at) => (authority.get(..at), authority.get(at + 1..)),
            None => (Some(authority), None),
        };
        let host = host.unwrap_or_default();
        let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let valid = match v6 {
            Some(v6) => {
                v6.contains(':') && v6.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b))
            }
            None => {
                !host.is_empty()
                    && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
            }
        };
        if !valid {
            return Err(wrong(" has no valid host"));
        }
        let port = match port {
            None => None,
            Some(digits) => Some(
                crate::decimal(digits.as_bytes())
                    .and_then(|port| u16::try_from(port).ok())
                    .filter(|port| *port > 0)
                    .ok_or_else(|| wrong(" has no valid port"))?,
            ),
        };
        let default = if secure { 443 } else { 80 };
        let path = path.trim_end_matches('/');
        if path.bytes().any(|b| b.is_ascii_control() || b == b' ' || b == b'\\') {
            return Err(wrong(" has no valid path"));
        }
        Ok(Self {
            secure,
            host: host.to_ascii_lowercase(),
            port: port.filter(|port| *port != default),
            path: if path.is_empty() { String::new() } else { ["/", path].concat() },
        })
    }

    /// Whether the host is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host.as_str();
        let v4 = || {
            let mut parts = host.split('.');
            parts.next() == Some("127")
                && parts.clone().count() == 3
                && parts.all(|part| part.parse::<u8>().is_ok())
        };
        host == "localhost" || host.ends_with(".localhost") || host == "[::1]" || v4()
    }

    fn text(&self) -> String {
        self.with_host(&self.host)
    }

    fn with_host(&self, host: &str) -> String {
        let scheme = if self.secure { "https://" } else { "http://" };
        let port = self.port.map(|port| [":", &port.to_string()].concat()).unwrap_or_default();
        [scheme, host, &port, &self.path].concat()
    }
}

/// Whether a key must be sent to `url`: everywhere but on this machine.
#[must_use]
pub fn requires_key(url: &str) -> bool {
    // What follows the origin does not matter here, and may have a query.
    let end = url.find(['?', '#']).unwrap_or(url.len());
    !url.get(..end).is_some_and(|url| Url::parse("", url).is_ok_and(|url| url.is_loopback()))
}

/// The lifecycle API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    base: String,
    public: bool,
    secure: bool,
    loopback: bool,
}

impl Lifecycle {
    /// From the configured addresses:
    ///
    /// - `sandbox_api_url`, where given, is used as it is, with flat paths;
    /// - an `api_url` whose host begins with `api.` has its lifecycle API at `sandbox.`, with flat
    ///   paths (protocol, 1.2);
    /// - any other host, this machine among them, is used as it is, with namespaced paths, as
    ///   Indexify has them.
    ///
    /// # Errors
    /// An address is not an http(s) URL, or the namespace is not one path segment.
    pub fn resolve(
        api_url: &str,
        sandbox_api_url: Option<&str>,
        namespace: &str,
    ) -> Result<Self, EndpointError> {
        let api = Url::parse("`apiUrl`", api_url)?;
        let public = api.secure && api.host == "api.tensorlake.ai" && api.port.is_none();
        if let Some(explicit) = sandbox_api_url {
            let url = Url::parse("`sandboxApiUrl`", explicit)?;
            let (secure, loopback) = (url.secure, url.is_loopback());
            return Ok(Self { base: url.text(), public, secure, loopback });
        }
        if let Some(domain) = api.host.strip_prefix("api.") {
            let base = api.with_host(&["sandbox.", domain].concat());
            return Ok(Self { base, public, secure: api.secure, loopback: false });
        }
        if namespace.is_empty() {
            return Err(EndpointError::new("`namespace`", " must not be empty"));
        }
        let mut base = [&*api.text(), "/v1/namespaces/"].concat();
        crate::route::percent_encode(namespace, &mut base);
        Ok(Self { base, public, secure: api.secure, loopback: api.is_loopback() })
    }

    /// The URL of a lifecycle path, such as `/sandboxes`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        [&*self.base, path].concat()
    }
}

/// Where one sandbox is reached, and what has to be sent along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxBase {
    /// Without a trailing slash.
    pub url: String,
    /// Routing headers.
    pub headers: Vec<(&'static str, String)>,
}

const ROUTING: &str = "X-Tensorlake-Sandbox-Id";

impl SandboxBase {
    /// From what is known, in this order: what the server said (`sandbox_url`), the configured
    /// proxy, the proxy that stands beside a lifecycle server on this machine, the public cloud's
    /// documented form (protocol, 1.3 and 1.4). To a proxy both routing headers are sent, since
    /// some know only one.
    ///
    /// # Errors
    /// None is known, or it is not an http(s) URL, or one less safe than the lifecycle API's.
    pub fn choose(
        lifecycle: &Lifecycle,
        sandbox_url: Option<&str>,
        proxy_url: Option<&str>,
        id: &str,
    ) -> Result<Self, EndpointError> {
        let (what, url) = match (sandbox_url, proxy_url) {
            (Some(url), _) => ("the server's `sandbox_url`", url),
            (None, Some(url)) => ("`proxyUrl`", url),
            (None, None) if lifecycle.loopback => ("", LOCAL_PROXY),
            (None, None) if lifecycle.public => {
                let url = ["https://", id, ".", PUBLIC_SANDBOXES].concat();
                return Ok(Self { url, headers: Vec::new() });
            }
            (None, None) => {
                return Err(EndpointError::new(
                    "the server did not say where its sandboxes are",
                    " (`sandbox_url`): pass `proxyUrl`",
                ));
            }
        };
        let parsed = Url::parse(what, url)?;
        if sandbox_url.is_some() && lifecycle.secure && !parsed.secure {
            return Err(EndpointError::new(
                what,
                " is http where `apiUrl` is https: the API key is not sent in the clear",
            ));
        }
        let mut headers = Vec::new();
        let named = parsed.host.split('.').next() == Some(id);
        if !named {
            headers.push((ROUTING, id.to_string()));
            if parsed.is_loopback() && sandbox_url.is_none() {
                headers.push(("Host", [id, ".local"].concat()));
            }
        }
        Ok(Self { url: parsed.text(), headers })
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
            let error = Lifecycle::resolve(bad, None, "default").unwrap_err().message();
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
        let routing = vec![(ROUTING, id.to_string())];
        let near = lifecycle("http://127.0.0.1:9");
        let from_server = choose(&near, Some("http://127.0.0.1:9/s/x/"), Some("http://p")).unwrap();
        assert_eq!(
            from_server,
            SandboxBase { url: "http://127.0.0.1:9/s/x".into(), headers: routing.clone() }
        );
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
    fn a_key_is_needed_beyond_this_machine() {
        for near in
            ["http://localhost:1/x?q=1", "http://127.9.9.9", "http://[::1]:2", "http://a.localhost"]
        {
            assert!(!requires_key(near), "{near}");
        }
        for far in [
            "https://a.example",
            "http://127.0.0.1.nip.io",
            "http://localhost.example",
            "http://128.0.0.1",
            "http://10.0.0.1",
        ] {
            assert!(requires_key(far), "{far}");
        }
    }
}
