// What is delivered, and when: where other clients lose output, hold it back or make something up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type OutputEvent, type ReconnectInfo, ShorelineError } from "shoreline";
import { behindProxy, linesOf } from "./behind-proxy.js";
import type { Fault } from "./exchange.js";

const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));

test("a burst of 10,000 lines reaches a consumer that keeps the thread busy", async () => {
  await behindProxy({}, async ({ sandbox, direct }) => {
    const { pid } = await direct.startProcess("seq", { args: ["10000"] });
    const lines: string[] = [];
    for await (const { line } of sandbox.followOutput(pid)) {
      const until = performance.now() + 0.02;
      while (performance.now() < until);
      lines.push(line);
    }
    assert.deepEqual(lines, numbers(10_000));

    const handled: string[] = [];
    const onStdout = ({ line }: OutputEvent) => handled.push(line);
    await sandbox.run("seq", { args: ["10000"], onStdout });
    assert.deepEqual(handled, numbers(10_000));
  });
});

test("a byte that is not UTF-8 holds nothing back", async () => {
  await behindProxy({}, async ({ sandbox, direct }) => {
    // It waits for an answer after each line, so that the next comes only when this one has arrived.
    const script = "printf '\\377a\\n'; read x; printf 'b\\377'; printf '\\n'; read x; printf '\\303'";
    const { pid } = await direct.startProcess("sh", { args: ["-c", script], stdinMode: "pipe" });
    const bytes: number[][] = [];
    for await (const event of sandbox.followOutput(pid)) {
      bytes.push(Array.from(event.bytes));
      if (bytes.length < 3) await direct.writeStdin(pid, "on\n");
    }
    assert.deepEqual(bytes, [[255, 97, 10], [98, 255, 10], [195]]);
  });
});

test("a time that the server does not know is not 1970", async () => {
  const faults: Fault[] = [{ connection: { how: "finish", after: 300 } }];
  await behindProxy({ peer: "daemon", faults }, async ({ sandbox, direct }) => {
    const { pid } = await direct.startProcess("seq", { args: ["100"] });
    // What was there before is sent again with the time 0.
    await linesOf(sandbox.followOutput(pid));
    const times: (Date | undefined)[] = [];
    for await (const { timestamp } of sandbox.followOutput(pid)) times.push(timestamp);
    assert.equal(times.length, 100);
    assert.ok(times.every((time) => time === undefined));
  });
});

test("a follow says each time how its connection broke, and that it is resumed", async () => {
  const faults: Fault[] = [
    { connection: { how: "reset", after: 500 } },
    { instead: "503" },
    { early: 100 },
    { connection: { how: "stall", after: 400 } },
  ];
  await behindProxy({ faults, idleTimeout: 2 }, async ({ sandbox, direct }) => {
    const { pid } = await direct.startProcess("seq", { args: ["1000"] });
    const codes: string[] = [];
    const onReconnect = ({ error }: ReconnectInfo) => {
      assert.ok(error instanceof ShorelineError);
      codes.push(error.code);
    };
    assert.deepEqual(await linesOf(sandbox.followOutput(pid, { onReconnect })), numbers(1000));
    assert.deepEqual(codes, ["connection_lost", "unavailable", "stream_broken", "idle_timeout"]);
  });
});
