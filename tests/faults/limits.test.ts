// What a limit leaves out is told to the byte, through broken connections too.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CommandResult, TruncatedStream } from "shoreline";
import { behindProxy, rejects } from "./behind-proxy.js";
import type { Fault } from "./exchange.js";

/** As a shell writes them; 1 to 100000 is 588895 bytes. */
const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}\n`).join("");

/** Fails unless `text` is head and tail of `whole`, and what is missing is what was left out. */
function assertCut(whole: string, text: string, cut: TruncatedStream | undefined, limit: number): void {
  assert.ok(cut);
  const bytes = (part: string) => Buffer.byteLength(part);
  // The result's text has no final newline.
  const kept = whole.endsWith("\n") ? `${text}\n` : text;
  const head = kept.slice(0, cut.at);
  const tail = kept.slice(cut.at);
  assert.ok(whole.startsWith(head), "the head is the head");
  assert.ok(whole.endsWith(tail), "the tail is the tail");
  const middle = whole.slice(head.length, whole.length - tail.length);
  assert.equal(cut.droppedBytes, bytes(middle));
  assert.equal(cut.droppedLines, middle.split("\n").length - 1);
  assert.ok(bytes(kept) <= limit, `${bytes(kept)} bytes are kept`);
  // A character is not cut.
  assert.ok(bytes(head) > limit / 2 - 4, `the head is half: ${bytes(head)}`);
  assert.ok(bytes(kept) > limit - 4, `the limit is used: ${bytes(kept)}`);
}

const broken: Fault[] = [{ connection: { how: "finish", after: 20_000 } }, { early: 150_000 }];

for (const [how, faults] of [
  ["an unbroken connection", []],
  ["a broken connection", broken],
] as const) {
  test(`maxOutputBytes keeps head and tail of each stream, over ${how}`, async () => {
    await behindProxy({ faults: [...faults] }, async ({ sandbox }) => {
      for (const maxOutputBytes of [1000, 1001, 65_536]) {
        const args = ["-c", "seq 100000; seq 30000 >&2"];
        const { stdout, stderr, truncated } = await sandbox.run("sh", { args, maxOutputBytes });
        assertCut(numbers(100_000), stdout, truncated?.stdout, maxOutputBytes);
        assertCut(numbers(30_000), stderr, truncated?.stderr, maxOutputBytes);
      }
    });
  });
}

test("maxOutputBytes cuts no character", async () => {
  await behindProxy({}, async ({ sandbox }) => {
    const whole = "é😀".repeat(5_000);
    const args = ["-c", "i=0; while [ $i -lt 5000 ]; do printf é😀; i=$((i+1)); done"];
    for (let maxOutputBytes = 100; maxOutputBytes < 112; maxOutputBytes++) {
      const { stdout, truncated } = await sandbox.run("sh", { args, maxOutputBytes });
      assertCut(whole, stdout, truncated?.stdout, maxOutputBytes);
    }
  });
});

test("what is not UTF-8 is counted as what it is", async () => {
  await behindProxy({}, async ({ sandbox }) => {
    // A thousand lines of ten bytes 0xff.
    const args = ["-c", `i=0; while [ $i -lt 1000 ]; do printf '${"\\377".repeat(10)}\\n'; i=$((i+1)); done`];
    const { stdoutBytes, truncated } = await sandbox.run("sh", { args, maxOutputBytes: 1000 });
    const cut = truncated?.stdout;
    assert.ok(cut);
    assert.equal(stdoutBytes.length + cut.droppedBytes, 11_000);
    assert.equal(stdoutBytes.length, (1000 - cut.droppedLines) * 11);
    assert.ok(stdoutBytes.length <= 1000);
  });
});

test("what fits is not cut", async () => {
  await behindProxy({}, async ({ sandbox }) => {
    const run = (maxOutputBytes: number): Promise<CommandResult> =>
      sandbox.run("seq", { args: ["100"], maxOutputBytes });
    // 292 bytes.
    assert.equal((await run(292)).truncated, undefined);
    assert.equal((await run(291)).truncated?.stdout?.droppedBytes, 1);
    // However a character lies across the middle.
    for (const text of ["aaaéaaa", "aa😀aa", "a😀aaa", "aaa😀a"]) {
      const maxOutputBytes = Buffer.byteLength(text);
      const { stdout, truncated } = await sandbox.run("printf", { args: [text], maxOutputBytes });
      assert.deepEqual([stdout, truncated], [text, undefined]);
    }
  });
});

const LONG = ["-c", "echo a; head -c 5000 /dev/zero | tr '\\0' x; echo; echo b"];

test("a line over the limit is an error, with what came before it", async () => {
  await behindProxy({}, async ({ sandbox, direct }) => {
    const error = await rejects(sandbox.run("sh", { args: LONG, maxLineBytes: 4999 }), "line_too_long");
    assert.match(error.message, /maxLineBytes|longLine/);
    assert.equal(error.partial?.stdout, "a");
    assert.equal((await sandbox.run("sh", { args: LONG, maxLineBytes: 5000 })).stdout.length, 5004);

    const { pid } = await direct.startProcess("sh", { args: LONG });
    const lines: string[] = [];
    const follow = async () => {
      for await (const event of sandbox.followOutput(pid, { maxLineBytes: 4999 })) lines.push(event.line);
    };
    await rejects(follow(), "line_too_long");
    assert.deepEqual(lines, ["a"]);
  });
});

test("longLine: cut shortens the line, says so, and goes on", async () => {
  await behindProxy({}, async ({ sandbox, direct }) => {
    const { pid } = await direct.startProcess("sh", { args: LONG });
    const events: [string, boolean][] = [];
    for await (const event of sandbox.followOutput(pid, { maxLineBytes: 10, longLine: "cut" })) {
      events.push([event.line, event.truncated]);
    }
    assert.deepEqual(events, [
      ["a", false],
      ["x".repeat(10), true],
      ["b", false],
    ]);
    const { stdout } = await sandbox.run("sh", { args: LONG, maxLineBytes: 10, longLine: "cut" });
    assert.equal(stdout, `a\n${"x".repeat(10)}\nb`);
  });
});
