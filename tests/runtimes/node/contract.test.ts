// The contract suite in this Node.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type LocalServer, startLocal } from "shoreline/local";
import { cases, type Context, prepare, runCase } from "../../contract/index.js";

let server: LocalServer;
let context: Context;
let ran = 0;

before(async () => {
  server = await startLocal();
  context = await prepare(server);
});
after(() => server.close());

for (const { name } of cases) {
  test(name, async () => {
    ran++;
    await runCase(context, name);
  });
}

test("every case of the suite ran", () => {
  assert.ok(cases.length > 100, `there are ${cases.length} cases`);
  assert.equal(ran, cases.length);
});
