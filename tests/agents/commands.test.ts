// Tools that run commands, follow their output and control processes.
import assert from "node:assert/strict";
import { test } from "../helpers/processes.js";
import { bad, good, sandbox, toolsOf } from "./box.js";

const call = toolsOf();

test("a command's output and exit code", async () => {
  const { text, data } = await good(call("run_command", { command: "echo out; echo err >&2" }));
  assert.equal(data.exit_code, 0);
  assert.equal(data.running, false);
  assert.match(data.output, /^out\n.*err\n$/);
  assert.match(text, /^out\n[^]*\[exit code 0\]$/);
});

test("a failing command is an error with its output", async () => {
  const failing = call("run_command", { command: "echo why >&2; exit 3" });
  const { text, data } = await bad(failing, "command_failed", /exited with 3/);
  assert.equal(data.exit_code, 3);
  assert.match(text, /why/);
});

test("bash where there is one, with a directory and a pipe", async () => {
  const command = "[[ $PWD == /tmp ]] && { echo {1..3}; }";
  assert.match((await good(call("run_command", { command, working_dir: "/tmp" }))).text, /^1 2 3\n/);
});

test("a command that does not end is killed after its time limit", async () => {
  const endless = call("run_command", { command: "sleep 1000", timeout_seconds: 0.3 });
  const { data } = await bad(endless, "run_timeout", /larger timeout_seconds/);
  assert.equal(data.timed_out, true);
  const { status } = await sandbox.getProcess(data.pid);
  assert.equal(status, "signaled");
});

test("a command that still runs can be followed, written to and killed", async () => {
  const yielded = call("run_command", {
    command: "echo one; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo two; sleep 1000",
    yield_after_seconds: 0.5,
  });
  const { data } = await good(yielded);
  assert.equal(data.running, true);
  assert.equal(data.output, "one\n");
  await good(call("write_file", { path: "/tmp/go", content: "" }));
  let output = "";
  for (let { pid, cursor } = data; output === "";) {
    const next = await good(call("read_output", { pid, cursor, wait_seconds: 0.1 }));
    ({ output, cursor } = next.data);
  }
  assert.equal(output, "two\n");
  const killed = await good(call("kill_process", { pid: data.pid }));
  assert.deepEqual(killed.structured, { running: false, signal: 9 });
  const again = await good(call("kill_process", { pid: data.pid }));
  assert.match(again.text, /had ended before/);
});

test("the time limit holds after the call has returned", async () => {
  const yielded = { command: "sleep 1000", yield_after_seconds: 0, timeout_seconds: 1 };
  const { data } = await good(call("run_command", yielded));
  const over = call("read_output", { pid: data.pid, wait_seconds: 60 });
  await bad(over, "run_timeout", /time limit/);
});

test("a process with input", async () => {
  const { data } = await good(call("start_process", { command: "cat", stdin: true }));
  const { pid } = data;
  await good(call("write_stdin", { pid, input: "hällo\n", close: true }));
  const read = await good(call("read_output", { pid, wait_seconds: 60 }));
  assert.equal(read.data.output, "hällo\n");
  assert.equal(read.data.exit_code, 0);
  await bad(call("write_stdin", { pid, input: "x" }), "conflict", /has ended/);
  const closed = await good(call("start_process", { command: "sleep 1000" }));
  await bad(call("write_stdin", { pid: closed.data.pid, input: "x" }), "conflict", /stdin: true/);
  const { data: list, text } = await good(call("list_processes", {}));
  assert.deepEqual(
    list.processes.find((one) => one.pid === closed.data.pid),
    { pid: closed.data.pid, command: "sleep 1000", status: "running" },
  );
  assert.match(text, new RegExp(`^${closed.data.pid}\trunning\t"sleep 1000"$`, "m"));
  await good(call("kill_process", { pid: closed.data.pid }));
});

test("an unknown process", async () => {
  await bad(call("read_output", { pid: 999_999 }), "not_found", /list_processes/);
  await bad(call("kill_process", { pid: 999_999 }), "not_found", /list_processes/);
  await bad(call("write_stdin", { pid: 999_999, input: "" }), "not_found", /list_processes/);
  const { data } = await good(call("run_command", { command: "true" }));
  await bad(call("read_output", { pid: data.pid, cursor: "nonsense" }), "invalid_input", /cursor/);
});

test("long output has its beginning, its end and a way to the middle", async () => {
  const small = toolsOf({ maxResultBytes: 2000 });
  const { data, text } = await good(small("run_command", { command: "seq 1 10000" }));
  assert.ok(Buffer.byteLength(text) <= 2000, `${Buffer.byteLength(text)} bytes`);
  assert.match(data.output, /^1\n2\n/);
  assert.match(data.output, /\n10000\n$/);
  assert.ok(data.omitted && data.omitted.lines > 9000);
  assert.match(text, /omitted/);
  const middle = await good(small("read_output", { pid: data.pid, cursor: data.omitted.cursor }));
  const [first] = middle.data.output.split("\n");
  assert.ok(data.output.includes(`\n${Number(first) - 1}\n`), "the middle begins where the beginning ends");
});

test("a canceled call kills its command", async () => {
  const controller = new AbortController();
  let pid = 0;
  const canceled = call(
    "run_command",
    { command: "echo $$; exec sleep 1000" },
    {
      signal: controller.signal,
      onProgress: ({ text }) => {
        pid = Number(text);
        if (pid > 0) controller.abort();
      },
    },
  );
  await bad(canceled, "aborted", /its command killed/);
  assert.equal((await sandbox.process({ pid, sandboxId: sandbox.sandboxId }).wait()).signal, 9);
});

test("progress has the last line and the time", async () => {
  const told: { text: string; elapsedMs: number }[] = [];
  const command = "echo building; until [ -e /tmp/told ]; do sleep 0.05; done";
  const running = call(
    "run_command",
    { command },
    {
      onProgress: (progress) => {
        told.push(progress);
        if (progress.text === "building") void sandbox.writeFile("/tmp/told", "");
        throw new Error("a handler's error ends nothing");
      },
    },
  );
  await good(running);
  assert.equal(told.at(-1)?.text, "building");
  assert.ok((told.at(-1)?.elapsedMs ?? 0) >= 900);
});

test("ports", async () => {
  const { data } = await good(
    call("start_process", { command: "exec python3 -m http.server 8123 --bind 127.0.0.1" }),
  );
  const process = sandbox.process({ pid: data.pid, sandboxId: sandbox.sandboxId });
  await process.waitForPort(8123, { timeout: 60 });
  const before = await good(call("list_ports", {}));
  assert.deepEqual(
    before.data.ports.find(({ port }) => port === 8123),
    { port: 8123, listening: true, exposed: false },
  );
  const exposed = await good(call("expose_port", { port: 8123 }));
  assert.equal(exposed.data.url, sandbox.urlForPort(8123));
  assert.match((await good(call("list_ports", {}))).text, /8123\tlistening\texposed at http/);
  await good(call("expose_port", { port: 8123, close: true }));
  assert.deepEqual((await sandbox.info()).exposedPorts ?? [], []);
  await good(call("kill_process", { pid: data.pid }));
});
