// What commands print and how they end, on local sandboxes.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { before } from "node:test";
import { eventually, test } from "../helpers/processes.js";
import { ended, environment, home, LOCAL, saying, shoreline, start } from "./program.js";

const state = join(environment.XDG_STATE_HOME ?? "", "shoreline", "local.json");
let box: string;

before(async () => {
  const made = await shoreline("create", "box");
  assert.match(made.stdout, /^[0-9a-z]{21}\n$/);
  assert.equal(made.stderr.replace(LOCAL, ""), "");
  box = made.stdout.trim();
});

/** Whether a process runs no more; as a zombie it may wait for its parent. */
function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return true;
  }
}

/** The sandboxes that live. */
const live = async () => (await shoreline("ls", "-q")).stdout.split("\n").filter(Boolean);

test("run: output byte for byte to the right streams, the exit code, and no sandbox left", async () => {
  const { bytes, stderr, code } = await shoreline(
    "run",
    "sh",
    "-c",
    "printf 'a\\377b'; printf err >&2; exit 7",
  );
  assert.deepEqual(bytes, Buffer.from("a\xffb", "latin1"));
  assert.match(stderr, new RegExp(`(${LOCAL.source})?Creating sandbox with default image\\.\\.\\.\\nerr$`));
  assert.equal(code, 7);
  assert.deepEqual(await live(), [box]);
});

test("run --keep leaves the sandbox and says so", async () => {
  const { stderr, code } = await shoreline("run", "--keep", "true");
  const [, id = ""] = /Sandbox (\S+) kept alive\.\n$/.exec(stderr) ?? [];
  assert.equal(code, 0);
  assert.deepEqual((await live()).sort(), [box, id].sort());
  assert.equal((await shoreline("terminate", id)).stdout, `${id}\n`);
});

test("exec: signals, time limits and commands that are not there have codes of their own", async () => {
  assert.equal((await shoreline("exec", "box", "sh", "-c", "kill -9 $$")).code, 137);
  const late = await shoreline("exec", "-t", "0.2", "box", "sleep", "1000");
  assert.deepEqual([late.code, late.stderr.includes("longer than 0.2 s")], [124, true]);
  assert.equal((await shoreline("exec", "box", "no-such-command")).code, 127);
  const scripts = "echo text > plain; printf '#!/no/such/shell\\n' > lost; chmod +x lost";
  await shoreline("exec", "box", "sh", "-c", scripts);
  assert.equal((await shoreline("exec", "box", "./plain")).code, 126);
  const lost = await shoreline("exec", "box", "./lost");
  assert.deepEqual([lost.code, lost.stderr.includes('interpreter "/no/such/shell"')], [126, true]);
  assert.equal((await shoreline("exec", "no-such-sandbox", "true")).code, 122);
  const wrong = await ended(start(["ls"], { TENSORLAKE_API_KEY: "wrong", TENSORLAKE_API_URL: url() }));
  assert.equal(wrong.code, 121);
  const gone = await ended(
    start(["ls"], { TENSORLAKE_API_KEY: "key", TENSORLAKE_API_URL: "http://127.0.0.1:1" }),
  );
  assert.deepEqual([gone.code, gone.stdout], [123, ""]);
  assert.match(gone.stderr, /^Error: .*\n/);
});

const url = () => (JSON.parse(readFileSync(state, "utf8")) as { url: string }).url;

test("exec: directory, variables, and arguments that look like options", async () => {
  const args = ["-w", "/tmp", "-e", "MODE=prod", "--env", "EMPTY=", "box"];
  const { stdout } = await shoreline(
    "exec",
    ...args,
    "sh",
    "-c",
    'echo "$PWD $MODE [$EMPTY] $1"',
    "x",
    "--all",
  );
  assert.equal(stdout, "/tmp prod [] --all\n");
  assert.equal((await shoreline("exec", "box", "--", "echo", "--", "-t")).stdout, "-- -t\n");
});

