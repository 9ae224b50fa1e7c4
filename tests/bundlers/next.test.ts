// A Next project without a line of configuration: a page, a route in Node and one in the edge runtime.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { startLocal } from "shoreline/local";
import { addressOf, title } from "./page.js";

const cwd = join(process.cwd(), "target", "packed", "bundled", "next");
const program = createRequire(import.meta.url).resolve("next/dist/bin/next");
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };

let next: ChildProcess;
let origin: string;

before(async () => {
  cpSync(join("tests", "bundlers", "next"), cwd, { recursive: true });
  execFileSync(process.execPath, [program, "build"], { cwd, env, stdio: "inherit" });
  next = spawn(process.execPath, [program, "start", "--hostname", "127.0.0.1", "--port", "0"], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  origin = await address(next);
});
after(async () => {
  next.kill();
  await once(next, "exit");
});

/** Where it says that it listens. */
async function address({ stdout }: ChildProcess): Promise<string> {
  assert.ok(stdout);
  for await (const line of createInterface({ input: stdout })) {
    const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? [];
    if (found !== undefined) return found;
  }
  throw new Error("Next ended");
}

test("Next: a page", async () => {
  assert.equal(await title(`${origin}/`), "hello");
});

for (const [route, runtime] of [
  ["node", "undefined"],
  ["edge", "string"],
] as const) {
  test(`Next: a route in ${route}`, async () => {
    await using server = await startLocal();
    const body = JSON.stringify(addressOf(server));
    const response = await fetch(`${origin}/${route}`, { method: "POST", body });
    assert.equal(await response.text(), `hello ${runtime}`);
  });
}
