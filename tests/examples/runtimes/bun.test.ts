import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ask, byStream, copied, EVENTS, start, STREAMED, streamed } from "../program.js";

test("bun.ts", { timeout: 300_000 }, async (t) => {
  const bun = fileURLToPath(import.meta.resolve("@oven/bun-linux-x64/bin/bun"));
  const program = start(t, bun, [copied("bun.ts")], { PORT: "0" });
  const [, origin = ""] = await program.said(/^listening on (.*)\/\n/);
  const { status, text, took } = await streamed(`${origin}/output`);
  assert.deepEqual([status, byStream(text)], [200, EVENTS]);
  assert.ok(took > STREAMED, `it came within ${took} ms`);
  assert.match((await ask(origin)).text, /new EventSource\("\/output"\)/);
  program.kill("SIGTERM");
  assert.equal((await program.ended()).code, 0);
});
