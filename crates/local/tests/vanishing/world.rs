//! A server, the sandboxes that the vanishing clients use, and what is known of them.

use crate::support::machine::{Mark, mentioning, show};
use crate::support::server::{Sandbox, Server};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// The time limit for the server to clean up after a client.
pub const SETTLED: Duration = Duration::from_secs(10);

/// Names of managed processes.
pub const NAMES: [&str; 4] = ["web", "worker", "database", "cache"];
/// Names of sandboxes that clients make, rename and end.
pub const ROAMERS: [&str; 4] = ["roam-a", "roam-b", "roam-c", "roam-d"];
/// Directories that are made, copied, renamed and removed.
pub const TREES: [&str; 3] = ["tree-a", "tree-b", "tree-c"];
pub const FILES: [&str; 4] = ["one", "two", "deep/three", "deep/four"];

/// A file's content in one of ten versions: all of one digit, of a length that only it has.
pub fn content(version: u8) -> Vec<u8> {
    vec![b'0' + version; 1000 + 40_000 * usize::from(version)]
}

pub struct World {
    pub server: Server,
    /// As `Host` names it.
    pub address: String,
    pub mark: Mark,
    /// Sandboxes that live to the end; in each a clock ticks.
    pub homes: Vec<Sandbox>,
    count: AtomicU64,
}

impl World {
    pub async fn start(isolation: &str) -> Self {
        let server = Server::start(&["--isolation", isolation]);
        let address = server.url.strip_prefix("http://").unwrap().to_owned();
        let mut world = Self {
            server,
            address,
            mark: Mark::new(),
            homes: Vec::new(),
            count: AtomicU64::new(0),
        };
        for name in ["home-a", "home-b"] {
            let home = world.server.sandbox_with(json!({ "name": name })).await;
            let ticks = "i=0; while :; do i=$((i+1)); echo $i > clock; sleep 0.05; done";
            home.start(world.process(ticks, "clock")).await;
            world.homes.push(home);
        }
        world
    }

    /// The body of a request that starts a script with a label of its own behind the mark.
    pub fn process(&self, script: &str, kind: &str) -> Value {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let mut body = self.mark.script(script);
        body["args"].as_array_mut().unwrap().push(json!(format!("{kind}{number}")));
        body
    }

    /// An answer, or null where none comes or is no JSON.
    pub async fn look(&self, path: &str) -> Value {
        let asked = async { self.server.request(Method::GET, path).send().await?.json().await };
        timeout(SETTLED, asked).await.map_or(Value::Null, |it| it.unwrap_or_default())
    }

    /// Ends the server, which has to leave nothing behind.
    pub fn end(mut self) {
        self.server.signal("-TERM");
        let status = self.server.exit_within(SETTLED);
        assert!(status.is_some_and(|status| status.success()), "SIGTERM: {status:?}");
        assert_eq!(self.server.files(), Vec::<PathBuf>::new());
        let left = self.mark.processes();
        assert!(left.is_empty(), "left behind: {}", show(&left));
        let left = mentioning(self.server.temp.path().to_str().unwrap());
        assert!(left.is_empty(), "left behind: {}", show(&left));
    }
}
