// What callers are told of a server that is older than the API that they use.
import {
  type CreateOptions,
  Sandbox,
  type SocketConstructor,
  type StartProcessOptions,
  type ShorelineError,
} from "shoreline";
import { BODY, Engine, type Traits } from "./engine.js";
import { equal, ok, rejects, sandboxOf, test } from "./harness.js";

const create = (engine: Engine, options: CreateOptions = {}) =>
  Sandbox.create({ apiUrl: engine.url, apiKey: "key", fetch: engine.fetch, maxRetries: 0, ...options });

/** A sandbox of an older server. */
async function older(traits?: Traits): Promise<[Sandbox, Engine]> {
  const engine = new Engine(traits);
  const sandbox = await create(engine);
  engine.sent.length = 0;
  return [sandbox, engine];
}

const says = (error: ShorelineError, ...words: string[]) => {
  for (const word of words)
    ok(error.message.includes(word), `${JSON.stringify(word)} is in: ${error.message}`);
};

test("an option that an older server ignores is refused before anything runs", async () => {
  const asked: [StartProcessOptions, string][] = [
    [{ user: "nobody" }, "`user`"],
    [{ user: { uid: 65_534 } }, "`user`"],
    [{ name: "web" }, "`name`"],
    [{ restart: {} }, "`restart`"],
    [{ healthCheck: { type: "tcp", port: 80 } }, "`healthCheck`"],
  ];
  for (const [options, word] of asked) {
    const [sandbox, engine] = await older();
    says(await rejects(sandbox.startProcess("id", options), "not_supported_by_server"), word, "newer server");
    ok(!engine.sent.includes("POST /processes"), "nothing was started");
  }
  const [sandbox, engine] = await older();
  says(await rejects(sandbox.run("id", { user: "nobody" }), "not_supported_by_server"), "`user`");
  ok(!engine.sent.includes("POST /processes"), "nothing was run");
  equal((await sandbox.startProcess("id", { args: ["-u"] })).pid, 42);
  equal(engine.sent.at(-1), "POST /processes");
});

test("a process that is started without what makes it managed is killed", async () => {
  const [sandbox, engine] = await older({ names: true });
  const error = await rejects(sandbox.startProcess("id", { name: "web" }), "not_supported_by_server");
  says(error, "`name`", "process 42");
  await engine.asked("DELETE /processes/42");
  await rejects(
    sandbox.startProcess("id", { healthCheck: { type: "tcp", port: 80 } }),
    "not_supported_by_server",
  );
  equal(engine.sent.filter((request) => request === "GET /processes/-").length, 1, "it is asked once");
});

test("a server that does not measure processes is named", async () => {
  const [sandbox] = await older();
  says(await rejects(sandbox.usage(), "missing_capability"), "this server cannot measure what processes use");
});

test("a server that has managed processes gets them", async ({ sandbox }) => {
  const name = `older-${String(Date.now())}`;
  const started = await sandbox.startProcess("sleep", { args: ["1000"], name, restart: { policy: "never" } });
  equal(started.managed?.name, name);
  await started.kill();
});

test("what a new sandbox does not get ends it, and is told", async () => {
  const cases: [CreateOptions, Traits, string][] = [
    [{ name: "web" }, {}, "`name`"],
    [{ name: "web" }, { name: "other" }, "`name`"],
    [{ name: "web" }, { terse: true }, "`name`"],
    [{ diskMb: 2048 }, { resources: { cpus: 1, memory_mb: 1024, ephemeral_disk_mb: 1024 } }, "`diskMb`"],
    [{ memoryMb: 2048 }, { resources: { cpus: 1, memory_mb: 1024 } }, "`memoryMb`"],
    [{ cpus: 2 }, { resources: { cpus: 1, memory_mb: 1024 } }, "`cpus`"],
    [{ timeoutSecs: 60 }, { timeoutSecs: 600 }, "`timeoutSecs`"],
  ];
  for (const [options, traits, word] of cases) {
    const engine = new Engine(traits);
    says(await rejects(create(engine, options), "not_supported_by_server"), word, "made");
    await engine.asked("DELETE /sandboxes/made");
  }
});

test("create does not wait for a sandbox to run where it need not", async () => {
  const engine = new Engine({ pending: true });
  const sandbox = await create(engine, { wait: false, name: "web" });
  equal([sandbox.sandboxId, engine.sent], ["made", ["POST /sandboxes"]]);
  equal(engine.bodies[0]?.wait, false);
  const failed = () =>
    Promise.resolve(Response.json({ sandbox_id: "made", status: "failed", sandbox_url: engine.url }));
  await rejects(create(engine, { wait: false, fetch: failed }), "unavailable");
});

test("what a record leaves out is no evidence, nor is a size that was rounded up", async () => {
  const cases: [CreateOptions, Traits][] = [
    [{ name: "web" }, { name: "web" }],
    [{ name: "web" }, { name: "web", terse: true }],
    [{ cpus: 0.5, memoryMb: 1000, timeoutSecs: 60 }, {}],
    [{ cpus: 0.7, memoryMb: 1000 }, { resources: { cpus: Math.fround(0.7), memory_mb: 1024 } }],
    [{ diskMb: 2048 }, { resources: { cpus: 1, memory_mb: 1024 } }],
    [{ diskMb: 2048 }, {}],
    [{ timeoutSecs: 0 }, { timeoutSecs: 3600 }],
    [{ cpus: 8, timeoutSecs: 60 }, { terse: true }],
  ];
  for (const [options, traits] of cases) {
    const engine = new Engine(traits);
    const sandbox = await create(engine, options);
    equal([sandbox.sandboxId, sandbox.name], ["made", options.name], JSON.stringify(options));
    ok(!engine.sent.includes("DELETE /sandboxes/made"), "it is not terminated");
  }
  const engine = new Engine({ terse: true });
  await create(engine, { diskMb: 2048 });
  equal(engine.bodies[0]?.resources, { disk_mb: 2048, ephemeral_disk_mb: 2048 });
  // The cloud has the first name only.
  await create(engine, { diskMb: 2048, sandboxApiUrl: engine.url });
  equal(engine.bodies[1]?.resources, { disk_mb: 2048 });
});

