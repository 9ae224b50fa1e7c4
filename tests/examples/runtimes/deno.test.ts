import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startLocal } from "shoreline/local";
import { copied, start } from "../program.js";

test("deno.ts", { timeout: 300_000 }, async (t) => {
  await using server = await startLocal();
  const deno = fileURLToPath(import.meta.resolve("@deno/linux-x64-glibc/deno"));
  const args = ["run", "--no-prompt", "--allow-net", "--allow-read", "--allow-env", copied("deno.ts")];
  const env = { TENSORLAKE_API_URL: server.url, TENSORLAKE_API_KEY: server.apiKey };
  const program = start(t, deno, args, env);
  program.stdin.end("pear\napple\n");
  const { output, code } = await program.ended();
  const printed = `apple
pear
exit code 0
stdout: Step 1/3
stdout: Step 2/3
stdout: Step 3/3
`;
  assert.equal(output.slice(0, printed.length), printed);
  assert.match(output.slice(printed.length), /^command_failed: cat exited with 1: .*no-such-file.*\n$/);
  assert.equal(code, 0);

  const { output: told, code: refused } = await start(t, deno, args, { TENSORLAKE_API_KEY: "" }).ended();
  assert.deepEqual([told, refused], ["set TENSORLAKE_API_KEY\n", 2]);
});
