//! Sandboxes that are ended while they start: nothing of them may be left on the machine, bubblewrap included.

use crate::support::machine::{children, mentioning, show};
use crate::support::random::{Random, Seed};
use crate::support::server::{Server, isolations};
use crate::support::soaks;
use crate::support::wait::until;
use crate::world::SETTLED;
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;

/// Clients at the same time, and the sandboxes that each of them makes.
const CLIENTS: usize = 4;
const SANDBOXES: usize = 8;

/// A start takes about this long, in microseconds.
const START: usize = 30_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_a_sandbox_that_is_deleted_while_it_starts() {
    for isolation in isolations() {
        for round in 0..if soaks() { 50 } else { 1 } {
            let seed = Seed::choose(20 + round);
            let mut random = Random::new(seed.0);
            let mut server = Server::start(&["--isolation", isolation]);
            let clients =
                (0..CLIENTS).map(|client| delete_starting(&server, client, random.fork()));
            join_all(clients).await;
            // The server adopts what an agent or a bubblewrap leaves behind.
            let pid = server.child.id();
            until(SETTLED, "the server has no child", async || children(pid).is_empty()).await;
            assert_eq!(server.directories(), Vec::<PathBuf>::new(), "{isolation}");
            // The end of the server cuts starts off, too.
            for _ in 0..3 {
                server.sandbox().await;
            }
            server.signal("-TERM");
            let status = server.exit_within(SETTLED);
            assert!(status.is_some_and(|status| status.success()), "{isolation}: {status:?}");
            let left = mentioning(server.temp.path().to_str().unwrap());
            assert!(left.is_empty(), "{isolation}: left behind: {}", show(&left));
        }
    }
}

/// Makes sandboxes and deletes each of them within the time that a start takes: after the answer by id, or by name
/// while the request is under way.
async fn delete_starting(server: &Server, client: usize, mut random: Random) {
    for number in 0..SANDBOXES {
        let name = format!("starting-{client}-{number}");
        let delay = Duration::from_micros(random.below(START) as u64);
        let create = async {
            let create = server.request(Method::POST, "/sandboxes").json(&json!({ "name": name }));
            let answer = create.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            answer.json::<Value>().await.unwrap()["sandbox_id"].as_str().unwrap().to_owned()
        };
        let id = if random.below(2) == 0 {
            let id = create.await;
            sleep(delay).await;
            id
        } else {
            let by_name = async {
                sleep(delay).await;
                delete(server, &name).await
            };
            tokio::join!(create, by_name).0
        };
        assert_eq!(delete(server, &id).await, StatusCode::OK);
    }
}

async fn delete(server: &Server, sandbox: &str) -> StatusCode {
    let path = format!("/sandboxes/{sandbox}");
    server.request(Method::DELETE, &path).send().await.unwrap().status()
}
