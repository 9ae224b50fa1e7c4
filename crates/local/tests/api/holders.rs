//! Records of the processes that hold the output of an ended process open.

use crate::server::{Sandbox, Server, isolations};
use crate::staying::{kill, path};
use crate::wait::{TIMEOUT, until};
use serde_json::{Value, json};
/// The holders of a process's output: their pids and commands.
async fn holders(sandbox: &Sandbox, path: &str) -> Vec<(u64, String)> {
    let info = sandbox.get(path).await;
    let holders = info["output_holders"].as_array().cloned().unwrap_or_default();
    let holder =
        |it: &Value| (it["pid"].as_u64().unwrap(), it["command"].as_str().unwrap().to_owned());
    holders.iter().map(holder).collect()
}

#[tokio::test]
async fn a_record_names_what_holds_the_output_open() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        // The second one has left the group, and holds stderr only. The third one holds nothing.
        let script = "sleep 1000 & echo $!
            setsid sleep 1001 > log & echo $!
            sleep 1002 > log 2>&1 &";
        let seen = sandbox.run_script(script).await;
        assert!(seen.output_open, "{isolation}");
        let pids: Vec<u64> = seen.stdout().lines().map(|line| line.parse().unwrap()).collect();
        let expected = vec![(pids[0], "sleep 1000".to_owned()), (pids[1], "sleep 1001".to_owned())];
        // A child executes its program a moment after its start.
        until(TIMEOUT, "the holders are named", async || {
            let mut found = holders(&sandbox, &path(&seen)).await;
            found.sort();
            let mut expected = expected.clone();
            expected.sort();
            found == expected
        })
        .await;
        // In a list each record names its own, and that of a running process none.
        let other = sandbox.run_script("sleep 1003 &").await;
        let running = sandbox.script("exec sleep 1004").await;
        until(TIMEOUT, "each record of a list names its own", async || {
            let listed = sandbox.get("/processes").await;
            let commands = |pid: u64| {
                let all = listed["processes"].as_array().unwrap();
                let holders = &all.iter().find(|it| it["pid"] == pid).unwrap()["output_holders"];
                let holders = holders.as_array().into_iter().flatten();
                let mut commands: Vec<_> = holders.map(|it| it["command"].clone()).collect();
                commands.sort_by_key(Value::to_string);
                commands
            };
            commands(seen.pid.unwrap().into()) == ["sleep 1000", "sleep 1001"]
                && commands(other.pid.unwrap().into()) == ["sleep 1003"]
                && commands(running).is_empty()
        })
        .await;
        sandbox.run_script(&format!("kill -KILL {} {}", pids[0], pids[1])).await;
        until(TIMEOUT, "nothing is named any more", async || {
            let info = sandbox.get(&path(&seen)).await;
            info["output_holders"].is_null() && info["output_open"].is_null()
        })
        .await;
        for each in [path(&seen), path(&other), format!("/processes/{running}")] {
            kill(&sandbox, &each).await;
        }
    }
}

#[tokio::test]
async fn what_a_holder_calls_itself_is_bounded_and_so_is_their_number() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = r#"import os, sys
for i in range(20):
    if os.fork() == 0:
        for fd in range(100, 600): os.dup2(1, fd)
        os.execvp("sleep", [b"\x1b[2J\n\xff" + b"x" * 10000, "1000"])
print("left", flush=True)"#;
    let seen = sandbox.run(json!({ "command": "python3", "args": ["-c", script] })).await;
    assert_eq!((seen.stdout(), seen.output_open), ("left\n", true));
    let named = format!("\u{1b}[2J\n\u{fffd}{}", "x".repeat(120 - 6));
    until(TIMEOUT, "eight of them are named", async || {
        let found = holders(&sandbox, &path(&seen)).await;
        found.len() == 8 && found.iter().all(|(_, command)| *command == named)
    })
    .await;
    // In a list too, whose other records have theirs.
    let other = sandbox.run_script("sleep 1000 &").await;
    until(TIMEOUT, "the other record names its own", async || {
        holders(&sandbox, &path(&other))
            .await
            .first()
            .is_some_and(|(_, command)| command == "sleep 1000")
    })
    .await;
    for seen in [&seen, &other] {
        kill(&sandbox, &path(seen)).await;
    }
}
