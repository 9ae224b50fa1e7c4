// What the command line makes sandboxes of, and what it says of them.
import assert from "node:assert/strict";
import { test } from "../helpers/processes.js";
import { shoreline } from "./program.js";

test("create --env sets variables for every command, whose own take precedence", async () => {
  assert.equal((await shoreline("create", "-e", "MODE=prod", "--env", "TEXT=a=b c", "env")).code, 0);
  const show = ["sh", "-c", 'echo "$MODE $TEXT"'];
  assert.equal((await shoreline("exec", "env", ...show)).stdout, "prod a=b c\n");
  assert.equal((await shoreline("exec", "-e", "MODE=dev", "env", ...show)).stdout, "dev a=b c\n");
  const wrong = await shoreline("create", "--env", "MODE", "other");
  assert.deepEqual([wrong.code, wrong.stderr.includes("NAME=VALUE")], [2, true]);
});

test("an image that a local server does not have is refused, and nothing is left", async () => {
  const before = (await shoreline("ls", "-q", "--all")).stdout;
  for (const args of [
    ["create", "--image", "python:3"],
    ["run", "-i", "t", "bash"],
  ]) {
    const { code, stderr } = await shoreline(...args);
    assert.deepEqual([code, /Error: .*images \(`image`\)/.test(stderr)], [125, true], stderr);
  }
  assert.equal((await shoreline("ls", "-q", "--all")).stdout, before);
  assert.equal((await shoreline("run", "-i", "tensorlake/ubuntu-minimal", "true")).code, 0);
});
