// The API by curl, as it is documented.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { apiKey, curl, makeSandbox, port, send, test, url } from "./server.mjs";

const { id, api } = await makeSandbox({ name: "by-curl" });
const directory = mkdtempSync(join(tmpdir(), "shoreline-conformance-"));
after(() => rmSync(directory, { recursive: true }));
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function start(body) {
  const { status, body: text } = await send("POST", `${api}/processes`, body);
  assert.equal(status, 201, text);
  return JSON.parse(text);
}

/** The data of every event of a stream, parsed, and the ids. */
function events(text) {
  assert.ok(text.endsWith("\n\n"), "the last event is complete");
  const blocks = text.split("\n\n").filter((block) => block !== "" && !block.startsWith(":"));
  return blocks.map((block) => Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s))));
}

test("the documented start of a process", async () => {
  const { status, body } = await curl(
    ...["-X", "POST", `http://${id}.localhost:${port}/api/v1/processes`],
    ...["-H", `Authorization: Bearer ${apiKey}`, "-H", "Content-Type: application/json"],
    ...["-d", String.raw`{ "command": "python", "args": ["-c", "print(\"Hello from sandbox!\")"] }`],
  );
  assert.equal(status, 201);
  const { pid } = JSON.parse(body);
  const followed = await curl("-N", `${api}/processes/${pid}/output/follow`);
  assert.equal(JSON.parse(events(followed.body)[0].data).line, "Hello from sandbox!");
});

test("by host, by header, by path and by name", async () => {
  const ways = [
    [`http://${id}.localhost:${port}/api/v1/health`],
    [`http://by-curl.localhost:${port}/api/v1/health`],
    [`http://9501-${id}.localhost:${port}/api/v1/health`],
    [`${url}/api/v1/health`, "-H", `Host: ${id}.local`],
    [`${url}/api/v1/health`, "-H", `X-Tensorlake-Sandbox-Id: ${id}`],
    [`${url}/api/v1/health`, "-H", "X-Tensorlake-Sandbox-Id: by-curl"],
    [`${url}/s/${id}/api/v1/health`],
    [`${url}/s/by-curl/api/v1/health`],
  ];
  for (const way of ways) {
    const { status, body } = await curl(...way);
    assert.deepEqual([status, body], [200, '{"healthy":true}'], way.join(" "));
  }
});

test("a run is a stream of bare events", async () => {
  const body = { command: "sh", args: ["-c", "echo out; echo err >&2; exit 3"] };
  const { status, head, body: text } = await send("POST", `${api}/processes/run`, body);
  assert.equal(status, 200);
  assert.match(head, /\r\ncontent-type: text\/event-stream/i);
  assert.match(head, /\r\ncache-control: no-cache/i);
  const seen = events(text).map(({ data }) => JSON.parse(data));
  const [started, exited] = [seen[0], seen.at(-1)];
  assert.ok(started.pid > 0 && Date.now() - started.started_at < 10_000);
  assert.deepEqual(exited, { exit_code: 3, reason: "exited" });
  const lines = seen.slice(1, -1).map(({ line, stream }) => `${stream} ${line}`);
  assert.deepEqual(lines.sort(), ["stderr err", "stdout out"]);
});

test("a follow goes on after any event", async () => {
  const { pid } = await start({ command: "seq", args: ["100"] });
  const whole = events((await curl("-N", `${api}/processes/${pid}/stdout/follow`)).body);
  assert.equal(whole.length, 102);
  assert.deepEqual(JSON.parse(whole.at(-2).data), { exit_code: 0, reason: "exited", line_count: 100 });
  assert.deepEqual(whole.at(-1), { event: "eof", data: "{}" });
  for (const last of [0, 1, 57, 99, 100]) {
    const from = `Last-Event-ID: ${last}`;
    const rest = events((await curl("-N", "-H", from, `${api}/processes/${pid}/stdout/follow`)).body);
    assert.deepEqual(rest, whole.slice(last), from);
  }
});

test("bytes that are not text are marked, kept and shown", async () => {
  const { pid } = await start({ command: "printf", args: [String.raw`a\377b\nlast`] });
  const [odd, last] = events((await curl("-N", `${api}/processes/${pid}/output/follow`)).body);
  const { line, bytes } = JSON.parse(odd.data);
  assert.deepEqual([line, Buffer.from(bytes, "base64").toString("latin1")], ["a\ufffdb", "a\xffb"]);
  assert.deepEqual([JSON.parse(last.data).line, JSON.parse(last.data).eol], ["last", false]);
});

