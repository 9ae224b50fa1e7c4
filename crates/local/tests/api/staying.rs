//! Processes that outlive the process that started them: their output, signals and end.

use crate::machine::Mark;
use crate::server::{Sandbox, Seen, Server, is_alive, isolations};
use crate::terminal::Terminal;
use crate::wait::{TIMEOUT, until};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shoreline_protocol::output::{End, Mode};

/// Leaves a process that writes what it is given through the file `gate`, once.
const LATE: &str = "mkfifo gate; (read line < gate; echo $line; echo error >&2) &";

/// Leaves a process, and prints its pid.
const LEAVE: &str = "nohup sleep 1000 > log 2>&1 & echo $!";

async fn open_gate(sandbox: &Sandbox, line: &str) {
    assert_eq!(sandbox.run_script(&format!("echo {line} > gate")).await.exit_code(), Some(0));
}

pub(crate) fn path(seen: &Seen) -> String {
    format!("/processes/{}", seen.pid.unwrap())
}

fn printed_pid(seen: &Seen) -> u64 {
    seen.stdout().trim().parse().unwrap()
}

pub(crate) async fn kill(sandbox: &Sandbox, path: &str) -> StatusCode {
    sandbox.request(Method::DELETE, path).send().await.unwrap().status()
}

/// The text of a follow up to the mark of the exit.
async fn follow_to_exit(sandbox: &Sandbox, path: &str, after: u64) -> String {
    let request = sandbox.request(Method::GET, &format!("{path}/output/follow"));
    let mut answer = request.header("Last-Event-ID", after.to_string()).send().await.unwrap();
    let mut text = String::new();
    while !text.contains("event: exit\n") || !text.ends_with("\n\n") {
        text.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
    }
    text
}

#[tokio::test]
async fn a_server_in_the_background_outlives_the_run_that_started_it() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        let seen = sandbox.run_script(LEAVE).await;
        assert_eq!((seen.exit_code(), seen.output_open), (Some(0), false), "{isolation}");
        let alive = format!("kill -0 {}", printed_pid(&seen));
        let answers = async || sandbox.run_script(&alive).await.exit_code() == Some(0);
        assert!(answers().await, "{isolation}");
        let info = sandbox.get(&path(&seen)).await;
        assert_eq!((&info["status"], &info["output_open"]), (&json!("exited"), &Value::Null));
        // The group is still there to be killed, under the pid of its leader.
        assert_eq!(kill(&sandbox, &path(&seen)).await, StatusCode::NO_CONTENT);
        until(TIMEOUT, "it ends", async || !answers().await).await;
        until(TIMEOUT, "nothing is left to kill", async || {
            kill(&sandbox, &path(&seen)).await == StatusCode::CONFLICT
        })
        .await;
    }
}

#[tokio::test]
async fn an_exit_is_followed_without_the_output() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let started = sandbox.start(json!({
        "command": "sh",
        "args": ["-c", "seq 10000; read line; exit 3"],
        "stdin_mode": "pipe",
    }));
    let path = format!("/processes/{}", started.await["pid"]);
    let follow =
        async || sandbox.request(Method::GET, &format!("{path}/exit/follow")).send().await.unwrap();
    let waiting = follow().await;
    assert_eq!(waiting.status(), StatusCode::OK);
    let closed = sandbox.request(Method::POST, &format!("{path}/stdin/close")).send().await;
    assert_eq!(closed.unwrap().status(), StatusCode::NO_CONTENT);
    let expected = "event: exit\ndata: {\"exit_code\":3,\"reason\":\"exited\",\"line_count\":0}\n\n\
                    event: eof\ndata: {}\n\n";
    assert_eq!(waiting.text().await.unwrap(), expected);
    assert_eq!(follow().await.text().await.unwrap(), expected);
    let unknown = sandbox.request(Method::GET, "/processes/4000000000/exit/follow");
    assert_eq!(sandbox.refused(unknown).await, (404, "NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn what_is_written_after_the_exit_is_kept_and_followed() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let seen = sandbox.run_script(&format!("{LATE} printf first; exit 3")).await;
    assert_eq!((seen.stdout(), seen.exit_code(), seen.output_open), ("first", Some(3), true));
    let path = path(&seen);
    let info = sandbox.get(&path).await;
    assert_eq!((&info["exit_code"], &info["output_open"]), (&json!(3), &json!(true)));
    assert_eq!(sandbox.get("/info").await["running_processes"], 0);
    let pid = u64::from(seen.pid.unwrap());
    let follower = {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { sandbox.follow(pid, "output", None).await })
    };
    open_gate(&sandbox, "late").await;
    let all = follower.await.unwrap();
    assert_eq!((all.stdout(), all.stderr(), all.end), ("firstlate\n", "error\n", Some(End::Eof)));
    assert_eq!(sandbox.get(&path).await["output_open"], Value::Null);
    // The same for everybody who comes later, from wherever.
    assert_eq!(sandbox.follow(pid, "output", None).await, all);
    assert_eq!(sandbox.follow(pid, "stdout", None).await.stdout(), "firstlate\n");
    let late = sandbox.follow(pid, "output", Some(1)).await;
    assert_eq!((late.stdout(), late.stderr()), ("late\n", "error\n"));
    let captured = sandbox.get(&format!("{path}/stdout")).await;
    assert_eq!(
        (&captured["lines"], &captured["line_count"]),
        (&json!(["first", "late"]), &json!(2))
    );
    assert_eq!(sandbox.get(&format!("{path}/output")).await["line_count"], 3);
}

