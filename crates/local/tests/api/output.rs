//! Output: every byte, once, in order, whenever and however it is asked for.

use crate::server::{Seen, Server};
use crate::wait::{TIMEOUT, until};
use reqwest::Method;
use serde_json::Value;
use shoreline_protocol::batch::flag;
use shoreline_protocol::limits;
use shoreline_protocol::output::{End, Mode};
use std::time::Duration;
use tokio::sync::watch;

/// Numbered lines on both streams, with a pause that lets followers attach in between.
fn lines(count: u32) -> String {
    format!("seq -f 'o%.0f' {count} & seq -f 'e%.0f' {count} >&2; wait")
}

fn numbered(letter: char, count: u32) -> String {
    (1..=count).map(|i| format!("{letter}{i}\n")).collect()
}

#[tokio::test]
async fn bytes_are_kept_whatever_they_are() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let seen = sandbox.run_script(r"printf 'a\r\nb\377c\n\n\000\033[1m\n\303'").await;
    assert_eq!(seen.bytes[0], b"a\r\nb\xffc\n\n\0\x1b[1m\n\xc3");
    // The text of it, as JSON has it; only the last line is unfinished.
    assert_eq!(seen.batch.text, "a\r\nb\u{fffd}c\n\n\0\u{1b}[1m\n\u{fffd}");
    let finished: Vec<_> = seen.batch.flags.iter().map(|f| f & flag::TERMINATED != 0).collect();
    assert_eq!(finished, [true, true, true, true, false]);
    assert!(seen.batch.times.iter().all(|time| *time > 1.7e12));
    let nothing = sandbox.run_script("").await;
    assert_eq!(nothing.batch.len(), 0);
}

#[tokio::test]
async fn a_line_over_the_limit_comes_in_pieces() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let script =
        format!("head -c {} /dev/zero | tr '\\0' x; echo; echo after", limits::LINE_BYTES + 5);
    let seen = sandbox.run_script(&script).await;
    let expected = format!("{}\nafter\n", "x".repeat(limits::LINE_BYTES + 5));
    assert!(seen.stdout() == expected);
    let finished: Vec<_> = seen.batch.flags.iter().map(|f| f & flag::TERMINATED != 0).collect();
    assert_eq!(finished, [false, true, true]);
}

#[tokio::test]
async fn followers_that_attach_at_any_moment_get_the_same_bytes() {
    const LINES: u32 = 60_000;
    const FOLLOWERS: usize = 16;
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script(&lines(LINES)).await;
    // Each at a moment of its own, by how far a first one has come.
    let (progress, _) = watch::channel(0);
    let followers: Vec<_> = (0..FOLLOWERS)
        .map(|index| {
            let (sandbox, mut progress) = (sandbox.clone(), progress.subscribe());
            tokio::spawn(async move {
                let moment = 2 * LINES as usize / FOLLOWERS * index;
                progress.wait_for(|events| *events >= moment).await.unwrap();
                sandbox.follow(pid, "output", None).await
            })
        })
        .collect();
    let path = format!("/processes/{pid}/output/follow");
    let answer = sandbox.request(Method::GET, &path).send().await.unwrap();
    let first = Seen::read_with(Mode::Follow, answer, |events| {
        progress.send_replace(events);
    });
    let first = first.await;
    assert!(first.stdout() == numbered('o', LINES));
    assert!(first.stderr() == numbered('e', LINES));
    assert_eq!(first.end, Some(End::Eof));
    for follower in followers {
        assert!(follower.await.unwrap() == first);
    }
    assert!(sandbox.follow(pid, "output", None).await == first);
}

#[tokio::test]
async fn a_follower_goes_on_after_any_event() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script(&lines(500)).await;
    let all = sandbox.follow(pid, "output", None).await;
    for after in [0, 1, 2, 499, 500, 501, 998, 999, 1000] {
        let rest = sandbox.follow(pid, "output", Some(after)).await;
        let start = if after == 0 { 0 } else { all.batch.byte_ends[after as usize - 1] as usize };
        assert!(all.batch.text.as_bytes()[start..] == *rest.batch.text.as_bytes(), "{after}");
        assert_eq!(rest.batch.flags, all.batch.flags[after as usize..]);
    }
    for (which, letter) in [("stdout", 'o'), ("stderr", 'e')] {
        let one = sandbox.follow(pid, which, None).await;
        assert_eq!(one.batch.text, numbered(letter, 500));
        assert!(one.batch.flags.iter().all(|flags| flags & flag::STREAM == 0));
    }
    let after = |id: &str| {
        let request = sandbox.request(Method::GET, &format!("/processes/{pid}/output/follow"));
        request.header("Last-Event-ID", id)
    };
    for wrong in ["-1", "x", ""] {
        let refused = sandbox.refused(after(wrong)).await;
        assert_eq!(refused, (400, "INVALID_REQUEST".to_owned()), "{wrong}");
    }
    // Output that this process has not is another's, and gone: clients take it for a gap.
    assert_eq!(sandbox.refused(after("1001")).await, (410, "OUTPUT_EXPIRED".to_owned()));
}

#[tokio::test]
async fn captured_output_is_complete_once_the_status_is_final() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    for _ in 0..20 {
        let pid = sandbox.script(&lines(2000)).await;
        until(TIMEOUT, "the process ends", async || {
            sandbox.get(&format!("/processes/{pid}")).await["status"] != "running"
        })
        .await;
        for (which, count) in [("stdout", 2000), ("stderr", 2000), ("output", 4000)] {
            let captured = sandbox.get(&format!("/processes/{pid}/{which}")).await;
            assert_eq!(captured["line_count"], count);
            assert_eq!(captured["lines"].as_array().unwrap().len(), count, "{which}");
        }
    }
    let pid = sandbox.script(r#"printf 'q" \\ \001 \377\nlast'"#).await;
    sandbox.follow(pid, "output", None).await;
    let captured: Value = sandbox.get(&format!("/processes/{pid}/stdout")).await;
    assert_eq!(captured["lines"], serde_json::json!(["q\" \\ \u{1} \u{fffd}", "last"]));
}

