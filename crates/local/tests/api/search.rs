//! Searches for names and for lines: streamed, bounded, and harmed by nothing that a sandbox makes of its files.

use crate::server::{Sandbox, Server, isolations};
use crate::wait::{TIMEOUT, until};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

type Query<'a> = &'a [(&'a str, &'a str)];

fn searching(sandbox: &Sandbox, which: &str, query: Query<'_>) -> RequestBuilder {
    let path = ("path", "/workspace");
    let given = query.iter().any(|(name, _)| *name == "path");
    let query: Vec<_> = query.iter().copied().chain((!given).then_some(path)).collect();
    sandbox.request(Method::GET, &format!("/fs/{which}")).query(&query)
}

/// The results in the order of their JSON, and the end.
async fn search(sandbox: &Sandbox, which: &str, query: Query<'_>) -> (Vec<Value>, Value) {
    let answer = searching(sandbox, which, query).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{query:?}");
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let text = answer.text().await.unwrap();
    let mut results: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = results.pop().unwrap()["end"].clone();
    assert!(end.is_object(), "{text}");
    results.sort_by_key(|it| (it["path"].as_str().map(str::to_owned), it.to_string()));
    (results, end)
}

async fn paths(sandbox: &Sandbox, query: Query<'_>) -> Vec<String> {
    let (results, end) = search(sandbox, "glob", query).await;
    assert_eq!(end, json!({ "truncated": false, "binary": 0, "skipped": 0 }));
    results.iter().map(|it| it["path"].as_str().unwrap().to_owned()).collect()
}

async fn lines(sandbox: &Sandbox, query: Query<'_>) -> Vec<String> {
    let (results, _) = search(sandbox, "grep", query).await;
    let line =
        |it: &Value| format!("{}:{}:{}", it["path"].as_str().unwrap(), it["line"], it["column"]);
    results.iter().map(line).collect()
}

#[tokio::test]
async fn names_and_lines_are_found() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        sandbox
            .run_script(
                "mkdir -p src/deep .hidden; echo 'let é = Hello' > src/a.rs; \
                 printf 'x\\n\\nhello\\n' > src/deep/b.rs; echo hello > .hidden/c.rs; \
                 ln -s src link; echo hello > 'src/-n\nw.txt'",
            )
            .await;
        assert_eq!(paths(&sandbox, &[("pattern", "**/*.rs")]).await, ["src/a.rs", "src/deep/b.rs"]);
        let all = ["link", "src", "src/-n\nw.txt", "src/a.rs", "src/deep", "src/deep/b.rs"];
        assert_eq!(paths(&sandbox, &[("pattern", "**")]).await, all);
        assert_eq!(
            paths(&sandbox, &[("pattern", "*.rs"), ("pattern", "*.txt"), ("path", "src")]).await,
            ["-n\nw.txt", "a.rs"]
        );
        let excluded = [("pattern", "**/*.rs"), ("exclude", "src/deep"), ("hidden", "true")];
        assert_eq!(paths(&sandbox, &excluded).await, [".hidden/c.rs", "src/a.rs"]);
        let (results, _) = search(&sandbox, "glob", &[("pattern", "*")]).await;
        let kinds = [
            json!({ "path": "link", "kind": "link" }),
            json!({ "path": "src", "kind": "directory" }),
        ];
        assert_eq!(results, kinds);

        let query = [("pattern", "hel+o"), ("ignore_case", "true"), ("glob", "**/*.rs")];
        let (results, end) = search(&sandbox, "grep", &query).await;
        let expected = [
            json!({ "path": "src/a.rs", "line": 1, "column": 9, "text": "let é = Hello", "cut": false }),
            json!({ "path": "src/deep/b.rs", "line": 3, "column": 1, "text": "hello", "cut": false }),
        ];
        assert_eq!(results, expected);
        assert_eq!(end, json!({ "truncated": false, "binary": 0, "skipped": 0 }));
        assert_eq!(lines(&sandbox, &[("pattern", "hello"), ("hidden", "true")]).await.len(), 3);
        let fixed = [("pattern", "é = H"), ("fixed", "true")];
        assert_eq!(lines(&sandbox, &fixed).await, ["src/a.rs:1:5"]);
        assert!(lines(&sandbox, &[("pattern", "l.*o"), ("fixed", "true")]).await.is_empty());
    }
}

