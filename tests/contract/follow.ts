import type { OutputEvent } from "shoreline";
import { ended, equal, ok, recorded, rejects, sha256, test } from "./harness.js";
import { MANY_LINES } from "./run.js";

const STEPS = 'for i in 1 2 3 4 5; do echo "Step $i/5"; sleep 0.2; done; read end || true';
const FIVE = [1, 2, 3, 4, 5].map((i) => `Step ${String(i)}/5`);

test("five steps, some time apart, arrive while the process runs", async ({ sandbox }) => {
  // The process ends only when its input does, which is after the last line has arrived.
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", STEPS], stdinMode: "pipe" });
  const lines: string[] = [];
  for await (const event of sandbox.followOutput(pid)) {
    lines.push(event.line);
    equal((await sandbox.getProcess(pid)).status, "running", event.line);
    if (lines.length === 5) await sandbox.closeStdin(pid);
  }
  equal(lines, FIVE);
  equal((await sandbox.getProcess(pid)).exitCode, 0);
});

test("each line arrives before the next is written", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sh", {
    args: ["-c", 'for i in 1 2 3 4 5; do echo "Step $i/5"; read answer; done'],
    stdinMode: "pipe",
  });
  const lines: string[] = [];
  for await (const event of sandbox.followOutput(pid)) {
    lines.push(event.line);
    await sandbox.writeStdin(pid, "on\n");
  }
  equal(lines, FIVE);
});

test("an event has line, text, stream, timestamp and bytes", async ({ sandbox }) => {
  const before = Date.now();
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", "echo é; echo b >&2; printf c"] });
  const events: OutputEvent[] = [];
  for await (const event of sandbox.followOutput(pid)) events.push(event);
  const one = (stream: string, line: string) => events.find((e) => e.stream === stream && e.line === line);
  equal(events.length, 3);
  const [first, second, last] = [one("stdout", "é"), one("stderr", "b"), one("stdout", "c")];
  ok(first !== undefined && second !== undefined && last !== undefined, "every line is there");
  equal([first.text, Array.from(first.bytes)], ["é\n", [0xc3, 0xa9, 10]]);
  equal([last.text, Array.from(last.bytes)], ["c", [99]], "an unfinished line has no terminator");
  for (const event of events) {
    const { timestamp } = event;
    ok(timestamp instanceof Date, "there is a time");
    ok(Math.abs(timestamp.getTime() - before) < 60_000, "the time is that of the line");
    equal(event.truncated, false);
  }
  equal(Object.keys(second.toJSON()), ["line", "text", "stream", "timestamp"]);
});

test("output that is not UTF-8 arrives intact as bytes", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("printf", { args: ["\\377\\376a\\nok\\n\\300"] });
  const events: OutputEvent[] = [];
  for await (const event of sandbox.followOutput(pid)) events.push(event);
  equal(
    events.map((event) => [event.text, Array.from(event.bytes)]),
    [
      ["\ufffd\ufffda\n", [255, 254, 97, 10]],
      ["ok\n", [111, 107, 10]],
      ["\ufffd", [192]],
    ],
  );
});

test("followStdout and followStderr give one stream each", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", "echo a; echo b >&2; echo c"] });
  equal(await linesOf(sandbox.followStdout(pid)), ["a", "c"]);
  equal(await linesOf(sandbox.followStderr(pid)), ["b"]);
});

test("output in order as it was written, across both streams", async ({ sandbox }) => {
  // Two pipes have no common order. The command waits for each line to arrive before it writes the next.
  const { pid } = await sandbox.startProcess("sh", {
    args: ["-c", "for i in 1 2 3 4 5; do echo o$i; read on; echo e$i >&2; read on; done"],
    stdinMode: "pipe",
  });
  const expected = [1, 2, 3, 4, 5].flatMap((i) => [`o${String(i)}`, `e${String(i)}`]);
  const lines: string[] = [];
  for await (const { line } of sandbox.followOutput(pid)) {
    lines.push(line);
    await sandbox.writeStdin(pid, "on\n");
  }
  equal(lines, expected);
  equal(await linesOf(sandbox.followOutput(pid)), expected, "once more, from the beginning");
});

test("two who follow both get everything", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sh", {
    args: ["-c", "for i in 1 2 3; do echo $i; sleep 0.05; done"],
  });
  const both = await Promise.all([linesOf(sandbox.followOutput(pid)), linesOf(sandbox.followOutput(pid))]);
  equal(both, [
    ["1", "2", "3"],
    ["1", "2", "3"],
  ]);
});

test("a process without output ends the loop", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("true");
  equal(await linesOf(sandbox.followOutput(pid)), []);
});

test("batches give every event, several at a time", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("seq", { args: ["10000"] });
  const lines: string[] = [];
  let batches = 0;
  for await (const batch of sandbox.followOutput(pid).batches()) {
    batches++;
    for (const event of batch) lines.push(event.line);
  }
  equal(lines.length, 10_000);
  equal(lines.at(-1), "10000");
  ok(batches < 5_000, `they came in ${String(batches)} batches`);
});