test("what an older server cannot do is told in words, and what is not there stays not found", async () => {
  const [sandbox, engine] = await older();
  const cannot: [Promise<unknown>, string][] = [
    [sandbox.suspend(), "suspend sandboxes"],
    [sandbox.resume(), "resume sandboxes"],
    [sandbox.update({ name: "web" }), "change sandboxes"],
    [sandbox.restartProcess(42), "restart processes"],
    [sandbox.listPtys(), "open terminals"],
    [sandbox.deleteFile("/x"), "transfer files"],
  ];
  for (const [call, what] of cannot) {
    const error = await rejects(call, "unsupported");
    equal(error.message, `this server cannot ${what}`);
    ok(error.status === 404 || error.status === 405, "it has the status");
  }
  for (const call of [sandbox.getOutput("web"), sandbox.sendSignal("web", 15), sandbox.killProcess("web")])
    says(await rejects(call, "unsupported"), "names need a newer server");
  await rejects(sandbox.followOutput("web").next(), "unsupported");
  await rejects(sandbox.getProcess(7), "not_found");
  const gone = { apiUrl: engine.url, apiKey: "key", fetch: engine.fetch };
  await rejects(Sandbox.connect("gone", gone), "sandbox_not_found");
});

test("a server without tunnels is told from a port where nothing listens", async () => {
  const WebSocket = Refused as unknown as SocketConstructor;
  const [{ sandboxId }, engine] = await older();
  const proxyUrl = `${engine.url}/proxy/made`;
  const options = { sandboxId, proxyUrl, apiKey: "key", fetch: engine.fetch, WebSocket };
  const error = await rejects((await Sandbox.connect(options)).openTunnel(80), "unsupported");
  equal(error.message, "this server cannot tunnel connections");
  const { sandbox } = await sandboxOf(() => Promise.resolve(new Response("", { status: 426 })), {
    WebSocket,
  });
  await rejects(sandbox.openTunnel(80), "connect_failed");
});

/** A socket that the server refuses. */
class Refused extends EventTarget {
  binaryType = "blob";

  constructor() {
    super();
    queueMicrotask(() => this.dispatchEvent(new Event("error")));
  }

  readonly close = (): void => undefined;
}

test("an upload that is too large for the server says so", async () => {
  const [sandbox] = await older();
  await sandbox.writeFile("/x", new Uint8Array(BODY));
  const large = new Uint8Array(BODY + 1);
  says(await rejects(sandbox.writeFile("/x", large), "payload_too_large"), "length limit exceeded", "2 MiB");
  const { sandbox: cutting } = await sandboxOf(async (_, init) => {
    await new Response(init?.body).arrayBuffer();
    throw new TypeError("fetch failed");
  });
  for (const content of [large, new Blob([large]), new Response(large).body as ReadableStream<Uint8Array>])
    says(await rejects(cutting.writeFile("/x", content), "connection_lost"), "2 MiB");
  const error = await rejects(cutting.writeFile("/x", large.slice(1)), "connection_lost");
  ok(!error.message.includes("MiB"), error.message);
});

/** A terminal's socket whose session ends at once, with -1. */
class Ending extends EventTarget {
  readyState = 0;
  binaryType = "blob";

  constructor() {
    super();
    queueMicrotask(() => {
      this.readyState = 1;
      this.dispatchEvent(new Event("open"));
    });
  }

  send(): void {
    queueMicrotask(() => {
      this.readyState = 3;
      this.dispatchEvent(Object.assign(new Event("close"), { code: 1000, reason: "exit:-1" }));
    });
  }

  readonly close = (): void => undefined;
}

test("a terminal's exit status that a server has lost is null, with a reason", async () => {
  const lost = { exitCode: null, signal: null };
  const ends: [object | undefined, number | null, object][] = [
    [{ exit_code: 7 }, 7, { exitCode: 7, signal: null }],
    [{ exit_code: null, signal: 15 }, -1, { exitCode: null, signal: 15 }],
    [{ exit_code: -1 }, null, lost],
    [{}, null, lost],
    [undefined, null, lost],
  ];
  for (const [record, code, end] of ends) {
    const { sandbox } = await sandboxOf(
      () => Promise.resolve(record ? Response.json(record) : new Response(null, { status: 404 })),
      { WebSocket: Ending as unknown as SocketConstructor },
    );
    const pty = await sandbox.connectPty("session", "token");
    const codes: (number | null)[] = [];
    pty.onExit((exitCode) => codes.push(exitCode));
    equal(await pty.wait(), code);
    equal(codes.length, 1);
    const { reason, ...known } = pty.exit ?? {};
    equal([known, reason !== undefined], [end, code === null], JSON.stringify(record));
  }
});
