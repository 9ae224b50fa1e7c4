//! Files and directories as Node's `fs` has them: one request for each operation, confined as the sandbox is.

use crate::server::{Sandbox, Server, isolations};
use crate::wait::{TIMEOUT, until};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

fn looking(sandbox: &Sandbox, query: &[(&str, &str)]) -> RequestBuilder {
    sandbox.request(Method::GET, "/fs").query(query)
}

async fn look(sandbox: &Sandbox, query: &[(&str, &str)]) -> Value {
    let answer = looking(sandbox, query).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{query:?}");
    answer.json().await.unwrap()
}

fn changing(sandbox: &Sandbox, body: &Value) -> RequestBuilder {
    sandbox.request(Method::POST, "/fs").json(body)
}

async fn change(sandbox: &Sandbox, body: Value) {
    let answer = changing(sandbox, &body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{body}");
}

async fn names(sandbox: &Sandbox, path: &str, recursive: &str) -> Vec<String> {
    let query = [("op", "readdir"), ("path", path), ("recursive", recursive)];
    let listed = look(sandbox, &query).await;
    let entries = listed["entries"].as_array().unwrap().iter();
    let mut names: Vec<_> = entries
        .map(|entry| {
            format!("{} {}", entry["name"].as_str().unwrap(), entry["kind"].as_str().unwrap())
        })
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn files_are_made_looked_at_and_removed() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        change(&sandbox, json!({ "op": "mkdir", "path": "a/-b\n", "recursive": true })).await;
        change(&sandbox, json!({ "op": "mkdir", "path": "/workspace/é", "mode": 0o700 })).await;
        change(&sandbox, json!({ "op": "symlink", "target": "../é", "path": "a/link" })).await;
        change(&sandbox, json!({ "op": "rename", "path": "é", "to": "a/-b\n/moved" })).await;
        assert_eq!(names(&sandbox, ".", "false").await, ["a directory"]);
        assert_eq!(
            names(&sandbox, ".", "true").await,
            ["a directory", "a/-b\n directory", "a/-b\n/moved directory", "a/link link"]
        );
        let stat = look(&sandbox, &[("op", "stat"), ("path", "a/-b\n/moved")]).await;
        assert_eq!(stat["mode"], 0o40700);
        let link = look(&sandbox, &[("op", "readlink"), ("path", "a/link")]).await;
        assert_eq!(link["path"], "../é");
        change(&sandbox, json!({ "op": "rm", "path": "a", "recursive": true })).await;
        assert_eq!(sandbox.run_script("ls -A").await.stdout(), "");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_by_the_name_of_its_error_number() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox.run_script("mkdir full; echo x > full/file; ln -s loop loop").await;
    for (query, status, code) in [
        (vec![("op", "stat"), ("path", "none")], 404, "ENOENT"),
        (vec![("op", "stat"), ("path", "full/file/below")], 409, "ENOTDIR"),
        (vec![("op", "stat"), ("path", "loop")], 409, "ELOOP"),
        (vec![("op", "readlink"), ("path", "full")], 409, "EINVAL"),
        (vec![("op", "readdir"), ("path", "full/file")], 409, "ENOTDIR"),
        (vec![("op", "access"), ("path", "full/file"), ("mode", "1")], 403, "EACCES"),
        (vec![("op", "access"), ("path", "full/file"), ("mode", "8")], 400, "INVALID_REQUEST"),
        (vec![("op", "access"), ("path", "full/file"), ("mode", "x")], 400, "INVALID_REQUEST"),
        (vec![("op", "stat"), ("path", "")], 400, "INVALID_PATH"),
        (vec![("op", "stat"), ("path", "a\0b")], 400, "INVALID_PATH"),
        (vec![("op", "stat")], 400, "INVALID_REQUEST"),
        (vec![("op", "mkdir"), ("path", "x")], 400, "INVALID_REQUEST"),
        (vec![("path", "x")], 400, "INVALID_REQUEST"),
    ] {
        let request = looking(&sandbox, &query);
        assert_eq!(sandbox.refused(request).await, (status, code.to_owned()), "{query:?}");
    }
    for (body, status, code) in [
        (json!({ "op": "mkdir", "path": "full" }), 409, "EEXIST"),
        (json!({ "op": "rm", "path": "full" }), 409, "EISDIR"),
        (json!({ "op": "rm", "path": "none" }), 404, "ENOENT"),
        (json!({ "op": "rename", "path": "full", "to": "full/below" }), 409, "EINVAL"),
        (json!({ "op": "rename", "path": "full", "to": "" }), 400, "INVALID_PATH"),
        (json!({ "op": "mkdir", "path": "full/file/x", "recursive": true }), 409, "ENOTDIR"),
        (json!({ "op": "stat", "path": "full", "follow": true }), 400, "INVALID_REQUEST"),
        (json!({ "op": "chmod", "path": "full", "mode": 0o10000 }), 400, "INVALID_REQUEST"),
        (json!({ "op": "mkdir", "path": "x", "mode": 0o10000 }), 400, "INVALID_REQUEST"),
        (json!({ "op": "none", "path": "full" }), 422, "INVALID_SHAPE"),
        (json!({ "op": "rm", "path": "full", "recursiv": true }), 422, "INVALID_SHAPE"),
        (json!({ "op": "rm" }), 422, "INVALID_SHAPE"),
    ] {
        let request = changing(&sandbox, &body);
        assert_eq!(sandbox.refused(request).await, (status, code.to_owned()), "{body}");
    }
    assert_eq!(sandbox.run_script("cat full/file").await.stdout(), "x\n");
}

#[tokio::test]
async fn nothing_outside_of_an_isolated_sandbox_is_seen_or_changed() {
    if !isolations().contains(&"bubblewrap") {
        return;
    }
    let server = Server::start(&["--isolation", "bubblewrap"]);
    let sandbox = server.sandbox().await;
    let outside = server.temp.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    let host = outside.to_str().unwrap();
    sandbox.run_script(&format!("ln -s {host} link; ln -s / root; mkdir d; echo x > d/x")).await;
    for path in ["link", "link/secret", host, "root/../../../../proc/1/root/etc/shadow"] {
        let request = looking(&sandbox, &[("op", "stat"), ("path", path)]);
        let (status, code) = sandbox.refused(request).await;
        assert!(matches!(code.as_str(), "ENOENT" | "EACCES" | "EPERM"), "{path}: {status} {code}");
    }
    for body in [
        json!({ "op": "mkdir", "path": "root/usr/new" }),
        json!({ "op": "rm", "path": "/usr/bin", "recursive": true }),
        json!({ "op": "chmod", "path": "/etc/passwd", "mode": 0o777 }),
        json!({ "op": "copyfile", "path": "d/x", "to": "/etc/passwd" }),
        json!({ "op": "rename", "path": "d", "to": "/usr/d" }),
        json!({ "op": "cp", "path": "d", "to": "/usr/d", "recursive": true }),
        json!({ "op": "utimes", "path": "/etc/passwd", "atime_ms": 0, "mtime_ms": 0 }),
    ] {
        let (status, code) = sandbox.refused(changing(&sandbox, &body)).await;
        let refusals = ["EACCES", "EPERM", "EROFS", "EBUSY", "EXDEV"];
        assert!(refusals.contains(&code.as_str()), "{body}: {status} {code}");
    }
    // A link is removed, and not what it leads to.
    for path in ["link", "root"] {
        change(&sandbox, json!({ "op": "rm", "path": path, "recursive": true })).await;
    }
    assert_eq!(std::fs::read_to_string(outside.join("secret")).unwrap(), "secret");
}

#[tokio::test]
async fn directories_of_any_depth_are_removed_and_large_ones_are_listed_up_to_a_limit() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    // Deeper than a path, than descriptors and than a stack reach.
    let deep = "mkdir deep; cd deep; p=$(printf 'd/%.0s' $(seq 1000)); \
                for i in 1 2 3 4 5 6 7 8 9; do mkdir -p $p && cd -P ./$p || exit 1; done";
    assert_eq!(sandbox.run_script(deep).await.exit_code(), Some(0));
    let all = looking(&sandbox, &[("op", "readdir"), ("path", "deep"), ("recursive", "true")]);
    assert_eq!(sandbox.refused(all).await, (409, "ENAMETOOLONG".to_owned()));
    let copy = json!({ "op": "cp", "path": "deep", "to": "copy", "recursive": true });
    let refused = sandbox.refused(changing(&sandbox, &copy)).await;
    assert_eq!(refused, (409, "ENAMETOOLONG".to_owned()));
    for path in ["deep", "copy"] {
        change(&sandbox, json!({ "op": "rm", "path": path, "recursive": true })).await;
    }
    assert_eq!(sandbox.run_script("ls -A").await.stdout(), "");

    sandbox.run_script("mkdir wide; cd wide; seq 10000 | xargs touch").await;
    assert_eq!(names(&sandbox, "wide", "false").await.len(), 10_000);
    change(&sandbox, json!({ "op": "cp", "path": "wide", "to": "wide2", "recursive": true })).await;
    assert_eq!(names(&sandbox, ".", "true").await.len(), 20_002);
}

