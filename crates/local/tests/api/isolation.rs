//! Isolation, tested by processes in a sandbox.

use crate::server::{KEY, Sandbox, Server, is_alive, isolations};
use crate::wait::{TIMEOUT, found};
use reqwest::Method;
use serde_json::{Value, json};
use shoreline_protocol::exit::ExitStatus;
use shoreline_protocol::output::End;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// A server with bubblewrap, where that is installed.
fn isolated() -> Option<Server> {
    isolations().contains(&"bubblewrap").then(|| Server::start(&["--isolation", "bubblewrap"]))
}

async fn prints(sandbox: &Sandbox, script: &str) -> String {
    let seen = sandbox.run_script(script).await;
    format!("{}{}", seen.stdout(), seen.stderr())
}

#[tokio::test]
async fn what_is_in_force_is_said() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        assert_eq!(server.sandbox().await.get("/info").await["isolation"], isolation);
    }
}

#[tokio::test]
async fn nothing_of_the_host_is_seen() {
    let Some(server) = isolated() else { return };
    let (sandbox, other) = (server.sandbox().await, server.sandbox().await);
    other.script("sleep 43219").await;
    // No home directory, and of /etc only the needed files.
    let own_home = std::env::var("HOME").unwrap();
    assert_eq!(
        prints(&sandbox, &format!("ls -A {own_home} /home/tl-user /srv 2>/dev/null | grep -v :"))
            .await
            .trim(),
        ".config\n.profile"
    );
    assert_eq!(prints(&sandbox, "ls /home; ls -A /root").await, "tl-user\n");
    assert_eq!(prints(&sandbox, "cat /etc/shadow 2>/dev/null").await, "");
    // Not the server, its key, or other sandboxes' processes.
    let processes = prints(
        &sandbox,
        "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'",
    )
    .await;
    assert!(!processes.contains(KEY) && !processes.contains("43219"), "{processes}");
    for kind in ["cgroup", "ipc", "mnt", "pid", "user", "uts"] {
        let link = format!("/proc/self/ns/{kind}");
        let own = std::fs::read_link(&link).unwrap();
        let inside = prints(&sandbox, &format!("readlink {link}")).await;
        assert_ne!(inside.trim(), own.to_str().unwrap());
        assert_ne!(inside, prints(&other, &format!("readlink {link}")).await);
    }
    let id = sandbox.run(json!({ "command": "ps", "args": ["-e", "-o", "comm="] })).await;
    assert!(id.stdout().lines().count() < 8, "{}", id.stdout());
    // Nor their files.
    sandbox
        .run_script("echo mine > /tmp/file; echo mine > /workspace/file; echo mine > ~/file")
        .await;
    assert_eq!(prints(&other, "ls -A /tmp /workspace ~ | grep -x file").await, "");
    assert_eq!(prints(&sandbox, "cat /tmp/file file ~/file").await, "mine\nmine\nmine\n");
}

#[tokio::test]
async fn nothing_of_the_host_can_be_changed() {
    let Some(server) = isolated() else { return };
    let sandbox = server.sandbox().await;
    assert_eq!(
        prints(&sandbox, "id -un; id -u; pwd; hostname").await,
        "tl-user\n1000\n/workspace\nsandbox\n"
    );
    for script in [
        "touch /usr/bin/new",
        "touch /new",
        "touch /etc/new",
        "touch /run/new",
        "touch /dev/new",
        "touch /root/new",
        "touch /etc/resolv.conf",
        "echo x > /etc/passwd",
        "mount -t tmpfs none /mnt",
        "chroot / true",
        "echo 1 > /proc/sys/kernel/ns_last_pid",
    ] {
        let seen = sandbox.run_script(&format!("{script} 2>/dev/null && echo done")).await;
        assert_eq!(seen.stdout(), "", "{script}");
    }
    let writable = "for d in /tmp /var/tmp /dev/shm ~ /workspace; do touch $d/new || echo $d; done";
    assert_eq!(prints(&sandbox, writable).await, "");
    let no_new_privileges = "grep -E '^(NoNewPrivs|CapEff)' /proc/self/status";
    assert_eq!(
        prints(&sandbox, no_new_privileges).await,
        "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n"
    );
}

#[tokio::test]
async fn a_sandbox_that_kills_its_agent_is_ended_and_its_exits_are_not_made_up() {
    let server = Server::start(&["--isolation", "none"]);
    let sandbox = server.sandbox().await;
    // One that has left its group and session.
    let script = "mkfifo up; setsid sh -c 'echo $$ > up; exec sleep 1000' >/dev/null 2>&1 & cat up";
    let orphan = sandbox.run_script(script).await;
    let orphan = orphan.stdout().trim().parse().unwrap();
    assert!(is_alive(orphan));
    let victim = sandbox.run_script("sleep 0.1; kill -9 $PPID; sleep 3").await;
    match victim.end {
        Some(End::Exit(exit)) => assert_eq!(exit.status, ExitStatus::Signal(9)),
        end => assert_eq!(end, None),
    }
    let path = format!("/sandboxes/{}", sandbox.id);
    let info = found(TIMEOUT, "the sandbox ends", async || {
        let info = server.request(Method::GET, &path).send().await.unwrap();
        Some(info.json::<Value>().await.unwrap()).filter(|info| info["status"] == "terminated")
    })
    .await;
    assert_eq!(info["termination_reason"], "agent_lost");
    assert!(!is_alive(orphan));
    assert_eq!(prints(&server.sandbox().await, "echo fine").await, "fine\n");
}

