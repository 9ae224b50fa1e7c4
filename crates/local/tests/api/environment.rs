//! A sandbox as a machine to work on: its variables, its tools, and what is installed for its user.

use crate::server::{Sandbox, Server, isolations, refused};
use crate::terminal::Terminal;
use crate::wait::{TIMEOUT, found};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A server on a machine whose programs are the system's, whatever the user of the test has on `PATH`.
fn server(isolation: &str) -> Server {
    let system = "PATH=/usr/local/bin:/usr/bin:/bin && unset LANG LC_ALL LC_CTYPE";
    Server::start_under(system, &["--isolation", isolation])
}

async fn prints(sandbox: &Sandbox, script: &str) -> String {
    let seen = sandbox.run_script(script).await;
    assert_eq!(seen.exit_code(), Some(0), "{script}\n{}{}", seen.stdout(), seen.stderr());
    seen.stdout().to_owned()
}

/// Whether the machine has a program, as it must where the tests run in CI.
async fn has(sandbox: &Sandbox, program: &str) -> bool {
    let seen = sandbox.run_script(&format!("command -v {program}")).await;
    let has = seen.exit_code() == Some(0);
    assert!(has || std::env::var_os("CI").is_none(), "{program} is not installed");
    has
}

/// Makes a wheel and a package of npm, each with one command.
const PACKAGES: &str = r#"
cat > wheel.py <<'END'
import zipfile
name = 'hello_wheel-1.0'
with zipfile.ZipFile(name + '-py3-none-any.whl', 'w') as wheel:
    wheel.writestr('hello_wheel.py', 'def main(): print("hello from", __file__)\n')
    info = name + '.dist-info/'
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\nName: hello-wheel\nVersion: 1.0\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
    wheel.writestr(info + 'entry_points.txt', '[console_scripts]\nhello-wheel = hello_wheel:main\n')
    wheel.writestr(info + 'RECORD', '')
END
python wheel.py
mkdir package
echo '{ "name": "hello-npm", "version": "1.0.0", "bin": "cli.js" }' > package/package.json
printf '#!/usr/bin/env node\nconsole.log("hello from", __filename)\n' > package/cli.js
chmod +x package/cli.js
tar -czf hello-npm.tgz package
"#;

#[tokio::test]
async fn python_is_there_by_its_plain_name() {
    for isolation in isolations() {
        let server = server(isolation);
        let sandbox = server.sandbox().await;
        if !has(&sandbox, "python3").await {
            continue;
        }
        let version = prints(&sandbox, "python3 --version").await;
        for script in [
            "python --version",
            "env python --version",
            // A login shell, whose PATH comes from /etc/profile.
            "sh -lc 'python --version'",
            "bash -lc 'python --version'",
        ] {
            assert_eq!(prints(&sandbox, script).await, version, "{isolation}: {script}");
        }
        let direct = sandbox.run(json!({
            "command": "python", "args": ["-c", "import sys; print(sys.argv[1:])", "a b", "-c", ""],
        }));
        assert_eq!(direct.await.stdout(), "['a b', '-c', '']\n");
        // The exit and the signal are python's own.
        assert_eq!(sandbox.run_script("python -c 'exit(7)'").await.exit_code(), Some(7));
    }
}

#[tokio::test]
async fn what_python_prints_is_seen_at_once() {
    for isolation in isolations() {
        let server = server(isolation);
        let sandbox = server.sandbox().await;
        if !has(&sandbox, "python3").await {
            continue;
        }
        let script = "for i in range(2):\n  print(f'Step {i+1}')\n  input()";
        let body = json!({ "command": "python", "args": ["-c", script], "stdin_mode": "pipe" });
        let pid = sandbox.start(body).await["pid"].as_u64().unwrap();
        for step in 1..=2 {
            let path = format!("/processes/{pid}/stdout");
            found(TIMEOUT, "the step is printed", async || {
                let lines = sandbox.get(&path).await["lines"].as_array().unwrap().len();
                (lines == step).then_some(())
            })
            .await;
            let stdin = sandbox.request(Method::POST, &format!("/processes/{pid}/stdin"));
            assert_eq!(stdin.body("\n").send().await.unwrap().status(), StatusCode::NO_CONTENT);
        }
    }
}

