//! The files API, whose work is done inside, and what sandboxes leave on the host.

use crate::world::{World, worlds};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// Makes `link` lead to the host, in turns with a directory and a file of the sandbox's own.
const SWAP: &str = r"
import os, sys
host = sys.argv[1]
for turn in range(2000):
    os.symlink('real' if turn % 2 else host, 'next')
    os.rename('next', 'link')
print('done')
";

#[tokio::test]
async fn links_do_not_lead_the_files_api_to_the_host() {
    for (level, user) in worlds() {
        let world = World::start(level, user).await;
        let (sandbox, file) = (&world.attacker, world.secret_file());
        let script = format!("ln -s {} link; ln -s / root", file.display());
        assert_eq!(sandbox.run_script(&script).await.exit_code(), Some(0));
        for path in
            ["link".to_owned(), format!("root{}", file.display()), file.display().to_string()]
        {
            let path = format!("/files?path={path}");
            let read = sandbox.request(Method::GET, &path).send().await.unwrap();
            let text = read.text().await.unwrap();
            assert!(!text.contains(world.secret()), "{level} as {user}: {path}");
            let write = sandbox.request(Method::PUT, &path).body("changed").send().await.unwrap();
            let removed = sandbox.request(Method::DELETE, &path).send().await.unwrap();
            let kept = std::fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(kept, world.secret(), "{level}: {path} {write:?} {removed:?}");
        }
        world.end();
    }
}

#[tokio::test]
async fn links_that_change_meanwhile_do_not_lead_there_either() {
    for (level, user) in worlds() {
        let world = World::start(level, user).await;
        let (sandbox, file) = (&world.attacker, world.secret_file());
        let host = file.parent().unwrap();
        let before = entries(host);
        let own = "mkdir real; echo own > real/file; ln -s real link";
        assert_eq!(sandbox.run_script(own).await.exit_code(), Some(0));
        let body = json!({ "command": "python3", "args": ["-c", SWAP, host] });
        let swaps = sandbox.run(body);
        let asks = async {
            for turn in 0..150 {
                let get = sandbox.request(Method::GET, "/files?path=link/file").send();
                let text = get.await.unwrap().text().await.unwrap();
                assert!(!text.contains(world.secret()), "{level} as {user}");
                let put = format!("/files?path=link/made-{turn}");
                let _ = sandbox.request(Method::PUT, &put).body("x").send().await.unwrap();
                let _ = sandbox.request(Method::DELETE, &put).send().await.unwrap();
            }
        };
        let (swapped, ()) = tokio::join!(swaps, asks);
        assert_eq!(swapped.stdout(), "done\n", "{}", swapped.stderr());
        assert_eq!(entries(host), before);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), world.secret());
        world.end();
    }
}

fn entries(directory: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// A sandbox can give a program of its own the right to run as the sandbox's user: nobody else can reach it.
#[tokio::test]
async fn other_users_of_the_host_do_not_reach_a_sandbox_s_files() {
    for (level, user) in worlds() {
        let world = World::start(level, user).await;
        let made = world.attacker.run_script("cp /bin/sh rootshell; chmod 6755 rootshell").await;
        assert_eq!(made.exit_code(), Some(0), "{}", made.stderr());
        let workspace = world.server.workspace(&world.attacker.id);
        assert!(workspace.join("rootshell").exists());
        for path in [workspace.join("rootshell"), workspace.clone()] {
            // Without root there is no other user to try it as.
            if rustix::process::getuid().is_root() {
                let other =
                    ["--reuid=65533", "--regid=65533", "--clear-groups", "--", "test", "-e"];
                let seen = Command::new("setpriv").args(other).arg(&path).status().unwrap();
                assert!(!seen.success(), "{level} as {user}: {}", path.display());
            }
        }
        world.end();
    }
}

#[tokio::test]
async fn a_pipe_or_device_is_not_read() {
    for (level, user) in worlds() {
        let world = World::start(level, user).await;
        let made = world.attacker.run_script("mkfifo pipe; ln -s /dev/zero zero").await;
        assert_eq!(made.exit_code(), Some(0), "{}", made.stderr());
        for name in ["pipe", "zero"] {
            let path = format!("/files?path={name}");
            let read = world.attacker.request(Method::GET, &path).send().await.unwrap();
            assert_eq!(read.status(), StatusCode::BAD_REQUEST, "{level} as {user}: {name}");
        }
        world.end();
    }
}