#[tokio::test]
async fn the_exit_has_one_place_among_the_events() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let seen = sandbox.run_script(&format!("{LATE} echo a; echo b >&2; echo c")).await;
    let path = path(&seen);
    let mark = |open: &str| {
        format!(
            "event: exit\ndata: {{\"exit_code\":0,\"reason\":\"exited\"{open},\"line_count\":3}}\n\n"
        )
    };
    let open = mark(",\"output_open\":true");
    assert!(follow_to_exit(&sandbox, &path, 0).await.ends_with(&open));
    open_gate(&sandbox, "late").await;
    until(TIMEOUT, "the output ends", async || {
        sandbox.get(&path).await["output_open"] == Value::Null
    })
    .await;
    for after in 0..=5 {
        let request = sandbox.request(Method::GET, &format!("{path}/output/follow"));
        let answer = request.header("Last-Event-ID", after.to_string()).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let (before, late) = text.split_once(&open).unwrap_or_else(|| panic!("{after}: {text}"));
        let ids = |text: &str| text.matches("id: ").count();
        assert_eq!((ids(before), ids(late)), (3 - after.min(3), 5 - after.max(3)), "{text}");
    }
    // One stream counts its own.
    let stderr = sandbox.request(Method::GET, &format!("{path}/stderr/follow")).send().await;
    let stderr = stderr.unwrap().text().await.unwrap();
    assert!(stderr.contains("\"output_open\":true,\"line_count\":1}"), "{stderr}");
    // Where nothing stays, the exit precedes the end.
    let plain = sandbox.run_script("echo a; echo b; echo c").await;
    let answer =
        sandbox.request(Method::GET, &format!("/processes/{}/output/follow", plain.pid.unwrap()));
    let text = answer.send().await.unwrap().text().await.unwrap();
    assert!(text.ends_with(&format!("{}event: eof\ndata: {{}}\n\n", mark(""))), "{text}");
}

#[tokio::test]
async fn what_the_leader_wrote_is_read_before_its_exit_is_told() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    // As much as the pipe takes, and the end of it without a newline.
    let script = "sleep 1000 & head -c 260000 /dev/zero | tr '\\0' x; exit 0";
    for _ in 0..5 {
        let seen = sandbox.run_script(script).await;
        assert_eq!((seen.stdout().len(), seen.output_open), (260_000, true));
        kill(&sandbox, &path(&seen)).await;
    }
    // What stays may write without a pause.
    let seen = sandbox.run_script("while :; do echo more; done & echo first").await;
    assert_eq!((seen.exit_code(), seen.output_open), (Some(0), true));
    assert!(seen.stdout().lines().any(|line| line == "first"));
    kill(&sandbox, &path(&seen)).await;
    let rest = sandbox.follow(seen.pid.unwrap().into(), "output", None).await;
    assert!(rest.stdout().starts_with(seen.stdout()) && rest.end == Some(End::Eof));
}

#[tokio::test]
async fn a_time_limit_is_the_commands_and_not_what_stays() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let body = json!({ "command": "sh", "args": ["-c", LEAVE], "timeout": 1 });
    let seen = sandbox.run(body).await;
    // The same limit passes for a command that begins later.
    let body = json!({ "command": "sleep", "args": ["1000"], "timeout": 1 });
    assert_eq!(sandbox.run(body).await.exit_code(), None);
    assert!(is_alive(printed_pid(&seen)));
    // Before the exit, it ends the whole group, and the exit is told once that has gone.
    let script = "sleep 1000 & echo $!; wait";
    let body = json!({ "command": "sh", "args": ["-c", script], "timeout": 1 });
    let seen = sandbox.run(body).await;
    assert!(!is_alive(printed_pid(&seen)) && !seen.output_open);
}

