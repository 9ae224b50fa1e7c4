// What commands show of sandboxes and processes, to scripts and on a terminal.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before } from "node:test";
import stringWidth from "string-width";
import { test } from "../helpers/processes.js";
import { ended, environment, saying, shoreline, start } from "./program.js";
import { Terminal } from "./screen.js";

before(async () => {
  await shoreline("create", "box");
});

/** Starts a script that stays, and gives its pid once it has written `up`. */
async function staying(script: string): Promise<string> {
  const { stdout } = await shoreline("exec", "--detach", "box", "sh", "-c", `${script}; exec sleep 1000`);
  const pid = stdout.trim();
  const follow = start(["logs", "-f", "box", pid]);
  const done = ended(follow);
  await saying(follow.stdout, "up\n");
  follow.kill("SIGINT");
  await done;
  return pid;
}

const linesOf = async (...args: string[]) => (await shoreline("logs", ...args)).stdout;

test("logs: the last lines, with and without what follows", async () => {
  const pid = await staying("printf '1\\n2\\n3\\nup\\n'");
  assert.equal(await linesOf("--tail", "2", "box", pid), "3\nup\n");
  assert.equal(await linesOf("-n", "0", "box", pid), "");
  assert.equal(await linesOf("-n", "100", "box", pid), "1\n2\n3\nup\n");
  assert.equal(await linesOf("--tail", "all", "box", pid), "1\n2\n3\nup\n");
  const follow = start(["logs", "-f", "--tail", "1", "box", pid]);
  const done = ended(follow);
  await saying(follow.stdout, "up\n");
  await shoreline("kill", "box", pid);
  assert.equal((await done).stdout, "up\n");
});

test("logs: lines since a time, with the time of each", async () => {
  const pid = await staying("echo first; sleep 1.1; echo up");
  const times = (await linesOf("-t", "box", pid)).split("\n").map((line) => line.split(" "));
  assert.deepEqual(
    times.map(([, word]) => word),
    ["first", "up", undefined],
  );
  const [first = 0, up = 0] = times.map(([time]) => Date.parse(time ?? ""));
  assert.ok(up - first >= 1000 && Math.abs(Date.now() - up) < 60_000, `${first} ${up}`);
  const between = new Date(first + 1).toISOString();
  assert.equal(await linesOf("--since", between, "box", pid), "up\n");
  assert.equal(await linesOf("--since", String(first / 1000 + 0.001), "box", pid), "up\n");
  assert.equal(await linesOf("--since", "1h30m", "box", pid), "first\nup\n");
  assert.equal(await linesOf("--since", "2099-01-01", "box", pid), "");
  const records = (await linesOf("--json", "-n", "1", "box", pid)).trim().split("\n");
  assert.deepEqual(
    records.map((text) => JSON.parse(text) as unknown),
    [{ timestamp: up, stream: "stdout", line: "up" }],
  );
  await shoreline("kill", "box", pid);
});

test("logs: bytes that are not text stay as they are behind a time, and in JSON", async () => {
  const { stdout } = await shoreline("exec", "--detach", "box", "printf", "a\\377\\nend");
  await ended(start(["logs", "-f", "box", stdout.trim()]));
  const { bytes } = await shoreline("logs", "-t", "box", stdout.trim());
  assert.match(bytes.toString("latin1"), /^\S+Z a\xff\n\S+Z end$/);
  const [raw, rest] = (await linesOf("--json", "box", stdout.trim())).trim().split("\n");
  assert.equal(
    (JSON.parse(raw ?? "") as { bytes: string }).bytes,
    Buffer.from("a\xff\n", "latin1").toString("base64"),
  );
  assert.equal((JSON.parse(rest ?? "") as { eol: boolean }).eol, false);
});

test("logs: what the server does not know is refused", async () => {
  for (const [args, why, code] of [
    [["--since", "yesterday", "box", "1"], "It is a duration such as 10m", 2],
    [["--since", "2026-99-01", "box", "1"], "It is a duration such as 10m", 2],
    [["--tail", "-1", "box", "1"], "It is a whole number of lines, or all.", 2],
    [["--json", "-t", "box", "1"], "--json excludes --timestamps", 2],
    [["-t", ID, "7"], "the server does not say when the lines were written", 125],
    [["--since", "1h", ID, "7"], "the server does not say when the lines were written", 125],
  ] as const) {
    const { stderr, stdout, code: seen } = await old("logs", ...args);
    assert.deepEqual([seen, stdout], [code, ""], stderr);
    assert.ok(stderr.includes(why), stderr);
  }
});

test("ps: only processes that run; on a terminal times, ends, and what holds output open", async () => {
  const pid = await staying("echo up");
  const holding = "sleep 1001 & exit 3";
  const { code } = await shoreline("exec", "box", "sh", "-c", holding);
  assert.equal(code, 3);
  const running = (await shoreline("ps", "-r", "box")).stdout.trim().split("\n");
  assert.deepEqual(
    [running[0], running.slice(1).map((line) => line.split("\t").slice(0, 2).join(" "))],
    ["PID\tStatus\tManaged\tName\tRestarts\tHealth\tCommand", [`${pid} running`]],
  );
  const screen = new Terminal(["ps", "box"], {}, 160);
  await screen.shows(/PID +Status +Started +Duration +Output +Command/);
  await screen.shows(/exited \(3\) +\d+ sec ago +\d+ s +open: \d+ sleep 1001 +sh -c sleep 1001/);
  assert.equal(await screen.ended, 0);
  await shoreline("kill", "box", pid);
});

