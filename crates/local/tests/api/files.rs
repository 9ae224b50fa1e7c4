//! Files: streamed both ways, whole or not at all, and never outside.

use crate::server::{Sandbox, Server, isolations, refused};
use crate::wait::{TIMEOUT, until};
use reqwest::{Body, Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};

fn on(sandbox: &Sandbox, method: Method, path: &str) -> RequestBuilder {
    sandbox.request(method, "/files").query(&[("path", path)])
}

async fn put(sandbox: &Sandbox, path: &str, bytes: impl Into<Body>) {
    let answer = on(sandbox, Method::PUT, path).body(bytes).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
}

async fn get(sandbox: &Sandbox, path: &str) -> Vec<u8> {
    let answer = on(sandbox, Method::GET, path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/octet-stream");
    let length: usize = answer.headers()[header::CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
    let bytes = answer.bytes().await.unwrap().to_vec();
    assert_eq!(bytes.len(), length);
    bytes
}

async fn list(sandbox: &Sandbox, path: &str) -> Vec<(String, bool, Option<u64>)> {
    let request = sandbox.request(Method::GET, "/files/list").query(&[("path", path)]);
    let listed: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["path"], path);
    let entries = listed["entries"].as_array().unwrap().iter().map(|entry| {
        assert!(entry["modified_at"].as_u64().unwrap() > 1_700_000_000_000);
        let name = entry["name"].as_str().unwrap().to_owned();
        (name, entry["is_dir"].as_bool().unwrap(), entry["size"].as_u64())
    });
    entries.collect()
}

#[tokio::test]
async fn a_file_goes_in_and_comes_out_as_it_was() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        let big: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
        for path in ["big", "/workspace/below/deep/big", "/workspace/a + b %2F é\n"] {
            put(&sandbox, path, big.clone()).await;
            assert!(get(&sandbox, path).await == big, "{path}");
        }
        put(&sandbox, "empty", "").await;
        assert_eq!(get(&sandbox, "empty").await, b"");
        // What a process sees and what the API sees is the same.
        let seen =
            sandbox.run_script("sha256sum < big; sha256sum < below/deep/big; echo hi > made").await;
        let lines: Vec<_> = seen.stdout().lines().collect();
        assert_eq!(lines[0], lines[1]);
        assert_eq!(get(&sandbox, "made").await, b"hi\n");
        assert_eq!(get(&sandbox, "/workspace/made").await, b"hi\n");
        let deleted = on(&sandbox, Method::DELETE, "made").send().await.unwrap();
        assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
        let again = on(&sandbox, Method::DELETE, "made");
        assert_eq!(sandbox.refused(again).await, (404, "NOT_FOUND".to_owned()));
    }
}

#[tokio::test]
async fn directories_come_first_and_by_name() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox.run_script("mkdir z y; printf 12345 > b; : > a; ln -s z link; mkfifo fifo").await;
    let expected = [
        ("y", true, None),
        ("z", true, None),
        ("a", false, Some(0)),
        ("b", false, Some(5)),
        ("fifo", false, Some(0)),
        ("link", false, Some(1)),
    ];
    let expected = expected.map(|(name, is_dir, size)| (name.to_owned(), is_dir, size));
    assert_eq!(list(&sandbox, "/workspace").await, expected);
    assert_eq!(list(&sandbox, ".").await, expected);
    assert_eq!(list(&sandbox, "z").await, []);
    let listed = sandbox.get("/files/list?path=.").await;
    let entries = listed["entries"].as_array().unwrap().iter();
    let links: Vec<_> = entries.filter(|entry| entry["is_link"] == true).collect();
    assert_eq!((links.len(), &links[0]["name"]), (1, &json!("link")));
    sandbox.run_script("chmod 640 b").await;
    let listed = sandbox.get("/files/list?path=.").await;
    assert_eq!(listed["entries"][3]["mode"], 0o640);
}

