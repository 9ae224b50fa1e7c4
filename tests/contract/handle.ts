import { Process, ProcessHandle, type ProcessJSON, Sandbox } from "shoreline";
import { dispose, equal, ok, recorded, rejects, sandboxOf, sha256, test } from "./harness.js";

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).text();
}

const shell = (script: string): [string, { args: string[] }] => ["sh", { args: ["-c", script] }];

test("what startProcess gives is what the server says, and can do things", async ({ sandbox }) => {
  const process = await sandbox.startProcess("sh", {
    args: ["-c", "read go; echo out; echo err >&2; exit 4"],
    stdinMode: "pipe",
  });
  ok(process instanceof Process, "it is a Process");
  equal([process.command, process.args.length, process.status], ["sh", 2, "running"]);
  ok(process.startedAt instanceof Date, "startedAt is a Date");
  await sandbox.closeStdin(process.pid);
  const info = await process.wait();
  equal([info.pid, info.status, info.exitCode], [process.pid, "exited", 4]);
  equal([await textOf(process.stdout), await textOf(process.stderr)], ["out\n", "err\n"]);
});

test("a command that is run has what a process has", async ({ sandbox }) => {
  const running = sandbox.run(
    ...shell("mkfifo handled; echo out; echo err >&2; read line < handled; exit 4"),
  );
  ok(running instanceof ProcessHandle && !(running instanceof Process), "it is a ProcessHandle");
  equal([running.command, running.args.length], ["sh", 2]);
  equal([running.pid, running.status, running.exitCode], [undefined, undefined, null]);
  equal((await running.waitForLine("err")).stream, "stderr");
  equal([Number.isInteger(running.pid), running.status, running.exitCode], [true, "running", null]);
  const { sandboxId, pid } = running.toJSON();
  equal([sandboxId, pid], [sandbox.sandboxId, running.pid]);
  const end = running.wait();
  await sandbox.run(...shell("echo > handled"));
  equal((await end).exitCode, 4);
  const result = await running;
  equal([result.stdout, result.exitCode], ["out", 4]);
  equal([running.status, running.exitCode, running.signal], ["exited", 4, null]);
  equal([await textOf(running.stdout), await textOf(running.stderr)], ["out\n", "err\n"]);
  await rejects(running.stdin.getWriter().write("x"), "invalid_argument");
});

test("a command that is run takes signals from the call on, and shows how it ended", async ({ sandbox }) => {
  const running = sandbox.run("sleep", { args: ["1000"] });
  await running.kill("SIGTERM");
  equal((await running).signal, 15);
  equal([running.status, running.exitCode, running.signal], ["signaled", null, 15]);
  const iterated = sandbox.run(...shell("echo a; exit 3"));
  for await (const { line } of iterated) equal(line, "a");
  equal([iterated.status, iterated.exitCode], ["exited", 3]);
});

test("a command that is run and disposed of is ended", async ({ sandbox }) => {
  let pid: number | undefined;
  {
    await using running = sandbox.run(...shell("echo up; exec sleep 1000"));
    await running.waitForLine("up");
    pid = running.pid;
  }
  ok(pid !== undefined, "it had started");
  equal((await sandbox.process({ pid, sandboxId: sandbox.sandboxId }).wait()).signal, 9);
  await using ended = sandbox.run("true");
  await ended;
});

test("what is asked of a command that does not start rejects as its run does", async ({ sandbox }) => {
  const running = sandbox.run("no-such-program");
  await rejects(running, "not_found");
  await rejects(running.wait(), "not_found");
  await rejects(running.kill(), "not_found");
  await rejects(running.waitForLine("x"), "not_found");
  await rejects(running[Symbol.asyncIterator]().next(), "not_found");
  await rejects(running.stdout.getReader().read(), "not_found");
  equal([running.pid, running.status], [undefined, undefined]);
});

