//! A sandbox that uses up what it can: another one still answers.

use crate::world::{World, worlds};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

/// The time limit for an answer meanwhile.
const ANSWER: Duration = Duration::from_secs(30);
/// Thousands of processes take a while on a machine that does other work.
const FULL: Duration = Duration::from_secs(120);

const PROCESSES: &str = r"
import os, time
for _ in range(400):
    try: child = os.fork()
    except OSError: break
    if child == 0: time.sleep(60); os._exit(0)
";
const DESCRIPTORS: &str = r"
import os, resource, time
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
try:
    for _ in range(2): os.fork()
    while len(held) < 8000: held += os.pipe()
except OSError: pass
";
const MEMORY: &str = r"
held = []
try:
    while len(held) < 64: held.append(bytearray(16 << 20))
except MemoryError: pass
";
const WATCHES: &str = r"
import ctypes
libc = ctypes.CDLL(None)
watch = libc.inotify_init1(0)
for _ in range(100_000):
    if libc.inotify_add_watch(watch, b'/usr', 0x20000002) < 0: break
";
const SOCKETS: &str = r"
import socket
held = []
try:
    while len(held) < 4000: held += socket.socketpair()
except OSError: pass
";
const FILES: &str = r"
import os
os.mkdir('many')
for number in range(5000): open(f'many/{number}', 'w').close()
os.makedirs('/'.join(['deep'] * 200))
";

#[tokio::test]
async fn another_sandbox_still_answers() {
    let kinds = [PROCESSES, DESCRIPTORS, MEMORY, WATCHES, SOCKETS, FILES];
    for (level, user) in worlds() {
        let world = World::start(level, user).await;
        for kind in kinds {
            let program = format!("{kind}\nprint('full', flush=True)\nimport time\ntime.sleep(60)");
            let body = json!({ "command": "python3", "args": ["-c", program] });
            let pid = world.attacker.start(body).await["pid"].as_u64().unwrap();
            let what = format!("{level} as {user}: full by{kind}");
            crate::support::wait::until(FULL, &what, async || {
                let output = world.attacker.get(&format!("/processes/{pid}/stdout")).await;
                let error = world.attacker.get(&format!("/processes/{pid}/stderr")).await;
                assert_eq!(error["lines"], json!([]), "{what}");
                // Several processes write it, and Python writes the end of the line by itself.
                output["lines"][0].as_str().is_some_and(|line| line.starts_with("full"))
            })
            .await;
        }
        let answer = timeout(ANSWER, world.neighbour.run_script("echo here")).await;
        assert_eq!(answer.expect("an answer").stdout(), "here\n", "{level} as {user}");
        // And so does its own agent.
        let answer = timeout(ANSWER, world.attacker.get("/info")).await;
        assert_eq!(answer.expect("an answer")["isolation"], level);
        world.end();
    }
}
