//! Invariants that hold once every client is gone.

use crate::support::server::{Sandbox, id_of};
use crate::support::terminal::Terminal;
use crate::support::wait::{TIMEOUT, found, until};
use crate::world::{FILES, NAMES, ROAMERS, SETTLED, World, content};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shoreline_protocol::limits;
use shoreline_protocol::route::{self, Route};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Checks what `routes` can have broken.
pub async fn check(world: &World, routes: &[Route]) {
    let uses = |wanted: &[Route]| routes.iter().any(|route| wanted.contains(route));
    clocks_tick_where_they_run(world).await;
    join_all(living(world).await.iter().map(|id| answers(world, id))).await;
    // The requests woke every sandbox.
    until(SETTLED, "no process is stopped", async || {
        world.mark.processes().iter().all(|process| process.state != 'T')
    })
    .await;
    the_api_lists_what_runs(world).await;
    for home in &world.homes {
        if uses(&[route::START_PROCESS]) {
            names_are_listed_or_free(home, world).await;
        }
        files_are_whole(home, world).await;
    }
    sandboxes_are_listed_or_gone(world, uses(&[route::CREATE_SANDBOX])).await;
    if uses(&[route::CREATE_PTY, route::SUSPEND_SANDBOX]) {
        join_all(world.homes.iter().map(|home| every_terminal_can_be_opened(home, world))).await;
    }
    page_tokens_are_made(world).await;
}

/// The ids of the sandboxes that are listed and not terminated.
async fn living(world: &World) -> BTreeSet<String> {
    let listed = world.look("/sandboxes?limit=1000").await;
    let all = listed["sandboxes"].as_array().cloned().unwrap_or_default();
    let alive = all.iter().filter(|sandbox| sandbox["status"] != "terminated");
    alive.map(|sandbox| sandbox["id"].as_str().unwrap().to_owned()).collect()
}

async fn answers(world: &World, id: &str) {
    let sandbox = world.server.attach(id);
    let run = timeout(SETTLED, sandbox.run_script("echo here"));
    let seen = run.await.unwrap_or_else(|_| panic!("sandbox {id} does not answer"));
    assert_eq!(seen.stdout(), "here\n", "{id}");
}

async fn clocks_tick_where_they_run(world: &World) {
    let ticks = world.homes.iter().map(async |home| {
        let clock = world.server.workspace(&home.id).join("clock");
        let clock = || std::fs::read_to_string(&clock).unwrap();
        let what = format!("the clock of {} agrees with its status", home.id);
        until(SETTLED, &what, async || {
            // This request wakes no sandbox.
            let info = world.look(&format!("/sandboxes/{}", home.id)).await;
            assert_ne!(info["status"], "terminated", "{info}");
            let before = clock();
            sleep(Duration::from_millis(300)).await;
            (info["status"] == "running") == (clock() != before)
        })
        .await;
    });
    join_all(ticks).await;
}