test("a command whose pid the server does not say has a result, and takes no signal", async () => {
  const body = 'data: {"line":"a","timestamp":1,"stream":"stdout"}\n\ndata: {"exit_code":0}\n\n';
  const headers = { "content-type": "text/event-stream" };
  const { sandbox } = await sandboxOf(() => Promise.resolve(new Response(body, { headers })));
  const running = sandbox.run("ls");
  const killed = rejects(running.kill(), "unsupported");
  equal((await running).stdout, "a");
  await killed;
  equal([running.status, running.exitCode], ["exited", 0]);
});

test("a process is iterated to its own end, also late, and goes on when the loop is left", async ({
  sandbox,
}) => {
  const process = await sandbox.startProcess(
    ...shell("echo a; sleep 1000 & echo b; while [ ! -e iterated ]; do sleep 0.05; done"),
  );
  for await (const { line } of process) {
    equal(line, "a");
    break;
  }
  equal((await sandbox.getProcess(process.pid)).status, "running");
  await sandbox.writeFile("iterated", "");
  await process.wait();
  const lines: string[] = [];
  for await (const { line } of process) lines.push(line);
  equal(lines, ["a", "b"]);
  await process.kill();
});

test("a process's streams are the bytes that it wrote", async ({ sandbox }) => {
  const process = await sandbox.startProcess(
    ...shell("head -c 300000 /dev/zero | tr '\\0' '\\377'; printf 'a\\nb'"),
  );
  const bytes = new Uint8Array(await new Response(process.stdout).arrayBuffer());
  const expected = new Uint8Array(300_003).fill(0xff);
  expected.set([97, 10, 98], 300_000);
  equal(await sha256(bytes), await sha256(expected));
});

test("what is written to a process's stdin is read by it, and closing it is its end", async ({ sandbox }) => {
  const process = await sandbox.startProcess("wc", { args: ["-c"], stdinMode: "pipe" });
  const writer = process.stdin.getWriter();
  await writer.write("näh");
  await writer.write(new Uint8Array(10));
  await writer.close();
  equal((await textOf(process.stdout)).trim(), "14");
  equal((await process.wait()).exitCode, 0);
});

test("cancelling a process's stream closes the connection, not the process", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const process = await sandbox.startProcess(...shell("echo a; exec sleep 1000"));
  const reader = process.stdout.getReader();
  await reader.read();
  await reader.cancel();
  // In a browser the stream is a channel of a WebSocket.
  const follows = sent.filter(({ url }) => url.includes("/follow"));
  ok(
    follows.every(({ signal }) => signal.aborted),
    "its request is aborted",
  );
  equal((await sandbox.getProcess(process.pid)).status, "running");
  await process.kill();
  equal((await process.wait()).signal, 9);
});

test("a process's handle shows how it ended once that was waited for", async ({ sandbox }) => {
  const process = await sandbox.startProcess("sleep", { args: ["1000"] });
  await process.kill("SIGTERM");
  await process.wait();
  equal([process.status, process.exitCode, process.signal], ["signaled", null, 15]);
  equal(process.toJSON().signal, 15);
  const other = await sandbox.startProcess("sleep", { args: ["1000"] });
  await other.kill(10);
  equal((await other.wait()).signal, 10);
  await rejects(other.kill("TERM" as never), "invalid_argument");
});

test("a process that is disposed of is killed", async ({ sandbox }) => {
  let left: Process;
  {
    await using process = await sandbox.startProcess("sleep", { args: ["1000"] });
    left = process;
  }
  equal((await left.wait()).signal, 9);
  await dispose(left);
});

test("a process of another sandbox is refused", async ({ sandbox }) => {
  const process = await sandbox.startProcess("true");
  const json = { ...process.toJSON(), sandboxId: "another-sandbox" };
  const { message } = await rejects(
    Promise.resolve().then(() => sandbox.process(json)),
    "invalid_argument",
  );
  ok(message.includes("another-sandbox"), message);
});

