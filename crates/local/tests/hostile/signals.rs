//! Signals to every process that a sandbox sees.

use crate::arena::{Arena, has_bubblewrap};
use crate::support::server::isolations;

/// Refuses to run a script outside a PID namespace of its own, where it would hit the whole machine.
fn inside(script: &str) -> String {
    let machine = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let machine = machine.to_str().unwrap();
    format!("[ \"$(readlink /proc/self/ns/pid)\" = '{machine}' ] && exit 9; {script}")
}

async fn isolated(script: &str) {
    if !has_bubblewrap() {
        return;
    }
    let arena = Arena::start("bubblewrap").await;
    // Processes to be hit: one in its group, one that left its session.
    for hostile in &arena.hostiles {
        let body = hostile.mark.script("setsid sleep 1000 & sleep 1000");
        hostile.sandbox.start(body).await;
    }
    arena.attack(&inside(script)).await;
    // PID 1 of a namespace ignores the signals that come from inside it.
    arena.hostiles_answer().await;
    arena.finish().await;
}

#[tokio::test]
async fn everything_is_stopped() {
    isolated("kill -STOP -1; touch attacked; sleep 1000").await;
}

#[tokio::test]
async fn everything_is_killed() {
    isolated("kill -KILL -1; touch attacked; sleep 1000").await;
}

#[tokio::test]
async fn each_process_is_stopped_one_by_one() {
    let script = "for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p = $$ ] || kill -STOP $p; done;
        touch attacked; kill -STOP $$";
    isolated(script).await;
}

#[tokio::test]
async fn each_process_is_killed_one_by_one() {
    let script = "for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p = $$ ] || kill -KILL $p; done;
        touch attacked; kill -KILL $$";
    isolated(script).await;
}

#[tokio::test]
async fn the_agent_is_stopped() {
    for isolation in isolations() {
        let arena = Arena::start(isolation).await;
        arena.attack("sleep 1000 & kill -STOP $PPID; touch attacked; sleep 1000").await;
        arena.finish().await;
    }
}

#[tokio::test]
async fn the_agent_is_killed() {
    for isolation in isolations() {
        let arena = Arena::start(isolation).await;
        arena.attack("setsid sleep 1000 & touch attacked; kill -KILL $PPID; sleep 1000").await;
        arena.finish().await;
    }
}
