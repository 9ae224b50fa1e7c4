//! Resource limits of a sandbox, by the mechanism that works here: `npm run test:cgroups` runs these where control
//! groups do.

use crate::server::{Sandbox, Server, isolations};
use crate::wait::{TIMEOUT, found, until};
use reqwest::Method;
use serde_json::{Value, json};
use shoreline_protocol::exit::{Exit, ExitStatus, Reason};
use shoreline_protocol::output::End;

async fn sandbox_with(server: &Server, resources: Value) -> Sandbox {
    let body = json!({ "resources": resources });
    let answer = server.request(Method::POST, "/sandboxes").json(&body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    server.attach(answer["sandbox_id"].as_str().unwrap())
}

/// Whether control groups enforce limits. They must if the environment of the tests says so.
async fn by_cgroups(sandbox: &Sandbox) -> bool {
    let limits = sandbox.get("/info").await["limits"].clone();
    assert!(limits == "cgroups" || limits == "rlimits", "{limits}");
    let wanted = std::env::var_os("SHORELINE_TEST_CGROUPS").is_some();
    assert!(!wanted || limits == "cgroups", "{limits}");
    limits == "cgroups"
}

fn killed(reason: Reason) -> Option<End> {
    Some(End::Exit(Exit { status: ExitStatus::Signal(9), reason: Some(reason) }))
}

const EATS: &str = "head -c 400000000 /dev/zero | tail -c 390000000 | wc -c";

#[tokio::test]
async fn memory_is_held_and_who_wants_more_ends_alone() {
    // As RLIMIT_DATA, the agent has the higher limit itself.
    for (isolation, memory) in isolations().into_iter().flat_map(|it| [(it, 64), (it, 300)]) {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = sandbox_with(&server, json!({ "memory_mb": memory })).await;
        let cgroups = by_cgroups(&sandbox).await;
        if cgroups && memory > 64 {
            continue;
        }
        let bystander = sandbox.script("echo here; sleep 1000").await;
        let eats = sandbox.run_script(EATS).await;
        assert_ne!(eats.stdout(), "390000000\n", "{}", eats.stderr());
        let status = |pid: u64| {
            let sandbox = sandbox.clone();
            async move { sandbox.get(&format!("/processes/{pid}")).await["status"].clone() }
        };
        assert_eq!(status(bystander).await, "running");
        // What somebody killed was not killed by the limit.
        assert_eq!(sandbox.run_script("kill -9 $$").await.end, killed(Reason::Signaled));
        assert_eq!(sandbox.run_script("echo fine").await.stdout(), "fine\n");
        if !cgroups {
            continue;
        }
        // The whole of it, and not only the one that was too large.
        assert_eq!(eats.end, killed(Reason::OomKilled));
        assert_eq!(status(eats.pid.unwrap().into()).await, "oom_killed");
        let terminal = json!({ "command": "sh", "args": ["-c", EATS] });
        let terminal = sandbox.request(Method::POST, "/pty").json(&terminal).send().await.unwrap();
        let terminal: Value = terminal.json().await.unwrap();
        let path = format!("/pty/{}", terminal["session_id"].as_str().unwrap());
        let info = found(TIMEOUT, "the terminal ends", async || {
            Some(sandbox.get(&path).await).filter(|info| info["is_alive"] == false)
        })
        .await;
        assert_eq!((&info["oom_killed"], &info["signal"]), (&json!(true), &json!(9)));
    }
}

#[tokio::test]
async fn what_limits_hold_for_is_said() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let all = json!({ "memory_mb": 64, "cpus": 0.5, "disk_mb": 10 });
        let (limited, plain) = (sandbox_with(&server, all).await, server.sandbox().await);
        let cgroups = by_cgroups(&limited).await;
        let own = if cgroups { ["sandbox", "sandbox"] } else { ["process", "none"] };
        for (sandbox, [memory, cpus], disk) in
            [(&limited, own, "file"), (&plain, ["none", "none"], "none")]
        {
            let said = sandbox.get("/info").await["enforced"].clone();
            let processes = said["processes"].as_str().unwrap();
            let expected =
                json!({ "memory": memory, "processes": processes, "cpus": cpus, "disk": disk });
            assert_eq!(said, expected, "{isolation}");
            assert!(!cgroups || processes == "sandbox");
            assert!(cgroups || isolation != "none" || processes == "none");
            let path = format!("/sandboxes/{}", sandbox.id);
            let info = server.request(Method::GET, &path).send().await.unwrap();
            assert_eq!(info.json::<Value>().await.unwrap()["enforced"], said);
        }
    }
}