#[tokio::test]
async fn ignore_files_are_respected() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox
        .run_script(
            "mkdir -p repo/.git repo/sub/deeper node_modules/x; cd repo; \
             printf 'target\\n*.log\\n!keep.log\\n/sub/only\\n' > .gitignore; \
             mkdir target sub/target; : > target/a; : > sub/target/a; : > a.log; : > keep.log; \
             : > sub/only; : > sub/deeper/only; printf '!a.log\\n' > sub/.gitignore; : > sub/a.log; \
             printf 'keep.log\\n!b.log\\n' > .ignore; : > b.log; printf '!keep.log\\n' > sub/.rgignore; \
             : > sub/keep.log; printf 'node_modules/\\nrepo/sub/deeper\\n' > ../.gitignore; : > ../node_modules/x/y",
        )
        .await;
    let found = paths(&sandbox, &[("pattern", "**")]).await;
    let expected = [
        "repo",
        "repo/b.log",
        "repo/sub",
        "repo/sub/a.log",
        "repo/sub/deeper",
        "repo/sub/deeper/only",
        "repo/sub/keep.log",
    ];
    assert_eq!(found, expected);
    // The files above the directory that is searched hold too.
    let below = [("pattern", "**"), ("path", "repo/sub")];
    assert_eq!(paths(&sandbox, &below).await, ["a.log", "deeper", "deeper/only", "keep.log"]);
    let all = [("pattern", "**/*.log"), ("ignore_files", "false")];
    let found = paths(&sandbox, &all).await;
    assert_eq!(
        found,
        ["repo/a.log", "repo/b.log", "repo/keep.log", "repo/sub/a.log", "repo/sub/keep.log"]
    );
    assert_eq!(
        paths(&sandbox, &[("pattern", "node_modules/**"), ("ignore_files", "false")]).await.len(),
        2
    );
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox.run_script("echo x > file").await;
    let (long, many) = ("a".repeat(4097), vec![("pattern", "a"); 65]);
    for (which, query, status, code) in [
        ("glob", vec![("pattern", "*"), ("path", "none")], 404, "ENOENT"),
        ("glob", vec![("pattern", "*"), ("path", "file")], 409, "ENOTDIR"),
        ("glob", vec![("pattern", "*"), ("path", "a\0b")], 400, "INVALID_PATH"),
        ("glob", vec![], 400, "INVALID_REQUEST"),
        ("glob", vec![("pattern", "/a")], 400, "INVALID_REQUEST"),
        ("glob", vec![("pattern", "[")], 400, "INVALID_REQUEST"),
        ("glob", vec![("pattern", "*"), ("exclude", "../a")], 400, "INVALID_REQUEST"),
        ("glob", vec![("pattern", "*"), ("limit", "0")], 400, "INVALID_REQUEST"),
        ("glob", vec![("pattern", "*"), ("limit", "1000001")], 400, "INVALID_REQUEST"),
        ("glob", vec![("pattern", "*"), ("hidden", "yes")], 400, "INVALID_REQUEST"),
        ("glob", many, 400, "INVALID_REQUEST"),
        ("grep", vec![], 400, "INVALID_REQUEST"),
        ("grep", vec![("pattern", "")], 400, "INVALID_REQUEST"),
        ("grep", vec![("pattern", "(")], 400, "INVALID_REQUEST"),
        ("grep", vec![("pattern", "a\\nb")], 400, "INVALID_REQUEST"),
        ("grep", vec![("pattern", "(a{1000}){1000}")], 400, "INVALID_REQUEST"),
        ("grep", vec![("pattern", "x"), ("max_line_bytes", "65537")], 400, "INVALID_REQUEST"),
        ("grep", vec![("pattern", &long)], 400, "INVALID_REQUEST"),
    ] {
        let request = searching(&sandbox, which, &query);
        assert_eq!(sandbox.refused(request).await, (status, code.to_owned()), "{which} {query:?}");
    }
    let nested = "(".repeat(1000) + "a" + &")".repeat(1000);
    let request = searching(&sandbox, "grep", &[("pattern", &nested)]);
    assert_eq!(sandbox.refused(request).await.0, 400);
}

