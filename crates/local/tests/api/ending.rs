//! How the server ends: with everything that it started.

use crate::server::{Seen, Server, is_alive};
use reqwest::Method;
use shoreline_protocol::output::{End, Mode};
use std::process::Command;

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

#[test]
fn what_is_not_safe_is_not_served() {
    for args in [&["--host", "0.0.0.0"][..], &["--host", "::"], &["--api-key", ""]] {
        let done = Command::new(env!("CARGO_BIN_EXE_shoreline-local"))
            .args(["--port", "0"])
            .args(args)
            .output()
            .unwrap();
        assert!(!done.status.success(), "{args:?}");
        assert_eq!(done.stdout, b"");
        assert!(!done.stderr.is_empty());
    }
}