/// Every process and terminal that lives on the machine is one that the API says is alive.
async fn the_api_lists_what_runs(world: &World) {
    let label = |args: &[String]| {
        let at = args.iter().position(|arg| arg == world.mark.text())?;
        args.get(at + 1).cloned()
    };
    let end = tokio::time::Instant::now() + SETTLED;
    loop {
        let mut listed = BTreeSet::new();
        for id in living(world).await {
            let (processes, terminals) = (
                world.look(&format!("/s/{id}/api/v1/processes")).await,
                world.look(&format!("/s/{id}/api/v1/pty")).await,
            );
            let running =
                array(&processes["processes"]).iter().filter(|p| p["status"] == "running");
            let alive = array(&terminals["sessions"]).iter().filter(|t| t["is_alive"] == true);
            listed.extend(running.chain(alive).filter_map(|it| label(&strings(&it["args"]))));
        }
        let here = world.mark.processes();
        let here: BTreeSet<_> = here.iter().filter_map(|process| label(&process.args)).collect();
        if here == listed {
            return;
        }
        let missing = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
            a.difference(b).cloned().collect()
        };
        let (unknown, made_up) = (missing(&here, &listed), missing(&listed, &here));
        assert!(
            tokio::time::Instant::now() < end,
            "alive but not listed: {unknown:?}; listed but not alive: {made_up:?}"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn strings(value: &Value) -> Vec<String> {
    array(value).iter().filter_map(|it| Some(it.as_str()?.to_owned())).collect()
}

async fn names_are_listed_or_free(home: &Sandbox, world: &World) {
    for name in NAMES {
        let what = format!("the process name {name} is listed or free");
        until(SETTLED, &what, async || {
            let info = world.look(&format!("/s/{}/api/v1/processes/{name}", home.id)).await;
            let status = &info["managed"]["status"];
            if !status.is_null() && status != "stopped" {
                return true;
            }
            let body = json!({ "command": "true", "name": name });
            let started = home.request(Method::POST, "/processes").json(&body).send().await;
            started.unwrap().status() == StatusCode::CREATED
        })
        .await;
    }
}

async fn files_are_whole(home: &Sandbox, world: &World) {
    let workspace = world.server.workspace(&home.id);
    until(SETTLED, "no partial file is left", async || partial(&workspace).is_empty()).await;
    for name in FILES {
        let Ok(bytes) = std::fs::read(workspace.join(name)) else { continue };
        let version = bytes.first().map_or(0, |byte| byte - b'0');
        assert!(bytes == content(version), "{name}: {} bytes of version {version}", bytes.len());
    }
}

/// Files of uploads that are under way: a name beside the target that begins with a dot.
fn partial(directory: &Path) -> Vec<String> {
    let entries = ["", "deep"].map(|below| std::fs::read_dir(directory.join(below)));
    let names = entries.into_iter().flatten().flatten().flatten().map(|entry| entry.path());
    names
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .filter(|name| name.starts_with('.'))
        .collect()
}

async fn sandboxes_are_listed_or_gone(world: &World, by_name: bool) {
    until(SETTLED, "each directory is a listed sandbox's", async || {
        let directories = world.server.directories();
        let directories = directories.iter().map(|path| id_of(path).unwrap().to_owned());
        directories.collect::<BTreeSet<_>>() == living(world).await
    })
    .await;
    for name in ROAMERS.iter().filter(|_| by_name) {
        let what = format!("the sandbox name {name} is listed or free");
        let info = found(SETTLED, &what, async || {
            let create = world.server.request(Method::POST, "/sandboxes");
            let made = create.json(&json!({ "name": name })).send().await.unwrap();
            let info = world.look(&format!("/sandboxes/{name}")).await;
            let lives = info["status"] == "running" || info["status"] == "suspended";
            (lives && (made.status() == StatusCode::OK || made.status() == 409)).then_some(info)
        });
        answers(world, info.await["id"].as_str().unwrap()).await;
    }
}

async fn every_terminal_can_be_opened(home: &Sandbox, world: &World) {
    let listed = home.get("/pty").await;
    for session in array(&listed["sessions"]) {
        let path = format!("/pty/{}", session["session_id"].as_str().unwrap());
        home.request(Method::DELETE, &path).send().await.unwrap();
    }
    until(TIMEOUT, "the terminals end", async || {
        array(&home.get("/pty").await["sessions"]).iter().all(|it| it["is_alive"] == false)
    })
    .await;
    let open = (0..limits::PTY_SESSIONS).map(|_| Terminal::open(home, world.process("cat", "t")));
    let open = timeout(TIMEOUT, join_all(open)).await.expect("64 terminals are opened");
    for terminal in [&open[0], &open[limits::PTY_SESSIONS - 1]] {
        let mut client = terminal.ready().await;
        client.send(shoreline_protocol::pty::Input::Data(b"typed\n")).await;
        client.until("typed\r\ntyped\r\n").await;
    }
}

/// The newest tokens are good, as many as there may be.
async fn page_tokens_are_made(world: &World) {
    let origin = "http://127.0.0.1:4999";
    let create = world.server.request(Method::POST, "/local/page-tokens");
    let made = create.json(&json!({ "origin": origin })).send().await.unwrap();
    assert_eq!(made.status(), StatusCode::CREATED);
    let made: Value = made.json().await.unwrap();
    let asked = world.server.client.get(format!("{}/sandboxes", world.server.url));
    let asked = asked.bearer_auth(made["token"].as_str().unwrap()).header("origin", origin);
    assert_eq!(asked.send().await.unwrap().status(), StatusCode::OK);
}
