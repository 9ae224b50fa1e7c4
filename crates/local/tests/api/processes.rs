//! Processes: how they start, what they see, how they are signalled, how they end.

use crate::server::{Server, is_alive};
use crate::wait::{TIMEOUT, until};
use futures::{StreamExt as _, stream};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shoreline_protocol::exit::{Exit, ExitStatus, Reason};
use shoreline_protocol::limits;
use shoreline_protocol::output::End;

fn exit(status: ExitStatus, reason: Reason) -> Option<End> {
    Some(End::Exit(Exit { status, reason: Some(reason) }))
}

#[tokio::test]
async fn a_run_is_a_start_the_output_and_the_exit() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let seen = sandbox.run_script("echo out; echo err >&2; exit 3").await;
    assert_eq!((seen.stdout(), seen.stderr()), ("out\n", "err\n"));
    assert_eq!(seen.end, exit(ExitStatus::Code(3), Reason::Exited));
    let info = sandbox.get(&format!("/processes/{}", seen.pid.unwrap())).await;
    assert_eq!((&info["status"], &info["exit_code"]), (&json!("exited"), &json!(3)));
    let seen = sandbox.run_script("kill -TERM $$").await;
    assert_eq!(seen.end, exit(ExitStatus::Signal(15), Reason::Signaled));
}

#[tokio::test]
async fn a_process_starts_where_and_with_what_it_was_told() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let printed = async |body: Value| sandbox.run(body).await.stdout().to_owned();
    let script = "printf '%s %s\\n' \"$MODE\" \"$DEBUG\"";
    let body = json!({ "command": "/bin/sh", "args": ["-lc", script], "env": { "MODE": "prod", "DEBUG": "0" } });
    assert_eq!(printed(body).await, "prod 0\n");
    // Arguments are passed as they are.
    let odd = ["a b", "", "*", "$HOME", "'\"\\", "é\n"];
    let mut args = vec!["-c", "for a; do printf '[%s]' \"$a\"; done", "sh"];
    args.extend(odd);
    let expected: String = odd.iter().map(|arg| format!("[{arg}]")).collect();
    assert_eq!(printed(json!({ "command": "sh", "args": args })).await, expected);
    // Its own directory, by its own name.
    let here = printed(json!({ "command": "pwd" })).await;
    assert_eq!(printed(json!({ "command": "pwd", "working_dir": "/workspace" })).await, here);
    sandbox.run_script("mkdir below").await;
    let below = printed(json!({ "command": "pwd", "working_dir": "/workspace/below" })).await;
    assert_eq!(below, format!("{}/below\n", here.trim_end()));
    assert_eq!(printed(json!({ "command": "pwd", "working_dir": "/" })).await, "/\n");
    // argv[0] is the command as it was given, whatever file that is.
    assert_eq!(printed(json!({ "command": "sh", "args": ["-c", "echo $0"] })).await, "sh\n");
}