/// Whether a limit of 40 tasks counts those of one sandbox: it lets 4 processes start and not 60, whatever runs
/// elsewhere. The agent has 17 threads at the most.
async fn counts_tasks(server: &Server) -> bool {
    let start = |count: u32| format!("for i in $(seq {count}); do sleep 1000 >&- 2>&- & done");
    let limited = |count| {
        let script = format!("{}; echo started", start(count));
        json!({ "command": "prlimit", "args": ["--nproc=40", "sh", "-c", script] })
    };
    let (sandbox, other) = (server.sandbox().await, server.sandbox().await);
    other.run_script(&start(60)).await;
    let few = sandbox.run(limited(4)).await;
    let many = sandbox.run(limited(60)).await;
    few.stdout() == "started\n" && many.stdout() != "started\n"
}

#[tokio::test]
async fn processes_are_held_where_the_server_says_so() {
    if !isolations().contains(&"bubblewrap") {
        return;
    }
    let args = ["--isolation", "bubblewrap"];
    for server in [Server::start(&args), Server::start_unprivileged(&args)] {
        let sandbox = server.sandbox().await;
        // Where root has control groups, other users have none.
        if sandbox.get("/info").await["limits"] == "cgroups" {
            continue;
        }
        let said = sandbox.get("/info").await["enforced"]["processes"] == "sandbox";
        assert_eq!(said, counts_tasks(&server).await);
        if said {
            let shown = sandbox.run_script("grep 'Max processes' /proc/self/limits").await;
            let shown: Vec<_> = shown.stdout().split_whitespace().skip(2).take(2).collect();
            assert!(shown.iter().all(|limit| limit.parse::<u64>().unwrap() <= 8192), "{shown:?}");
            // A process cannot raise the limit again.
            let raise = json!({ "command": "prlimit", "args": ["--nproc=9000", "true"] });
            assert_eq!(sandbox.run(raise).await.exit_code(), Some(1));
        }
    }
}

#[tokio::test]
async fn processors_are_held_in_part_or_by_number() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let all = server.sandbox().await.run_script("nproc").await.stdout().to_owned();
        let half = sandbox_with(&server, json!({ "cpus": 0.5 })).await;
        let many = sandbox_with(&server, json!({ "cpus": 1000 })).await;
        assert_eq!(many.run_script("nproc").await.stdout(), all);
        if !by_cgroups(&half).await {
            assert_eq!(half.run_script("nproc").await.stdout(), "1\n");
            continue;
        }
        let group = Groups::of(&server).sandbox(&half);
        assert_eq!(std::fs::read_to_string(group.join("cpu.max")).unwrap(), "50000 100000\n");
        assert_eq!(std::fs::read_to_string(group.join("pids.max")).unwrap(), "8192\n");
        // Its processes are there.
        half.script("sleep 1000").await;
        assert_ne!(std::fs::read_to_string(group.join("pids.current")).unwrap(), "0\n");
    }
}

#[tokio::test]
async fn control_groups_go_with_what_they_held() {
    let mut server = Server::start(&[]);
    let sandbox = server.sandbox().await;
    if !by_cgroups(&sandbox).await {
        return;
    }
    let groups = Groups::of(&server);
    let group = groups.sandbox(&sandbox);
    let count = || {
        std::fs::read_dir(&group).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count()
    };
    sandbox.run_script("true").await;
    // The exit is reported while the process is reaped, after which its group goes.
    until(TIMEOUT, "the group goes", async || count() == 0).await;
    // One that left the process that started it.
    let pid = sandbox.script("setsid sleep 1000 >/dev/null 2>&1 &").await;
    sandbox.follow(pid, "output", None).await;
    assert_eq!(count(), 1);
    let path = format!("/sandboxes/{}", sandbox.id);
    server.request(Method::DELETE, &path).send().await.unwrap();
    assert!(!group.exists());
    drop(server.stdin.take());
    server.child.wait().unwrap();
    assert!(!groups.0.exists());
}

/// The groups of a server.
struct Groups(std::path::PathBuf);

impl Groups {
    fn of(server: &Server) -> Self {
        let own = std::fs::read_to_string(format!("/proc/{}/cgroup", server.child.id())).unwrap();
        let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
        Self(std::path::Path::new("/sys/fs/cgroup").join(own).parent().unwrap().to_owned())
    }

    fn sandbox(&self, sandbox: &Sandbox) -> std::path::PathBuf {
        self.0.join(&sandbox.id)
    }
}

#[tokio::test]
async fn files_and_dumps_are_held() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let sandbox = sandbox_with(&server, json!({ "disk_mb": 1 })).await;
        let file = sandbox.run_script("head -c 2000000 /dev/zero > file; wc -c < file").await;
        assert!(file.stdout().trim().parse::<u64>().unwrap() <= 1 << 20);
        assert_eq!(sandbox.run_script("ulimit -c").await.stdout(), "0\n");
    }
}
