//! The network rules of a sandbox (docs/protocol.md, 10.2).

use super::dial::embedded;
use crate::error::{ApiError, Result};
use crate::wire::sandbox::NetworkPolicy;
use shoreline_protocol::error::ServerCode;
use shoreline_protocol::limits::NETWORK_RULES;
use std::net::IpAddr;

/// The rules. A denied address is always refused. If any name or address is allowed, everything else is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    internet: bool,
    allowed: Vec<Range>,
    allowed_names: Vec<String>,
    denied: Vec<Range>,
}

impl Policy {
    /// Everything is permitted.
    pub(crate) const OPEN: Self = Self::of(true);
    /// Nothing is permitted.
    pub(crate) const CLOSED: Self = Self::of(false);

    const fn of(internet: bool) -> Self {
        Self { internet, allowed: Vec::new(), allowed_names: Vec::new(), denied: Vec::new() }
    }

    pub(crate) fn parse(policy: Option<&NetworkPolicy>) -> Result<Self> {
        let Some(policy) = policy else { return Ok(Self::OPEN) };
        let mut parsed = Self::of(policy.allow_internet_access);
        for (list, rules) in [("allow_out", &policy.allow_out), ("deny_out", &policy.deny_out)] {
            if rules.len() > NETWORK_RULES {
                let text = format!("`network.{list}` has more than {NETWORK_RULES} entries");
                return Err(invalid(text));
            }
        }
        for rule in &policy.allow_out {
            match (Range::parse(rule), name(rule)) {
                (Some(range), _) => parsed.allowed.push(range),
                (None, Some(name)) => parsed.allowed_names.push(name),
                (None, None) => return Err(malformed("allow_out", rule, "a host name, ")),
            }
        }
        for rule in &policy.deny_out {
            let range = Range::parse(rule);
            if range.is_none() && name(rule).is_some() {
                let text = format!(
                    "`network.deny_out` cannot hold the name {rule:?}: its addresses can be reached \
                     without it. Deny addresses, or list what is allowed in `allow_out`"
                );
                return Err(ApiError::new(ServerCode::Unsupported, text));
            }
            parsed.denied.push(range.ok_or_else(|| malformed("deny_out", rule, ""))?);
        }
        Ok(parsed)
    }

    /// Whether a new connection to an address is permitted. `name_of` returns the name for which the DNS forwarder
    /// returned an address.
    pub(super) fn permits(
        &self,
        address: IpAddr,
        name_of: impl FnOnce(IpAddr) -> Option<String>,
    ) -> bool {
        let inner = match address {
            IpAddr::V6(address) => embedded(address).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        let forms = || std::iter::once(address).chain(inner);
        if forms().any(|form| self.denied.iter().any(|range| range.contains(form))) {
            return false;
        }
        if !self.lists() {
            return self.internet;
        }
        self.allowed.iter().any(|range| range.contains(address))
            || !self.allowed_names.is_empty()
                && name_of(address).is_some_and(|name| self.allowed_names.contains(&name))
    }

    /// Whether the DNS forwarder answers for a name, which is in lower case.
    pub(super) fn resolves(&self, name: &str) -> bool {
        match self.lists() {
            true => self.allowed_names.iter().any(|allowed| allowed == name),
            false => self.internet,
        }
    }

    fn lists(&self) -> bool {
        !self.allowed.is_empty() || !self.allowed_names.is_empty()
    }
}

fn invalid(text: String) -> ApiError {
    ApiError::new(ServerCode::InvalidRequest, text)
}

fn malformed(list: &str, rule: &str, also: &str) -> ApiError {
    let rule: String = rule.chars().take(100).collect();
    invalid(format!(
        "`network.{list}` contains {rule:?}: an entry is {also}an address (192.0.2.7) or a range \
         (192.0.2.0/24)"
    ))
}

/// A host name in lower case (RFC 1123, section 2.1), whose last label is not a number.
fn name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&bytes.len())
            && (is_edge(bytes.first()) || bytes.first() == Some(&b'_'))
            && is_edge(bytes.last())
            && bytes.iter().all(is_inner)
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    (name.len() <= 253 && !is_number && name.split('.').all(is_label)).then_some(name)
}

/// Addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    address: IpAddr,
    prefix: u8,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            // `parse` would take "+8".
            Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                prefix.parse().ok().filter(|prefix| *prefix <= bits)?
            }
            Some(_) => return None,
            None => bits,
        };
        Some(Self { address, prefix })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let different = own.to_bits() ^ other.to_bits();
                different.leading_zeros() >= prefix
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let different = own.to_bits() ^ other.to_bits();
                different.leading_zeros() >= prefix
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(internet: bool, allow: &[&str], deny: &[&str]) -> Result<Policy> {
        let list = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect();
        Policy::parse(Some(&NetworkPolicy {
            allow_internet_access: internet,
            allow_out: list(allow),
            deny_out: list(deny),
        }))
    }

    fn permits(policy: &Policy, address: &str) -> bool {
        policy.permits(address.parse().unwrap(), |_| None)
    }

    #[test]
    fn denied_beats_allowed_and_lists_shut_out_the_rest() {
        let open = Policy::parse(None).unwrap();
        assert!(permits(&open, "1.1.1.1") && open.resolves("example.com"));
        let closed = policy(false, &[], &[]).unwrap();
        assert!(!permits(&closed, "1.1.1.1") && !closed.resolves("example.com"));
        let denied = policy(true, &[], &["10.0.0.0/8", "2001:db8::/32", "8.8.8.8"]).unwrap();
        for (address, permitted) in [
            ("10.1.2.3", false),
            ("11.0.0.0", true),
            ("2001:db8:1::1", false),
            ("2001:db9::1", true),
            ("8.8.8.8", false),
            ("64:ff9b::808:808", false),
            ("2002:808:808::1", false),
            ("8.8.8.9", true),
        ] {
            assert_eq!(permits(&denied, address), permitted, "{address}");
        }
        for internet in [true, false] {
            let listed = policy(internet, &["10.0.0.0/8", "a.example"], &["10.9.0.0/16"]).unwrap();
            assert!(permits(&listed, "10.1.1.1") && !permits(&listed, "10.9.1.1"));
            assert!(!permits(&listed, "1.1.1.1") && !permits(&listed, "::1"));
            let named =
                |name: &str| listed.permits("1.1.1.1".parse().unwrap(), |_| Some(name.to_owned()));
            assert!(named("a.example") && !named("b.example"));
            assert!(listed.resolves("a.example") && !listed.resolves("b.example"));
        }
        let everything = policy(false, &["0.0.0.0/0"], &[]).unwrap();
        assert!(permits(&everything, "1.1.1.1") && !permits(&everything, "2001:db8::1"));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let long = "a".repeat(64);
        for rule in [
            "",
            " ",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "::/129",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "http://x",
            "x:80",
            "a..b",
            ".a",
            "-a",
            "a-",
            "a b",
            "a\n",
            "*.a",
            "ä.example",
            "10.0.0.0/8/8",
            &long,
        ] {
            let refused = policy(true, &[rule], &[]).unwrap_err().into_parts();
            assert_eq!(refused.0, ServerCode::InvalidRequest, "{rule:?}");
            policy(true, &[], &[rule]).unwrap_err();
        }
        let name = policy(true, &[], &["example.com"]).unwrap_err().into_parts();
        assert_eq!(name.0, ServerCode::Unsupported);
        let many = vec!["1.1.1.1"; NETWORK_RULES + 1];
        assert!(policy(true, &many, &[]).is_err() && policy(true, &[], &many).is_err());
        assert_eq!(policy(true, &["A.Example."], &[]).unwrap().allowed_names, ["a.example"]);
    }
}