#[tokio::test]
async fn a_limit_and_what_was_left_out_are_told() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox.run_script("seq 10 | xargs touch; seq 10 > 1; printf 'a\\0b\\n1' > binary").await;
    for (limit, count, truncated) in
        [("1", 1, true), ("10", 10, true), ("11", 11, false), ("12", 11, false)]
    {
        let (results, end) = search(&sandbox, "glob", &[("pattern", "*"), ("limit", limit)]).await;
        assert_eq!((results.len(), &end["truncated"]), (count, &json!(truncated)), "{limit}");
    }
    let (results, end) = search(&sandbox, "grep", &[("pattern", "1"), ("limit", "1")]).await;
    assert_eq!((results.len(), &end["truncated"]), (1, &json!(true)));
    let (results, end) = search(&sandbox, "grep", &[("pattern", "1")]).await;
    assert_eq!(results.len(), 2);
    assert_eq!(end, json!({ "truncated": false, "binary": 1, "skipped": 0 }));

    // A text is cut before a character; a match behind that has no column.
    sandbox.run_script("printf 'aé%sZ\\n' \"$(printf 'é%.0s' $(seq 50))\" > long").await;
    for (pattern, most, text, column) in [
        ("é", "4", "aé", json!(2)),
        ("Z", "4", "aé", Value::Null),
        ("$", "4", "aé", Value::Null),
        ("a", "2", "a", json!(1)),
        ("a", "1", "a", json!(1)),
    ] {
        let query = [("pattern", pattern), ("max_line_bytes", most), ("glob", "long")];
        let (results, _) = search(&sandbox, "grep", &query).await;
        let found = &results[0];
        let expected =
            json!({ "path": "long", "line": 1, "column": column, "text": text, "cut": true });
        assert_eq!(found, &expected, "{pattern} {most}");
    }
    let whole = [("pattern", "Z"), ("max_line_bytes", "104"), ("glob", "long")];
    let (results, _) = search(&sandbox, "grep", &whole).await;
    assert_eq!((&results[0]["column"], &results[0]["cut"]), (&json!(53), &json!(false)));
    // A line beyond the memory for one is not searched, and that is said.
    sandbox.run_script("rm *; head -c 20000000 /dev/zero | tr '\\0' x > huge").await;
    let (results, end) = search(&sandbox, "grep", &[("pattern", "y")]).await;
    assert_eq!((results.len(), &end["skipped"]), (0, &json!(1)));
}

#[tokio::test]
async fn links_special_files_and_odd_names_do_no_harm() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox
        .run_script(
            "mkdir d; echo secret > outside; mkdir -p root/a; cd root; ln -s ../outside link; ln -s .. up; \
             ln -s . loop; mkfifo fifo .gitignore a/.ignore; mkdir a/.rgignore; echo secret > a/file; \
             : > \"$(printf 'caf\\351')\"; mkdir \"$(printf 'd\\377')\"; ln -s /dev/zero a/zero; \
             mkdir b; head -c 300000 /dev/zero | tr '\\0' '*' > b/.gitignore; echo secret > b/file",
        )
        .await;
    let query = [("pattern", "secret"), ("path", "root"), ("hidden", "true")];
    let (results, end) = search(&sandbox, "grep", &query).await;
    let found: Vec<_> = results.iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(found, ["a/file", "b/file"]);
    // Two names that are not UTF-8, and an ignore file that is too large.
    assert_eq!(end["skipped"], 3);
    let query = [("pattern", "**"), ("path", "root")];
    let (results, end) = search(&sandbox, "glob", &query).await;
    let found: Vec<_> = results.iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(found, ["a", "a/file", "a/zero", "b", "b/file", "fifo", "link", "loop", "up"]);
    assert_eq!(end["skipped"], 3);

    // Deeper than paths, descriptors and a stack reach.
    let deep = "mkdir deep; cd deep; p=$(printf 'd/%.0s' $(seq 1000)); \
                for i in 1 2 3 4 5 6 7 8 9; do mkdir -p $p && cd -P ./$p && echo secret > f || exit 1; done";
    assert_eq!(sandbox.run_script(deep).await.exit_code(), Some(0));
    let query = [("pattern", "secret"), ("path", "deep"), ("max_line_bytes", "9")];
    let (results, end) = search(&sandbox, "grep", &query).await;
    assert_eq!((results.len(), &end["skipped"]), (2, &json!(1)));
}

