//! The end of a server that is killed, or that is told twice to end.

use crate::arena::{Arena, has_bubblewrap};
use crate::support::machine::{Mark, mentioning};
use crate::support::random::{Random, Seed};
use crate::support::server::{Server, isolations};
use crate::support::soaks;
use crate::support::wait::{TIMEOUT, until};
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_killed_server_takes_every_process_with_it() {
    for isolation in isolations() {
        let mut arena = Arena::start(isolation).await;
        // One that left its session and ignores what can be ignored, one that is stopped.
        let script = "setsid sh -c 'trap \"\" HUP INT TERM; sleep 1000; sleep 1000' &
            sh -c 'kill -STOP $$' & touch attacked; wait";
        arena.attack(script).await;
        arena.server.child.kill().unwrap();
        arena.server.child.wait().unwrap();
        until(TIMEOUT, "every process ends", async || {
            let temp = arena.server.temp.path().to_str().unwrap();
            arena.hostiles.iter().all(|it| it.mark.processes().is_empty())
                && mentioning(temp).is_empty()
        })
        .await;
    }
}

/// Without isolation, a stopped agent cannot see that the server has gone.
#[tokio::test]
async fn a_killed_server_takes_stopped_sandboxes_with_it() {
    if !has_bubblewrap() {
        return;
    }
    let mut arena = Arena::start("bubblewrap").await;
    arena.attack("kill -STOP $PPID 1; touch attacked; kill -STOP $$").await;
    arena.server.child.kill().unwrap();
    arena.server.child.wait().unwrap();
    until(TIMEOUT, "every process ends", async || {
        arena.hostiles.iter().all(|it| it.mark.processes().is_empty())
    })
    .await;
}

#[tokio::test]
async fn a_second_interrupt_ends_the_server_at_once() {
    for isolation in isolations() {
        let mut arena = Arena::start(isolation).await;
        arena.attack("kill -STOP $PPID; touch attacked; sleep 1000").await;
        arena.server.signal("-INT");
        // The signals must not become one.
        tokio::time::sleep(Duration::from_millis(100)).await;
        if arena.server.child.try_wait().unwrap().is_none() {
            arena.server.signal("-INT");
        }
        let limit = arena.limit(1.0);
        assert!(arena.server.exit_within(limit).is_some(), "{isolation}: not within {limit:?}");
        // The agents find out by themselves.
        let temp = arena.server.temp.path().to_str().unwrap();
        let gone = async || mentioning(temp).is_empty();
        until(TIMEOUT, "agents and processes end", gone).await;
    }
}

#[tokio::test]
async fn a_killed_server_takes_stopped_agents_with_it() {
    for isolation in isolations() {
        let mut arena = Arena::start(isolation).await;
        arena.attack("kill -STOP $PPID; touch attacked; sleep 1000").await;
        arena.server.child.kill().unwrap();
        arena.server.child.wait().unwrap();
        let temp = arena.server.temp.path().to_str().unwrap();
        let gone = async || mentioning(temp).is_empty();
        until(TIMEOUT, "agents and processes end", gone).await;
    }
}

#[tokio::test]
async fn the_next_server_removes_what_a_killed_one_left() {
    for isolation in isolations() {
        let temp = Arc::new(tempfile::tempdir().unwrap());
        let args = ["--isolation", isolation];
        let living = Server::start_in(temp.clone(), &args);
        let sandbox = living.sandbox().await;
        sandbox.run_script("echo mine > file").await;
        let before = living.files();
        let mark = Mark::new();
        let mut killed = Server::start_in(temp.clone(), &args);
        killed.sandbox().await.start(mark.script("echo theirs > file; sleep 1000")).await;
        killed.child.kill().unwrap();
        killed.child.wait().unwrap();
        until(TIMEOUT, "its processes end", async || mark.processes().is_empty()).await;
        assert!(killed.files().len() > before.len());
        let next = Server::start_in(temp.clone(), &args);
        until(TIMEOUT, "what it left is removed", async || {
            next.files().iter().filter(|path| !before.contains(path)).count() == 1
        })
        .await;
        assert!(before.iter().all(|path| path.exists()), "{isolation}: of a living server");
        assert_eq!(sandbox.run_script("cat file").await.stdout(), "mine\n");
        assert_eq!(next.sandbox().await.run_script("echo fine").await.stdout(), "fine\n");
    }
}

/// A child of bubblewrap waits for its parent while it starts. If the parent is killed then, only the server
/// ends the child.
#[tokio::test]
async fn a_server_that_ends_while_it_creates_sandboxes_leaves_nothing() {
    let seed = Seed::choose(11);
    let mut random = Random::new(seed.0);
    let rounds = if soaks() { 200 } else { 12 };
    for isolation in isolations() {
        for round in 0..rounds {
            let mut server = Server::start(&["--isolation", isolation]);
            let create = || server.request(Method::POST, "/sandboxes").json(&json!({})).send();
            let creates: Vec<_> = (0..6).map(|_| tokio::spawn(create())).collect();
            tokio::time::sleep(Duration::from_millis(random.below(40) as u64)).await;
            let signal = random.pick(&["-TERM", "-KILL"]);
            server.signal(signal);
            assert!(server.exit_within(TIMEOUT).is_some(), "{signal} does not end the server");
            let temp = server.temp.path().to_str().unwrap();
            // After SIGKILL the agents find out by themselves.
            let what = format!("{isolation}, round {round}: {signal} leaves no process");
            until(Duration::from_secs(10), &what, async || mentioning(temp).is_empty()).await;
            futures::future::join_all(creates).await;
        }
    }
}
