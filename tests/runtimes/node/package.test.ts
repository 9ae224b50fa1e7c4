// What only Node shows: its environment, unhandled rejections, sockets, the start of a program.
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ConnectionError, Sandbox } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { refusingPort } from "../../helpers/loopback.js";

let server: LocalServer;
before(async () => {
  server = await startLocal();
});
after(() => server.close());

/** Runs a program that imports the package in a Node of its own. */
function program(source: string, env: Record<string, string> = {}): SpawnSyncReturns<string> {
  const head = 'import { Sandbox } from "shoreline";\n';
  return spawnSync(process.execPath, ["--input-type=module", "--eval", head + source], {
    cwd: join(process.cwd(), "target", "packed"),
    env: {
      PATH: process.env.PATH,
      TENSORLAKE_API_URL: server.url,
      TENSORLAKE_API_KEY: server.apiKey,
      ...env,
    },
    encoding: "utf8",
    timeout: 180_000,
  });
}

test("classes have their names, and stack traces lead to the sources", () => {
  const source = `
    const { createRequire } = await import("node:module");
    const required = createRequire(process.cwd() + "/")("shoreline");
    const unlike = [];
    for (const api of [await import("shoreline"), required, await import("shoreline/local")])
      for (const [name, value] of Object.entries(api))
        if (typeof value === "function" && value.name !== name) unlike.push([name, value.name]);
    const error = await Sandbox.connect({ sandboxId: "" }).catch((error) => error);
    console.log(JSON.stringify({ unlike, stack: error.stack }));`;
  const { stdout } = program(source, { NODE_OPTIONS: "--enable-source-maps" });
  const { unlike, stack } = JSON.parse(stdout) as { unlike: unknown; stack: string };
  assert.deepEqual(unlike, []);
  assert.match(stack, /js\/src\/\w+\.ts:\d+/);
});

test("address and key come from the environment, and nothing keeps the program running", () => {
  const { stdout, stderr, status } = program(`
    const sandbox = await Sandbox.create();
    console.log((await sandbox.run("echo", { args: ["hello"] })).stdout);
    await sandbox.terminate();`);
  assert.deepEqual([stdout, stderr, status], ["hello\n", "", 0]);
});

test("an empty variable is none, and an option comes first", () => {
  const { stdout } = program(
    `const of = (options) => Sandbox.list(options).then(() => "listed", (error) => error.code);
     console.log(await of({}), await of({ apiKey: process.env.KEY }), await of({ apiUrl: "ftp://a.example" }));`,
    { TENSORLAKE_API_KEY: "", KEY: server.apiKey },
  );
  assert.equal(stdout, "authentication listed invalid_url\n");
});

test("a run that is not awaited reports its error as any promise does", () => {
  const make = "const sandbox = await Sandbox.create();\n";
  const forgotten = program(`${make} sandbox.run("");`);
  assert.equal(forgotten.status, 1);
  assert.match(forgotten.stderr, /UsageError: `command` must not be empty/);
  const caught = program(`${make} sandbox.run("").catch((error) => console.log(error.code));`);
  assert.deepEqual([caught.status, caught.stdout], [0, "invalid_argument\n"]);
  const iterated = program(`${make}
    try { for await (const event of sandbox.run("")) console.log(event); }
    catch (error) { console.log(error.code); }`);
  assert.deepEqual([iterated.status, iterated.stdout, iterated.stderr], [0, "invalid_argument\n", ""]);
  const failing = program(`${make} sandbox.run("false", { check: true });`);
  assert.equal(failing.status, 1);
  assert.match(failing.stderr, /CommandError: false exited with 1/);
});

// Not in the contract: workerd ends a pipe whose signal aborts only with the source's next chunk.
test("aborting a pipe from a process's output settles at once", async () => {
  await using sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  const proc = await sandbox.startProcess("sleep", { args: ["1000"] });
  const leaving = new AbortController();
  const piped = proc.stdout.pipeTo(new WritableStream(), { signal: leaving.signal });
  await sandbox.health();
  leaving.abort(new RangeError("enough"));
  await assert.rejects(piped, RangeError);
  await proc.kill();
});

