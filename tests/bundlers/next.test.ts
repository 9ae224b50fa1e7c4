// A Next project without a line of configuration: a page, a route in Node and one in the edge runtime.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { Sandbox } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { addressOf, title } from "./page.js";

const cwd = join(process.cwd(), "target", "packed", "bundled", "next");
const program = createRequire(import.meta.url).resolve("next/dist/bin/next");
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };

let next: ChildProcess;
let origin: string;
let server: LocalServer;
let sandbox: Sandbox;

before(async () => {
  server = await startLocal();
  sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  cpSync(join("tests", "bundlers", "next"), cwd, { recursive: true });
  // Without its types, for which Next would have to install a compiler.
  const outfile = join(cwd, "app", "sandboxes", "[...path]", "route.js");
  await build({ entryPoints: ["examples/relay/route.ts"], outfile, target: "es2022" });
  execFileSync(process.execPath, [program, "build"], { cwd, env, stdio: "inherit" });
  next = spawn(process.execPath, [program, "start", "--hostname", "127.0.0.1", "--port", "0"], {
    cwd,
    env: {
      ...env,
      TENSORLAKE_API_KEY: server.apiKey,
      SANDBOX: sandbox.sandboxId,
      SANDBOX_URL: `${server.url}/s/${sandbox.sandboxId}`,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  origin = await address(next);
});
after(async () => {
  next.kill();
  await once(next, "exit");
  await server.close();
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

test("Next: the example of a relay, as it is", async () => {
  const proxyUrl = `${origin}/sandboxes/${sandbox.sandboxId}`;
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", "echo a; exec sleep 1000"] });
  const signedIn = (input: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set("cookie", "session=mine");
    return fetch(input, { ...init, headers });
  };
  const mine = await Sandbox.connect({ sandboxId: sandbox.sandboxId, proxyUrl, fetch: signedIn });
  // It would not come from a relay that waits for the end.
  for await (const { line } of mine.followOutput(pid)) {
    assert.equal(line, "a");
    break;
  }
  const other = await Sandbox.connect({ sandboxId: sandbox.sandboxId, proxyUrl });
  await assert.rejects(other.listProcesses(), { status: 403 });
});
