//! A server with two hostile sandboxes and a peaceful one.

use crate::support::machine::{Mark, mentioning, show};
use crate::support::server::{Sandbox, Server, id_of, isolations};
use crate::support::wait::{TIMEOUT, until};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{sleep, timeout};

/// One attack at a time, since each measures how long answers take.
static ALONE: Mutex<()> = Mutex::const_new(());

/// An idle run takes less than this on a machine that is not slow.
const USUAL_RUN: Duration = Duration::from_millis(50);

pub const PYTHON: &str = "/usr/bin/python3";

/// Whether there is a Python for the attacks that need system calls. With CI set, it must be there.
pub fn has_python() -> bool {
    let there = Path::new(PYTHON).exists();
    assert!(there || std::env::var_os("CI").is_none(), "{PYTHON} is not installed");
    there
}

/// Whether bubblewrap can be tested.
pub fn has_bubblewrap() -> bool {
    isolations().contains(&"bubblewrap")
}

/// A sandbox that attacks, and the mark of its processes.
pub struct Hostile {
    pub sandbox: Sandbox,
    pub mark: Mark,
}

pub struct Arena {
    pub server: Server,
    pub hostiles: [Hostile; 2],
    pub neighbour: Sandbox,
    /// The factor by which the machine is slower than usual: 1 or more.
    pub slowness: f64,
    _alone: MutexGuard<'static, ()>,
}

