// The official npm client, as it is, on the local server.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { OutputMode, Pty, RemoteAPIError, Sandbox, SandboxNotFoundError, StdinMode } from "tensorlake";
import { apiKey, port, test, url } from "./server.mjs";

const options = { apiUrl: url, apiKey };
const sandbox = await Sandbox.create(options);
const decoder = new TextDecoder();

const numbers = (count) => Array.from({ length: count }, (_, at) => String(at + 1));

async function lines(events) {
  const lines = [];
  for await (const { line } of events) lines.push(line);
  return lines;
}

async function refused(promise, status, code) {
  const error = await promise.then(
    () => assert.fail("it was not refused"),
    (thrown) => thrown,
  );
  assert.ok(error instanceof RemoteAPIError, error);
  assert.equal(error.statusCode, status);
  assert.equal(JSON.parse(error.responseMessage).code, code);
}

test("hello", async () => {
  const result = await sandbox.run("python", {
    args: ["-c", "print('Hello from sandbox!')"],
  });
  assert.equal(result.stdout, "Hello from sandbox!");
  assert.equal(result.exitCode, 0);
});

test("five steps arrive one by one", async () => {
  // Each step waits until the one before has arrived.
  const proc = await sandbox.startProcess("python", {
    args: ["-c", "for i in range(5):\n  print(f'Step {i+1}/5')\n  input()"],
    stdinMode: StdinMode.PIPE,
  });
  const seen = [];
  for await (const event of sandbox.followOutput(proc.pid)) {
    seen.push({ ...event, at: Date.now() });
    await sandbox.writeStdin(proc.pid, new TextEncoder().encode("on\n"));
  }
  assert.deepEqual(
    seen.map(({ line }) => line),
    numbers(5).map((number) => `Step ${number}/5`),
  );
  for (const { stream, timestamp, at } of seen) {
    assert.equal(stream, "stdout");
    assert.ok(Math.abs(timestamp.getTime() - at) < 60_000);
  }
});

test("a run with variables, a directory, an exit code and both streams", async () => {
  await sandbox.writeFile(
    "/workspace/main.py",
    new TextEncoder().encode("import os; print(os.environ['MODE'], os.environ['DEBUG'])"),
  );
  const prod = await sandbox.run("python", {
    args: ["main.py"],
    env: { MODE: "prod", DEBUG: "0" },
    workingDir: "/workspace",
    timeout: 10,
  });
  assert.deepEqual([prod.exitCode, prod.stdout], [0, "prod 0"]);
  const failed = await sandbox.run("python", { args: ["-c", "import nonexistent_module"] });
  assert.equal(failed.exitCode, 1);
  assert.match(failed.stderr, /No module named 'nonexistent_module'/);
  const both = await sandbox.run("sh", { args: ["-c", "echo out; echo err >&2; exit 3"] });
  assert.deepEqual([both.exitCode, both.stdout, both.stderr], [3, "out", "err"]);
});

test("a run that ends by a signal or by its time limit", async () => {
  assert.equal((await sandbox.run("sh", { args: ["-c", "kill -TERM $$"] })).exitCode, -15);
  const limited = await sandbox.run("sh", { args: ["-c", "echo begun; sleep 1000"], timeout: 2 });
  assert.deepEqual([limited.exitCode, limited.stdout], [-9, "begun"]);
});

test("what cannot be run is refused with a code", async () => {
  await refused(sandbox.run("no-such-command"), 404, "EXECUTABLE_NOT_FOUND");
  await refused(sandbox.startProcess("true", { workingDir: "/no/such" }), 400, "WORKING_DIR_NOT_FOUND");
  await refused(sandbox.startProcess("true", { user: "nobody-here" }), 400, "USER_NOT_FOUND");
});

test("a process is shown while it runs and after it", async () => {
  const proc = await sandbox.startProcess("sleep", { args: ["1000"] });
  assert.equal(proc.status, "running");
  assert.deepEqual([proc.command, proc.args, proc.exitCode], ["sleep", ["1000"], undefined]);
  assert.ok(
    (await sandbox.listProcesses()).some(({ pid, status }) => pid === proc.pid && status === "running"),
  );
  const info = await sandbox.daemonInfo();
  assert.ok(info.runningProcesses >= 1 && info.totalProcesses >= info.runningProcesses);
  assert.deepEqual(await sandbox.sendSignal(proc.pid, 15).then(({ success }) => success), true);
  await lines(sandbox.followOutput(proc.pid));
  const ended = await sandbox.getProcess(proc.pid);
  assert.deepEqual([ended.status, ended.signal, ended.exitCode], ["signaled", 15, undefined]);
  assert.ok(ended.endedAt >= ended.startedAt);
  await refused(sandbox.sendSignal(proc.pid, 15), 409, "PROCESS_NOT_RUNNING");
  await refused(sandbox.killProcess(proc.pid), 409, "PROCESS_NOT_RUNNING");
  await refused(sandbox.getProcess(4_000_000), 404, "NOT_FOUND");
});