test("port ls: the address of each port, which answers", async () => {
  const { stdout } = await shoreline("exec", "--detach", "box", "python3", "-um", "http.server", "8123");
  await shoreline("port", "expose", "box", "8123");
  const screen = new Terminal(["ports", "ls", "box"]);
  await screen.shows(/Port +URL(\u001b\[0m)?\r\n8123 +http:\/\/8123-/);
  const { ports } = JSON.parse((await shoreline("port", "ls", "box", "--json")).stdout) as {
    ports: { port: number; url: string }[];
  };
  assert.deepEqual(
    ports.map(({ port }) => port),
    [8123],
  );
  assert.match(ports[0]?.url ?? "", /^http:\/\/8123-[a-z0-9-]+\.localhost:\d+$/);
  await shoreline("kill", "box", stdout.trim());
});

test("top: the load, memory and command of each process, once and until Ctrl-C", async () => {
  const busy = "while :; do :; done";
  const { stdout } = await shoreline("exec", "--detach", "box", "sh", "-c", busy);
  const pid = stdout.trim();
  const [head, first] = (await shoreline("top", "box")).stdout.split("\n");
  assert.equal(head, "PID\tCPU\tMemory\tTime\tThreads\tCommand");
  const [, load, memory, , threads, command] = first?.split("\t") ?? [];
  assert.equal(first?.split("\t")[0], pid);
  assert.ok(parseFloat(load ?? "") > 1, first);
  assert.match(memory ?? "", /^[\d.]+ [kM]B$/);
  assert.deepEqual([threads, command], ["1", `sh -c ${busy}`]);
  const usage = JSON.parse((await shoreline("top", "--json", "box")).stdout) as {
    processes: { pid: number; cpu_ms: number; memory_bytes: number }[];
  };
  assert.ok(usage.processes.some((one) => one.pid === Number(pid) && one.cpu_ms > 0 && one.memory_bytes > 0));
  const screen = new Terminal(["top", "-i", "0.1", "box"]);
  await screen.shows(/box: \d+ processes, every 0.1 s[^]*sh -c while[^]*box: \d+ processes/);
  screen.type("\u0003");
  assert.equal(await screen.ended, 0);
  assert.match(screen.screen, /\u001b\[\?1049l[^]*clean/, "the terminal is as it was");
  await shoreline("kill", "box", pid);
  const other = await old("top", ID);
  assert.equal(other.code, 125);
  assert.match(other.stderr, /^Error: this server cannot measure what processes use\n/);
});

test("a table fits into a narrow terminal, by the width of its characters", async () => {
  await shoreline(
    "exec",
    "--detach",
    "--name",
    "世界世界世界世界世界",
    "box",
    "sleep",
    "1000000000000000000000",
  );
  const screen = new Terminal(["ps", "-r", "box"], { NO_COLOR: "1" }, 60);
  assert.equal(await screen.ended, 0);
  const lines = screen.screen.split("\r\n").filter((line) => /PID|世/.test(line));
  assert.match(lines[1] ?? "", /^\d+ +runni… .*世界….*slee…$/);
  for (const line of lines) assert.ok(stringWidth(line) <= 60, line);
  await shoreline("kill", "box", "世界世界世界世界世界");
});

test("--json: a process that was started, a copy, ports and the server", async () => {
  const parse = async (...args: string[]) =>
    JSON.parse((await shoreline(...args)).stdout) as Record<string, unknown>;
  const started = await parse("exec", "--detach", "--json", "--name", "job", "box", "sleep", "1000");
  assert.equal(started.command, "sleep");
  assert.notEqual((await parse("restart", "--json", "box", "job")).pid, started.pid);
  await shoreline("kill", "box", "job");
  assert.deepEqual(await parse("cp", "--json", "box:/etc/passwd", "passwd"), {
    files: 1,
    directories: 0,
    links: 0,
    bytes: (await shoreline("exec", "box", "wc", "-c", "/etc/passwd")).stdout.split(" ").map(Number)[0],
    skipped: [],
  });
  assert.deepEqual(
    (await parse("port", "expose", "--json", "box", "9000")).allow_unauthenticated_access,
    true,
  );
  assert.deepEqual(Object.keys(await parse("local", "start", "--json")), ["url", "pid", "isolation"]);
  assert.equal((await shoreline("exec", "--json", "box", "true")).code, 2);
});

const ID = "0123456789abcdefghijk";

/** The server of an older generation, which measures nothing and has no times. */
const server = createServer((request, response) => {
  const path = new URL(request.url ?? "", "http://x").pathname;
  const sandbox_url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const record = { id: ID, sandbox_id: ID, status: "running", sandbox_url, created_at: 1 };
  const lines = { pid: 7, line_count: 1, lines: ["line"] };
  if (path.endsWith("/follow")) {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    const line = { line: "line", timestamp: 0, stream: "stdout" };
    response.end(`event: output\ndata: ${JSON.stringify(line)}\n\nevent: eof\ndata: {}\n\n`);
    return;
  }
  const answer = path.includes("/sandboxes/") ? record : path.endsWith("/output") ? lines : undefined;
  response.writeHead(answer ? 200 : 404, answer && { "Content-Type": "application/json" });
  response.end(answer && JSON.stringify(answer));
});
before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
after(() => server.close());

function old(...args: string[]) {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  assert.equal(environment.TENSORLAKE_API_URL, undefined);
  return ended(start(args, { TENSORLAKE_API_URL: url, TENSORLAKE_API_KEY: "key" }));
}