#[tokio::test]
async fn signals_reach_what_stays_in_the_group() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script =
        "(trap 'echo term; exit' TERM; echo ready; while :; do sleep 0.01; done) & read go";
    let info = sandbox
        .start(json!({ "command": "sh", "args": ["-c", script], "stdin_mode": "pipe" }))
        .await;
    let path = format!("/processes/{}", info["pid"]);
    until(TIMEOUT, "the trap is set", async || {
        sandbox.get(&format!("{path}/output")).await["line_count"] == 1
    })
    .await;
    sandbox.request(Method::POST, &format!("{path}/stdin/close")).send().await.unwrap();
    until(TIMEOUT, "the leader exits", async || sandbox.get(&path).await["status"] == "exited")
        .await;
    let signal = |number: i32| {
        sandbox.request(Method::POST, &format!("{path}/signal")).json(&json!({ "signal": number }))
    };
    // SIGUSR1 is for the leader alone.
    assert_eq!(sandbox.refused(signal(10)).await, (409, "PROCESS_NOT_RUNNING".to_owned()));
    assert_eq!(signal(15).send().await.unwrap().status(), StatusCode::OK);
    let seen = sandbox.follow(info["pid"].as_u64().unwrap(), "output", None).await;
    assert_eq!((seen.stdout(), seen.end), ("ready\nterm\n", Some(End::Eof)));
}

#[tokio::test]
async fn what_left_the_group_is_followed_and_cannot_be_signalled() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = "mkfifo gate; setsid sh -c 'read line < gate; echo $line' & echo first";
    let seen = sandbox.run_script(script).await;
    assert_eq!((seen.stdout(), seen.output_open), ("first\n", true));
    let request = sandbox.request(Method::DELETE, &path(&seen)).send().await.unwrap();
    assert_eq!(request.status(), StatusCode::CONFLICT);
    let error = request.json::<Value>().await.unwrap()["error"].take();
    assert!(error.as_str().unwrap().contains("ends with the sandbox"), "{error}");
    open_gate(&sandbox, "late").await;
    let all = sandbox.follow(seen.pid.unwrap().into(), "output", None).await;
    assert_eq!((all.stdout(), all.end), ("first\nlate\n", Some(End::Eof)));
}

#[tokio::test]
async fn a_managed_process_takes_what_it_left_along() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let restart = json!({ "policy": "always", "max_restarts": 3, "initial_backoff_ms": 1 });
    let script = "sleep 1000 & echo $! >> pids; exit 1";
    sandbox
        .start(
            json!({ "command": "sh", "args": ["-c", script], "name": "web", "restart": restart }),
        )
        .await;
    until(TIMEOUT, "it has been restarted", async || {
        let info = sandbox.get("/processes/web").await;
        info["managed"]["restart_count"] == 3 && info["managed"]["status"] == "stopped"
    })
    .await;
    let pids = sandbox.run_script("cat pids").await;
    let pids: Vec<u64> = pids.stdout().lines().map(|line| line.parse().unwrap()).collect();
    // Only the last one lives: the others had its port, say.
    assert_eq!(
        pids.iter().map(|pid| is_alive(*pid)).collect::<Vec<_>>(),
        [false, false, false, true]
    );
    assert_eq!(kill(&sandbox, "/processes/web").await, StatusCode::NO_CONTENT);
    assert!(!is_alive(pids[3]));
}

#[tokio::test]
async fn what_stays_is_suspended_and_ends_with_its_sandbox() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox_with(json!({ "name": "stays" })).await;
        let mark = Mark::new();
        let seen = sandbox.run(mark.script("sleep 1000 & setsid sleep 1000 & echo up")).await;
        assert!(seen.output_open, "{isolation}");
        let states = || {
            let states = mark.processes().into_iter().map(|process| process.state);
            states.collect::<String>()
        };
        assert_eq!(states().len(), 2, "{isolation}: {}", states());
        let change = async |what: &str| {
            let path = format!("/sandboxes/{}/{what}", sandbox.id);
            assert!(
                server.request(Method::POST, &path).send().await.unwrap().status().is_success()
            );
        };
        change("suspend").await;
        assert_eq!(states(), "TT", "{isolation}");
        change("resume").await;
        until(TIMEOUT, "they run again", async || !states().contains('T')).await;
        let follow = sandbox.request(Method::GET, &format!("{}/output/follow", path(&seen)));
        let follow = follow.send().await.unwrap();
        let ended =
            server.request(Method::DELETE, &format!("/sandboxes/{}", sandbox.id)).send().await;
        assert_eq!(ended.unwrap().status(), StatusCode::OK);
        assert_eq!(states(), "", "{isolation}");
        let seen = Seen::read(Mode::Follow, follow).await;
        assert_eq!((seen.stdout(), seen.end), ("up\n", Some(End::Eof)), "{isolation}");
    }
}

#[tokio::test]
async fn what_ignores_the_hangup_outlives_its_terminal() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = "trap '' HUP; sleep 1000 & echo $! > pid; exit 4";
    let terminal = Terminal::shell(&sandbox, script).await;
    let mut client = terminal.ready().await;
    assert_eq!(client.until_close().await, (1000, "exit:4".to_owned()));
    let pid: u64 = sandbox.run_script("cat pid").await.stdout().trim().parse().unwrap();
    assert!(is_alive(pid));
}
