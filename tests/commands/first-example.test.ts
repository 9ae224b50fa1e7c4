// The README's first example, pasted into an empty project that the packages were installed into.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fresh } from "../helpers/shared-server.js";

test("the README's first example runs as it is pasted, without a key", (t) => {
  const packed = join(process.cwd(), "target", "packed");
  const [, example = ""] = /^```js\n([^]*?)^```$/m.exec(readFileSync("README.md", "utf8")) ?? [];
  const [, said = ""] = /\/\/ prints: (.*)/.exec(example) ?? [];
  const project = mkdtempSync(join(tmpdir(), "shoreline-test-"));
  t.after(() => {
    rmSync(project, { recursive: true });
  });
  const tarballs = ["shoreline.tgz", `local-${process.platform}-${process.arch}.tgz`];
  const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  execFileSync("npm", [...install, ...tarballs.map((name) => join(packed, name))], { cwd: project });
  writeFileSync(join(project, "main.mjs"), example);
  fresh(t);
  const unset = ["TENSORLAKE_API_KEY", "TENSORLAKE_API_URL", "SHORELINE_LOCAL", "NODE_ENV"];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !unset.includes(name)));
  const options = { cwd: project, env, encoding: "utf8", timeout: 300_000 } as const;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["main.mjs"], options);
  assert.match(stderr, /^shoreline: no API key is set: using local sandboxes on this machine\..*\n$/);
  assert.deepEqual([stdout, status], [`${said}\n`, 0]);
  assert.notEqual(said, "");
});
