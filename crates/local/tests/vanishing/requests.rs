//! A request for each route that changes something, aimed at what is there.

use crate::raw::Request;
use crate::support::random::Random;
use crate::world::{FILES, NAMES, ROAMERS, TREES, World, content};
use serde_json::{Value, json};
use shoreline_protocol::route::{self, Route};

pub async fn of(world: &World, route: Route, random: &mut Random) -> Request {
    let home = world.homes[random.below(world.homes.len())].clone();
    let inside = |path: String| format!("/s/{}{path}", home.id);
    let fill = |segment: &str| inside(route.fill(&[segment]));
    let (path, body) = match route {
        route::START_PROCESS => (inside(route.fill(&[])), start(world, random)),
        route::RUN => {
            let script = random.pick(&["sleep 1000; :", "echo out; sleep 0.05", "seq 1000"]);
            (inside(route.fill(&[])), world.process(script, "p"))
        }
        route::KILL_PROCESS | route::RESTART_PROCESS | route::CLOSE_STDIN => {
            (fill(&process(world, &home.id, random).await), Value::Null)
        }
        route::SIGNAL_PROCESS => {
            // Not SIGSTOP: only a suspended sandbox may have stopped processes afterwards.
            let signal = random.pick(&[1, 2, 9, 10, 15, 18, 28]);
            (fill(&process(world, &home.id, random).await), json!({ "signal": signal }))
        }
        route::WRITE_STDIN => {
            let path = fill(&process(world, &home.id, random).await);
            return bytes(route, path, vec![b'x'; random.pick(&[1, 1000, 300_000])]);
        }
        route::WRITE_FILE | route::DELETE_FILE => {
            let path = format!("{}?path={}", inside(route.fill(&[])), random.pick(&FILES));
            let version = u8::try_from(random.below(10)).unwrap();
            let body = if route == route::WRITE_FILE { content(version) } else { Vec::new() };
            return bytes(route, path, body);
        }
        route::CHANGE_FILES => {
            // The files that are written stay whole: only these are changed.
            let [path, to] = [random.pick(&TREES), random.pick(&TREES)];
            let body = match random.below(4) {
                0 => json!({ "op": "mkdir", "path": format!("{path}/below"), "recursive": true }),
                1 => json!({ "op": "rename", "path": path, "to": to }),
                2 => json!({ "op": "cp", "path": path, "to": to, "recursive": true }),
                _ => json!({ "op": "rm", "path": path, "recursive": true }),
            };
            (inside(route.fill(&[])), body)
        }
        route::WATCH_FILES => {
            (inside(route.fill(&[])), json!({ "path": random.pick(&TREES), "recursive": true }))
        }
        route::END_WATCH => (fill(&(1 + random.below(20)).to_string()), Value::Null),
        route::CREATE_PTY => (inside(route.fill(&[])), world.process("sleep 1000; :", "t")),
        route::KILL_PTY => (fill(&terminal(world, &home.id, random).await), Value::Null),
        route::RESIZE_PTY => {
            let size = json!({ "rows": 1 + random.below(100), "cols": 1 + random.below(100) });
            (fill(&terminal(world, &home.id, random).await), size)
        }
        route::CREATE_SANDBOX => {
            let name = [Value::Null, json!(random.pick(&ROAMERS))];
            (route.fill(&[]), json!({ "name": name[random.below(2)] }))
        }
        route::UPDATE_SANDBOX => {
            let body = json!({ "name": random.pick(&ROAMERS), "exposed_ports": [3000] });
            (route.fill(&[&roamer(world, random).await]), body)
        }
        route::DELETE_SANDBOX => (route.fill(&[&roamer(world, random).await]), Value::Null),
        route::SUSPEND_SANDBOX
        | route::RESUME_SANDBOX
        // These are refused, as the server has no snapshots.
        | route::SNAPSHOT_SANDBOX
        | route::COPY_SANDBOX => (route.fill(&[&home.id]), Value::Null),
        route::DELETE_SNAPSHOT => (route.fill(&["none"]), Value::Null),
        route::CREATE_PAGE_TOKEN => {
            let origin = format!("http://127.0.0.1:{}", 5000 + random.below(100));
            (route.fill(&[]), json!({ "origin": origin }))
        }
        route::INTROSPECT_KEY => (route.fill(&[]), Value::Null),
        _ => panic!("no request is made for {route:?}: add one"),
    };
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Request { method: route.method.as_str(), path, is_json: true, body }
}

fn bytes(route: Route, path: String, body: Vec<u8>) -> Request {
    Request { method: route.method.as_str(), path, is_json: false, body }
}

fn start(world: &World, random: &mut Random) -> Value {
    let script = random.pick(&["sleep 1000; :", "sleep 1000; :", "cat", "echo out", "exit 3"]);
    let mut body = world.process(script, "p");
    if random.below(2) == 0 {
        body["stdin_mode"] = json!("pipe");
    }
    if random.below(2) == 0 {
        body["name"] = json!(random.pick(&NAMES));
        body["restart"] =
            json!({ "policy": "on_failure", "max_restarts": 3, "initial_backoff_ms": 20 });
    }
    body
}

/// The address of a process of the home: by name or by pid.
async fn process(world: &World, home: &str, random: &mut Random) -> String {
    if random.below(3) == 0 {
        return random.pick(&NAMES).to_owned();
    }
    let listed = world.look(&format!("/s/{home}/api/v1/processes")).await;
    let all = listed["processes"].as_array().cloned().unwrap_or_default();
    // The clocks have to live on.
    let all: Vec<_> = all.iter().filter(|it| !it["args"].to_string().contains("\"clock")).collect();
    // A process that nobody has is asked for too.
    all.get(random.below(all.len() + 1)).map_or("1".to_owned(), |it| it["pid"].to_string())
}

async fn terminal(world: &World, home: &str, random: &mut Random) -> String {
    let listed = world.look(&format!("/s/{home}/api/v1/pty")).await;
    let all = listed["sessions"].as_array().cloned().unwrap_or_default();
    let one = all.get(random.below(all.len() + 1));
    one.and_then(|it| it["session_id"].as_str()).unwrap_or("none").to_owned()
}

/// A sandbox that may be changed and ended.
async fn roamer(world: &World, random: &mut Random) -> String {
    if random.below(3) == 0 {
        return random.pick(&ROAMERS).to_owned();
    }
    let listed = world.look("/sandboxes?status=running").await;
    let all = listed["sandboxes"].as_array().cloned().unwrap_or_default();
    let ids = all.iter().filter_map(|it| it["id"].as_str());
    let ids: Vec<_> = ids.filter(|id| world.homes.iter().all(|home| home.id != *id)).collect();
    ids.get(random.below(ids.len() + 1)).map_or("none", |id| *id).to_owned()
}
