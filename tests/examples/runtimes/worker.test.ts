import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { Sandbox } from "shoreline";
import { startLocal } from "shoreline/local";
import { ask, copied, EVENTS, STREAMED } from "../program.js";

test("worker.ts", { timeout: 60_000 }, async () => {
  await using server = await startLocal();
  const address = { apiUrl: server.url, apiKey: server.apiKey };
  await using sandbox = await Sandbox.create(address);
  const source = copied("worker.ts");
  const modulesRoot = `${source}.built`;
  await build({
    entryPoints: [source],
    outdir: modulesRoot,
    bundle: true,
    format: "esm",
    // As wrangler does it.
    conditions: ["workerd", "worker", "browser"],
    loader: { ".wasm": "copy" },
    logLevel: "warning",
  });
  const modules = readdirSync(modulesRoot).map((name) => ({
    type: name.endsWith(".wasm") ? ("CompiledWasm" as const) : ("ESModule" as const),
    path: join(modulesRoot, name),
  }));
  // The first is the one that is run.
  modules.sort((a, b) => (a.type < b.type ? 1 : -1));
  const answer = async (SANDBOX: string) => {
    const bindings = { TENSORLAKE_API_KEY: server.apiKey, TENSORLAKE_API_URL: server.url, SANDBOX };
    const worker = new Miniflare({ modules, modulesRoot, compatibilityDate: "2026-07-21", bindings });
    try {
      return await ask(await worker.ready);
    } finally {
      await worker.dispose();
    }
  };
  const { status, text, took } = await answer(sandbox.sandboxId);
  assert.deepEqual([status, text], [200, EVENTS]);
  assert.ok(took > STREAMED, `it came within ${took} ms`);
  const unknown = await answer("no-such-sandbox");
  assert.deepEqual([unknown.status, unknown.text], [502, '{"error":"sandbox_not_found"}']);
});