test("waiting for an end goes on while the server cannot be reached, and gives up in the end", async () => {
  const record = { pid: 7, status: "running", command: "ls", args: [], started_at: 1 };
  let failures = 3;
  let asked = 0;
  const { sandbox } = await sandboxOf(
    (url, init) => {
      if (init?.method === "POST") return Promise.resolve(Response.json(record));
      // As every server but the local one, which has neither channels nor the stream of an exit.
      if (!(url as string).endsWith("/processes/7"))
        return Promise.resolve(new Response(null, { status: 404 }));
      asked++;
      if (failures-- > 0) return Promise.reject(new TypeError("fetch failed"));
      return Promise.resolve(Response.json({ ...record, status: "exited", exit_code: 3 }));
    },
    { maxRetries: 0 },
  );
  const process = await sandbox.startProcess("ls");
  equal([(await process.wait()).exitCode, asked], [3, 4]);
  failures = Infinity;
  asked = 0;
  await rejects(process.wait(), "connection_lost");
  equal(asked, 11);
});

test("waiting for an end asks for the record once, and not for the output", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const process = await sandbox.startProcess("sh", {
    args: ["-c", "seq 10000; read line; seq 10000; exit 5"],
    stdinMode: "pipe",
  });
  const waits = [process.wait(), process.wait()];
  await sandbox.closeStdin(process.pid);
  equal(
    (await Promise.all(waits)).map(({ exitCode }) => exitCode),
    [5, 5],
  );
  equal(process.exitCode, 5);
  equal(sent.filter(({ url }) => url.endsWith(`/processes/${process.pid}`)).length, 2);
  ok(!sent.some(({ url }) => url.includes("output")), "no output was asked for");
});

test("a line is waited for, by text or by pattern", async ({ sandbox }) => {
  const process = await sandbox.startProcess(
    ...shell("echo one; sleep 0.2; echo port=8080 >&2; exec sleep 1000"),
  );
  equal((await process.waitForLine("port=")).stream, "stderr");
  equal((await process.waitForLine(/^on/g)).line, "one");
  await rejects(process.waitForLine("never", { timeout: 0.2 }), "wait_timeout");
  await rejects(process.wait({ timeout: 0.2 }), "wait_timeout");
  const abort = new AbortController();
  const waiting = rejects(process.waitForLine("never", { signal: abort.signal }), "aborted");
  abort.abort();
  await waiting;
  await process.kill();
  await rejects(process.waitForLine("never"), "output_ended");
  await rejects(process.waitForLine(7 as never), "invalid_argument");
  await rejects(process.wait({ timeout: -1 }), "invalid_argument");
});

test("output ends with the process where that is wanted, else with the last that holds it", async ({
  sandbox,
}) => {
  const process = await sandbox.startProcess(
    ...shell("mkfifo left-behind; (read line < left-behind; echo $line; exec sleep 1000) & echo first"),
  );
  const lines = async (until?: "exit" | "eof") => {
    const seen: string[] = [];
    for await (const event of process.output(until && { until })) seen.push(event.line);
    return seen;
  };
  equal(await lines("exit"), ["first"]);
  equal([(await process.wait()).exitCode, (await process.wait()).outputOpen], [0, true]);
  equal(await lines("exit"), ["first"]);
  const [all, line] = [lines(), process.waitForLine("late")];
  await sandbox.run(...shell("echo late > left-behind"));
  equal((await line).line, "late");
  await process.kill();
  equal(await all, ["first", "late"]);
  equal(await lines("exit"), ["first"]);
  equal(await lines("eof"), ["first", "late"]);
});

test("a time limit that no timer takes is not over at once", async ({ sandbox }) => {
  const timeout = 2 ** 31 / 1000 + 1;
  const process = await sandbox.startProcess(...shell("sleep 0.3; echo up; exit 3"));
  equal((await process.waitForLine("up", { timeout })).line, "up");
  equal((await process.wait({ timeout })).exitCode, 3);
  const result = await sandbox.run(...shell("sleep 0.3; exit 4"));
  const limited = await sandbox.run("sh", {
    args: ["-c", "sleep 0.3; exit 4"],
    timeout,
    idleTimeout: timeout,
  });
  equal([result.exitCode, limited.exitCode, limited.timedOut], [4, 4, false]);
});

