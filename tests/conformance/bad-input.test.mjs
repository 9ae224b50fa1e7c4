// Wrong requests by curl: each its status and code, and the server as healthy after them as before.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { curl, makeSandbox, pid as server, send, test, url } from "./server.mjs";

const open = () => readdirSync(`/proc/${server}/fd`).length;
const { id, api } = await makeSandbox();
const processes = `${api}/processes`;
// A sandbox's network is there by its first process.
await send("POST", `${processes}/run`, { command: "true" });
const before = open();
const directory = mkdtempSync(join(tmpdir(), "shoreline-conformance-"));
after(() => rmSync(directory, { recursive: true }));

const json = ["-H", "Content-Type: application/json"];
const post = (body, address = processes) => [...json, "--data-binary", body, address];
const put = (path) => ["-X", "PUT", "-d", "x", `${api}/files?path=${path}`];
function file(name, content) {
  writeFileSync(join(directory, name), content);
  return `@${join(directory, name)}`;
}

async function started(body) {
  const { pid } = JSON.parse((await send("POST", processes, body)).body);
  return `${processes}/${pid}`;
}

/** A process that has ended, one whose input is closed, one that has none, and a terminal. */
const ended = await started({ command: "true" });
await curl(`${ended}/output/follow`);
const closed = await started({ command: "sleep", args: ["1000"], stdin_mode: "pipe" });
await curl("-X", "POST", `${closed}/stdin/close`);
const silent = await started({ command: "sleep", args: ["1000"] });
const session = JSON.parse((await send("POST", `${api}/pty`, { command: "cat" })).body);
const terminal = `${api}/pty/${session.session_id}`;
await curl(...put("/tmp/made/file"));
const signal = (number, address = silent) => post(`{"signal":${number}}`, `${address}/signal`);
const resize = (rows, cols) => post(JSON.stringify({ rows, cols }), `${terminal}/resize`);
const WIDE = `{"command":"true","args":["${"x".repeat(5_000_000)}"]}`;
const LONG = `{"command":"true","args":["${"x".repeat(3_000_000)}"]}`;