test("standard input is written, closed, and then refused", async () => {
  const proc = await sandbox.startProcess("sh", {
    args: ["-c", 'while read line; do echo "got $line"; done; echo end'],
    stdinMode: StdinMode.PIPE,
  });
  assert.equal(proc.stdinWritable, true);
  const seen = [];
  for await (const { line } of startedWith(sandbox.followStdout(proc.pid), () => write("one\n"))) {
    seen.push(line);
    // Each line is written when the one before has arrived: none waits for the end.
    if (line === "got one") await write("two\n");
    if (line === "got two") await sandbox.closeStdin(proc.pid);
  }
  assert.deepEqual(seen, ["got one", "got two", "end"]);
  await refused(write("late"), 400, "STDIN_NOT_WRITABLE");
  await sandbox.closeStdin(proc.pid);

  function write(text) {
    return sandbox.writeStdin(proc.pid, new TextEncoder().encode(text));
  }
});

async function* startedWith(events, first) {
  await first();
  yield* events;
}

test("output is captured by stream, in order, or discarded", async () => {
  // Two pipes have no common order: each line is written when the one before has arrived.
  const script = "echo one; read on; echo two >&2; read on; echo three";
  const proc = await sandbox.startProcess("sh", { args: ["-c", script], stdinMode: StdinMode.PIPE });
  const tagged = [];
  for await (const { line, stream } of sandbox.followOutput(proc.pid)) {
    tagged.push(`${stream} ${line}`);
    if (tagged.length < 3) await sandbox.writeStdin(proc.pid, new TextEncoder().encode("on\n"));
  }
  assert.deepEqual(tagged, ["stdout one", "stderr two", "stdout three"]);
  assert.deepEqual(await lines(sandbox.followStderr(proc.pid)), ["two"]);
  assert.deepEqual((await sandbox.getStdout(proc.pid)).lines, ["one", "three"]);
  assert.deepEqual((await sandbox.getStderr(proc.pid)).lines, ["two"]);
  const output = await sandbox.getOutput(proc.pid);
  assert.deepEqual([output.pid, output.lines, output.lineCount], [proc.pid, ["one", "two", "three"], 3]);

  const silent = await sandbox.startProcess("echo", { args: ["unheard"], stdoutMode: OutputMode.DISCARD });
  assert.deepEqual(await lines(sandbox.followOutput(silent.pid)), []);
});

test("a long output: a run has all of it, a follow what this client keeps", async () => {
  const count = 50_000;
  const run = await sandbox.run("seq", { args: [String(count)] });
  assert.deepEqual(run.stdout.split("\n"), numbers(count));
  const proc = await sandbox.startProcess("seq", { args: [String(count)] });
  // The client stops at the end of the stream although events still wait in its queue, so it loses some
  // of the last. What it gives is the beginning, without a gap.
  const followed = await lines(sandbox.followOutput(proc.pid));
  assert.deepEqual(followed, numbers(followed.length));
  const captured = await sandbox.getStdout(proc.pid);
  assert.deepEqual(captured.lines, numbers(count));
  assert.equal(captured.lineCount, count);
});

test("a process is managed by its name", async () => {
  const proc = await sandbox.startProcess("sleep", {
    args: ["1000"],
    name: "web server",
    restart: { policy: "always", initialBackoffMs: 10 },
  });
  assert.deepEqual([proc.managed.name, proc.managed.status], ["web server", "running"]);
  const second = await sandbox.restartProcess("web server");
  assert.notEqual(second.pid, proc.pid);
  assert.equal((await sandbox.getProcess("web server")).pid, second.pid);
  await refused(sandbox.startProcess("true", { name: "web server" }), 409, "NAME_TAKEN");
  await sandbox.killProcess("web server");
  await lines(sandbox.followOutput(second.pid));
  assert.equal((await sandbox.getProcess(second.pid)).status, "signaled");
});