test("a port is waited for, as long as the process runs", async ({ sandbox }) => {
  // Both ports are the process's own from the start. One is listened to once its input ends, the other never.
  const server = `import socket,sys,time
a,b=socket.socket(),socket.socket()
for s in a,b: s.bind(("127.0.0.1",0))
print(a.getsockname()[1],b.getsockname()[1],flush=True)
sys.stdin.read()
a.listen()
time.sleep(1000)`;
  const process = await sandbox.startProcess("python3", { args: ["-c", server], stdinMode: "pipe" });
  const { line } = await process.waitForLine(/^\d+ \d+\n/);
  const [port = NaN, silent = NaN] = line.split(" ").map(Number);
  await rejects(process.waitForPort(port, { timeout: 1 }), "wait_timeout");
  let asked = false;
  const waiting = process.waitForPort(port).then(() => {
    ok(asked, "it waited until the port was listened to");
  });
  await sandbox.health();
  asked = true;
  await sandbox.closeStdin(process.pid);
  await waiting;
  const over = await sandbox.startProcess("true");
  await rejects(over.waitForPort(silent), "output_ended");
  await process.kill();
  for (const wrong of [0, 65_536, 1.5, "80"])
    await rejects(over.waitForPort(wrong as number), "invalid_argument");
});

test("who waits for a port leaves nothing behind", async ({ url, apiKey }) => {
  await using sandbox = await Sandbox.create({ apiUrl: url, apiKey });
  const process = await sandbox.startProcess("sleep", { args: ["1000"] });
  await rejects(process.waitForPort(1, { timeout: 0.3 }), "wait_timeout");
  for (;;) {
    const running = (await sandbox.listProcesses()).filter(({ status }) => status === "running");
    if (running.length === 1) break;
  }
  await process.kill();
});

test("output goes on in another isolate where it was left", async ({ sandbox, url, apiKey }) => {
  const process = await sandbox.startProcess(
    ...shell("for i in 1 2 3 4 5 6 7 8 9; do echo $i; echo e$i >&2; done"),
  );
  await process.wait();
  const known = JSON.parse(JSON.stringify(sandbox)) as { sandboxId: string };
  // Every place, in the middle of a batch too.
  for (let taken = 0; taken <= 18; taken++) {
    const events = process.output();
    const lines: string[] = [];
    for (let i = 0; i < taken; i++) lines.push(String((await events.next()).value?.line));
    // Who has left is where it was.
    if (taken % 2) await events.return();
    const json = JSON.parse(JSON.stringify(process)) as ProcessJSON;
    equal([json.sandboxId, json.pid], [sandbox.sandboxId, process.pid]);
    await events.return();
    const elsewhere = await Sandbox.connect({ ...known, apiUrl: url, apiKey });
    for await (const { line } of elsewhere.process(json).output()) lines.push(line);
    equal(lines.length, 18, `lines with ${String(taken)} taken before`);
    equal(new Set(lines).size, 18);
  }
  await rejects(
    Promise.resolve().then(() => sandbox.process({} as ProcessJSON)),
    "invalid_argument",
  );
});

test("a cursor goes on where one stream was left", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("seq", { args: ["100"] });
  const first = sandbox.followStdout(pid);
  equal(first.cursor(), { counts: [0, 0] });
  const lines: string[] = [];
  for (let i = 0; i < 42; i++) lines.push(String((await first.next()).value?.line));
  const after = first.cursor();
  equal(after.counts, [42, 0]);
  await first.return();
  equal(first.cursor(), after);
  for await (const { line } of sandbox.followStdout(pid, { after })) lines.push(line);
  equal(
    lines,
    Array.from({ length: 100 }, (_, i) => String(i + 1)),
  );
});
