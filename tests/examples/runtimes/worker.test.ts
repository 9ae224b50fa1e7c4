import assert from "node:assert/strict";
import { test } from "node:test";
import { Miniflare } from "miniflare";
import { Sandbox } from "shoreline";
import { startLocal } from "shoreline/local";
import { workerModules } from "../../helpers/workerd.js";
import { ask, byStream, copied, EVENTS, STREAMED, streamed } from "../program.js";

test("worker.ts", { timeout: 300_000 }, async () => {
  await using server = await startLocal();
  const address = { apiUrl: server.url, apiKey: server.apiKey };
  await using sandbox = await Sandbox.create(address);
  const source = copied("worker.ts");
  const modulesRoot = `${source}.built`;
  const modules = await workerModules(source, modulesRoot);
  const answer = async (SANDBOX: string, asked = ask) => {
    const bindings = { TENSORLAKE_API_KEY: server.apiKey, TENSORLAKE_API_URL: server.url, SANDBOX };
    const worker = new Miniflare({ modules, modulesRoot, compatibilityDate: "2026-07-21", bindings });
    try {
      return await asked(await worker.ready);
    } finally {
      await worker.dispose();
    }
  };
  const { status, text, took } = await answer(sandbox.sandboxId, streamed);
  assert.deepEqual([status, byStream(text)], [200, EVENTS]);
  assert.ok(took > STREAMED, `it came within ${took} ms`);
  const unknown = await answer("no-such-sandbox");
  assert.deepEqual([unknown.status, unknown.text], [502, '{"error":"sandbox_not_found"}']);
});
