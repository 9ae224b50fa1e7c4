// "Run commands", the page of the public API's documentation, as it stands: each of its lines is run against a local
// server. `tl sbx` is `shoreline`, and `sandbox.tensorlake.ai` is this server. Everything else is the page's.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { apiKey, curl, makeSandbox, port, send, test, url } from "./server.mjs";

const root = process.env.SHORELINE_ROOT;
const packed = join(root, "target", "packed");
const home = mkdtempSync(join(tmpdir(), "shoreline-page-"));
const open = new Set();
after(() => {
  // Of a test that failed.
  for (const child of open) child.kill("SIGKILL");
  rmSync(home, { recursive: true });
});

// The programs of the page. Its lines begin with `tl sbx`.
const bin = join(home, "bin");
mkdirSync(bin);
for (const [name, script] of [
  ["tl", 'shift; exec "$NODE" "$PROGRAM" "$@"'],
  ["wscat", 'exec "$NODE" "$WSCAT" "$@"'],
])
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(TENSORLAKE|SHORELINE)_/.test(name)),
  ),
  NODE: process.execPath,
  PROGRAM: join(packed, "node_modules", "shoreline", "pkg", "cli", "main.js"),
  WSCAT: join(import.meta.dirname, "..", "node_modules", "wscat", "bin", "wscat"),
  PATH: `${bin}:${process.env.PATH}`,
  HOME: home,
  TERM: "xterm",
  TENSORLAKE_API_URL: url,
  TENSORLAKE_API_KEY: apiKey,
  TL_API_KEY: apiKey,
};

const { id, api } = await makeSandbox({ name: "my-env" });
const MAIN = "import os; print(os.environ.get('MODE'), os.environ.get('DEBUG'), os.getcwd())";
await curl("-X", "PUT", "--data-binary", MAIN, `${api}/files?path=/workspace/main.py`);

/** A line of the page, with the addresses and the program of this machine. */
function here(text, values = {}) {
  const placeholders = { "<sandbox-id>": id, ...values };
  return Object.entries(placeholders).reduce(
    (text, [name, value]) => text.replaceAll(name, value),
    text
      .replaceAll("https://<sandbox-id>.sandbox.tensorlake.ai", `http://<sandbox-id>.localhost:${port}`)
      .replaceAll("wss://<sandbox-id>.sandbox.tensorlake.ai", `ws://127.0.0.1:${port}/s/<sandbox-id>`),
  );
}

/** Starts a program; `said` of what it gives is all that it has written so far. */
function start(command, args, options) {
  const child = spawn(command, args, {
    cwd: home,
    env: environment,
    stdio: ["pipe", "pipe", "pipe"],
    ...options,
  });
  open.add(child);
  const waiting = [];
  const program = { child, over: false, said: { stdout: "", stderr: "" } };
  for (const name of ["stdout", "stderr"])
    child[name].setEncoding("utf8").on("data", (text) => {
      program.said[name] += text;
      for (const look of waiting.splice(0)) look();
    });
  program.ended = once(child, "close").then(([code]) => {
    open.delete(child);
    program.over = true;
    return { ...program.said, code };
  });
  program.shows = async (pattern) => {
    while (!pattern.test(program.said.stdout + program.said.stderr)) {
      assert.ok(!program.over, `it ended without ${pattern}: ${JSON.stringify(program.said)}`);
      await Promise.race([new Promise((resolve) => waiting.push(resolve)), program.ended]);
    }
  };
  return program;
}

const shell = (text, values) => start("bash", ["-c", here(text, values)]);
const terminal = (text, values) => start("script", ["-qfec", here(text, values), "/dev/null"]);

/** Runs lines of a shell to their end, with nothing on standard input. */
function cli(text, values) {
  const program = shell(text, values);
  program.child.stdin.end();
  return program.ended;
}

const python = (code) => start(process.env.SHORELINE_PYTHON, ["-u", "-c", code]);

/** The TypeScript of the page, in a module where `sandbox` is, by one of the packages. */
function typescript(name, code, idOrName = "my-env") {
  const connect = name === "shoreline" ? "idOrName" : "{ sandboxId: idOrName }";
  const before = `import { Sandbox } from "${name}";
const idOrName = ${JSON.stringify(idOrName)};
const sandbox = await Sandbox.connect(${connect});
`;
  const cwd = name === "shoreline" ? packed : import.meta.dirname;
  return start(process.execPath, ["--input-type=module", "--eval", before + code], { cwd });
}

const PACKAGES = ["shoreline", "tensorlake"];
const HELLO = "Hello from sandbox!\n";