#[tokio::test]
async fn special_files_and_names_that_are_not_utf8_are_refused() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox.run_script("mkfifo fifo; echo x > file; mkdir odd; : > \"$(printf 'odd/caf\\351')\"; ln -s \"$(printf '\\377')\" odd/link").await;
    for body in [
        json!({ "op": "copyfile", "path": "fifo", "to": "copy" }),
        json!({ "op": "copyfile", "path": "file", "to": "fifo" }),
        json!({ "op": "cp", "path": "fifo", "to": "copy" }),
    ] {
        let refused = sandbox.refused(changing(&sandbox, &body)).await;
        assert_eq!(refused, (409, "ENXIO".to_owned()), "{body}");
    }
    for (op, path) in [("readdir", "odd"), ("readlink", "odd/link")] {
        let answer = looking(&sandbox, &[("op", op), ("path", path)]).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], "EILSEQ");
        let name = if op == "readdir" { r"caf\xe9" } else { r"\xff" };
        assert!(body["error"].as_str().unwrap().contains(name) || op == "readdir", "{body}");
    }
    change(&sandbox, json!({ "op": "cp", "path": "odd", "to": "odd2", "recursive": true })).await;
    for path in ["odd", "odd2", "fifo"] {
        change(&sandbox, json!({ "op": "rm", "path": path, "recursive": true })).await;
    }
    assert_eq!(sandbox.run_script("ls -A; cat file").await.stdout(), "file\nx\n");
}

