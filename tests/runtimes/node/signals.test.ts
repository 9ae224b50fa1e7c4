// One AbortSignal for many calls: a job's own, as programs pass it around.
import assert from "node:assert/strict";
import { Sandbox, type ShorelineError } from "shoreline";
import { startLocal } from "shoreline/local";
import { test } from "../../helpers/processes.js";

const CALLS = 40;

test("40 calls at once with one signal: no warning of a leak, and the signal ends them all", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on("warning", onWarning);
  await using server = await startLocal();
  const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  const job = new AbortController();
  const { signal } = job;
  const many = <T>(work: () => Promise<T>) => Promise.all(Array.from({ length: CALLS }, work));
  const { pid } = await sandbox.startProcess("sleep", { args: ["1000"] });
  await many(() => sandbox.getProcess(pid, { signal }));
  await many(() => sandbox.run("true", { signal }).then(({ exitCode }) => exitCode));
  const waiting = many(async () => {
    const process = sandbox.process({ pid, sandboxId: sandbox.sandboxId });
    const follow = sandbox.followOutput(pid, { signal }).next();
    const codes = [process.wait({ signal }), process.waitForLine("none", { signal }), follow].map((call) =>
      call.then(
        () => "resolved",
        (error: unknown) => (error as ShorelineError).code,
      ),
    );
    return Promise.all(codes);
  });
  await many(() => sandbox.listProcesses({ signal }));
  job.abort();
  assert.deepEqual(new Set((await waiting).flat()), new Set(["aborted"]));
  // They are emitted by process.nextTick.
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", onWarning);
  assert.deepEqual(warnings, []);
});