test("wrong use is told before anything is made, with exit code 2", async () => {
  const uses: [string[], RegExp][] = [
    [["exec", "box"], /missing required argument/],
    [["exec", "box", "--no-such-option", "true"], /unknown option '--no-such-option'/],
    [["exec", "box", "--"], /no command/],
    [["exec", "-t", "soon", "box", "true"], /number above 0/],
    [["exec", "-t", "1", "--detach", "box", "true"], /cannot be used with --detach/],
    [["exec", "--name", "a", "box", "true"], /need --detach/],
    [["exec", "-it", "box", "sh"], /--tty needs a terminal here too/],
    [["run", "-it", "sh"], /--tty needs a terminal here too/],
    [["exec", "-it", "-t", "1", "box", "sh"], /--tty excludes --timeout/],
    [["exec", "-n", "--interactive", "box", "sh"], /--no-stdin excludes/],
    [["exec", "--detach", "--interactive", "box", "sh"], /--detach excludes/],
    [["exec", "--detach", "--max-restarts", "1", "box", "true"], /need --restart/],
    [["exec", "--detach", "--health-tcp", "1", "--health-http", "1", "box", "true"], /excludes/],
    [["exec", "-e", "A", "box", "true"], /NAME=VALUE/],
    [["run", "-x", "9501", "true"], /reserved/],
    [["run", "-N", "-A", "a.example", "true"], /excludes/],
    [["run", "--no-such-option", "true"], /unknown option/],
    [["lss"], /unknown command 'lss'/],
    [["ssh", "box"], /requires an interactive terminal/],
    [["cp", "a", "b"], /one of the two must be in a sandbox/],
    [["kill", "box", "1", "-s", "NONE"], /no signal NONE/],
    [["port", "expose", "box", "70000"], /1 to 65535/],
  ];
  for (const [args, why] of uses) {
    const { code, stderr, stdout } = await shoreline(...args);
    assert.deepEqual([code, stdout], [2, ""], `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, why, args.join(" "));
  }
  assert.deepEqual(await live(), [box]);
});

test("ls, describe and --json", async () => {
  const { stdout } = await shoreline("ls");
  const [head, row, count] = stdout.split("\n");
  assert.equal(head, "ID\tName\tStatus\tImage\tCPUs\tMemory\tDisk\tCreated At");
  assert.match(row ?? "", new RegExp(`^${box}\tbox\trunning\t-\t-\t-\t-\t\\d+ (sec|min) ago$`));
  assert.match(count ?? "", /^1 sandbox(, \d+ terminated hidden \(use --all to show them all\))?$/);
  const json = JSON.parse((await shoreline("ls", "--json")).stdout) as { sandbox_id: string }[];
  assert.deepEqual(
    json.map(({ sandbox_id }) => sandbox_id),
    [box],
  );
  const described = await shoreline("describe", "box");
  assert.match(
    described.stdout,
    new RegExp(`^ID: {14}${box}\nName: {12}box\nNamespace: {7}default\nStatus: {10}running\n`),
  );
  assert.equal(
    (JSON.parse((await shoreline("describe", box, "--json")).stdout) as { name: string }).name,
    "box",
  );
});

test("a process that is detached: ps, logs, kill, restart", async () => {
  const script = "echo out; echo err >&2; exec sleep 1000";
  const started = await shoreline(
    "exec",
    "--detach",
    "--name",
    "job",
    "--restart",
    "never",
    "box",
    "sh",
    "-c",
    script,
  );
  assert.match(started.stdout, /^\d+\n$/);
  const ps = await shoreline("ps", "box", "job");
  assert.match(ps.stdout, /^PID\tStatus\tManaged\tName\tRestarts\tHealth\tCommand\n\d+\trunning\tyes\tjob\t/);
  const follow = start(["logs", "-f", "box", "job"]);
  const followed = ended(follow);
  // Both lines are written before the process is replaced.
  await Promise.all([saying(follow.stdout, "out\n"), saying(follow.stderr, "err\n")]);
  const again = await shoreline("restart", "box", "job");
  assert.notEqual(again.stdout, started.stdout);
  assert.equal((await shoreline("kill", "box", "job")).stdout, "Killed process job.\n");
  follow.kill("SIGINT");
  assert.equal((await followed).stdout, "out\n");
  const before = await shoreline("logs", "box", started.stdout.trim());
  assert.deepEqual([before.stdout, before.stderr.replace(LOCAL, "")], ["out\n", "err\n"]);
  const { processes } = JSON.parse((await shoreline("ps", "box", "--json")).stdout) as {
    processes: { started_at: number; managed?: { restart_count: number } }[];
  };
  const managed = processes.find((one) => one.managed);
  assert.equal(managed?.managed?.restart_count, 1);
  assert.ok(managed.started_at > 1_700_000_000_000);
});

test("suspend, resume, name", async () => {
  await shoreline("create", "other");
  assert.equal((await shoreline("suspend", "other")).code, 0);
  assert.match((await shoreline("ls", "-s")).stdout, /\tother\tsuspended\t/);
  assert.equal((await shoreline("resume", "other")).code, 0);
  assert.equal((await shoreline("name", "other", "third")).stdout, "third\n");
  assert.equal((await shoreline("terminate", "third", "no-such-sandbox")).code, 122);
  assert.deepEqual(await live(), [box]);
});

test("doctor says what works", async () => {
  const { stdout, code } = await shoreline("doctor");
  assert.match(
    stdout,
    /^program   ok  .*\nserver    ok  local, .*\nisolation ok  (bubblewrap|landlock; .*|none; .*)\nkey       ok  .*\ncommand   ok  .*\n$/,
  );
  assert.equal(code, 0);
  const bad = await ended(
    start(["doctor", "--json"], { TENSORLAKE_API_KEY: "wrong", TENSORLAKE_API_URL: url() }),
  );
  assert.equal(bad.code, 121);
  assert.deepEqual(
    (JSON.parse(bad.stdout) as { ok: boolean }[]).map(({ ok }) => ok),
    [true, true, false],
  );
});

test("completions: commands, options, sandboxes", async () => {
  const complete = async (...words: string[]) =>
    (await shoreline("complete", "--", ...words)).stdout.split("\n").filter(Boolean);
  assert.deepEqual(await complete("re"), ["resume", "restart"]);
  assert.ok((await complete("exec", "--d")).includes("--detach"));
  assert.deepEqual(
    await complete("port", ""),
    ["ls", "list", "expose", "rm"].filter((name) => name !== "list"),
  );
  assert.deepEqual(await complete("exec", "bo"), ["box"]);
  for (const shell of ["bash", "zsh", "fish"])
    assert.match((await shoreline("completion", shell)).stdout, /shoreline complete --/);
});

test("the state file is its owner's alone, and one that is not is not trusted", async () => {
  assert.equal(statSync(state).mode & 0o777, 0o600);
  assert.equal(statSync(join(state, "..")).mode & 0o777, 0o700);
  chmodSync(state, 0o644);
  const { code, stderr } = await shoreline("ls");
  assert.deepEqual([code, stderr.includes("not trusted: remove it")], [125, true]);
  chmodSync(state, 0o600);
});

test("programs that start the local server at once agree on one; a stale file is replaced", async () => {
  const env = { XDG_STATE_HOME: mkdtempSync(join(home, "state-")) };
  const file = join(env.XDG_STATE_HOME, "shoreline", "local.json");
  const urls = async () => {
    const all = await Promise.all([1, 2, 3, 4].map(() => ended(start(["local", "start"], env))));
    for (const { code, stderr } of all) assert.equal(code, 0, stderr);
    return new Set(all.map(({ stdout }) => stdout.trim()));
  };
  const first = await urls();
  assert.equal(first.size, 1);
  const { pid } = JSON.parse(readFileSync(file, "utf8")) as { pid: number };
  process.kill(pid, "SIGKILL");
  await eventually("the server has ended", () => hasEnded(pid));
  const second = await urls();
  assert.equal(second.size, 1);
  assert.notDeepEqual(second, first);
  assert.equal((await ended(start(["local", "stop"], env))).stdout, "Stopped the local server.\n");
  assert.equal((await ended(start(["local", "status"], env))).stdout, "No local server runs.\n");
});

test("a server that goes away in the middle is told as that", async () => {
  const env = { XDG_STATE_HOME: mkdtempSync(join(home, "state-")) };
  const child = start(["run", "sh", "-c", "echo up; exec sleep 1000"], env);
  const done = ended(child);
  await once(child.stdout ?? process, "data");
  const { pid } = JSON.parse(readFileSync(join(env.XDG_STATE_HOME, "shoreline", "local.json"), "utf8")) as {
    pid: number;
  };
  process.kill(pid, "SIGKILL");
  const { code, stderr } = await done;
  assert.equal(code, 123, stderr);
  assert.match(stderr, /Error: sandbox \S+ may still be running: end it by `shoreline terminate/);
});