const refusals = [
  ["malformed JSON", 400, "INVALID_REQUEST", post('{"command":')],
  ["an empty body", 400, "INVALID_REQUEST", post("")],
  [
    "JSON that is not UTF-8",
    400,
    "INVALID_REQUEST",
    post(file("latin", Buffer.from('{"command":"\xff"}', "latin1"))),
  ],
  ["JSON that is too deep", 422, "INVALID_SHAPE", post(file("deep", "[".repeat(100_000)))],
  ["an array", 422, "INVALID_SHAPE", post('["true"]')],
  ["no command", 422, "INVALID_SHAPE", post("{}")],
  ["a wrong type", 422, "INVALID_SHAPE", post('{"command":7}')],
  ["args that are not a list", 422, "INVALID_SHAPE", post('{"command":"true","args":"x"}')],
  ["args that are null", 422, "INVALID_SHAPE", post('{"command":"true","args":null}')],
  ["a variable that is a number", 422, "INVALID_SHAPE", post('{"command":"true","env":{"A":1}}')],
  ["an unknown mode", 422, "INVALID_SHAPE", post('{"command":"true","stdin_mode":"inherit"}')],
  ["an unknown policy", 422, "INVALID_SHAPE", post('{"command":"true","restart":{"policy":"often"}}')],
  ["a key that comes twice", 422, "INVALID_SHAPE", post('{"command":"true","command":"false"}')],
  ["no content type", 415, "UNSUPPORTED_MEDIA_TYPE", ["-H", "Content-Type:", "-d", "{}", processes]],
  ["another content type", 415, "UNSUPPORTED_MEDIA_TYPE", ["-d", '{"command":"true"}', processes]],
  ["a body that is too large", 413, "PAYLOAD_TOO_LARGE", post(file("wide", WIDE))],
  ["arguments that are too long", 400, "SPAWN_FAILED", post(file("long", LONG))],
  ["an empty command", 400, "INVALID_REQUEST", post('{"command":""}')],
  ["a NUL in the command", 400, "INVALID_REQUEST", post(String.raw`{"command":"a\u0000b"}`)],
  ["a variable without a name", 400, "INVALID_REQUEST", post('{"command":"true","env":{"":"x"}}')],
  ["a variable with = in its name", 400, "INVALID_REQUEST", post('{"command":"true","env":{"A=B":"x"}}')],
  ["a time limit of 0", 400, "INVALID_REQUEST", post('{"command":"true","timeout":0}', `${processes}/run`)],
  [
    "a negative time limit",
    400,
    "INVALID_REQUEST",
    post('{"command":"true","timeout":-1}', `${processes}/run`),
  ],
  [
    "a time limit that is NaN",
    400,
    "INVALID_REQUEST",
    post('{"command":"true","timeout":NaN}', `${processes}/run`),
  ],
  ["a time limit of a start", 400, "INVALID_REQUEST", post('{"command":"true","timeout":1}')],
  [
    "a run that is to be managed",
    400,
    "INVALID_REQUEST",
    post('{"command":"true","name":"web"}', `${processes}/run`),
  ],
  ["a managed name of digits", 400, "INVALID_REQUEST", post('{"command":"true","name":"12"}')],
  ["a managed name with /", 400, "INVALID_REQUEST", post('{"command":"true","name":"a/b"}')],
  ["no such command", 404, "EXECUTABLE_NOT_FOUND", post('{"command":"no-such-command"}')],
  ["a command that is a directory", 400, "SPAWN_FAILED", post('{"command":"/usr"}')],
  ["no such directory", 400, "WORKING_DIR_NOT_FOUND", post('{"command":"true","working_dir":"/no/such"}')],
  ["no such user", 400, "USER_NOT_FOUND", post('{"command":"true","user":"nobody-here"}')],

  ["an unknown pid", 404, "NOT_FOUND", [`${processes}/4000000`]],
  ["a pid that is too large", 404, "NOT_FOUND", [`${processes}/99999999999999999999`]],
  ["a negative pid", 404, "NOT_FOUND", [`${processes}/-1`]],
  ["output of an unknown pid", 404, "NOT_FOUND", [`${processes}/4000000/output`]],
  ["a follow of an unknown pid", 404, "NOT_FOUND", [`${processes}/4000000/output/follow`]],
  ["a process's name that is not UTF-8", 400, "INVALID_PATH", [`${processes}/%FF`]],
  [
    "an event that is not a number",
    400,
    "INVALID_REQUEST",
    ["-H", "Last-Event-ID: x", `${ended}/output/follow`],
  ],
  ["an event that has not been", 410, "OUTPUT_EXPIRED", ["-H", "Last-Event-ID: 9", `${ended}/output/follow`]],
  ["a signal to a process that has ended", 409, "PROCESS_NOT_RUNNING", signal(15, ended)],
  ["a kill of a process that has ended", 409, "PROCESS_NOT_RUNNING", ["-X", "DELETE", ended]],
  ["signal 0", 400, "INVALID_SIGNAL", signal(0)],
  ["signal 32", 400, "INVALID_SIGNAL", signal(32)],
  ["signal -9", 400, "INVALID_SIGNAL", signal(-9)],
  ["a signal's name", 422, "INVALID_SHAPE", signal('"TERM"')],
  ["input that is closed", 400, "STDIN_NOT_WRITABLE", ["-d", "x", `${closed}/stdin`]],
  ["input that is no pipe", 400, "STDIN_NOT_WRITABLE", ["-d", "x", `${silent}/stdin`]],
  ["to close what is no pipe", 400, "STDIN_NOT_WRITABLE", ["-X", "POST", `${silent}/stdin/close`]],
  ["a restart of what is not managed", 409, "CONFLICT", ["-X", "POST", `${silent}/restart`]],

  ["no path", 400, "INVALID_REQUEST", [`${api}/files`]],
  ["an empty path", 400, "INVALID_PATH", [`${api}/files?path=`]],
  ["a path with a NUL", 400, "INVALID_PATH", [`${api}/files?path=a%00b`]],
  ["a path that is not UTF-8", 400, "INVALID_REQUEST", [`${api}/files?path=%FF`]],
  [".. to read", 403, "PATH_TRAVERSAL", [`${api}/files?path=/tmp/../etc/passwd`]],
  [".. to write", 403, "PATH_TRAVERSAL", put("../x")],
  [".. percent-encoded", 403, "PATH_TRAVERSAL", [`${api}/files?path=%2e%2e%2fx`]],
  [".. to list", 403, "PATH_TRAVERSAL", [`${api}/files/list?path=..`]],
  ["a file that is not there", 404, "NOT_FOUND", [`${api}/files?path=/no/such`]],
  ["a directory to read", 400, "IS_DIRECTORY", [`${api}/files?path=/tmp`]],
  ["a directory to write", 400, "IS_DIRECTORY", put("/tmp")],
  ["a directory to delete", 400, "IS_DIRECTORY", ["-X", "DELETE", `${api}/files?path=/tmp/made`]],
  ["a file to list", 400, "NOT_A_DIRECTORY", [`${api}/files/list?path=/etc/passwd`]],
  ["a file as a directory", 400, "NOT_A_DIRECTORY", put("/etc/passwd/x")],
  ["a name that is too long", 400, "INVALID_PATH", put("x".repeat(300))],

  ["an unknown session", 404, "NOT_FOUND", [`${api}/pty/no-such-session`]],
  ["65536 columns", 422, "INVALID_SHAPE", resize(24, 65536)],
  ["-1 rows", 422, "INVALID_SHAPE", resize(-1, 80)],
  ["a terminal's socket by plain HTTP", 426, "UPGRADE_REQUIRED", [`${terminal}/ws?token=${session.token}`]],
  ["a terminal's socket without its token", 403, "INVALID_TOKEN", [`${terminal}/ws`]],
  ["a tunnel to port 0", 400, "INVALID_REQUEST", [`${api}/tunnels/tcp?port=0`]],
  ["a tunnel to no port", 400, "INVALID_REQUEST", [`${api}/tunnels/tcp`]],
  ["a tunnel by plain HTTP", 426, "UPGRADE_REQUIRED", [`${api}/tunnels/tcp?port=1`]],

  ["an unknown sandbox", 404, "SANDBOX_NOT_FOUND", [`${url}/sandboxes/nobody`]],
  ["a route in an unknown sandbox", 404, "SANDBOX_NOT_FOUND", [`${url}/s/nobody/api/v1/health`]],
  ["no sandbox", 400, "MISSING_SANDBOX_ID", [`${url}/api/v1/health`]],
  ["a sandbox's name that is not UTF-8", 400, "INVALID_PATH", [`${url}/sandboxes/%FF`]],
  ["a bad sandbox name", 400, "INVALID_REQUEST", post('{"name":"Bad_Name"}', `${url}/sandboxes`)],
  ["no memory", 400, "INVALID_REQUEST", post('{"resources":{"memory_mb":0}}', `${url}/sandboxes`)],
  ["less than no processor", 400, "INVALID_REQUEST", post('{"resources":{"cpus":-1}}', `${url}/sandboxes`)],
  ["a limit that is not a number", 400, "INVALID_REQUEST", [`${url}/sandboxes?limit=many`]],
  ["a cursor that is nobody's", 400, "INVALID_REQUEST", [`${url}/sandboxes?cursor=nobody`]],
  ["an unknown status", 400, "INVALID_REQUEST", [`${url}/sandboxes?status=fine`]],
  ["GPUs", 501, "UNSUPPORTED", post('{"resources":{"gpus":[{"count":1,"model":"T4"}]}}', `${url}/sandboxes`)],
  ["a template", 501, "UNSUPPORTED", post('{"template_id":"t"}', `${url}/sandboxes`)],
  ["to suspend what has no name", 400, "INVALID_REQUEST", ["-X", "POST", `${url}/sandboxes/${id}/suspend`]],
  ["the reserved port", 400, "INVALID_REQUEST", post('{"exposed_ports":[9501]}', `${url}/sandboxes`)],
  ["a snapshot", 501, "UNSUPPORTED", ["-X", "POST", `${url}/sandboxes/${id}/snapshot`]],

  ["an unknown route", 404, "ROUTE_NOT_FOUND", [`${api}/nothing`]],
  ["a wrong method", 405, "METHOD_NOT_ALLOWED", ["-X", "PUT", `${api}/health`]],
  ["no key", 401, "UNAUTHORIZED", ["-H", "Authorization:", `${url}/sandboxes`]],
  ["a host that is another's", 403, "FORBIDDEN_HOST", ["-H", "Host: evil.example", `${url}/sandboxes`]],
  [
    "a page of another's",
    403,
    "FORBIDDEN_ORIGIN",
    ["-H", "Origin: https://evil.example", `${url}/sandboxes`],
  ],
];