impl Arena {
    pub async fn start(isolation: &str) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), isolation, &[]).await
    }

    pub async fn start_in(temp: Arc<TempDir>, isolation: &str, args: &[&str]) -> Self {
        let alone = ALONE.lock().await;
        let args = [&["--isolation", isolation], args].concat();
        let server = Server::start_in(temp, &args);
        let hostile = async || Hostile { sandbox: server.sandbox().await, mark: Mark::new() };
        let hostiles = [hostile().await, hostile().await];
        let neighbour = server.sandbox().await;
        let mut times = Vec::new();
        for _ in 0..9 {
            let start = Instant::now();
            assert_eq!(neighbour.run_script("true").await.exit_code(), Some(0));
            times.push(start.elapsed());
        }
        times.sort();
        let slowness = (times[4].as_secs_f64() / USUAL_RUN.as_secs_f64()).max(1.0);
        Self { server, hostiles, neighbour, slowness, _alone: alone }
    }

    /// A limit in seconds, longer on a slow machine.
    pub fn limit(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.slowness)
    }

    /// Starts a shell's script in both hostile sandboxes, and waits until each has made the file
    /// `attacked` in its workspace.
    pub async fn attack(&self, script: &str) {
        self.attack_by("sh", script).await;
    }

    /// Does the same with a Python program.
    pub async fn attack_in_python(&self, program: &str) {
        self.attack_by(PYTHON, program).await;
    }

    async fn attack_by(&self, command: &str, program: &str) {
        for Hostile { sandbox, mark } in &self.hostiles {
            let mut body = mark.script(program);
            body["command"] = command.into();
            // No answer comes where the script stops the agent before that has answered.
            let start = sandbox.request(Method::POST, "/processes").json(&body);
            tokio::spawn(start.send());
        }
        for Hostile { sandbox, .. } in &self.hostiles {
            let path = format!("/sandboxes/{}", sandbox.id);
            let own = |path: &PathBuf| id_of(path) == Some(&sandbox.id);
            let attacked = |path: PathBuf| path.join("workspace/attacked").exists();
            until(TIMEOUT, "the attack is done", async || {
                // A sandbox that has lost its agent makes no file any more.
                let directory = self.server.directories().into_iter().find(own);
                directory.is_none_or(attacked) || self.status(&path).await == "terminated"
            })
            .await;
        }
    }

    /// The content of the file `attacked`, which the attack wrote.
    pub fn results(&self) -> [String; 2] {
        self.hostiles.each_ref().map(|hostile| {
            let file = self.server.workspace(&hostile.sandbox.id).join("attacked");
            std::fs::read_to_string(file).unwrap()
        })
    }

    pub async fn neighbour_answers(&self) {
        self.answers(&self.neighbour, "the neighbour").await;
    }

    /// An attack must not block its own agent either.
    pub async fn hostiles_answer(&self) {
        for hostile in &self.hostiles {
            self.answers(&hostile.sandbox, "the hostile sandbox").await;
        }
    }

    /// Most runs answer within the limit, and none takes very much longer: other programs on the
    /// machine can delay one.
    async fn answers(&self, sandbox: &Sandbox, who: &str) {
        let limit = self.limit(1.0);
        let mut times = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            let body = serde_json::json!({ "command": "true" });
            let run = sandbox.request(Method::POST, "/processes/run").json(&body).send();
            let answer = timeout(5 * limit, async { run.await.unwrap().text().await.unwrap() });
            let answer =
                answer.await.unwrap_or_else(|_| panic!("{who} does not answer: {times:?}"));
            if !answer.contains("\"exit_code\":0") {
                let info = self.info(&format!("/sandboxes/{}", sandbox.id)).await;
                panic!("{who} answers {answer}; {info}");
            }
            times.push(start.elapsed());
        }
        times.sort();
        assert!(times[1] < limit, "{who} answers late: {times:?}, where the limit is {limit:?}");
    }

    /// Checks all that has to hold after an attack.
    pub async fn finish(self) {
        self.neighbour_answers().await;
        self.delete_the_first().await;
        self.neighbour_answers().await;
        self.end();
    }

    /// Ends the first hostile sandbox. Once the API says `terminated`, none of its processes lives.
    pub async fn delete_the_first(&self) {
        let Hostile { sandbox, mark } = &self.hostiles[0];
        let path = format!("/sandboxes/{}", sandbox.id);
        let delete = self.server.request(Method::DELETE, &path).send();
        let watch = async {
            while self.status(&path).await != "terminated" {
                sleep(Duration::from_millis(2)).await;
            }
            mark.processes()
        };
        let limit = self.limit(5.0);
        let both = timeout(limit, async { tokio::join!(delete, watch) }).await;
        let (deleted, left) = both.unwrap_or_else(|_| panic!("DELETE takes longer than {limit:?}"));
        assert_eq!(deleted.unwrap().status(), StatusCode::OK);
        assert!(left.is_empty(), "terminated, but alive: {}", show(&left));
        until(limit, "the directory is removed", async || {
            !self.server.directories().iter().any(|path| id_of(path) == Some(&sandbox.id))
        })
        .await;
    }

    async fn info(&self, path: &str) -> Value {
        let asked = self.server.request(Method::GET, path).send().await.unwrap();
        asked.json().await.unwrap()
    }

    async fn status(&self, path: &str) -> Value {
        self.info(path).await["status"].take()
    }

    /// Ends the server by SIGTERM while the second hostile sandbox lives.
    pub fn end(mut self) {
        let limit = self.limit(5.0);
        self.server.signal("-TERM");
        let status = self.server.exit_within(limit);
        assert!(status.is_some_and(|status| status.success()), "SIGTERM, {limit:?}: {status:?}");
        self.nothing_is_left();
        // A server that ends takes 300 ms at most to remove files. The next one removes the rest.
        if !self.server.files().is_empty() {
            let left = self.server.files();
            let _next = Server::start_in(self.server.temp.clone(), &["--isolation", "none"]);
            let started = Instant::now();
            while left.iter().any(|path| path.exists()) {
                assert!(started.elapsed() < limit, "left behind: {left:?}");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// No process of the sandboxes lives, and no agent does.
    pub fn nothing_is_left(&self) {
        for hostile in &self.hostiles {
            let left = hostile.mark.processes();
            assert!(left.is_empty(), "left behind: {}", show(&left));
        }
        let left = mentioning(self.server.temp.path().to_str().unwrap());
        assert!(left.is_empty(), "left behind: {}", show(&left));
    }
}