test("processes are listed in every state", async () => {
  const made = await Sandbox.create(options);
  await made.run("sh", { args: ["-c", "kill -9 $$"] });
  const sleeping = (options) => made.startProcess("sleep", { args: ["1000"], ...options });
  await sleeping({ stdinMode: StdinMode.PIPE });
  const { managed } = await sleeping({ name: "named" });
  // The policy of one that was started without a policy.
  assert.deepEqual(
    { ...managed.restart, maxRestarts: undefined },
    { policy: "never", maxRestarts: undefined, initialBackoffMs: 500, maxBackoffMs: 30_000 },
  );
  const now = { initialDelayMs: 0, intervalMs: 10, failureThreshold: 1 };
  await sleeping({ healthCheck: { type: "tcp", port: 1, ...now } });
  const restart = { policy: "on_failure", initialBackoffMs: 600_000, maxBackoffMs: 600_000 };
  await made.startProcess("false", { name: "failing", restart });
  await sleeping({ name: "stopped", restart: { policy: "always" } });
  await made.killProcess("stopped");
  const wanted = ["named running", "undefined stopped", "failing backing_off", "stopped stopped"].sort();
  let seen;
  do {
    const listed = await made.listProcesses();
    assert.equal(listed.length, 6);
    seen = listed.filter(({ managed }) => managed).map(({ managed }) => managed);
  } while (
    seen
      .map(({ name, status }) => `${name} ${status}`)
      .sort()
      .join() !== wanted.join()
  );
  const failing = seen.find(({ name }) => name === "failing");
  assert.ok(failing.nextRestartAt > failing.lastExit.endedAt);
  await made.terminate();
});

test("the record of a sandbox", async () => {
  const made = await Sandbox.create({ ...options, allowInternetAccess: false });
  const info = await made.info();
  assert.equal(info.network.allowInternetAccess, false);
  assert.equal(info.resources.ephemeralDiskMb, 1024);
  assert.equal(info.ingressEndpoint, `http://localhost:${port}`);
  await refused(made.getLogs(), 501, "UNSUPPORTED");
  await refused(made.listLogProcesses(), 501, "UNSUPPORTED");
  await made.terminate();
});

test("files of any bytes and any size", async () => {
  const bytes = Uint8Array.from({ length: 5_000_003 }, (_, at) => (at * 31) % 251);
  await sandbox.writeFile("/tmp/deep/er/é +&%.bin", bytes);
  assert.deepEqual(Buffer.from(await sandbox.readFile("/tmp/deep/er/é +&%.bin")), Buffer.from(bytes));
  const { entries } = await sandbox.listDirectory("/tmp/deep/er");
  assert.deepEqual(
    entries.map(({ name, isDir, size }) => [name, isDir, size]),
    [["é +&%.bin", false, bytes.length]],
  );
  await sandbox.deleteFile("/tmp/deep/er/é +&%.bin");
  await refused(sandbox.readFile("/tmp/deep/er/é +&%.bin"), 404, "NOT_FOUND");
  await refused(sandbox.readFile("/tmp/deep"), 400, "IS_DIRECTORY");
  await refused(sandbox.writeFile("/tmp/../x", bytes), 403, "PATH_TRAVERSAL");
});

test("a terminal: input, size, exit code, and another client on it", async () => {
  const seen = [];
  const onData = (bytes) => seen.push(decoder.decode(bytes));
  const pty = await sandbox.createPty({ command: "sh", rows: 30, cols: 90, env: { PS1: "" }, onData });
  await pty.resize(100, 40);
  await pty.sendInput("stty size; echo over\n");
  await until(pty, seen, /40 100\r\nover\r\n/);
  const others = [];
  const other = await sandbox.connectPty(pty.sessionId, pty.token, {
    onData: (bytes) => others.push(decoder.decode(bytes)),
  });
  // It has what there was.
  await until(other, others, /40 100\r\nover\r\n/);
  await other.sendInput("exit 7\n");
  assert.deepEqual(await Promise.all([pty.wait(), other.wait()]), [7, 7]);
});

test("a terminal that is left and killed", async () => {
  const session = await sandbox.createPtySession({
    command: "sh",
    args: ["-c", "echo here; exec sleep 1000"],
  });
  const seen = [];
  const pty = await sandbox.connectPty(session.sessionId, session.token, {
    onData: (bytes) => seen.push(decoder.decode(bytes)),
  });
  await until(pty, seen, /here/);
  pty.disconnect();
  const again = await sandbox.connectPty(session.sessionId, session.token);
  assert.ok(again instanceof Pty);
  await again.kill();
  assert.equal(await again.wait(), -1);
  await assert.rejects(sandbox.connectPty(session.sessionId, "0".repeat(64)), /403/);
});

