//! Standard input of processes.

use crate::server::Server;
use reqwest::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn stdin_arrives_byte_for_byte_and_in_order() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let info = sandbox.start(json!({ "command": "cat", "stdin_mode": "pipe" })).await;
    assert_eq!(info["stdin_writable"], true);
    let pid = info["pid"].as_u64().unwrap();
    let stdin = format!("/processes/{pid}/stdin");
    let mut sent = Vec::new();
    for part in 0..40_u32 {
        let bytes: Vec<u8> = (0..10_000_u32).map(|i| (i * (part + 1) % 251) as u8).collect();
        sent.extend_from_slice(&bytes);
        let written = sandbox.request(Method::POST, &stdin).body(bytes).send().await.unwrap();
        assert_eq!(written.status(), StatusCode::NO_CONTENT);
    }
    for _ in 0..2 {
        let closed = sandbox.request(Method::POST, &format!("{stdin}/close")).send().await.unwrap();
        assert_eq!(closed.status(), StatusCode::NO_CONTENT);
    }
    assert!(sandbox.follow(pid, "output", None).await.bytes[0] == sent);
    let late = sandbox.request(Method::POST, &stdin).body("x");
    assert_eq!(sandbox.refused(late).await, (400, "STDIN_NOT_WRITABLE".to_owned()));
    let unpiped = sandbox.script("sleep 1000").await;
    for path in ["stdin", "stdin/close"] {
        let request =
            sandbox.request(Method::POST, &format!("/processes/{unpiped}/{path}")).body("x");
        assert_eq!(sandbox.refused(request).await, (400, "STDIN_NOT_WRITABLE".to_owned()));
    }
}

#[tokio::test]
async fn a_process_that_does_not_read_holds_up_nobody_else() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let info =
        sandbox.start(json!({ "command": "sleep", "args": ["1000"], "stdin_mode": "pipe" })).await;
    let pid = info["pid"].as_u64().unwrap();
    let write =
        sandbox.request(Method::POST, &format!("/processes/{pid}/stdin")).body(vec![0; 8 << 20]);
    let write = tokio::spawn(write.send());
    // More than any pipe holds is under way; everything else works.
    assert_eq!(sandbox.run_script("echo free").await.stdout(), "free\n");
    assert_eq!(sandbox.get("/processes").await["processes"].as_array().unwrap().len(), 2);
    assert!(!write.is_finished());
    sandbox.request(Method::DELETE, &format!("/processes/{pid}")).send().await.unwrap();
    assert_eq!(write.await.unwrap().unwrap().status(), StatusCode::BAD_REQUEST);
}