#[tokio::test]
async fn a_client_that_goes_ends_a_look_and_not_a_change() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox.run_script("mkdir tree; cd tree; seq 20000 | xargs touch").await;
    let copy = json!({ "op": "cp", "path": "tree", "to": "copy", "recursive": true });
    let copying = tokio::spawn(changing(&sandbox, &copy).send());
    let begun = async || sandbox.run_script("ls -d copy").await.exit_code() == Some(0);
    until(TIMEOUT, "the copy begins", begun).await;
    copying.abort();
    let count = async || sandbox.run_script("ls copy | wc -l").await.stdout().trim().to_owned();
    until(TIMEOUT, "the copy is complete", async || count().await == "20000").await;
    // More than can be under way at the same time: those of clients that have gone do not count.
    for _ in 0..100 {
        let query = [("op", "readdir"), ("path", "/workspace"), ("recursive", "true")];
        let looking = tokio::spawn(looking(&sandbox, &query).send());
        tokio::task::yield_now().await;
        looking.abort();
    }
    let free = async || {
        let query = [("op", "stat"), ("path", "tree")];
        looking(&sandbox, &query).send().await.unwrap().status().is_success()
    };
    until(TIMEOUT, "the looks end", free).await;
}

#[tokio::test]
async fn a_file_is_written_with_a_flag_and_a_mode() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let put = |query: &[(&str, &str)], body: &'static str| {
        sandbox.request(Method::PUT, "/files").query(query).body(body)
    };
    sandbox.run_script("mkfifo fifo; ln -s made dangling; echo a > linked; ln linked other").await;
    for (query, body) in [
        (vec![("path", "new"), ("flag", "wx"), ("mode", "640")], "new"),
        (vec![("path", "log"), ("flag", "a"), ("mode", "600")], "one "),
        (vec![("path", "log"), ("flag", "a")], "two"),
        (vec![("path", "dangling"), ("flag", "w")], "made"),
        (vec![("path", "linked"), ("flag", "w")], "both"),
        (vec![("path", "linked")], "same"),
    ] {
        assert_eq!(put(&query, body).send().await.unwrap().status().as_u16(), 204, "{query:?}");
    }
    for (query, status, code) in [
        (vec![("path", "new"), ("flag", "wx")], 409, "EEXIST"),
        (vec![("path", "dangling"), ("flag", "wx")], 409, "EEXIST"),
        (vec![("path", "no/new"), ("flag", "w")], 404, "ENOENT"),
        (vec![("path", "no/new"), ("flag", "a")], 404, "ENOENT"),
        (vec![("path", "fifo"), ("flag", "w")], 409, "ENXIO"),
        (vec![("path", "fifo"), ("flag", "a")], 409, "ENXIO"),
        (vec![("path", "."), ("flag", "a")], 409, "EISDIR"),
        (vec![("path", "new"), ("flag", "r+")], 400, "INVALID_REQUEST"),
        (vec![("path", "new"), ("flag", "w"), ("mode", "rw")], 400, "INVALID_REQUEST"),
    ] {
        let refused = sandbox.refused(put(&query, "x")).await;
        assert_eq!(refused, (status, code.to_owned()), "{query:?}");
    }
    let seen =
        sandbox.run_script("stat -c '%a %h %s' new log made linked; cat log other; ls -A").await;
    let lines = "640 1 3\n600 1 7\n644 1 4\n644 2 4\none twosamedangling\nfifo\nlinked\nlog\nmade\nnew\nother\n";
    assert_eq!(seen.stdout(), lines);
}