#[tokio::test]
async fn a_tree_that_changes_meanwhile_leads_nowhere_else() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox
        .run_script(
            "mkdir outside; echo secret > outside/file; mkdir -p tree/x; \
             for i in $(seq 50); do mkdir tree/$i; seq 20 | sed s,^,tree/$i/, | xargs touch; done",
        )
        .await;
    let change = "cd tree; ln -s ../outside x/link; mkfifo x/fifo; exec python3 -c '
import os
while True:
    for i in range(1, 51):
        for other in (\"x/link\", \"x/fifo\"):
            os.rename(str(i), \"x/saved\")
            os.rename(other, str(i))
            os.rename(str(i), other)
            os.rename(\"x/saved\", str(i))'";
    let pid = sandbox.script(change).await;
    for _ in 0..200 {
        let query = [("pattern", "secret"), ("path", "tree")];
        let (results, _) = search(&sandbox, "grep", &query).await;
        assert!(results.is_empty(), "{results:?}");
    }
    let killed = sandbox.request(Method::DELETE, &format!("/processes/{pid}")).send().await;
    assert!(killed.unwrap().status().is_success());
}

#[tokio::test]
async fn a_reader_that_leaves_ends_its_search() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    // More than pipes and sockets hold, so that a search waits for its reader.
    sandbox.run_script("for i in $(seq 40); do seq 100000 > $i; done; mkdir empty").await;
    let begin = || searching(&sandbox, "grep", &[("pattern", "0")]);
    let mut searches = Vec::new();
    for _ in 0..16 {
        let mut answer = begin().send().await.unwrap();
        assert!(answer.chunk().await.unwrap().is_some());
        searches.push(answer);
    }
    assert_eq!(sandbox.refused(begin()).await, (429, "TOO_MANY_PROCESSES".to_owned()));
    // Other operations on files have their own count.
    let stat = sandbox.request(Method::GET, "/fs").query(&[("op", "stat"), ("path", "1")]);
    assert!(stat.send().await.unwrap().status().is_success());
    searches.clear();
    let free = async || {
        let empty = searching(&sandbox, "grep", &[("pattern", "0"), ("path", "empty")]);
        empty.send().await.unwrap().status().is_success()
    };
    until(TIMEOUT, "the searches end", free).await;
    for _ in 0..100 {
        drop(begin().send().await.unwrap());
        until(TIMEOUT, "the search ends", free).await;
    }
}

#[tokio::test]
async fn a_search_that_is_broken_off_has_no_end() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox.run_script("for i in $(seq 40); do seq 100000 > $i; done").await;
    let mut answer = searching(&sandbox, "grep", &[("pattern", "0")]).send().await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some());
    let ended = server.request(Method::DELETE, &format!("/sandboxes/{}", sandbox.id)).send().await;
    assert!(ended.unwrap().status().is_success());
    let mut text = Vec::new();
    let broken = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => text.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken && !text.windows(7).any(|part| part == b"{\"end\":"));
}

#[tokio::test]
async fn nothing_outside_of_an_isolated_sandbox_is_found() {
    if !isolations().contains(&"bubblewrap") {
        return;
    }
    let server = Server::start(&["--isolation", "bubblewrap"]);
    let sandbox = server.sandbox().await;
    let outside = server.temp.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "secret").unwrap();
    sandbox.run_script(&format!("ln -s {0} link; ln -s {0}/file file", outside.display())).await;
    assert!(lines(&sandbox, &[("pattern", "secret")]).await.is_empty());
    for path in ["link", outside.to_str().unwrap()] {
        let request = searching(&sandbox, "glob", &[("pattern", "*"), ("path", path)]);
        assert_eq!(sandbox.refused(request).await, (404, "ENOENT".to_owned()), "{path}");
    }
    // What the kernel makes is left out.
    let (results, _) =
        search(&sandbox, "glob", &[("pattern", "{proc,sys}/*"), ("path", "/")]).await;
    assert!(results.is_empty(), "{results:?}");
}