test("a crash of the core is told, then and later, and the next sandbox has a new core", () => {
  const { stdout } = program(`
    const sandbox = await Sandbox.create();
    const { now } = Date;
    const tell = (error) => console.log(error.name, error.code, error.cause?.message);
    const other = sandbox.run("sleep", { args: ["1000"] }).catch(tell);
    await sandbox.health();
    // The core asks for the time in mid-call: what is thrown there unwinds it.
    const asked = performance.now;
    performance.now = Date.now = () => { throw new WebAssembly.RuntimeError("unreachable"); };
    await sandbox.run("true").catch(tell);
    performance.now = asked;
    Date.now = now;
    await other;
    await sandbox.run("true").catch(tell);
    await sandbox.health().catch(tell);
    await sandbox.followOutput(1).next().catch(tell);
    const next = await Sandbox.connect(sandbox.sandboxId);
    console.log((await next.run("echo", { args: ["again"] })).stdout);
    process.exit();`);
  assert.equal(stdout, `${"CoreError core_dead unreachable\n".repeat(5)}again\n`);
});

test("console.log of an event shows it, of a sandbox no key", () => {
  const { stdout } = program(`
    const sandbox = await Sandbox.create();
    console.log(sandbox);
    for await (const event of sandbox.run("echo", { args: ["hello"] })) console.log(event);`);
  assert.match(stdout, /line: 'hello'/);
  assert.ok(!stdout.includes(server.apiKey));
});

/** A peer that answers every request with `head`, and its connections. */
async function peer(head: string): Promise<{ sandbox: Sandbox; connection: Promise<Socket>; http: Server }> {
  const http = createServer((_, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(head);
  });
  const connection = once(http, "connection").then(([socket]) => socket as Socket);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const proxyUrl = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return {
    sandbox: await Sandbox.connect({ sandboxId: "a-peer", proxyUrl, apiKey: "key" }),
    connection,
    http,
  };
}

const EVENT = 'event: output\ndata: {"line":"a","timestamp":1765432100123}\n\n';

for (const how of ["break", "abort"] as const) {
  test(`the server sees the connection close on ${how}`, async (t) => {
    const { sandbox, connection, http } = await peer(EVENT);
    t.after(() => http.close());
    const socket = await connectionOf(sandbox, connection, how);
    if (!socket.destroyed) await once(socket, "close", { signal: AbortSignal.timeout(60_000) });
  });
}

async function connectionOf(sandbox: Sandbox, connection: Promise<Socket>, how: string): Promise<Socket> {
  const controller = new AbortController();
  try {
    for await (const event of sandbox.followOutput(1, { signal: controller.signal })) {
      assert.equal(event.line, "a");
      if (how === "break") break;
      controller.abort();
    }
  } catch (error) {
    assert.equal((error as { code?: string }).code, "aborted");
  }
  return connection;
}

test("a connection that is reset in mid-stream is an error with what was delivered", async (t) => {
  const { sandbox, connection, http } = await peer(EVENT);
  t.after(() => http.close());
  const lines: string[] = [];
  const loop = async () => {
    for await (const event of sandbox.followOutput(1, { reconnect: { maxAttempts: 0 } })) {
      lines.push(event.line);
      (await connection).resetAndDestroy();
    }
  };
  await assert.rejects(loop(), (error: ConnectionError) => {
    assert.deepEqual(
      [error.name, error.code, error.partial?.events],
      ["ConnectionError", "stream_broken", 1],
    );
    return true;
  });
  assert.deepEqual(lines, ["a"]);
});

test("a server that is not there", async () => {
  const { port, release } = await refusingPort();
  const options = { apiUrl: `http://127.0.0.1:${port}`, apiKey: "key", maxRetries: 0 };
  await assert.rejects(Sandbox.create(options), { code: "connect_failed", retryable: true });
  release();
});