test("command lines: in an existing sandbox, and in one for the command", async () => {
  const done = await cli(String.raw`
# Run in an existing sandbox — use the sandbox ID or name
tl sbx exec my-env python -c 'print("Hello from sandbox!")'

# Or create, run, and tear down in one step
tl sbx run python -c 'print("Hello from sandbox!")'
`);
  assert.deepEqual([done.stdout, done.code], [HELLO + HELLO, 0], done.stderr);
  const { sandboxes } = JSON.parse((await curl(`${url}/sandboxes?status=running`)).body);
  assert.ok(
    sandboxes.every(({ name }) => name === "my-env"),
    "the second one is torn down",
  );
});

test("Python: a run", async () => {
  const done = await python(`
from tensorlake.sandbox import SandboxClient

client = SandboxClient()

with client.create_and_connect() as sandbox:
    result = sandbox.run("python", ["-c", "print('Hello from sandbox!')"])
    print(result.stdout)  # Hello from sandbox!
    print(result.exit_code)  # 0
`).ended;
  assert.deepEqual([done.stdout, done.code], [`${HELLO}0\n`, 0], done.stderr);
});

for (const name of PACKAGES)
  test(`TypeScript: a run, by ${name}`, async () => {
    const done = await typescript(
      name,
      `
const result = await sandbox.run("python", {
  args: ["-c", "print('Hello from sandbox!')"],
});

console.log(result.stdout); // Hello from sandbox!
console.log(result.exitCode); // 0
`,
    ).ended;
    // Our output is the program's, to the last newline; the official package drops that.
    assert.deepEqual([done.stdout.replace("\n\n", "\n"), done.code], [`${HELLO}0\n`, 0], done.stderr);
  });

for (const sandbox of [id, "my-env"])
  test(`HTTP: the start of a process, in ${sandbox === id ? "<sandbox-id>" : sandbox}`, async () => {
    const done = await cli(
      String.raw`
# Start a Python process inside the sandbox
curl -X POST https://<sandbox-id>.sandbox.tensorlake.ai/api/v1/processes \
  -H "Authorization: Bearer $TL_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "command": "python",
    "args": ["-c", "print(\"Hello from sandbox!\")"]
  }'
`,
      { "<sandbox-id>": sandbox },
    );
    const { pid, command } = JSON.parse(done.stdout);
    assert.equal(command, "python");
    await curl(`${api}/processes/${pid}/output/follow`);
    const output = JSON.parse((await curl(`${api}/processes/${pid}/stdout`)).body);
    assert.deepEqual(output.lines, [HELLO.trim()]);
  });

test("command lines: a timeout, a directory, variables, and a sandbox that is kept", async () => {
  const done = await cli(String.raw`
# Timeout is in seconds
tl sbx exec <sandbox-id> --timeout 10 python -c 'print("hi")'

# Run from a specific working directory
tl sbx exec <sandbox-id> --workdir /workspace python main.py

# Inject environment variables into a single command
tl sbx exec <sandbox-id> --env MODE=prod --env DEBUG=0 /bin/sh -lc 'printf "%s %s\n" "$MODE" "$DEBUG"'
`);
  assert.deepEqual([done.stdout, done.code], ["hi\nNone None /workspace\nprod 0\n", 0], done.stderr);
  // The option's own work, which none of the lines above shows.
  const late = await cli("tl sbx exec <sandbox-id> --timeout 1 python -c 'import time; time.sleep(1000)'");
  assert.equal(late.code, 124, late.stderr);
  const kept = await cli(String.raw`
# Keep the sandbox after a one-shot run so you can inspect it afterwards
tl sbx run --keep /bin/sh -lc 'echo KEEP_TEST && sleep 1'
`);
  assert.deepEqual([kept.stdout, kept.code], ["KEEP_TEST\n", 0], kept.stderr);
  const [, name] = /^Sandbox (\S+) kept alive\.$/m.exec(kept.stderr) ?? [];
  const { stdout } = await cli("tl sbx ls --all");
  assert.match(stdout, new RegExp(`^.*${name}.*running.*$`, "m"));
  await curl("-X", "DELETE", `${url}/sandboxes/${name}`);
});

test("Python: a timeout, a directory and variables", async () => {
  const done = await python(`
from tensorlake.sandbox import Sandbox
sandbox = Sandbox.connect("my-env")

# Run with a timeout, working directory, and per-command environment
result = sandbox.run(
    "python",
    ["main.py"],
    env={"MODE": "prod", "DEBUG": "0"},
    working_dir="/workspace",
    timeout=10,
)

print(result.stdout)
`).ended;
  assert.deepEqual([done.stdout, done.code], ["prod 0 /workspace\n", 0], done.stderr);
});