for (const [what, status, code, args] of refusals) {
  test(what, async () => {
    const answer = await curl(...args);
    assert.equal(answer.status, status, answer.body);
    const body = JSON.parse(answer.body);
    assert.deepEqual(Object.keys(body).sort(), ["code", "error"]);
    assert.equal(body.code, code);
    assert.ok(body.error.length > 5);
    assert.match(answer.head, /\r\ncontent-type: application\/json/i);
    assert.equal((await curl(`${api}/health`)).status, 200);
  });
}

test("what is no error: a second delete, a second close, sizes that are clamped", async () => {
  const proc = await started({ command: "sleep", args: ["1000"], stdin_mode: "pipe" });
  for (let round = 0; round < 2; round++)
    assert.equal((await curl("-X", "POST", `${proc}/stdin/close`)).status, 204);
  assert.equal((await curl("-X", "DELETE", proc)).status, 204);
  await curl(`${proc}/output/follow`);
  assert.equal((await curl("-X", "DELETE", proc)).status, 409);
  assert.equal((await curl(...resize(0, 0))).status, 204);
  const { rows, cols } = JSON.parse((await curl(terminal)).body);
  assert.deepEqual([rows, cols], [1, 1]);
  for (let round = 0; round < 2; round++) assert.equal((await curl("-X", "DELETE", terminal)).status, 204);
  const other = await makeSandbox();
  for (let round = 0; round < 2; round++)
    assert.equal((await curl("-X", "DELETE", `${url}/sandboxes/${other.id}`)).status, 200);
});

test("what is too much for HTTP is refused before it is a request", async () => {
  // By the HTTP library, without a body.
  const headers = Array.from({ length: 150 }, (_, at) => ["-H", `X-${at}: x`]).flat();
  assert.equal((await curl(...headers, `${api}/health`)).status, 431);
  assert.equal((await curl(`${api}/health?${"x".repeat(70_000)}`)).status, 414);
});

test("the server is as healthy after it as before", async () => {
  for (const process of [closed, silent]) await curl("-X", "DELETE", process);
  // What has ended is let go, a terminal after some seconds.
  for (const deadline = Date.now() + 120_000; open() > before; await sleep(20)) {
    if (Date.now() > deadline) assert.fail(`${open()} files are open, ${before} were`);
  }
  const { body } = await send("POST", `${processes}/run`, { command: "echo", args: ["still", "here"] });
  assert.match(body, /"line":"still here"/);
});
