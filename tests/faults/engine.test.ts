// The open-source engine's daemon, which loses output: a run there is exact, and a follow is exact or an error.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sandbox } from "shoreline";
import { behindProxy, linesOf, rejects } from "./behind-proxy.js";
import { Engine, engineFaults } from "./engine.js";
import { Peer, PEERS } from "./peer.js";
import { Random } from "./random.js";

const HONEST = { losesExit: false, lags: false };

function playing(seed: number): Peer {
  const random = new Random(seed);
  const engine = new Engine({ ...engineFaults(random), ...HONEST }, random);
  return new Peer(PEERS.engine, random, engine);
}

/** Where a command is to have its whole output, whatever the daemon loses. */
const seeds = Array.from({ length: 12 }, (_, seed) => seed);
const commands: Record<string, { args: string[]; stdout: string; stderr: string }> = {
  nothing: { args: ["-c", "true"], stdout: "", stderr: "" },
  line: { args: ["-c", "echo x"], stdout: "x", stderr: "" },
  many: { args: ["-c", "seq 3000; echo err >&2"], stdout: numbers(3000), stderr: "err" },
};

function numbers(count: number): string {
  return Array.from({ length: count }, (_, i) => i + 1).join("\n");
}

for (const [name, { args, stdout, stderr }] of Object.entries(commands)) {
  test(`run: ${name}`, async () => {
    for (const seed of seeds) {
      await behindProxy({ peer: playing(seed) }, async ({ sandbox, direct, proxy }) => {
        const result = await sandbox.run("sh", { args });
        assert.deepEqual(
          [result.stdout, result.stderr, result.exitCode],
          [stdout, stderr, 0],
          `seed ${seed}`,
        );
        assert.equal((await direct.listProcesses()).length, 1);
        assert.equal(proxy.requests("POST", "/processes").length, 1);
      });
    }
  });
}

test("follow: whole, or an error", async () => {
  let exact = 0;
  for (const seed of seeds) {
    await behindProxy({ peer: playing(seed) }, async ({ sandbox, direct }) => {
      const { pid } = await direct.startProcess("sh", { args: ["-c", "seq 300; sleep 0.05; seq 300"] });
      const lines = linesOf(sandbox.followStderr(pid)).then(() => linesOf(sandbox.followStdout(pid)));
      const own = await lines.then(
        (all) => all.slice(-600),
        (error: unknown) => error as Error & { code: string },
      );
      if (own instanceof Error) assert.equal(own.code, "output_gap");
      else {
        assert.equal(own.join("\n"), `${numbers(300)}\n${numbers(300)}`, `seed ${seed}`);
        exact++;
      }
    });
  }
  assert.ok(exact > 0, "every follow ended in an error");
});

test("what a server answers about a process that it does not know is no output", async () => {
  await behindProxy({ peer: playing(1) }, async ({ sandbox }) => {
    await rejects(linesOf(sandbox.followOutput(4_000_000)), "process_gone");
  });
});

async function standing(direct: Sandbox): Promise<string[]> {
  return (await direct.listProcesses()).map(({ status }) => status);
}

test("a run that is aborted before its command runs leaves nothing", async () => {
  await behindProxy({ peer: playing(1) }, async ({ sandbox, direct, proxy }) => {
    const abort = new AbortController();
    proxy.onExchange = ({ request }) => {
      if (request.path.endsWith("/follow")) abort.abort();
    };
    const args = ["-c", "echo ran > ran"];
    await rejects(Promise.resolve(sandbox.run("sh", { args, signal: abort.signal })), "aborted");
    while ((await standing(direct)).includes("running"));
    const { stdout } = await direct.run("ls");
    assert.equal(stdout, "");
  });
});

test("what a shell would take for an option is started by itself", async () => {
  await behindProxy({ peer: playing(2) }, async ({ sandbox, proxy }) => {
    await rejects(Promise.resolve(sandbox.run("-x")), "not_found");
    assert.equal(proxy.requests("POST", "/processes").length, 1);
  });
});