#[tokio::test]
async fn nothing_of_the_servers_environment_leaks() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let seen = sandbox.run(json!({ "command": "env" })).await;
    let names = seen.stdout().lines().map(|line| line.split('=').next().unwrap());
    for name in names {
        assert!(
            ["PATH", "HOME", "PWD", "LANG", "TZ", "USER", "LOGNAME", "SHELL"].contains(&name)
                || ["NPM_CONFIG_PREFIX", "PYTHONUNBUFFERED"].contains(&name)
                || ["GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "PIP_CERT"].contains(&name)
                || ["CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"].contains(&name)
                || name.starts_with("LC_")
                || name.starts_with("SSL_CERT_"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_start_that_fails_says_why() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox
        .run_script(
            "echo text > file; echo '#!/no/such/interpreter' > script; chmod +x script; mkdir dir",
        )
        .await;
    for (body, status, code) in [
        (json!({ "command": "no-such-command" }), 404, "EXECUTABLE_NOT_FOUND"),
        (json!({ "command": "./nothing" }), 404, "EXECUTABLE_NOT_FOUND"),
        (json!({ "command": "./file" }), 400, "SPAWN_FAILED"),
        (json!({ "command": "./dir" }), 400, "SPAWN_FAILED"),
        (json!({ "command": "./script" }), 400, "SPAWN_FAILED"),
        (json!({ "command": "ls", "working_dir": "/no/such" }), 400, "WORKING_DIR_NOT_FOUND"),
        (
            json!({ "command": "ls", "working_dir": "/workspace/file" }),
            400,
            "WORKING_DIR_NOT_FOUND",
        ),
        (json!({ "command": "" }), 400, "INVALID_REQUEST"),
        (json!({ "command": "a\0b" }), 400, "INVALID_REQUEST"),
        (json!({ "command": "ls", "args": ["\0"] }), 400, "INVALID_REQUEST"),
        (json!({ "command": "ls", "env": { "A": "\0" } }), 400, "INVALID_REQUEST"),
        (json!({ "command": "ls", "env": { "A=B": "" } }), 400, "INVALID_REQUEST"),
        (json!({ "command": "ls", "args": [1] }), 422, "INVALID_SHAPE"),
        (json!({ "args": [] }), 422, "INVALID_SHAPE"),
        (json!({ "command": "ls", "stdin_mode": "odd" }), 422, "INVALID_SHAPE"),
        (json!({ "command": "ls", "user": "no-such-user" }), 400, "USER_NOT_FOUND"),
        (json!({ "command": "ls", "user": "1:x" }), 400, "USER_NOT_FOUND"),
    ] {
        for path in ["/processes", "/processes/run"] {
            let request = sandbox.request(Method::POST, path).json(&body);
            assert_eq!(sandbox.refused(request).await, (status, code.to_owned()), "{path} {body}");
        }
    }
    // On pipes and on a terminal, also where a low limit on memory makes another program start it.
    let limited = server.sandbox_with(json!({ "resources": { "memory_mb": 64 } })).await;
    for sandbox in [&sandbox, &limited] {
        let script = "printf '#! /no/such/interpreter -x\\n' > script; chmod +x script";
        sandbox.run_script(script).await;
        for path in ["/processes/run", "/pty"] {
            let request = sandbox.request(Method::POST, path);
            let answer = request.json(&json!({ "command": "./script" })).send().await.unwrap();
            let error = answer.json::<Value>().await.unwrap()["error"].take();
            let text = error.as_str().unwrap();
            assert!(
                text.contains("its interpreter \"/no/such/interpreter\" is not there"),
                "{text}"
            );
        }
    }
    for timeout in [json!(0), json!(-1), json!(1e300)] {
        let body = json!({ "command": "ls", "timeout": timeout });
        let request = sandbox.request(Method::POST, "/processes/run").json(&body);
        assert_eq!(
            sandbox.refused(request).await,
            (400, "INVALID_REQUEST".to_owned()),
            "{timeout}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_a_code() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let post = || sandbox.request(Method::POST, "/processes");
    let json_type = ("content-type", "application/json");
    let typed = |body: String| post().header(json_type.0, json_type.1).body(body);
    assert_eq!(
        sandbox.refused(post().body("{}")).await,
        (415, "UNSUPPORTED_MEDIA_TYPE".to_owned())
    );
    assert_eq!(sandbox.refused(typed("{".into())).await, (400, "INVALID_REQUEST".to_owned()));
    let huge = format!("{{\"command\":\"{}\"}}", "x".repeat(5 << 20));
    assert_eq!(sandbox.refused(typed(huge)).await, (413, "PAYLOAD_TOO_LARGE".to_owned()));
    let wrong_method = sandbox.request(Method::PUT, "/processes");
    assert_eq!(sandbox.refused(wrong_method).await, (405, "METHOD_NOT_ALLOWED".to_owned()));
}

#[tokio::test]
async fn a_time_limit_kills_the_whole_tree() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = "sleep 1000 & echo $!; sleep 1000";
    let body = json!({ "command": "sh", "args": ["-c", script], "timeout": 0.3 });
    let seen = sandbox.run(body).await;
    assert_eq!(seen.end, exit(ExitStatus::Signal(9), Reason::TimedOut));
    assert!(!is_alive(seen.stdout().trim().parse().unwrap()));
    let info = sandbox.get(&format!("/processes/{}", seen.pid.unwrap())).await;
    assert_eq!((&info["status"], &info["reason"]), (&json!("signaled"), &json!("timed_out")));
}

#[tokio::test]
async fn a_leader_that_joins_another_group_is_still_killed() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    // The child makes a group of its own, and the leader joins it.
    let script = "my $child = fork; if (!$child) { setpgrp; sleep 30; exit } \
        select undef, undef, undef, 0.01 until setpgrp 0, $child; \
        close STDOUT; kill 9, $child; sleep 30";
    let body = json!({ "command": "perl", "args": ["-e", script] });
    let mut limited = body.clone();
    limited["timeout"] = json!(0.5);
    assert_eq!(sandbox.run(limited).await.end, exit(ExitStatus::Signal(9), Reason::TimedOut));
    let pid = sandbox.start(body).await["pid"].as_u64().unwrap();
    let path = format!("/processes/{pid}");
    let group = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(2)?.parse::<u64>().ok())
    };
    until(TIMEOUT, "it joins the group", async || group() != Some(pid)).await;
    let killed = sandbox.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(killed.status(), StatusCode::NO_CONTENT);
    until(TIMEOUT, "it ends", async || sandbox.get(&path).await["signal"] == 9).await;
}

#[tokio::test]
async fn what_only_a_run_or_only_a_start_has_is_refused_of_the_other() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    for (path, key, value) in [
        ("/processes", "timeout", json!(1)),
        ("/processes/run", "name", json!("web")),
        ("/processes/run", "restart", json!({})),
        ("/processes/run", "health_check", json!({ "type": "tcp", "port": 1 })),
    ] {
        let request = |value: Value| {
            let body = json!({ "command": "true", key: value });
            sandbox.request(Method::POST, path).json(&body)
        };
        let refused = sandbox.refused(request(value)).await;
        assert_eq!(refused, (400, "INVALID_REQUEST".to_owned()), "{path} {key}");
        assert!(request(Value::Null).send().await.unwrap().status().is_success(), "{path} {key}");
    }
}