test("wscat: a terminal, by its token in the query", async () => {
  const { body } = await send("POST", `${api}/pty`, { command: "cat" });
  const { session_id: session, token } = JSON.parse(body);
  const line = (token) =>
    terminal(
      `
# 2. Connect via WebSocket
wscat -c "wss://<sandbox-id>.sandbox.tensorlake.ai/api/v1/pty/<session-id>/ws?token=<token>"
`,
      { "<session-id>": session, "<token>": token },
    );
  const connected = line(token);
  await connected.shows(/Connected/);
  connected.child.stdin.write("\u0003");
  await connected.ended;
  const wrong = await line("0".repeat(64)).ended;
  assert.match(wrong.stdout + wrong.stderr, /403/);
});

test("ssh requires an interactive terminal, and resumes a suspended sandbox", async () => {
  const none = await cli("tl sbx ssh my-env");
  assert.match(none.stderr, /requires an interactive terminal/);
  assert.notEqual(none.code, 0);
  assert.equal((await cli("tl sbx suspend my-env")).code, 0);
  const session = terminal("tl sbx ssh my-env");
  await session.shows(/[$#] $/);
  const info = JSON.parse((await curl(`${url}/sandboxes/my-env`)).body);
  assert.equal(info.status, "running");
  session.child.stdin.write("exit 7\r");
  assert.equal((await session.ended).code, 7);
});

test("a failing command, by command line and by Python", async () => {
  const failed = await cli(String.raw`
# The CLI prints stderr and returns a non-zero exit code on failure
tl sbx exec <sandbox-id> python -c "import nonexistent_module"
`);
  assert.match(failed.stderr, /No module named 'nonexistent_module'/);
  assert.equal(failed.code, 1);
  const done = await python(`
from tensorlake.sandbox import SandboxClient
client = SandboxClient()

with client.create_and_connect() as sandbox:
    result = sandbox.run("python", ["-c", "import nonexistent_module"])

    if result.exit_code != 0:
        print(f"Command failed with exit code {result.exit_code}")
        print(f"stderr: {result.stderr}")
`).ended;
  assert.match(
    done.stdout,
    /^Command failed with exit code 1\nstderr: [^]*No module named 'nonexistent_module'/,
  );
});

const STEPS = String.raw`import time\nfor i in range(5):\n print(f'Step {i+1}/5')\n time.sleep(1)`;
const FIVE = [1, 2, 3, 4, 5].map((step) => `Step ${step}/5`);

/**
 * Fails unless a program shows the first step while the process runs that prints it, and all of them in the end. The
 * process is the only one of the sandbox.
 */
async function streams(program, sandbox) {
  await program.shows(/Step 1\/5/);
  const { processes } = JSON.parse((await curl(`${sandbox.api}/processes`)).body);
  assert.deepEqual(
    processes.map(({ status }) => status),
    ["running"],
    "the first step has arrived while the others are not printed",
  );
  assert.doesNotMatch(program.said.stdout, /Step 5/);
  const done = await program.ended;
  assert.deepEqual([done.stdout.match(/Step \d\/5/g), done.code], [FIVE, 0], done.stderr);
  const follow = await curl(`${sandbox.api}/processes/${processes[0].pid}/stdout/follow`);
  const times = [...follow.body.matchAll(/"timestamp":(\d+)/g)].map(([, time]) => Number(time));
  assert.equal(times.length, 5);
  // The process sleeps for a second between two of them.
  assert.ok(times[4] - times[0] > 3000, times.join());
}

/** Each in a sandbox of its own, all at once. */
test("five steps arrive as they are printed: by command line and in TypeScript; in Python they come", async () => {
  const byCommandLine = async () => {
    const sandbox = await makeSandbox({ name: "steps-cli" });
    await streams(shell(`tl sbx exec steps-cli python -c $'${STEPS.replaceAll("'", "\\'")}'`), sandbox);
  };
  const byTypeScript = async (name) => {
    const sandbox = await makeSandbox({ name: `steps-${name}` });
    const program = typescript(
      name,
      String.raw`
const proc = await sandbox.startProcess("python", {
  args: [
    "-c",
    "import time\nfor i in range(5):\n print(f'Step {i+1}/5')\n time.sleep(1)",
  ],
});

for await (const event of sandbox.followOutput(proc.pid)) {
  process.stdout.write(event.line);
}
`,
      `steps-${name}`,
    );
    await streams(program, sandbox);
  };
  const byPython = async () => {
    const done = await python(`
from tensorlake.sandbox import SandboxClient
client = SandboxClient()

with client.create_and_connect() as sandbox:
    # Start a long-running process
    proc = sandbox.start_process("python", ["-c", """import time
for i in range(5):
    print(f"Step {i+1}/5")
    time.sleep(1)"""])

    # Stream output as it arrives
    for event in sandbox.follow_output(proc.pid):
        print(event.line, end="")
`).ended;
    // This client hands the events over when the stream has ended; `test_client.py` reads their times.
    assert.deepEqual([done.stdout, done.code], [FIVE.join(""), 0], done.stderr);
  };
  await Promise.all([byCommandLine(), ...PACKAGES.map(byTypeScript), byPython()]);
});
