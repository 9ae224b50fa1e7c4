//! The end of the server, which ends everything that it started.

use crate::machine::Mark;
use crate::server::{Seen, Server, is_alive, isolations};
use crate::wait::{TIMEOUT, until};
use reqwest::Method;
use shoreline_protocol::output::{End, Mode};
use std::process::Command;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_signal_ends_every_process_and_removes_every_file() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::start(&[]);
        let sandbox = server.sandbox().await;
        let pid = sandbox.script("trap '' TERM; sleep 1000 & wait").await;
        let follow = sandbox.request(Method::GET, &format!("/processes/{pid}/output/follow"));
        let follow = follow.send().await.unwrap();
        let killed = Command::new("kill").args([signal, &server.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        assert!(server.child.wait().unwrap().success());
        // Who was following is told of the end.
        assert_eq!(Seen::read(Mode::Follow, follow).await.end, Some(End::Eof));
        assert!(!is_alive(pid));
        assert_eq!(server.files().len(), 0);
    }
}

#[tokio::test]
async fn the_end_of_its_standard_input_ends_it() {
    let mut server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("sleep 1000").await;
    drop(server.stdin.take());
    assert!(server.child.wait().unwrap().success());
    assert!(!is_alive(pid));
    assert_eq!(server.files().len(), 0);
}

#[tokio::test]
async fn a_signal_and_the_end_of_its_standard_input_are_not_two_signals() {
    for signal_first in [true, false] {
        let mut server = Server::start(&[]);
        let sandbox = server.sandbox().await;
        sandbox.run_script("for i in $(seq 300); do echo > $i; done").await;
        let stdin = server.stdin.take();
        if signal_first {
            server.signal("-TERM");
            drop(stdin);
        } else {
            drop(stdin);
            server.signal("-TERM");
        }
        assert!(server.child.wait().unwrap().success(), "signal first: {signal_first}");
        assert_eq!(server.files().len(), 0);
    }
}

#[tokio::test]
async fn it_stops_when_idle_and_not_while_a_sandbox_is_there() {
    let mut server = Server::start(&["--stop-when-idle", "1"]);
    let sandbox = server.sandbox().await;
    // Nothing is asked for longer than the limit.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(server.child.try_wait().unwrap().is_none());
    // The limit begins between the request and its answer.
    let asked = Instant::now();
    let ended = server.request(Method::DELETE, &format!("/sandboxes/{}", sandbox.id)).send().await;
    assert!(ended.unwrap().status().is_success());
    assert!(server.child.wait().unwrap().success());
    assert!(asked.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_crash_leaves_nothing_behind() {
    for isolation in isolations() {
        let mut server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        // One that left its group, too.
        let mark = Mark::new();
        sandbox.start(mark.script("setsid sleep 1000 & sleep 1000 & wait")).await;
        until(TIMEOUT, "both run", async || mark.processes().len() >= 3).await;
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        until(TIMEOUT, isolation, async || mark.processes().is_empty()).await;
    }
}

#[test]
fn what_is_not_safe_is_not_served() {
    for args in [&["--host", "0.0.0.0"][..], &["--host", "::"], &["--api-key", ""]] {
        let done = Command::new(env!("CARGO_BIN_EXE_shoreline-local"))
            .args(["--port", "0", "--isolation", "none"])
            .args(args)
            .output()
            .unwrap();
        assert!(!done.status.success(), "{args:?}");
        assert_eq!(done.stdout, b"");
        assert!(!done.stderr.is_empty());
    }
}
