// How long is waited, how often is tried, and which error says what ran out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Sandbox, TimeoutError } from "shoreline";
import { behindProxy, linesOf, rejects, requested } from "./behind-proxy.js";
import type { Fault } from "./exchange.js";
import { head } from "./http1.js";

const HEAD = head(200, { "Content-Type": "text/event-stream", "Transfer-Encoding": "chunked" }).length;
const SILENT: Fault = { connection: { how: "stall", after: 0 } };
/** Long enough for the start of a run, not for its output. */
const SILENT_LATER: Fault = { connection: { how: "stall", after: HEAD + 75 } };

async function times(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

test("Retry-After is kept: by a call, and by a follow", async () => {
  const faults: Fault[] = [{ instead: "429 for 1 s" }];
  await behindProxy({ faults }, async ({ sandbox, proxy }) => {
    const ms = await times(() => sandbox.health());
    assert.ok(ms >= 1_000, `it waited ${ms} ms`);
    assert.equal(proxy.exchanges.length, 2);
  });
  await behindProxy({ faults }, async ({ sandbox, direct, proxy }) => {
    const { pid } = await direct.startProcess("echo", { args: ["a"] });
    const delays: number[] = [];
    const onReconnect = ({ delayMs }: { delayMs: number }) => delays.push(delayMs);
    const ms = await times(async () => {
      assert.deepEqual(await linesOf(sandbox.followOutput(pid, { onReconnect })), ["a"]);
    });
    assert.ok(ms >= 1_000, `it waited ${ms} ms`);
    assert.deepEqual(delays, [1_000]);
    assert.equal(proxy.exchanges.length, 2);
  });
});

test("waiting for an end survives broken and silent connections, and asks for no output", async () => {
  const faults: Fault[] = [
    { connection: { how: "reset", after: 0 } },
    { connection: { how: "finish", after: HEAD } },
    { connection: { how: "reset", after: HEAD + 30 } },
    { early: 0 },
    { instead: "503" },
    { connection: { how: "stall", after: HEAD } },
  ];
  await behindProxy({ faults, idleTimeout: 1 }, async ({ sandbox, direct, proxy }) => {
    const { pid } = await direct.startProcess("sh", {
      args: ["-c", "seq 1000; read line; exit 4"],
      stdinMode: "pipe",
    });
    const process = sandbox.process({ pid, sandboxId: sandbox.sandboxId });
    const end = process.wait();
    await requested(proxy, "GET", "/exit/follow", faults.length + 1);
    await direct.closeStdin(pid);
    assert.equal((await end).exitCode, 4);
    assert.equal(process.status, "exited");
    assert.equal(proxy.requests("GET", `/${pid}`).length, 1, "the record was asked for once");
    assert.equal(proxy.exchanges.length, faults.length + 2);
  });
});

test("a server without the stream of an exit is polled", async () => {
  await behindProxy({ peer: "daemon" }, async ({ sandbox, proxy }) => {
    const process = await sandbox.startProcess("sh", { args: ["-c", "sleep 0.3; exit 6"] });
    assert.equal((await process.wait()).exitCode, 6);
    assert.equal(proxy.requests("GET", "/exit/follow").length, 1);
    assert.ok(proxy.requests("GET", `/${process.pid}`).length > 1);
  });
});

test("a server whose Retry-After exceeds the wait is not asked again", async () => {
  await behindProxy({ faults: [{ instead: "429 for 1 s" }], forever: true }, async ({ sandbox, proxy }) => {
    const follow = sandbox.followOutput(1, { reconnect: { maxDelayMs: 999 } });
    await rejects(linesOf(follow), "rate_limited");
    assert.equal(proxy.exchanges.length, 1);
  });
});

test("GET and DELETE are tried again, as often as maxRetries says; a POST is not", async () => {
  for (const instead of ["429", "502", "503", "504", "502 page", "hang up"] as const) {
    await behindProxy({ faults: [{ instead }, { instead }] }, async ({ sandbox, proxy }) => {
      await sandbox.health();
      assert.equal(proxy.exchanges.length, 3, instead);
    });
    await behindProxy({ faults: [{ instead }], forever: true, maxRetries: 2 }, async (behind) => {
      const { pid } = await behind.direct.startProcess("sleep", { args: ["1000"] });
      await assert.rejects(behind.sandbox.killProcess(pid));
      assert.equal(behind.proxy.requests("DELETE", `/${pid}`).length, 3, instead);
      await assert.rejects(behind.sandbox.sendSignal(pid, 15));
      assert.equal(behind.proxy.requests("POST", "/signal").length, 1, instead);
    });
  }
});

test("a server that is not there has an error of its own", async () => {
  await behindProxy({ maxRetries: 0 }, async ({ sandbox, proxy }) => {
    await proxy.close();
    await rejects(sandbox.health(), "connect_failed");
    await rejects(sandbox.run("true"), "connect_failed");
    const follow = sandbox.followOutput(1, { reconnect: { maxAttempts: 0 } });
    await rejects(linesOf(follow), "connect_failed");
  });
});

test("a key that is refused is asked for again, once", async () => {
  await behindProxy({}, async ({ address }) => {
    const keys = ["an-old-key", address.apiKey];
    let asked = 0;
    const sandbox = await Sandbox.connect({ ...address, apiKey: () => keys[asked++] ?? "one-too-many" });
    assert.equal((await sandbox.run("true")).exitCode, 0);
    assert.equal(asked, 2);
    await sandbox.health();
    assert.equal(asked, 2, "the good one is kept");
  });
  await behindProxy({}, async ({ address, proxy }) => {
    let asked = 0;
    const apiKey = async () => `wrong-${++asked}`;
    const sandbox = await Sandbox.connect({ ...address, apiKey });
    await rejects(sandbox.health(), "authentication");
    assert.equal(asked, 2);
    assert.equal(proxy.exchanges.length, 2);
  });
});

test("connect_timeout: no answer", async () => {
  const conditions = { faults: [SILENT], forever: true, connectTimeout: 0.2, maxRetries: 0 };
  await behindProxy(conditions, async ({ sandbox, direct }) => {
    const error = await rejects(sandbox.health(), "connect_timeout");
    assert.ok(error instanceof TimeoutError);
    assert.match(error.message, /connectTimeout/);
    const { pid } = await direct.startProcess("true");
    const reconnect = { maxAttempts: 1, maxDelayMs: 10 };
    await rejects(linesOf(sandbox.followOutput(pid, { reconnect })), "connect_timeout");
  });
});

test("idle_timeout: an answer that falls silent", async () => {
  const faults: Fault[] = [{ connection: { how: "stall", after: HEAD + 150 } }];
  await behindProxy({ faults, forever: true }, async ({ sandbox, direct }) => {
    const { pid } = await direct.startProcess("seq", { args: ["100"] });
    // Everything is there before the time begins.
    await linesOf(direct.followOutput(pid));
    const options = { idleTimeout: 1, reconnect: { maxAttempts: 0 } };
    const lines: string[] = [];
    const follow = async () => {
      for await (const { line } of sandbox.followOutput(pid, options)) lines.push(line);
    };
    const error = await rejects(follow(), "idle_timeout");
    assert.ok(error instanceof TimeoutError);
    assert.match(error.message, /idleTimeout/);
    assert.equal(error.partial?.events, lines.length);
    assert.ok(lines.length > 0);
  });
});

test("run_timeout: a time limit that nobody keeps", async () => {
  // The stream is silent from its start on, and so is what would kill the command.
  await behindProxy({ faults: [SILENT_LATER, SILENT], forever: true }, async ({ sandbox }) => {
    const args = ["-c", "sleep 1000"];
    const ms = await times(async () => {
      const error = await rejects(sandbox.run("sh", { args, timeout: 0.2 }), "run_timeout");
      assert.ok(error instanceof TimeoutError);
      assert.equal(typeof error.partial?.pid, "number");
    });
    // The limit and the times for its end are less than half of that, the silence of the stream is more.
    assert.ok(ms < 30_000, `it took ${ms} ms`);
  });
});

test("a time limit that the server keeps is a result", async () => {
  await behindProxy({}, async ({ sandbox }) => {
    const result = await sandbox.run("sh", { args: ["-c", "echo a; sleep 1000"], timeout: 2 });
    assert.deepEqual([result.timedOut, result.signal, result.stdout], [true, 9, "a"]);
  });
});

test("a time limit is kept by SIGTERM where the server has no run, by SIGKILL where that is ignored", async () => {
  await behindProxy({ peer: "daemon" }, async ({ sandbox, proxy }) => {
    const plain = await sandbox.run("sh", { args: ["-c", "echo a; exec sleep 1000"], timeout: 2 });
    assert.deepEqual([plain.timedOut, plain.signal, plain.stdout], [true, 15, "a"]);
    const script = "trap '' TERM; echo a; while :; do sleep 0.1; done";
    const ignoring = await sandbox.run("sh", { args: ["-c", script], timeout: 2 });
    assert.deepEqual([ignoring.timedOut, ignoring.signal, ignoring.stdout], [true, 9, "a"]);
    assert.equal(proxy.requests("POST", "/signal").length, 2);
  });
});

test("a long stream that is healthy is not cut by any of these", async () => {
  // Each is shorter than the whole and much longer than the time between two lines.
  const waits = { connectTimeout: 2, idleTimeout: 2, requestTimeout: 2 };
  await behindProxy(waits, async ({ sandbox, proxy }) => {
    const script = "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.3; done";
    const { stdout, durationMs } = await sandbox.run("sh", { args: ["-c", script] });
    assert.equal(stdout, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10");
    assert.ok(durationMs > 2_900);
    assert.equal(proxy.exchanges.length, 1);
  });
});

test("tries are counted from the last event on", async () => {
  // Every connection brings something, and breaks.
  const faults: Fault[] = [{ connection: { how: "finish", after: 700 } }];
  await behindProxy({ faults, forever: true }, async ({ sandbox, direct, proxy }) => {
    const { pid } = await direct.startProcess("seq", { args: ["60"] });
    const attempts: number[] = [];
    const onReconnect = ({ attempt }: { attempt: number }) => attempts.push(attempt);
    const options = { reconnect: { maxAttempts: 1, maxDelayMs: 1 }, onReconnect };
    assert.equal((await linesOf(sandbox.followOutput(pid, options))).length, 60);
    assert.ok(proxy.exchanges.length > 5, `there were ${proxy.exchanges.length} connections`);
    assert.deepEqual(new Set(attempts), new Set([1]));
  });
});