#[tokio::test]
async fn an_isolated_agent_can_be_neither_killed_nor_stopped_nor_looked_into() {
    let Some(server) = isolated() else { return };
    let sandbox = server.sandbox().await;
    for script in [
        "echo $PPID; kill -9 1; kill -STOP 1; kill -TERM 1; kill -HUP 1; kill -9 -1; kill -STOP -1",
        "kill -STOP -1; kill -9 -1",
    ] {
        sandbox.run_script(script).await;
        assert_eq!(prints(&sandbox, "echo $PPID").await, "1\n");
    }
    for hidden in [
        "readlink /proc/1/fd/0",
        "cat /proc/1/environ",
        "cat /proc/1/maps",
        "head -c 1 /proc/1/mem",
    ] {
        let seen = sandbox.run_script(&format!("{hidden} 2>/dev/null")).await;
        assert_eq!((seen.stdout(), seen.exit_code() == Some(0)), ("", false), "{hidden}");
    }
}

#[tokio::test]
async fn without_namespaces_a_sandbox_without_network_has_no_sockets_for_it() {
    if !isolations().contains(&"landlock") {
        return;
    }
    let server = Server::start(&["--isolation", "landlock"]);
    let closed =
        server.sandbox_with(json!({ "network": { "allow_internet_access": false } })).await;
    let port = server.url.rsplit(':').next().unwrap();
    let connect = format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' && echo connected");
    let refused = prints(&closed, &connect).await;
    assert!(refused.contains("Operation not permitted"), "{refused}");
    assert_eq!(prints(&server.sandbox().await, &connect).await, "connected\n");
}

#[tokio::test]
async fn a_sandbox_with_network_can_read_which_nameservers_there_are() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = server.sandbox().await;
        let nameservers = prints(&sandbox, "grep ^nameserver /etc/resolv.conf").await;
        assert!(nameservers.starts_with("nameserver "), "{isolation}: {nameservers}");
    }
}

#[tokio::test]
async fn without_namespaces_there_is_a_directory_for_temporary_files() {
    if !isolations().contains(&"landlock") {
        return;
    }
    let server = Server::start(&["--isolation", "landlock"]);
    let sandbox = server.sandbox().await;
    assert_eq!(prints(&sandbox, "f=$(mktemp) && echo kept > $f && cat $f").await, "kept\n");
    let closed = prints(&sandbox, "touch /tmp/made || echo closed").await;
    assert!(closed.starts_with("closed\n"), "{closed}");
}

/// The file that a process of the server has open as standard error.
fn standard_error(pid: u32) -> String {
    std::fs::read_link(format!("/proc/{pid}/fd/2")).unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_agent_does_not_have_the_server_s_standard_error() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let _sandbox = server.sandbox().await;
        let mark = server.temp.path().to_str().unwrap().to_owned();
        let started = crate::machine::mentioning(&mark);
        let agents: Vec<_> =
            started.iter().filter(|it| it.args.iter().any(|arg| arg == "--workspace")).collect();
        assert!(!agents.is_empty());
        // The descriptors of a process that is not dumpable are shown to root only.
        if !rustix::process::getuid().is_root() {
            return;
        }
        for agent in agents {
            let errors = standard_error(agent.pid);
            assert!(errors.starts_with("pipe:"), "{errors}");
            assert_ne!(errors, standard_error(server.child.id()));
        }
    }
}

#[tokio::test]
async fn a_server_that_root_starts_runs_sandboxes_as_a_user_who_owns_nothing_else() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let (one, two) = (server.sandbox().await, server.sandbox().await);
        let mut owners = Vec::new();
        for sandbox in [&one, &two] {
            let made = sandbox.run_script("touch mine").await;
            assert_eq!(made.exit_code(), Some(0), "{}", made.stderr());
            let file = server.workspace(&sandbox.id).join("mine");
            owners.push(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(file).unwrap()));
        }
        match isolation {
            "none" => assert_eq!(owners, [0, 0]),
            _ => assert!(owners[0] > 1 << 20 && owners[1] > 1 << 20 && owners[0] != owners[1]),
        }
    }
}

#[test]
fn a_server_does_not_start_where_its_sandboxes_could_not_enter_their_directories() {
    if !rustix::process::getuid().is_root() || !isolations().contains(&"landlock") {
        return;
    }
    let closed = tempfile::tempdir().unwrap();
    std::fs::set_permissions(closed.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_shoreline-local"));
    server.args(["--port", "0", "--isolation", "landlock", "--until-stdin-closes"]);
    let ended = server.env("TMPDIR", closed.path()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && said.contains("set TMPDIR"), "{said}");
}

#[tokio::test]
async fn private_keys_of_the_host_are_not_seen() {
    let Some(server) = isolated() else { return };
    let sandbox = server.sandbox().await;
    let seen = prints(&sandbox, "ls -d /etc/ssl/* /etc/pki/* /etc/pki/tls/* 2>/dev/null").await;
    let known =
        ["cert.pem", "certs", "openssl.cnf", "ca-trust", "tls"].map(|name| format!("/{name}"));
    for line in seen.lines() {
        assert!(known.iter().any(|name| line.ends_with(name)), "{line}");
    }
}