#[tokio::test]
async fn a_write_keeps_what_a_rename_could_not() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox
        .run_script("echo old > file; ln file hard; mkdir -m 755 shut; echo old > shut/file; chmod 555 shut; ln -s shut/new dangling; ln -s new2 dangling2; echo old > closed; chmod 444 closed")
        .await;
    put(&sandbox, "file", "new").await;
    put(&sandbox, "shut/file", "new").await;
    put(&sandbox, "dangling2", "made").await;
    let seen = sandbox.run_script("cat hard shut/file new2; readlink dangling2; stat -c %h file");
    assert_eq!(seen.await.stdout(), "newnewmadenew2\n2\n");
    // Root may do everything.
    if !rustix::process::getuid().is_root() {
        for path in ["dangling", "closed"] {
            let request = on(&sandbox, Method::PUT, path).body("x");
            let refused = sandbox.refused(request).await;
            assert_eq!(refused, (403, "PERMISSION_DENIED".to_owned()), "{path}");
        }
    }
    sandbox.run_script("chmod 755 shut").await;
}

#[tokio::test]
async fn a_write_is_whole_or_nothing() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    put(&sandbox, "file", "old").await;
    sandbox.run_script("chmod 640 file; ln -s file link").await;
    // A client that goes away in the middle.
    let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<Vec<u8>, std::io::Error>>();
    sender.unbounded_send(Ok(vec![b'x'; 1_000_000])).unwrap();
    let request = on(&sandbox, Method::PUT, "file").body(Body::wrap_stream(receiver));
    let writing = tokio::spawn(request.send());
    let is_partial = |(name, ..): &(String, bool, Option<u64>)| name.starts_with(".file.");
    let partial = async || list(&sandbox, ".").await.iter().any(is_partial);
    until(TIMEOUT, "the upload begins", partial).await;
    assert_eq!(get(&sandbox, "file").await, b"old");
    sender.unbounded_send(Err(std::io::Error::other("gone"))).unwrap();
    assert!(writing.await.unwrap().is_err());
    until(TIMEOUT, "the partial file goes", async || list(&sandbox, ".").await.len() == 2).await;
    assert_eq!(get(&sandbox, "file").await, b"old");
    // Through a link, and with the permissions that the file had.
    put(&sandbox, "link", "new").await;
    let seen = sandbox.run_script("cat file; stat -c ' %a' file; readlink link; ls -A").await;
    assert_eq!(seen.stdout(), "new 640\nfile\nfile\nlink\n");
}

#[tokio::test]
async fn a_file_takes_the_place_of_files_only() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox.run_script("mkfifo pipe; ln -s pipe link; ln -s loop loop").await;
    for path in ["pipe", "link", "loop"] {
        let request = on(&sandbox, Method::PUT, path).body("x");
        assert_eq!(sandbox.refused(request).await, (400, "INVALID_PATH".to_owned()), "{path}");
    }
    let seen =
        sandbox.run_script("[ -p pipe ] && [ -p link ] && [ -L loop ]; echo $?; ls -A").await;
    assert_eq!(seen.stdout(), "0\nlink\nloop\npipe\n");
}

#[tokio::test]
async fn an_upload_to_what_becomes_a_directory_leaves_nothing() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<Vec<u8>, std::io::Error>>();
    sender.unbounded_send(Ok(vec![b'x'; 1000])).unwrap();
    let request = on(&sandbox, Method::PUT, "place").body(Body::wrap_stream(receiver));
    let writing = tokio::spawn(request.send());
    until(TIMEOUT, "the upload begins", async || !list(&sandbox, ".").await.is_empty()).await;
    sandbox.run_script("mkdir place").await;
    drop(sender);
    assert_eq!(writing.await.unwrap().unwrap().status().as_u16(), 400);
    until(TIMEOUT, "the partial file goes", async || list(&sandbox, ".").await.len() == 1).await;
}

