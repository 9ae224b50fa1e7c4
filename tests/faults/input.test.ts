// Input of a command through a broken connection: the command is started once, and no part of its input is written twice
// or dropped silently.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ShorelineError } from "shoreline";
import { behindProxy, linesOf } from "./behind-proxy.js";
import type { Fault } from "./exchange.js";
import type { Break } from "./wire.js";

const LINES = Array.from({ length: 5 }, (_, i) => `line ${i}`);

async function* lines() {
  for (const line of LINES) yield await Promise.resolve(`${line}\n`);
}

const HOW: Break["how"][] = ["reset", "finish", "stall"];

for (const peer of ["local", "daemon"] as const)
  for (const how of HOW)
    test(`input is written once or the run fails, whichever exchange breaks (${peer}, ${how})`, async () => {
      let [exact, failed] = [0, 0];
      // The last is after the last exchange of a run that nothing disturbs.
      for (let at = 0; at < 14; at++) {
        const faults: Fault[] = [
          ...Array.from({ length: at }, () => ({})),
          { connection: { how, after: 0 } },
        ];
        const waits = { connectTimeout: 1, requestTimeout: 1, idleTimeout: 1 };
        await behindProxy({ faults, peer, ...waits }, async ({ sandbox, direct, proxy }) => {
          try {
            const result = await sandbox.run("cat", { input: lines(), reconnect: { maxDelayMs: 10 } });
            assert.deepEqual([result.stdout, result.exitCode], [LINES.join("\n"), 0], `exchange ${at}`);
            exact++;
          } catch (error) {
            assert.ok(ShorelineError.is(error), String(error));
            failed++;
          }
          assert.ok(proxy.requests("POST", "/processes").length <= 1, "the command was started once");
          for (const { pid } of await direct.listProcesses()) {
            // Nobody knows the pid of a command whose start was not answered.
            await direct.killProcess(pid).catch(() => undefined);
            const written = await linesOf(direct.followOutput(pid));
            assert.deepEqual(written, LINES.slice(0, written.length), `exchange ${at}`);
          }
        });
      }
      assert.ok(exact > 2 && failed > 2, `${exact} runs were exact, ${failed} failed`);
    });

test("where the server has no `run`, input goes through the gate to the command", async () => {
  await behindProxy({ peer: "daemon" }, async ({ sandbox, proxy }) => {
    const { stdout, exitCode } = await sandbox.run("cat", { input: lines() });
    assert.deepEqual([stdout, exitCode], [LINES.join("\n"), 0]);
    assert.equal((await sandbox.run("wc", { args: ["-c"], input: "" })).stdout.trim(), "0");
    const large = "0123456789abcde\n".repeat(200_000);
    assert.equal(`${(await sandbox.run("cat", { input: large })).stdout}\n`, large);
    assert.equal((await sandbox.run("head", { args: ["-c", "1"], input: large })).stdout, "0");
    const limited = await sandbox.run("sleep", { args: ["1000"], input: "", timeout: 2 });
    assert.deepEqual([limited.timedOut, limited.signal], [true, 15]);
    assert.equal(proxy.requests("POST", "/run").length, 1, "whether the server has `run` is asked once");
  });
});
