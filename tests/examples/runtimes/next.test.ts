import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { Sandbox } from "shoreline";
import { startLocal } from "shoreline/local";
import { scriptedModel } from "../../helpers/model.js";
import { byStream, copied, EVENTS, start, STREAMED, streamed } from "../program.js";

test("next", { timeout: 900_000 }, async (t) => {
  await using server = await startLocal();
  await using sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  const cwd = copied("next");
  writeFileSync(join(cwd, "package.json"), '{ "private": true, "type": "module" }\n');
  const program = createRequire(import.meta.url).resolve("next/dist/bin/next");
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };
  execFileSync(process.execPath, [program, "build", cwd], { env, stdio: "inherit" });
  const built = JSON.parse(
    readFileSync(join(cwd, ".next", "server", "middleware-manifest.json"), "utf8"),
  ) as object;
  // Which of them are in the edge runtime.
  assert.deepEqual(Object.keys((built as { functions: object }).functions), ["/edge/route"]);
  const model = await scriptedModel();
  t.after(model.close);
  const next = start(t, process.execPath, [program, "start", cwd, "--hostname", "127.0.0.1", "--port", "0"], {
    ...env,
    TENSORLAKE_API_URL: server.url,
    TENSORLAKE_API_KEY: server.apiKey,
    SANDBOX: sandbox.sandboxId,
    MODEL_URL: model.url,
  });
  const [origin] = await next.said(/http:\/\/127\.0\.0\.1:\d+/);
  for (const route of ["node", "edge"]) {
    const { status, text, took } = await streamed(`${origin}/${route}`);
    assert.deepEqual([route, status, byStream(text)], [route, 200, EVENTS]);
    assert.ok(took > STREAMED, `${route}: it came within ${took} ms`);
  }
  const done = await fetch(`${origin}/agent`, { method: "POST", body: "Add 1, 2 and 3." });
  assert.deepEqual(await done.json(), { answer: "It prints 6.", turns: model.turns });
});