test("an event that is at hand is there at once", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("seq", { args: ["1000"] });
  await linesOf(sandbox.followOutput(pid));
  // What has ended comes many events at a time.
  const events = sandbox.followOutput(pid);
  await events.next();
  const order: string[] = [];
  const next = events.next().then(() => order.push("next"));
  await Promise.resolve()
    .then(() => undefined)
    .then(() => order.push("three turns"));
  await next;
  await events.return();
  equal(order, ["next", "three turns"]);
});

test("calls of next that overlap are served in order", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("seq", { args: ["3"] });
  const events = sandbox.followOutput(pid);
  const results = await Promise.all([1, 2, 3, 4, 5].map(() => events.next()));
  equal(
    results.map((result) => (result.done ? "done" : result.value.line)),
    ["1", "2", "3", "done", "done"],
  );
});

test("break closes the connection", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", "echo a; exec sleep 1000"] });
  for await (const event of sandbox.followOutput(pid)) {
    equal(event.line, "a");
    break;
  }
  const request = sent.at(-1);
  ok(request?.url.endsWith("/follow") === true, "the last request is the follow");
  ok(request.signal.aborted, "it was ended");
  equal((await sandbox.getProcess(pid)).status, "running", "the process is not");
  await sandbox.killProcess(pid);
});

test("a throw in the loop closes the connection and is thrown", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", "echo a; exec sleep 1000"] });
  let caught: unknown;
  try {
    for await (const event of sandbox.followOutput(pid)) throw new RangeError(event.line);
  } catch (error) {
    caught = error;
  }
  ok(caught instanceof RangeError && caught.message === "a", String(caught));
  ok(sent.at(-1)?.signal.aborted === true, "the connection was closed");
  await sandbox.killProcess(pid);
});

test("return ends an iteration that waits", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sleep", { args: ["1000"] });
  const events = sandbox.followOutput(pid);
  const waiting = events.next();
  await sandbox.health();
  await events.return();
  equal((await waiting).done, true);
  equal((await events.next()).done, true);
  await sandbox.killProcess(pid);
});

test("an abort ends an iteration with an error that has the signal's reason", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", "echo a; exec sleep 1000"] });
  const controller = new AbortController();
  const loop = async () => {
    for await (const event of sandbox.followOutput(pid, { signal: controller.signal })) {
      equal(event.line, "a");
      controller.abort("enough");
    }
  };
  const error = await rejects(loop(), "aborted");
  equal([error.name, (error as { reason?: unknown }).reason], ["AbortError", "enough"]);
  equal((error as { partial?: { events?: number } }).partial?.events, 1);
  await sandbox.killProcess(pid);
});

test("an abort ends any other call", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sleep", { args: ["1000"], stdinMode: "pipe" });
  const controller = new AbortController();
  const waiting = sandbox.getProcess(pid, { signal: controller.signal });
  controller.abort();
  await rejects(waiting, "aborted");
  await sandbox.killProcess(pid);
});

test("200,000 lines through followOutput have the SHA-256 of what was written", async ({ sandbox }) => {
  const written = await sandbox.run("sh", { args: ["-c", `${MANY_LINES} | sha256sum`], check: true });
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", MANY_LINES] });
  let text = "";
  let count = 0;
  for await (const event of sandbox.followOutput(pid)) {
    text += event.text;
    count++;
  }
  equal(count, 200_000);
  equal(await sha256(text), written.stdout.slice(0, 64));
});

async function linesOf(output: AsyncIterable<OutputEvent>): Promise<string[]> {
  const lines: string[] = [];
  for await (const event of output) lines.push(event.line);
  return lines;
}

test("chunks: the output of each stream as bytes, in order, whatever is read before", async ({ sandbox }) => {
  const script = "printf 'a\\377\\n'; printf 'one\\ntwo\\n'; sleep 0.1; echo err >&2; sleep 0.1; printf end";
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", script] });
  await ended(sandbox.followOutput(pid));
  const output = sandbox.followOutput(pid);
  const first = await output.next();
  equal(first.value?.text, "a\ufffd\n");
  const seen = { stdout: "", stderr: "" };
  for await (const { stream, bytes } of output.chunks()) {
    ok(stream !== undefined, "both streams are named");
    seen[stream] += String.fromCharCode(...bytes);
  }
  equal(seen, { stdout: "one\ntwo\nend", stderr: "err\n" });
  const [raw] = [await sandbox.followStdout(pid).chunks().next()];
  ok(!raw.done, "there is output");
  equal(raw.value.stream, undefined);
  equal([...raw.value.bytes].slice(0, 6), [0x61, 0xff, 0x0a, 0x6f, 0x6e, 0x65]);
  // Leaving the loop ends the iteration.
  const left = sandbox.followOutput(pid);
  for await (const chunk of left.chunks()) {
    ok(chunk.bytes.length > 0, "a chunk has bytes");
    break;
  }
  equal(await left.next(), { done: true, value: undefined });
});
