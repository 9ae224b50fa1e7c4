//! Files of the machine in sandboxes, named on the command line of the server.

use crate::server::{Sandbox, Server, isolations, refused};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

fn is_isolated() -> bool {
    isolations().contains(&"bubblewrap")
}

async fn prints(sandbox: &Sandbox, script: &str) -> String {
    let seen = sandbox.run_script(script).await;
    format!("{}{}", seen.stdout(), seen.stderr())
}

/// A directory with `data` and `own` in it, and a file with an odd name.
fn files() -> TempDir {
    let files = tempfile::tempdir().unwrap();
    for name in ["data", "own"] {
        fs::create_dir(files.path().join(name)).unwrap();
    }
    // A sandbox of a server that root has started is another user.
    fs::set_permissions(files.path().join("own"), Permissions::from_mode(0o777)).unwrap();
    fs::write(files.path().join("data/text"), "of the host\n").unwrap();
    fs::write(files.path().join("data/secret"), "").unwrap();
    fs::write(files.path().join("a file: b"), "odd\n").unwrap();
    files
}

fn server(files: &Path) -> Server {
    let at = |name: &str, rest: &str| format!("--mount={}:{rest}", files.join(name).display());
    let (data, own) = (at("data", "/data"), at("own", "/workspace/deep/own:rw"));
    let (odd, again) = (at("a file: b", "/srv/a file:ro"), at("data", "/tmp/data"));
    Server::start(&["--isolation", "bubblewrap", &data, &own, &odd, &again])
}

#[tokio::test]
async fn sandboxes_read_what_is_mounted_and_write_only_where_they_may() {
    if !is_isolated() {
        return;
    }
    let files = files();
    let server = server(files.path());
    let (sandbox, other) = (server.sandbox().await, server.sandbox().await);
    let read = "cat /data/text /tmp/data/text '/srv/a file'";
    assert_eq!(prints(&sandbox, read).await, "of the host\nof the host\nodd\n");
    let request = sandbox.request(Method::GET, "/files").query(&[("path", "/data/text")]);
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "of the host\n");
    for script in [
        "echo x > /data/text",
        "echo x > /data/new",
        "rm /data/text",
        "chmod 600 /data/text",
        "ln /data/text /workspace/link",
        "mv /data /gone",
        "echo x > '/srv/a file'",
        "umount /data",
        "mount -o remount,rw /data",
        "rm -rf /tmp/data",
    ] {
        let seen = sandbox.run_script(&format!("{script} 2>/dev/null && echo done")).await;
        assert_eq!(seen.stdout(), "", "{script}");
    }
    let write = sandbox.request(Method::PUT, "/files").query(&[("path", "/data/put")]).body("x");
    assert_eq!(write.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(fs::read_dir(files.path().join("data")).unwrap().count(), 2);

    prints(&sandbox, "echo mine > deep/own/made; mkdir deep/own/below").await;
    assert_eq!(fs::read_to_string(files.path().join("own/made")).unwrap(), "mine\n");
    assert_eq!(prints(&other, "cat deep/own/made").await, "mine\n");
    // A program of the mount that would run with its owner's rights elsewhere does not here.
    let options = "awk '$5 == \"/data\" || $5 == \"/workspace/deep/own\" { print $6 }' \
                   /proc/self/mountinfo";
    let options = prints(&sandbox, options).await;
    assert_eq!(options.lines().count(), 2, "{options}");
    for options in options.lines() {
        assert!(options.contains("nosuid") && options.contains("nodev"), "{options}");
    }
    // The end of the sandboxes leaves the files of the machine alone.
    for id in [&sandbox.id, &other.id] {
        let path = format!("/sandboxes/{id}");
        server.request(Method::DELETE, &path).send().await.unwrap();
    }
    drop(server);
    assert!(files.path().join("own/made").exists() && files.path().join("own/below").is_dir());
    assert_eq!(fs::read_dir(files.path().join("data")).unwrap().count(), 2);
}

#[tokio::test]
async fn a_link_in_a_mount_leads_no_further_than_the_sandbox() {
    if !is_isolated() {
        return;
    }
    let files = files();
    let outside = files.path().join("outside");
    fs::write(&outside, "outside\n").unwrap();
    symlink(&outside, files.path().join("data/link")).unwrap();
    let server = server(files.path());
    let sandbox = server.sandbox().await;
    assert!(prints(&sandbox, "cat /data/link").await.contains("No such file"));
    let link = sandbox.request(Method::GET, "/files").query(&[("path", "/data/link")]);
    assert_eq!(refused(link).await, (404, "NOT_FOUND".to_owned()));
    // Nor is the rest of the directory there.
    assert!(prints(&sandbox, "cat /data/../own/made").await.contains("No such file"));
}

#[tokio::test]
async fn a_mount_that_is_gone_from_the_machine_is_named() {
    if !is_isolated() {
        return;
    }
    let files = files();
    let server = server(files.path());
    let (data, away) = (files.path().join("data"), files.path().join("away"));
    fs::rename(&data, &away).unwrap();
    let create = || server.request(Method::POST, "/sandboxes").json(&json!({}));
    let answer = create().send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let answer: Value = answer.json().await.unwrap();
    let text = answer["error"].as_str().unwrap();
    assert_eq!(text, "/data cannot be mounted: it is gone from the host");
    fs::rename(&away, &data).unwrap();
    assert_eq!(prints(&server.sandbox().await, "cat /data/text").await, "of the host\n");
}

#[test]
fn a_server_does_not_start_with_a_mount_that_cannot_be_had() {
    let files = files();
    let host = files.path().to_str().unwrap();
    let path = format!("{host}:/data");
    let data = format!("{host}/data");
    let start = |args: &[&str], path: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shoreline-local"));
        command.args(["--port", "0"]).args(args);
        if let Some(path) = path {
            command.env("PATH", path);
        }
        let done = command.output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let none = ["--isolation", "none", "--mount", &path];
    let (code, text) = start(&none, None);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("shoreline-local: --mount needs isolation"), "{text}");
    // Where only `auto` finds that there is no isolation.
    let (code, text) = start(&["--mount", &path], Some(files.path()));
    assert_eq!((code, text.contains("--mount needs isolation")), (Some(1), true), "{text}");
    if !is_isolated() {
        return;
    }
    for (mount, why) in [
        (format!("{host}/missing:/data"), "HOST: No such file or directory"),
        (format!("{host}/data:data"), "INSIDE must be an absolute path"),
        (format!("{host}/data:/usr/share"), "INSIDE collides with /usr"),
        (format!("{host}/a file: b:/etc"), "INSIDE collides with /etc"),
    ] {
        let (code, text) = start(&["--mount", &mount], None);
        assert_eq!(
            (code, text.contains(&format!("--mount {mount}: {why}"))),
            (Some(1), true),
            "{text}"
        );
    }
    // Two that collide.
    let (odd, below) = (format!("{host}/a file: b:/srv/file"), format!("{data}:/srv/file/below"));
    let (code, text) = start(&["--mount", &odd, "--mount", &below], None);
    assert_eq!(
        (code, text.contains("collides with the mount at /srv/file")),
        (Some(1), true),
        "{text}"
    );
}