test("a file goes up and down as it is, and in parts", async () => {
  const bytes = Buffer.from(Uint32Array.from({ length: 1_500_000 }, (_, at) => at * 2654435761).buffer);
  const [up, down] = ["up", "down"].map((name) => join(directory, name));
  writeFileSync(up, bytes);
  const address = `${api}/files?path=/tmp/a%20b%2Bc`;
  // As a stream of unknown length too.
  for (const how of [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]]) {
    assert.equal((await curl(...how, "-T", up, address)).status, 204);
    const { status } = await curl("--no-include", "-o", down, address);
    assert.equal(status, 200);
    assert.equal(sha(readFileSync(down)), sha(bytes));
    assert.equal((await curl("-X", "DELETE", address)).status, 204);
  }
  await curl("-T", up, address);
  const part = await curl("--no-include", "-o", down, "-r", "1000000-1000999", address);
  assert.equal(part.status, 206);
  assert.deepEqual(readFileSync(down), bytes.subarray(1_000_000, 1_001_000));
  const resumed = join(directory, "resumed");
  writeFileSync(resumed, bytes.subarray(0, 4_000_000));
  await curl("--no-include", "-C", "-", "-o", resumed, address);
  assert.equal(sha(readFileSync(resumed)), sha(bytes));
  const beyond = await curl("-r", `${bytes.length}-`, address);
  assert.deepEqual([beyond.status, JSON.parse(beyond.body).code], [416, "RANGE_NOT_SATISFIABLE"]);
});

test("standard input as a stream of its own", async () => {
  const { pid } = await start({ command: "sha256sum", stdin_mode: "pipe" });
  const bytes = Buffer.alloc(3_000_000, "some input\n");
  const path = join(directory, "input");
  writeFileSync(path, bytes);
  assert.equal((await curl("-X", "POST", "-T", path, `${api}/processes/${pid}/stdin`)).status, 204);
  assert.equal((await curl("-X", "POST", `${api}/processes/${pid}/stdin/close`)).status, 204);
  const [{ data }] = events((await curl("-N", `${api}/processes/${pid}/stdout/follow`)).body);
  assert.equal(JSON.parse(data).line, `${sha(bytes)}  -`);
});

test("a port of a sandbox by its host name, with the key or without", async () => {
  const script = "import http.server as s; s.test(s.SimpleHTTPRequestHandler, port=0, bind='127.0.0.1')";
  const { pid } = await start({ command: "python3", args: ["-u", "-c", script] });
  let said;
  do said = JSON.parse((await curl(`${api}/processes/${pid}/stdout`)).body).lines;
  while (said.length === 0);
  const inside = Number(/port (\d+)/.exec(said[0])[1]);
  await curl("-X", "PUT", "--data-binary", "a page", `${api}/files?path=/workspace/page`);
  const address = `http://${inside}-by-curl.localhost:${port}/page`;
  const change = (body) => send("PATCH", `${url}/sandboxes/by-curl`, body);
  assert.equal((await curl(address)).status, 404);
  await change({ exposed_ports: [inside] });
  assert.deepEqual((await curl(address)).body, "a page");
  assert.equal((await curl("-H", "Authorization: Bearer wrong", address)).status, 401);
  await change({ allow_unauthenticated_access: true });
  assert.equal((await curl("-H", "Authorization:", address)).body, "a page");
});

test("lifecycle below both prefixes", async () => {
  for (const base of [url, `${url}/v1/namespaces/default`]) {
    const made = JSON.parse((await send("POST", `${base}/sandboxes`, { name: "short-lived" })).body);
    const info = JSON.parse((await curl(`${base}/sandboxes/${made.sandbox_id}`)).body);
    assert.deepEqual([info.id, info.status, info.name], [made.sandbox_id, "running", "short-lived"]);
    const suspended = await curl("-X", "POST", `${base}/sandboxes/short-lived/suspend`);
    assert.deepEqual([suspended.status, JSON.parse(suspended.body).status], [202, "suspended"]);
    // A request wakes it.
    assert.equal((await curl(`${made.sandbox_url}/api/v1/health`)).status, 200);
    for (let round = 0; round < 2; round++) {
      const ended = await curl("-X", "DELETE", `${base}/sandboxes/${made.sandbox_id}`);
      assert.deepEqual([ended.status, ended.body], [200, ""]);
    }
    const list = JSON.parse((await curl(`${base}/sandboxes?status=terminated&limit=1`)).body);
    assert.equal(list.sandboxes[0].id, made.sandbox_id);
  }
  const owner = await curl("-X", "POST", `${url}/platform/v1/keys/introspect`);
  assert.deepEqual(Object.keys(JSON.parse(owner.body)).sort(), ["id", "organizationId", "projectId"]);
});
