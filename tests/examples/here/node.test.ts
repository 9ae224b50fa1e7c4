import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { scriptedModel } from "../../helpers/model.js";
import { copied, start } from "../program.js";

test("node.mjs", { timeout: 300_000 }, async (t) => {
  const { output: printed, code } = await start(t, process.execPath, [copied("node.mjs")]).ended();
  // Two pipes have no common order.
  const stderr = "stderr: done\n";
  assert.equal(printed.split(stderr).length, 2, printed);
  const output = printed.replace(stderr, "");
  assert.equal(
    output,
    `Hello from sandbox! 0
stdout: Step 1/3
stdout: Step 2/3
stdout: Step 3/3
sorted: [ 'apple', 'pear' ]
line 1
line 2
line 3

timed out: true
not_found: ${output.split("not_found: ")[1] ?? ""}`,
  );
  assert.match(output, /no-such-file/);
  assert.equal(code, 0);
});

test(
  "agent.mjs: a task of several steps, with a model that follows a script",
  { timeout: 300_000 },
  async (t) => {
    const model = await scriptedModel();
    t.after(model.close);
    const env = { MODEL_URL: model.url };
    const agent = start(t, process.execPath, [copied("agent.mjs"), "Add 1, 2 and 3."], env);
    const { output, code } = await agent.ended();
    assert.match(
      output,
      /TypeError[^]*> edit_file[^]*invalid_input[^]*\n6\n1\n[^]*omitted[^]*It prints 6\.\n$/,
    );
    assert.equal(code, 0);
    assert.ok(readFileSync("examples/agent.mjs", "utf8").split("\n").length <= 61);
  },
);

test("examples/README.md says how each is run", () => {
  const said = readFileSync("examples/README.md", "utf8");
  for (const name of readdirSync("examples").filter((name) => name !== "README.md"))
    assert.ok(said.includes(`](${name})`), name);
});