#[tokio::test]
async fn output_beyond_memory_is_read_back_from_disk() {
    const LINES: u32 = 400_000;
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let live = sandbox.run_script(&lines(LINES)).await;
    assert!(live.stdout() == numbered('o', LINES));
    assert!(live.stderr() == numbered('e', LINES));
    let pid = u64::from(live.pid.unwrap());
    let later = sandbox.follow(pid, "output", None).await;
    assert!(later.batch == live.batch);
    let middle = u64::from(LINES);
    let rest = sandbox.follow(pid, "output", Some(middle)).await;
    assert!(rest.batch.flags == live.batch.flags[LINES as usize..]);
    let captured = sandbox.get(&format!("/processes/{pid}/stderr")).await;
    assert_eq!(captured["lines"].as_array().unwrap().len(), LINES as usize);
}

#[tokio::test]
async fn a_reader_that_sleeps_stops_neither_the_process_nor_other_readers() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script(&lines(400_000)).await;
    let path = format!("/processes/{pid}/output/follow");
    let mut asleep = sandbox.request(Method::GET, &path).send().await.unwrap();
    let first = asleep.chunk().await.unwrap().unwrap();
    let other = sandbox.follow(pid, "output", None).await;
    assert_eq!(other.batch.len(), 800_000);
    assert_eq!(sandbox.get(&format!("/processes/{pid}")).await["status"], "exited");
    // It finds everything when it wakes up.
    let mut bytes = first.to_vec();
    while let Some(chunk) = asleep.chunk().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    let answer = axum::http::Response::builder().header("content-type", "text/event-stream");
    let answer = reqwest::Response::from(answer.body(bytes).unwrap());
    assert!(Seen::read(Mode::Follow, answer).await == other);
}

#[tokio::test]
async fn output_that_is_dropped_is_not_passed_over_in_silence() {
    let server = Server::start(&["--max-log-bytes", "1000000"]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("seq 3000000").await;
    let end = "event: eof\ndata: {}\n\n";
    until(TIMEOUT, "the process ends", async || {
        sandbox.get(&format!("/processes/{pid}")).await["status"] != "running"
    })
    .await;
    let path = format!("/processes/{pid}/output/follow");
    let text = sandbox.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
    assert!(text.starts_with("event: gap\ndata: {\"gap\":{\"from\":1,\"to\":"), "{text:.200}");
    assert!(text.ends_with(end));
    let to: u64 = text.split("\"to\":").nth(1).unwrap().split('}').next().unwrap().parse().unwrap();
    // What is there still comes, each line with its own number.
    let rest = sandbox.follow(pid, "output", Some(to)).await;
    let expected: String = (to + 1..=3_000_000).map(|line| format!("{line}\n")).collect();
    assert!(rest.stdout() == expected);
    let captured = sandbox.request(Method::GET, &format!("/processes/{pid}/stdout"));
    assert_eq!(sandbox.refused(captured).await, (410, "OUTPUT_EXPIRED".to_owned()));
}

#[tokio::test]
async fn processes_of_a_sandbox_share_one_log_budget() {
    let server = Server::start(&["--max-log-bytes", "3000000"]);
    let sandbox = server.sandbox().await;
    let run = async |script: &str| {
        let pid = sandbox.script(script).await;
        until(TIMEOUT, "the process ends", async || {
            sandbox.get(&format!("/processes/{pid}")).await["status"] != "running"
        })
        .await;
        pid
    };
    let events = async |pid: u64| {
        let path = format!("/processes/{pid}/output/follow");
        sandbox.request(Method::GET, &path).send().await.unwrap().text().await.unwrap()
    };
    // About 2 MB each: the second process needs disk that the first one has.
    let first = run("seq 300000").await;
    assert_eq!(sandbox.follow(first, "output", None).await.batch.len(), 300_000);
    let second = run("seq 300000").await;
    assert_eq!(sandbox.follow(second, "output", None).await.batch.len(), 300_000);
    let text = events(first).await;
    assert!(text.starts_with("event: gap\ndata: {\"gap\":{\"from\":1,\"to\":"), "{text:.200}");
    assert!(text.contains("\"line\":\"300000\""));
    let captured = sandbox.request(Method::GET, &format!("/processes/{first}/stdout"));
    assert_eq!(sandbox.refused(captured).await, (410, "OUTPUT_EXPIRED".to_owned()));
    // Another sandbox has its own budget.
    let other = server.sandbox().await;
    let seen = other.run_script("seq 300000").await;
    assert_eq!(seen.batch.len(), 300_000);
    assert_eq!(sandbox.follow(second, "output", None).await.batch.len(), 300_000);
}

#[tokio::test]
async fn a_stream_without_events_is_kept_alive_while_the_other_is_written() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("while :; do echo out; sleep 1; done").await;
    let follow = sandbox.request(Method::GET, &format!("/processes/{pid}/stderr/follow"));
    let mut events = follow.send().await.unwrap();
    let most = Duration::from_secs(limits::KEEP_ALIVE_SECONDS + 10);
    let first = tokio::time::timeout(most, events.chunk()).await.expect("nothing was sent");
    assert!(first.unwrap().unwrap().starts_with(b":"));
}