#[tokio::test]
async fn signals_reach_the_process_and_those_that_end_reach_its_children() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script = "trap 'echo usr1' USR1; sleep 1000 & echo $!; while :; do wait; done";
    let pid = sandbox.script(script).await;
    let path = format!("/processes/{pid}/output/follow");
    let mut events = sandbox.request(Method::GET, &path).send().await.unwrap();
    let mut text = String::new();
    let mut read_until = async |end: &str| {
        while !text.contains(end) {
            let chunk = events.chunk().await.unwrap();
            match chunk {
                Some(chunk) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
                None => break,
            }
        }
        text.clone()
    };
    let first = read_until("\n\n").await;
    let child: u64 = first.split('"').nth(3).unwrap().parse().unwrap();
    let signal = async |number: i64| {
        let path = format!("/processes/{pid}/signal");
        sandbox
            .request(Method::POST, &path)
            .json(&json!({ "signal": number }))
            .send()
            .await
            .unwrap()
    };
    assert_eq!(signal(10).await.json::<Value>().await.unwrap(), json!({ "success": true }));
    assert!(read_until("usr1").await.contains("usr1"));
    assert!(is_alive(child));
    for wrong in [0, -1, 32, 64, 1_i64 << 40] {
        let path = format!("/processes/{pid}/signal");
        let request = sandbox.request(Method::POST, &path).json(&json!({ "signal": wrong }));
        assert_eq!(sandbox.refused(request).await, (400, "INVALID_SIGNAL".to_owned()), "{wrong}");
    }
    assert_eq!(signal(9).await.status(), StatusCode::OK);
    assert!(read_until("event: eof").await.contains("event: eof"));
    assert!(!is_alive(child));
    let again = sandbox.request(Method::DELETE, &format!("/processes/{pid}"));
    assert_eq!(sandbox.refused(again).await, (409, "PROCESS_NOT_RUNNING".to_owned()));
}

#[tokio::test]
async fn a_process_that_nobody_knows_is_not_found() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let other = server.sandbox().await;
    let pid = other.script("sleep 1000").await;
    for process in
        [pid.to_string(), "4294967295".to_owned(), "99999999999".to_owned(), "web".to_owned()]
    {
        for (method, path) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::POST, "/stdin"),
            (Method::POST, "/stdin/close"),
            (Method::GET, "/stdout"),
            (Method::GET, "/output/follow"),
        ] {
            let request = sandbox.request(method, &format!("/processes/{process}{path}"));
            assert_eq!(
                sandbox.refused(request).await,
                (404, "NOT_FOUND".to_owned()),
                "{process}{path}"
            );
        }
    }
}