/** Waits until a terminal has shown something. */
async function until(pty, seen, wanted) {
  if (wanted.test(seen.join(""))) return;
  await new Promise((resolve) => {
    const stop = pty.onData(() => {
      if (!wanted.test(seen.join(""))) return;
      stop();
      resolve();
    });
  });
}

const PAGE = `import http.server
class Page(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    self.send_response(200); self.end_headers()
    self.wfile.write(('page at ' + self.path + ' key ' + str(self.headers['Authorization'])).encode())
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Page)
print(server.server_port, flush=True)
server.serve_forever()`;

test("a port inside is reached by a tunnel, and exposed", async (t) => {
  const proc = await sandbox.startProcess("python3", { args: ["-c", PAGE] });
  let inside;
  for await (const { line } of sandbox.followStdout(proc.pid)) {
    inside = Number(line);
    break;
  }
  const tunnel = await sandbox.createTunnel(inside, { localPort: 0 });
  t.after(() => tunnel.close());
  const answer = await fetch(`http://127.0.0.1:${tunnel.address().port}/x?y`);
  assert.equal(await answer.text(), "page at /x?y key None");
  const info = await sandbox.update({ exposedPorts: [inside] });
  assert.deepEqual([info.exposedPorts, info.allowUnauthenticatedAccess], [[inside], false]);
  await sandbox.killProcess(proc.pid);
});

test("a sandbox from its making to its end", async () => {
  const made = await Sandbox.create({
    ...options,
    name: "by-npm",
    cpus: 2,
    memoryMb: 2048,
    timeoutSecs: 600,
  });
  const info = await made.info();
  assert.deepEqual([info.status, info.name, info.timeoutSecs], ["running", "by-npm", 600]);
  assert.deepEqual([info.resources.cpus, info.resources.memoryMb], [2, 2048]);
  assert.ok((await Sandbox.list(options)).some(({ sandboxId }) => sandboxId === made.sandboxId));
  assert.equal((await made.update({ name: "by-npm-2" })).name, "by-npm-2");
  const connected = await Sandbox.connect({ ...options, sandboxId: "by-npm-2" });
  const proc = await connected.startProcess("sleep", { args: ["1000"] });
  await made.suspend({ pollInterval: 0.01 });
  assert.equal(await made.status(), "suspended");
  await made.resume({ pollInterval: 0.01 });
  assert.equal(await made.status(), "running");
  assert.equal((await connected.getProcess(proc.pid)).status, "running");
  await refused(made.checkpoint(), 501, "UNSUPPORTED");
  await made.terminate();
  assert.equal(await connected.status(), "terminated");
  await refused(connected.run("true"), 503, "SANDBOX_NOT_RUNNING");
  await assert.rejects(
    (await Sandbox.connect({ ...options, sandboxId: "nobody" })).info(),
    SandboxNotFoundError,
  );
});

test("by every address that this client takes for local", async () => {
  const name = await sandbox.update({ name: "by-address" }).then((info) => info.name);
  for (const apiUrl of [url, `http://localhost:${port}`]) {
    const connected = await Sandbox.connect({ apiUrl, apiKey, sandboxId: name });
    assert.equal((await connected.health()).healthy, true, apiUrl);
  }
  // Without a lifecycle call, by host and by path.
  for (const proxyUrl of [url, `http://localhost:${port}`, `${url}/s/${name}`]) {
    const direct = new Sandbox({ sandboxId: name, proxyUrl, apiKey });
    assert.equal((await direct.run("echo", { args: ["direct"] })).stdout, "direct", proxyUrl);
    const pty = await direct.createPty({ command: "true" });
    assert.equal(await pty.wait(), 0, proxyUrl);
  }
  const wrong = new Sandbox({ sandboxId: name, proxyUrl: url, apiKey: "wrong" });
  await assert.rejects(wrong.run("true"), (error) => error.statusCode === 401);
});

test("by the variables of its environment", async () => {
  const script = `import { Sandbox } from "tensorlake";
    const sandbox = await Sandbox.create();
    console.log((await sandbox.run("echo", { args: ["from", "variables"] })).stdout);
    await sandbox.terminate();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: import.meta.dirname,
    env: { TENSORLAKE_API_URL: `http://localhost:${port}`, TENSORLAKE_API_KEY: apiKey },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (said += text));
  const [code] = await once(child, "close");
  assert.deepEqual([code, said], [0, "from variables\n"]);
});