#[tokio::test]
async fn packages_are_installed_for_the_sandbox_alone() {
    for isolation in isolations() {
        let server = server(isolation);
        let sandbox = server.sandbox().await;
        if !has(&sandbox, "pip").await || !has(&sandbox, "npm").await {
            continue;
        }
        prints(&sandbox, PACKAGES).await;
        let home = prints(&sandbox, "echo $HOME").await.trim_end().to_owned();
        let local = format!("hello from {home}/.local/");
        prints(&sandbox, "pip install --no-index ./hello_wheel-1.0-py3-none-any.whl").await;
        prints(&sandbox, "npm install --global --offline ./hello-npm.tgz").await;
        for command in ["hello-wheel", "hello-npm"] {
            for script in [command.to_owned(), format!("sh -lc {command}")] {
                let printed = prints(&sandbox, &script).await;
                assert!(printed.starts_with(&local), "{isolation}: {script}: {printed}");
            }
        }
        // A virtual environment has its own packages, and pip installs there.
        prints(&sandbox, "python3 -m venv own && ! own/bin/python -c 'import hello_wheel'").await;
        prints(&sandbox, "own/bin/pip install --no-index ./hello_wheel-1.0-py3-none-any.whl").await;
        let printed = prints(&sandbox, ". own/bin/activate && hello-wheel").await;
        assert!(printed.contains("/own/lib/"), "{isolation}: {printed}");
        // Another sandbox has none of it.
        let other = server.sandbox().await;
        let there = other.run_script("command -v hello-wheel hello-npm").await;
        assert_eq!(there.stdout(), "", "{isolation}");
    }
}

#[tokio::test]
async fn tools_find_what_they_need() {
    for isolation in isolations() {
        let server = server(isolation);
        let sandbox = server.sandbox().await;
        for (script, printed) in [
            ("echo $LANG", "C.UTF-8\n"),
            ("cd && touch file && ls $HOME/file | grep -c /file", "1\n"),
            ("echo in | cat /dev/fd/0 /dev/stdin", "in\n"),
            ("bash -c 'cat <(echo substituted)'", "substituted\n"),
            ("echo out > /dev/stdout", "out\n"),
            ("test /proc/$$/cwd -ef /proc/self/cwd && cat /proc/$$/comm", "sh\n"),
        ] {
            assert_eq!(prints(&sandbox, script).await, printed, "{isolation}: {script}");
        }
        // Without namespaces, the directory is the machine's.
        let has_shared_memory = isolation != "landlock";
        if has_shared_memory {
            let script = "echo shared > /dev/shm/$$ && cat /dev/shm/$$ && rm /dev/shm/$$";
            assert_eq!(prints(&sandbox, script).await, "shared\n", "{isolation}");
        }
        if has(&sandbox, "git").await {
            let commit = "git init -q made && cd made && git commit -q --allow-empty -m first";
            prints(&sandbox, commit).await;
            // The user's own settings take precedence.
            let named = "git config --global user.name Ada && cd made \
                 && git commit -q --allow-empty -m second && git log --format=%an";
            assert_eq!(prints(&sandbox, named).await, "Ada\ntl-user\n");
        }
        if has(&sandbox, "node").await {
            let node = "node -e 'console.log(require(\"os\").homedir() == process.env.HOME)'";
            assert_eq!(prints(&sandbox, node).await, "true\n");
        }
        if has_shared_memory && has(&sandbox, "python3").await {
            // A semaphore of POSIX lies in /dev/shm.
            prints(&sandbox, "python3 -c 'import multiprocessing; multiprocessing.Lock()'").await;
        }
    }
}