#[tokio::test]
async fn parts_of_a_file() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    put(&sandbox, "file", "0123456789").await;
    let part = async |range: &str| {
        let answer = on(&sandbox, Method::GET, "file").header("range", range).send().await.unwrap();
        let status = answer.status().as_u16();
        let which =
            answer.headers().get(header::CONTENT_RANGE).map(|r| r.to_str().unwrap().to_owned());
        (status, which, answer.text().await.unwrap())
    };
    for (range, which, text) in [
        ("bytes=0-3", "bytes 0-3/10", "0123"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-2", "bytes 8-9/10", "89"),
        ("bytes=-20", "bytes 0-9/10", "0123456789"),
        ("bytes=9-100", "bytes 9-9/10", "9"),
    ] {
        assert_eq!(part(range).await, (206, Some(which.to_owned()), text.to_owned()), "{range}");
    }
    for ignored in ["bytes=5-2", "lines=1-2", "bytes=1-2,4-5", "bytes=x-"] {
        assert_eq!(part(ignored).await, (200, None, "0123456789".to_owned()), "{ignored}");
    }
    for outside in ["bytes=10-", "bytes=-0"] {
        let (status, which, text) = part(outside).await;
        assert_eq!((status, which.as_deref()), (416, Some("bytes */10")), "{outside}");
        assert!(text.contains("RANGE_NOT_SATISFIABLE"));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_path_is_said() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    sandbox.run_script("mkdir dir; echo x > file; mkfifo fifo; ln -s loop loop").await;
    let long = "x".repeat(300);
    for (method, path, status, code) in [
        (Method::GET, "nothing", 404, "NOT_FOUND"),
        (Method::GET, "dir", 400, "IS_DIRECTORY"),
        (Method::PUT, "dir", 400, "IS_DIRECTORY"),
        (Method::DELETE, "dir", 400, "IS_DIRECTORY"),
        (Method::GET, "file/below", 400, "NOT_A_DIRECTORY"),
        (Method::PUT, "file/below", 400, "NOT_A_DIRECTORY"),
        (Method::GET, "fifo", 400, "INVALID_PATH"),
        (Method::GET, "loop", 400, "INVALID_PATH"),
        (Method::GET, &long, 400, "INVALID_PATH"),
        (Method::GET, "", 400, "INVALID_PATH"),
        (Method::GET, "a\0b", 400, "INVALID_PATH"),
        (Method::GET, "../x", 403, "PATH_TRAVERSAL"),
        (Method::PUT, "/workspace/../x", 403, "PATH_TRAVERSAL"),
        (Method::DELETE, "a/..", 403, "PATH_TRAVERSAL"),
    ] {
        let request = on(&sandbox, method.clone(), path).body("x");
        assert_eq!(sandbox.refused(request).await, (status, code.to_owned()), "{method} {path:?}");
    }
    for (path, status, code) in [
        ("nothing", 404, "NOT_FOUND"),
        ("file", 400, "NOT_A_DIRECTORY"),
        ("..", 403, "PATH_TRAVERSAL"),
    ] {
        let request = sandbox.request(Method::GET, "/files/list").query(&[("path", path)]);
        assert_eq!(sandbox.refused(request).await, (status, code.to_owned()), "{path}");
    }
    for query in ["", "?path=%ff", "?other=x"] {
        let request = sandbox.request(Method::GET, &format!("/files{query}"));
        assert_eq!(sandbox.refused(request).await, (400, "INVALID_REQUEST".to_owned()), "{query}");
    }
    // A dot is no harm, and the server is as well as before.
    put(&sandbox, "./fine", "y").await;
    assert_eq!(get(&sandbox, "/workspace/./fine").await, b"y");
}

#[tokio::test]
async fn a_link_does_not_lead_out_of_an_isolated_sandbox() {
    if !isolations().contains(&"bubblewrap") {
        return;
    }
    let server = Server::start(&["--isolation", "bubblewrap"]);
    let sandbox = server.sandbox().await;
    let outside = server.temp.path().join("secret");
    std::fs::write(&outside, "secret").unwrap();
    let outside = outside.to_str().unwrap();
    sandbox
        .run_script(&format!("ln -s {outside} link; ln -s / root; ln -s /etc/passwd users"))
        .await;
    for path in ["link", outside] {
        let request = on(&sandbox, Method::GET, path);
        assert_eq!(sandbox.refused(request).await, (404, "NOT_FOUND".to_owned()), "{path}");
    }
    assert!(String::from_utf8(get(&sandbox, "users").await).unwrap().contains("tl-user"));
    for path in ["root/usr/bin/new", "/etc/hosts", "users"] {
        let request = on(&sandbox, Method::PUT, path).body("x");
        assert_eq!(sandbox.refused(request).await, (403, "PERMISSION_DENIED".to_owned()), "{path}");
    }
    // The temporary directory is the sandbox's own, for processes and for this.
    put(&sandbox, "/tmp/file", "mine").await;
    assert_eq!(sandbox.run_script("cat /tmp/file").await.stdout(), "mine");
    assert_eq!(json!(list(&sandbox, "/home").await.len()), 1);
}

#[tokio::test]
async fn who_is_refused_while_sending_is_told_so() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    let pid = sandbox.script("sleep 1000").await;
    let file = |path| on(&sandbox, Method::PUT, path);
    let keyless = server.client.put(format!("{}/files?path=x", sandbox.url));
    let stdin = sandbox.request(Method::POST, &format!("/processes/{pid}/stdin"));
    for (request, status, code) in [
        (file("../x"), 403, "PATH_TRAVERSAL"),
        (file("."), 400, "IS_DIRECTORY"),
        (keyless, 401, "UNAUTHORIZED"),
        (server.request(Method::PUT, "/nothing"), 404, "ROUTE_NOT_FOUND"),
        (server.request(Method::PUT, "/s/nobody/api/v1/files?path=x"), 404, "SANDBOX_NOT_FOUND"),
        (stdin, 400, "STDIN_NOT_WRITABLE"),
    ] {
        assert_eq!(refused(request.body(vec![7; 16 << 20])).await, (status, code.to_owned()));
    }
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_and_leaves_nothing() {
    let server = Server::start(&["--max-file-bytes", "2000000"]);
    let all = server.sandbox().await;
    let body = json!({ "resources": { "disk_mb": 1 } });
    let made = server.request(Method::POST, "/sandboxes").json(&body).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    let small = server.attach(made["sandbox_id"].as_str().unwrap());
    for (sandbox, most) in [(all, 2_000_000), (small, 1 << 20)] {
        put(&sandbox, "file", vec![7; most]).await;
        let larger = on(&sandbox, Method::PUT, "other").body(vec![7; most + 1]);
        assert_eq!(refused(larger).await, (413, "PAYLOAD_TOO_LARGE".to_owned()));
        let files = async || sandbox.run_script("ls -A").await.stdout().to_owned();
        // It is removed once nobody writes it any more.
        until(TIMEOUT, "the partial file goes", async || files().await == "file\n").await;
    }
}

#[tokio::test]
async fn a_file_that_the_kernel_makes_while_it_is_read_is_read_to_its_end() {
    let server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    // Their size is given as 0 and as 4096.
    for path in ["/proc/version", "/proc/filesystems", "/sys/kernel/notes", "/sys/kernel/profiling"]
    {
        let Ok(expected) = std::fs::read(path) else { continue };
        let read = on(&sandbox, Method::GET, path).header(header::RANGE, "bytes=0-3");
        let read = read.send().await.unwrap();
        assert_eq!(read.status(), StatusCode::OK, "{path}");
        assert_eq!(read.bytes().await.unwrap(), expected, "{path}");
    }
    sandbox.run_script(": > empty").await;
    assert_eq!(get(&sandbox, "empty").await, b"");
    let range = on(&sandbox, Method::GET, "empty").header(header::RANGE, "bytes=0-");
    assert_eq!(refused(range).await, (416, "RANGE_NOT_SATISFIABLE".to_owned()));
}
