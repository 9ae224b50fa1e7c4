//! Files that block, mislead or cannot be removed.

use crate::arena::{Arena, has_python};
use crate::support::machine::Mark;
use crate::support::server::{Server, isolations};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Files whose opening waits for another process: FIFOs, and files with a lease, which its holder
/// does not give up (fcntl(2), F_SETLEASE; SIGIO would end it).
const BLOCKING: &str = r"
import fcntl, os, signal, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
os.mkfifo('fifo')
os.mkfifo('runs'); os.chmod('runs', 0o755)
held = []
for name in ('leased', 'leased-too'):
    open(name, 'w').write('#!/bin/sh\necho ran\n')
    os.chmod(name, 0o755)
    held.append(os.open(name, os.O_RDONLY if name == 'leased-too' else os.O_RDWR))
    fcntl.fcntl(held[-1], fcntl.F_SETLEASE, fcntl.F_RDLCK if name == 'leased-too' else fcntl.F_WRLCK)
open('attacked', 'w')
time.sleep(1000)
";

#[tokio::test]
async fn files_that_block_whoever_opens_them() {
    if !has_python() {
        return;
    }
    for isolation in isolations() {
        let arena = Arena::start(isolation).await;
        arena.attack_in_python(BLOCKING).await;
        // The requests for these files may take as long as they like.
        let asked: Vec<_> = arena
            .hostiles
            .iter()
            .flat_map(|hostile| {
                let on =
                    |method, path: &str| hostile.sandbox.request(method, &format!("/files{path}"));
                let run = |command: &str| {
                    let body = json!({ "command": command, "env": hostile.mark.env() });
                    hostile.sandbox.request(Method::POST, "/processes").json(&body)
                };
                [
                    run("./leased"),
                    run("./runs"),
                    on(Method::GET, "?path=leased"),
                    on(Method::GET, "?path=fifo"),
                    on(Method::PUT, "?path=leased-too").body("new"),
                    on(Method::PUT, "?path=fifo").body("new"),
                    on(Method::DELETE, "?path=leased"),
                    on(Method::GET, "?path=/proc/self/mem"),
                    on(Method::GET, "?path=/proc/self/fd/0"),
                    on(Method::GET, "?path=/proc/self/environ"),
                    on(Method::GET, "?path=/proc/self/task"),
                    on(Method::GET, "/list?path=/proc/self/fd"),
                    on(Method::GET, "/list?path=."),
                    on(Method::GET, "?path=/dev/zero"),
                    on(Method::GET, "?path=/dev/tty"),
                ]
            })
            .map(|request| tokio::spawn(request.send()))
            .collect();
        // A start waits for the start before it. Everything else goes on.
        for hostile in &arena.hostiles {
            let list = hostile.sandbox.request(Method::GET, "/files/list?path=/workspace");
            let listed = tokio::time::timeout(arena.limit(1.0), list.send()).await;
            assert!(listed.expect("the agent lists files").unwrap().status().is_success());
        }
        arena.finish().await;
        join_all(asked).await;
    }
}

/// Directories below each other: more than a thread's stack has room for frames, and more than one
/// path can name.
#[tokio::test]
async fn very_deep_directories() {
    if !has_python() {
        return;
    }
    for isolation in isolations() {
        // ext4 takes half a minute to remove such a tree, tmpfs one second.
        let (temp, depth) = match tempfile::tempdir_in("/dev/shm") {
            Ok(temp) => (temp, 20_000),
            Err(_) => (tempfile::tempdir().unwrap(), 2_000),
        };
        // Landlock looks at every directory above a file.
        let depth = if isolation == "landlock" { 2_000 } else { depth };
        let arena = Arena::start_in(Arc::new(temp), isolation, &[]).await;
        let program = format!(
            "import os, time\nhome = os.getcwd()\nfor _ in range({depth}):\n    os.mkdir('d'); os.chdir('d')\n\
             open(home + '/attacked', 'w')\ntime.sleep(1000)"
        );
        arena.attack_in_python(&program).await;
        arena.finish().await;
    }
}

/// The server runs as a user whom the modes hold back, as they do not hold back root.
#[tokio::test]
async fn directories_that_nobody_may_enter() {
    for isolation in isolations() {
        let mark = Mark::new();
        let mut server = Server::start_unprivileged(&["--isolation", isolation]);
        let shut = "mkdir -p a/b/c d; touch a/b/c/file d/file; chmod 0 a/b/c a/b a d; sleep 1000";
        let sandboxes = [server.sandbox().await, server.sandbox().await];
        for sandbox in &sandboxes {
            sandbox.start(mark.script(shut)).await;
            let shut = server.workspace(&sandbox.id).join("d");
            let is_shut = async || {
                std::fs::metadata(&shut).is_ok_and(|it| it.permissions().mode() & 0o777 == 0)
            };
            crate::support::wait::until(crate::support::wait::TIMEOUT, "mode 0", is_shut).await;
        }
        let path = format!("/sandboxes/{}", sandboxes[0].id);
        server.request(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(server.directories().len(), 1, "{isolation}: after DELETE");
        server.signal("-TERM");
        assert!(server.child.wait().unwrap().success());
        assert_eq!(server.files(), Vec::<PathBuf>::new(), "{isolation}: after SIGTERM");
    }
}

/// Directories that come, go and move all the time, links that lead in circles, and paths longer than the kernel takes.
const CHURNING: &str = r"
import os, shutil
home = os.getcwd()
os.symlink('.', 'loop')
os.mkfifo('fifo')
os.mkdir('shut'); os.chmod('shut', 0)
for _ in range(2500):
    os.mkdir('d'); os.chdir('d')
os.chdir(home)
open('attacked', 'w')
count = 0
while True:
    count += 1
    name = 'a%d' % (count % 20)
    os.makedirs(name + '/b/c', exist_ok=True)
    open(name + '/b/c/file', 'w').close()
    os.symlink('../..', name + '/b/up')
    os.rename(name, 'b')
    shutil.rmtree('d/b%d' % (count % 50), ignore_errors=True)
    os.rename('b', 'd/b%d' % (count % 50))
";

#[tokio::test]
async fn a_tree_that_changes_all_the_time_while_it_is_watched() {
    if !has_python() {
        return;
    }
    for isolation in isolations() {
        let arena = Arena::start(isolation).await;
        for hostile in &arena.hostiles {
            let body = json!({ "path": ".", "recursive": true });
            let watch = hostile.sandbox.request(Method::POST, "/fs/watches").json(&body);
            assert_eq!(watch.send().await.unwrap().status().as_u16(), 201);
        }
        arena.attack_in_python(CHURNING).await;
        arena.hostiles_answer().await;
        arena.neighbour_answers().await;
        arena.finish().await;
    }
}
