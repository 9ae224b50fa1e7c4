//! Hunger for processes, descriptors, disk and processor time.

use crate::arena::{Arena, has_python};
use crate::support::machine::SmallDisk;
use crate::support::server::isolations;
use crate::support::soaks;
use reqwest::Method;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test]
async fn very_many_processes() {
    let count = if soaks() { 3000 } else { 500 };
    for isolation in isolations() {
        let arena = Arena::start(isolation).await;
        let script = format!(
            "i=0; while [ $i -lt {count} ]; do sleep 1000 & i=$((i+1)); done; touch attacked; wait"
        );
        arena.attack(&script).await;
        arena.finish().await;
    }
}

/// Leaves its session, then forks and exits over and over, so that its pid is never the one that
/// was just looked at. It gives up after a minute, in case nobody ends it.
const HOP: &str = r"
import os, time
end = time.time() + 60
if os.fork() == 0:
    os.setsid()
    open('attacked', 'w')
    while time.time() < end:
        time.sleep(0.004)
        if os.fork(): os._exit(0)
";

#[tokio::test]
async fn a_process_that_changes_its_pid_all_the_time() {
    if !has_python() {
        return;
    }
    for isolation in isolations() {
        let arena = Arena::start(isolation).await;
        arena.attack_in_python(HOP).await;
        arena.finish().await;
    }
}

const OPEN_ALL: &str = r"
import os, resource, time
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
for _ in range(2): os.fork()
held = []
try:
    while len(held) < 8_000: held += os.pipe()
except OSError: pass
os.close(held.pop())
open('attacked', 'w')
time.sleep(1000)
";

#[tokio::test]
async fn very_many_descriptors() {
    if !has_python() {
        return;
    }
    for isolation in isolations() {
        let arena = Arena::start(isolation).await;
        arena.attack_in_python(OPEN_ALL).await;
        arena.hostiles_answer().await;
        arena.finish().await;
    }
}

#[tokio::test]
async fn a_full_disk() {
    for isolation in isolations() {
        let Some(disk) = SmallDisk::mount(24) else {
            assert!(std::env::var_os("CI").is_none(), "a file system cannot be mounted");
            eprintln!("skipped: this user may not mount a file system");
            return;
        };
        let temp = Arc::new(tempfile::tempdir_in(disk.path()).unwrap());
        let arena = Arena::start_in(temp, isolation, &[]).await;
        arena.attack("touch attacked; cat /dev/zero > fill; sleep 1000").await;
        let neighbour = &arena.neighbour;
        let write = || neighbour.request(Method::PUT, "/files?path=file").body(vec![7; 1 << 20]);
        crate::support::wait::until(arena.limit(10.0), "the disk is full", async || {
            write().send().await.unwrap().status() == 507
        })
        .await;
        // Output that no longer fits into memory has nowhere to go.
        let flood = arena.hostiles[1].mark.script("yes | head -c 50000000");
        arena.hostiles[1].sandbox.start(flood).await;
        arena.finish().await;
    }
}

#[tokio::test]
async fn a_flood_of_output_that_nobody_reads() {
    let lasts = Duration::from_secs(if soaks() { 20 } else { 1 });
    for isolation in isolations() {
        let temp = Arc::new(tempfile::tempdir().unwrap());
        let mut arena = Arena::start_in(temp, isolation, &["--max-log-bytes", "8000000"]).await;
        // The kernel divides the processors between the flood and everything else.
        arena.slowness *= 3.0;
        // Short lines, and one line that never ends.
        arena.attack("touch attacked; yes & cat /dev/zero >&2").await;
        sleep(lasts).await;
        arena.finish().await;
    }
}
