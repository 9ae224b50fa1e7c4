// Who leaves a loop or aborts a call is done with its connection: the server sees it close within 100 ms.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AbortError, type Sandbox } from "shoreline";
import { prompt } from "../helpers/prompt.js";
import { type Behind, behindProxy, closedAfter, linesOf, rejects, requested } from "./behind-proxy.js";

/** Writes a line and waits for ever. */
const ENDLESS = ["-c", "echo a; exec sleep 1000"];

async function endless(sandbox: Sandbox): Promise<number> {
  return (await sandbox.startProcess("sh", { args: ENDLESS })).pid;
}

/** Follows an endless process, leaves in some way, and looks at the connection. */
async function leaves(leave: (behind: Behind, pid: number) => Promise<number>): Promise<void> {
  await prompt(() =>
    behindProxy({}, async (behind) => {
      const pid = await endless(behind.direct);
      const left = await leave(behind, pid);
      const follow = await requested(behind.proxy, "GET", "/follow");
      const ms = await closedAfter(follow, left);
      assert.equal((await behind.direct.getProcess(pid)).status, "running", "following only looks on");
      return ms;
    }),
  );
}

test("break", () =>
  leaves(async ({ sandbox }, pid) => {
    let left = 0;
    for await (const event of sandbox.followOutput(pid)) {
      assert.equal(event.line, "a");
      left = performance.now();
      break;
    }
    return left;
  }));

test("break out of batches", () =>
  leaves(async ({ sandbox }, pid) => {
    let left = 0;
    for await (const events of sandbox.followOutput(pid).batches()) {
      assert.equal(events.length, 1);
      left = performance.now();
      break;
    }
    return left;
  }));

test("return of the function around the loop", () =>
  leaves(async ({ sandbox }, pid) => {
    const first = async () => {
      for await (const event of sandbox.followOutput(pid)) {
        assert.equal(event.line, "a");
        return performance.now();
      }
      return NaN;
    };
    return first();
  }));

test("throw in the loop's body", () =>
  leaves(async ({ sandbox }, pid) => {
    let left = 0;
    const throwing = async () => {
      for await (const event of sandbox.followOutput(pid)) {
        left = performance.now();
        throw new RangeError(event.line);
      }
    };
    await assert.rejects(throwing, new RangeError("a"));
    return left;
  }));

test("return() while next() waits", () =>
  leaves(async ({ sandbox }, pid) => {
    const events = sandbox.followOutput(pid);
    await events.next();
    const waiting = events.next();
    const left = performance.now();
    await events.return();
    assert.equal((await waiting).done, true);
    return left;
  }));

test("abort: the iteration throws, with the signal's reason and how far it came", () =>
  leaves(async ({ sandbox }, pid) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    let left = 0;
    const loop = async () => {
      for await (const event of sandbox.followOutput(pid, { signal: controller.signal })) {
        assert.equal(event.line, "a");
        left = performance.now();
        controller.abort(reason);
      }
    };
    const error = await rejects(loop(), "aborted");
    assert.ok(error instanceof AbortError);
    assert.equal(error.reason, reason);
    assert.equal(error.partial?.events, 1);
    assert.ok(error.partial.cursor !== undefined);
    return left;
  }));

test("abort while a lost connection is waited for", () =>
  prompt(() =>
    behindProxy({ faults: [{ instead: "503" }], forever: true }, async ({ sandbox, direct, proxy }) => {
      const pid = await endless(direct);
      const controller = new AbortController();
      let left = NaN;
      const onReconnect = () => {
        left = performance.now();
        controller.abort("enough");
      };
      const options = { signal: controller.signal, onReconnect };
      await rejects(linesOf(sandbox.followOutput(pid, options)), "aborted");
      const ms = performance.now() - left;
      assert.equal(proxy.exchanges.length, 1);
      return ms;
    }),
  ));

test("a signal that has fired before: nothing is sent", async () => {
  await behindProxy({}, async ({ sandbox, proxy }) => {
    const signal = AbortSignal.abort("before");
    await rejects(sandbox.run("sh", { args: ENDLESS, signal }), "aborted");
    await rejects(sandbox.followOutput(1, { signal }).next(), "aborted");
    assert.equal(proxy.exchanges.length, 0);
  });
});

/** Runs an endless command and leaves. Gives its pid, and how long the connection was open afterwards, ms. */
async function runAndLeave(
  behind: Behind,
  onAbort: "kill" | "detach" | undefined,
  leave: "break" | "abort",
): Promise<{ pid: number; ms: number }> {
  const { sandbox, proxy } = behind;
  const controller = new AbortController();
  let left = 0;
  const loop = async () => {
    const options = { args: ENDLESS, signal: controller.signal, ...(onAbort && { onAbort }) };
    for await (const event of sandbox.run("sh", options)) {
      assert.equal(event.line, "a");
      left = performance.now();
      if (leave === "break") break;
      controller.abort("enough");
    }
  };
  if (leave === "break") await loop();
  else {
    const error = await rejects(loop(), "aborted");
    assert.ok(error instanceof AbortError);
    assert.equal(error.reason, "enough");
    assert.equal(error.partial?.stdout, "a");
    assert.equal(typeof error.partial.pid, "number");
  }
  const ms = await closedAfter(await requested(proxy, "POST", "/run"), left);
  const [process] = await behind.direct.listProcesses();
  return { pid: process?.pid ?? NaN, ms };
}

for (const leave of ["break", "abort"] as const) {
  for (const onAbort of [undefined, "kill"] as const) {
    test(`run, ${leave}, onAbort: ${onAbort ?? "by default"}: the command is killed`, () =>
      prompt(() =>
        behindProxy({}, async (behind) => {
          const { pid, ms } = await runAndLeave(behind, onAbort, leave);
          await requested(behind.proxy, "DELETE", `/${pid}`);
          await linesOf(behind.direct.followOutput(pid));
          assert.equal((await behind.direct.getProcess(pid)).signal, 9);
          return ms;
        }),
      ));
  }
  test(`run, ${leave}, onAbort: detach: the command goes on`, () =>
    prompt(() =>
      behindProxy({}, async (behind) => {
        const { pid, ms } = await runAndLeave(behind, "detach", leave);
        // Whatever the client sent is answered before this is.
        await behind.sandbox.health();
        assert.equal((await behind.direct.getProcess(pid)).status, "running");
        assert.deepEqual(behind.proxy.requests("DELETE", `/${pid}`), []);
        return ms;
      }),
    ));
}

test("abort before the start was seen: at once, and the command is killed when its pid is known", () =>
  prompt(() =>
    behindProxy({ faults: [{ delayMs: 300 }] }, async ({ sandbox, direct, proxy }) => {
      const controller = new AbortController();
      const running = sandbox.run("sh", { args: ENDLESS, signal: controller.signal });
      const aborted = rejects(running, "aborted");
      await requested(proxy, "POST", "/run");
      const left = performance.now();
      controller.abort();
      await aborted;
      const ms = performance.now() - left;
      const { request } = await requested(proxy, "DELETE", "");
      const pid = Number(request.path.split("/").at(-1));
      await linesOf(direct.followOutput(pid));
      assert.equal((await direct.getProcess(pid)).signal, 9);
      return ms;
    }),
  ));
