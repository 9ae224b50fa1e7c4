// Programs that name no server: local sandboxes, where these are isolated.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Sandbox, ShorelineError } from "shoreline";
import { sharedLocal, stateFile } from "shoreline/local";
import { test } from "../helpers/processes.js";
import { fresh, readable, state } from "../helpers/shared-server.js";

for (const name of Object.keys(process.env))
  if (/^(TENSORLAKE|SHORELINE_LOCAL$|NODE_ENV$)/.test(name)) Reflect.deleteProperty(process.env, name);

const NOTE =
  "shoreline: no API key is set: using local sandboxes on this machine. Set TENSORLAKE_API_KEY to use a server, or SHORELINE_LOCAL=off\n";

/** Runs a module where the package is installed. */
async function ran(code: string): Promise<{ status: unknown; stdout: string; stderr: string }> {
  const folder = join(process.cwd(), "target", "packed", "programs");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `no-key-${process.pid}.mjs`);
  writeFileSync(path, code);
  const child = spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data) => (stdout += String(data)));
  child.stderr.on("data", (data) => (stderr += String(data)));
  const [status] = (await once(child, "close")) as unknown[];
  return { status, stdout, stderr };
}

async function refused(work: Promise<unknown>, message: RegExp): Promise<void> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  assert.ok(ShorelineError.is(error), String(error));
  assert.equal(error.code, "missing_api_key");
  assert.match(error.message, message);
}

test("a program without a key runs on local sandboxes, and says so once", async (t) => {
  fresh(t);
  const { status, stdout, stderr } = await ran(`
    import { Sandbox } from "shoreline";
    const sandbox = await Sandbox.create({ name: "mine" });
    const again = await Sandbox.connect("mine");
    console.log((await again.run("echo", { args: ["hello"] })).stdout, (await Sandbox.list()).length);
    await Sandbox.create();
    await sandbox.terminate();
  `);
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "hello 1\n", stderr: NOTE });
  // The server is there for the next program.
  assert.equal((await Sandbox.list()).length, 2);
});

test("calls that only look start no server", async (t) => {
  const folder = fresh(t);
  await refused(Sandbox.list(), /^no API key: /);
  await refused(Sandbox.connect("mine"), /^no API key: /);
  await refused(Sandbox.terminate("mine"), /^no API key: /);
  assert.deepEqual(readable(folder), []);
});

test("in production, where it is switched off, and with another `fetch` a key is needed", async (t) => {
  const folder = fresh(t);
  for (const [name, value] of [
    ["NODE_ENV", "production"],
    ["SHORELINE_LOCAL", "off"],
  ] as const) {
    process.env[name] = value;
    t.after(() => Reflect.deleteProperty(process.env, name));
    await refused(Sandbox.create(), /^no API key: /);
    await refused(Sandbox.getOrCreate("mine"), /^no API key: /);
    Reflect.deleteProperty(process.env, name);
  }
  await refused(Sandbox.create({ fetch }), /^no API key: /);
  assert.deepEqual(readable(folder), []);
});

test("a server without isolation is not used", async (t) => {
  fresh(t);
  await sharedLocal();
  writeFileSync(stateFile(), JSON.stringify({ ...state(), isolation: "none" }));
  await refused(Sandbox.create(), /there are no local sandboxes: .*runs without isolation/);
  await refused(Sandbox.list(), /^no API key: /);
});

test("without a program for the server, the error says what is missing", async (t) => {
  const folder = fresh(t);
  process.env.SHORELINE_LOCAL_BINARY = join(folder, "none");
  t.after(() => Reflect.deleteProperty(process.env, "SHORELINE_LOCAL_BINARY"));
  await refused(Sandbox.create(), /set TENSORLAKE_API_KEY, pass `apiKey`, .*there is no .*none/);
});