#[tokio::test]
async fn many_at_once_and_each_its_own_exit() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let runs = (0..100).map(|code| {
        let sandbox = sandbox.clone();
        async move { sandbox.run_script(&format!("exit {code}")).await.exit_code() }
    });
    let codes = futures::future::join_all(runs).await;
    assert_eq!(codes, (0..100).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn closing_the_stream_of_a_run_leaves_the_command_running() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let body = json!({ "command": "sh", "args": ["-c", "echo one; sleep 0.3; echo two"] });
    let mut run = sandbox.request(Method::POST, "/processes/run").json(&body).send().await.unwrap();
    let start = run.chunk().await.unwrap().unwrap();
    let text = std::str::from_utf8(&start).unwrap();
    let pid: u64 =
        text.split_once("\"pid\":").unwrap().1.split(',').next().unwrap().parse().unwrap();
    drop(run);
    let seen = sandbox.follow(pid, "output", None).await;
    assert_eq!((seen.stdout(), seen.end), ("one\ntwo\n", Some(End::Eof)));
}

#[tokio::test]
async fn discarded_output_is_not_kept_and_info_counts() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let body =
        json!({ "command": "sh", "args": ["-c", "echo a; echo b >&2"], "stdout_mode": "discard" });
    let pid = sandbox.start(body).await["pid"].as_u64().unwrap();
    let seen = sandbox.follow(pid, "output", None).await;
    assert_eq!((seen.stdout(), seen.stderr()), ("", "b\n"));
    sandbox.script("sleep 1000").await;
    let info = sandbox.get("/info").await;
    assert_eq!((&info["running_processes"], &info["total_processes"]), (&json!(1), &json!(2)));
    assert_eq!(info["isolation"], "none");
    let listed = sandbox.get("/processes").await;
    let handles: Vec<_> =
        listed["processes"].as_array().unwrap().iter().map(|p| &p["handle"]).collect();
    assert_eq!(handles, [1, 2]);
}

#[tokio::test]
async fn so_many_run_at_once_and_the_next_is_refused() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let body = json!({ "command": "sleep", "args": ["1000"] });
    let start = || sandbox.start(body.clone());
    // What outlives its leader counts as that.
    let left = sandbox.run_script("sleep 1000 > /dev/null 2>&1 &").await;
    let started: Vec<_> =
        stream::iter(1..limits::PROCESSES).map(|_| start()).buffer_unordered(64).collect().await;
    let next = || sandbox.request(Method::POST, "/processes").json(&body);
    assert_eq!(sandbox.refused(next()).await, (429, "TOO_MANY_PROCESSES".to_owned()));
    // One that has ended makes room.
    let path = format!("/processes/{}", started[0]["pid"]);
    sandbox.request(Method::DELETE, &path).send().await.unwrap();
    sandbox.follow(started[0]["pid"].as_u64().unwrap(), "output", None).await;
    start().await;
    assert_eq!(sandbox.refused(next()).await.0, 429);
    let path = format!("/processes/{}", left.pid.unwrap());
    sandbox.request(Method::DELETE, &path).send().await.unwrap();
    until(TIMEOUT, "it makes room", async || next().send().await.unwrap().status() == 201).await;
}

#[tokio::test]
async fn usage_counts_every_process_and_bounds_its_answer() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    assert_eq!(sandbox.get("/usage").await["processes"], json!([]));
    // Each has a command line of the greatest length in the answer.
    let script = "for i in $(seq 300); do sh -c 'sleep 1000; :' $(printf %0200d $i) & done; wait";
    let body = json!({ "command": "sh", "args": ["-c", script] });
    sandbox.start(body).await;
    until(TIMEOUT, "600 processes are more than an answer holds", async || {
        let usage = sandbox.get("/usage").await;
        let processes = usage["processes"].as_array().unwrap();
        assert!(usage.to_string().len() < 64 * 1024);
        let is_short = |it: &Value| it["command"].as_str().unwrap().chars().count() <= 120;
        assert!(processes.iter().all(is_short));
        usage["truncated"] == true && processes.len() > 200
    })
    .await;
}
