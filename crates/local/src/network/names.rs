//! Addresses that the DNS forwarder returned for allowed names.

use shoreline_protocol::limits::NETWORK_NAMES;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The shortest time for which an address is kept, since programs use addresses for longer than their time to live.
const SHORTEST: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(super) struct Names(HashMap<IpAddr, (String, Instant)>);

impl Names {
    /// The name for which an address was returned lately.
    pub(super) fn of(&self, address: IpAddr) -> Option<String> {
        let (name, end) = self.0.get(&address)?;
        (Instant::now() < *end).then(|| name.clone())
    }

    pub(super) fn learn(&mut self, address: IpAddr, name: &str, ttl: Duration) {
        let now = Instant::now();
        if self.0.len() >= NETWORK_NAMES {
            self.0.retain(|_, (_, end)| now < *end);
        }
        if self.0.len() >= NETWORK_NAMES {
            let first = self.0.iter().min_by_key(|(_, (_, end))| *end).map(|(address, _)| *address);
            first.and_then(|first| self.0.remove(&first));
        }
        self.0.insert(address, (name.to_owned(), now + ttl.clamp(SHORTEST, LONGEST)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn names_are_bounded_and_the_latest_are_kept() {
        let mut names = Names::default();
        let address = |number: usize| IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap()));
        for number in 0..=NETWORK_NAMES {
            names.learn(address(number), "a.example", Duration::ZERO);
        }
        assert_eq!(names.0.len(), NETWORK_NAMES);
        assert_eq!(names.of(address(0)), None);
        assert_eq!(names.of(address(NETWORK_NAMES)).as_deref(), Some("a.example"));
    }
}