#[tokio::test]
async fn a_sandbox_has_the_variables_that_it_was_made_with() {
    for isolation in isolations() {
        let server = Server::start(&["--isolation", isolation]);
        let env =
            json!({ "MODE": "prod", "TEXT": " two\nlines ", "EMPTY": "", "PYTHONUNBUFFERED": "" });
        let create = server.request(Method::POST, "/sandboxes").json(&json!({ "env": env }));
        let made: Value = create.send().await.unwrap().json().await.unwrap();
        // The names, and not the values, which may be secrets.
        assert_eq!(made["env"], json!(["EMPTY", "MODE", "PYTHONUNBUFFERED", "TEXT"]));
        let id = made["sandbox_id"].as_str().unwrap();
        let info = server.request(Method::GET, &format!("/sandboxes/{id}")).send().await.unwrap();
        assert!(!info.text().await.unwrap().contains("prod"));
        let sandbox = server.attach(id);
        let show = "echo \"[$MODE] [$TEXT] [${EMPTY-none}] [${PYTHONUNBUFFERED-none}]\"";
        let shown = "[prod] [ two\nlines ] [] []\n";
        assert_eq!(prints(&sandbox, show).await, shown);
        // A command's own take precedence.
        let own = json!({ "command": "sh", "args": ["-c", show], "env": { "MODE": "dev" } });
        assert_eq!(sandbox.run(own).await.stdout(), shown.replace("prod", "dev"));
        let shell = json!({ "command": "sh", "args": ["-c", "echo \"<$MODE $TERM>\""],
            "env": { "TERM": "dumb" } });
        let mut terminal = Terminal::open(&sandbox, shell).await.ready().await;
        terminal.until("<prod dumb>").await;
        // The agent has none of them: a variable can load code into bubblewrap, outside of the sandbox.
        let loaded = server.sandbox_with(json!({ "env": { "LD_PRELOAD": "/no/such/library" } }));
        let loaded = loaded.await.run_script("echo $LD_PRELOAD").await;
        assert_eq!(loaded.stdout(), "/no/such/library\n", "{isolation}: {}", loaded.stderr());
    }
}

#[tokio::test]
async fn the_machine_s_certificates_are_found_where_a_sandbox_sees_them() {
    for isolation in isolations() {
        let set = "export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
            CURL_CA_BUNDLE=/srv/own.pem SSL_CERT_FILE=/etc/ssl/certs-of-another";
        let server = Server::start_under(set, &["--isolation", isolation]);
        let show = "echo \"${NODE_EXTRA_CA_CERTS-} ${CURL_CA_BUNDLE-} ${SSL_CERT_FILE-}\"";
        let elsewhere =
            if isolation == "none" { "/srv/own.pem /etc/ssl/certs-of-another" } else { " " };
        assert_eq!(
            prints(&server.sandbox().await, show).await,
            format!("/etc/ssl/certs/ca-certificates.crt {elsewhere}\n")
        );
    }
}

#[tokio::test]
async fn variables_that_no_process_can_have_are_refused() {
    let server = Server::start(&[]);
    for (env, status, code) in [
        (json!({ "": "x" }), 400, "INVALID_REQUEST"),
        (json!({ "A=B": "x" }), 400, "INVALID_REQUEST"),
        (json!({ "A\0": "x" }), 400, "INVALID_REQUEST"),
        (json!({ "A": "x\0" }), 400, "INVALID_REQUEST"),
        (json!({ "A": 1 }), 422, "INVALID_SHAPE"),
        (json!(["A=B"]), 422, "INVALID_SHAPE"),
    ] {
        let body = json!({ "env": env });
        let request = server.request(Method::POST, "/sandboxes").json(&body);
        assert_eq!(refused(request).await, (status, code.to_owned()), "{body}");
    }
    // Without variables, the answer is that of the public API.
    let plain = server.request(Method::POST, "/sandboxes").json(&json!({ "env": {} }));
    let plain: Value = plain.send().await.unwrap().json().await.unwrap();
    assert!(plain.get("env").is_none(), "{plain}");
}
