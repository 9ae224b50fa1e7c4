//! Clients that vanish in the middle of a request. The server has to complete or undo what it began.
//!
//! `SHORELINE_SEED` repeats the requests of a run, `SHORELINE_SOAK=1` sends more of them.
#![allow(missing_docs, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

mod invariants;
mod raw;
mod requests;
mod starts;
mod world;

use shoreline_protocol::route::{self, Method, Route};
use support::random::{Random, Seed};
use support::server::isolations;
use support::soaks;
use world::World;

/// Clients that vanish at the same time.
const CLIENTS: usize = 6;

/// Sends `count` requests of `routes` in each isolation, and checks the server afterwards.
async fn vanish(usual_seed: u64, count: usize, routes: &[Route]) {
    let rounds = if soaks() { 10 } else { 1 };
    for isolation in isolations() {
        for round in 0..rounds {
            let seed = Seed::choose(usual_seed + round);
            let mut random = Random::new(seed.0);
            let world = World::start(isolation).await;
            let clients = (0..CLIENTS).map(|_| {
                let random = random.fork();
                client(&world, random, count.div_ceil(CLIENTS), routes)
            });
            futures::future::join_all(clients).await;
            invariants::check(&world, routes).await;
            world.end();
        }
    }
}

async fn client(world: &World, mut random: Random, count: usize, routes: &[Route]) {
    for _ in 0..count {
        let request = requests::of(world, random.pick(routes), &mut random).await;
        raw::send_and_vanish(world, &request, &mut random).await;
    }
}

/// The routes that change something.
fn mutating() -> Vec<Route> {
    route::ALL.iter().copied().filter(|route| route.method != Method::Get).collect()
}

macro_rules! vanishing {
    ($($name:ident: $seed:literal, $count:literal, [$($route:ident),*];)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            vanish($seed, $count, &[$(route::$route),*]).await;
        }
    )*};
}

vanishing! {
    starts: 1, 60, [START_PROCESS, RUN];
    ends_of_processes: 2, 80, [START_PROCESS, KILL_PROCESS, SIGNAL_PROCESS];
    managed_processes: 3, 60, [START_PROCESS, RESTART_PROCESS, KILL_PROCESS];
    standard_input: 4, 60, [START_PROCESS, WRITE_STDIN, CLOSE_STDIN];
    terminals: 5, 80, [CREATE_PTY, RESIZE_PTY, KILL_PTY];
    files: 6, 100, [WRITE_FILE, DELETE_FILE, CHANGE_FILES];
    suspends_and_resumes: 7, 80, [SUSPEND_SANDBOX, RESUME_SANDBOX];
    sandboxes: 8, 60, [CREATE_SANDBOX, UPDATE_SANDBOX, DELETE_SANDBOX];
    page_tokens: 9, 80, [CREATE_PAGE_TOKEN, INTROSPECT_KEY];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once() {
    vanish(10, 300, &mutating()).await;
}
