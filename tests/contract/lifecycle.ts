import { ApiError, Sandbox } from "shoreline";
import { dispose, equal, ok, recorder, rejects, test } from "./harness.js";

test("create makes a sandbox that runs, and info reports it", async ({ url, apiKey }) => {
  const sandbox = await Sandbox.create({ apiUrl: url, apiKey, timeoutSecs: 600 });
  try {
    const info = await sandbox.info();
    equal(info.sandboxId, sandbox.sandboxId);
    equal(info.status, "running");
    equal(info.enforced?.memory, "none");
    ok(info.createdAt instanceof Date, "createdAt is a Date");
    // Another case sets `Date.now` meanwhile.
    const now = performance.timeOrigin + performance.now();
    ok(Math.abs(now - info.createdAt.getTime()) < 600_000, "it was made now");
    equal((await sandbox.run("echo", { args: ["here"] })).stdout, "here");
  } finally {
    await sandbox.terminate();
  }
});

test("create with a name makes a sandbox that has it", async ({ url, apiKey }) => {
  const name = `contract-${String(Date.now())}`;
  const sandbox = await Sandbox.create({ apiUrl: url, apiKey, name });
  try {
    equal(sandbox.name, name);
    const again = await Sandbox.connect(name, { apiUrl: url, apiKey });
    equal(again.sandboxId, sandbox.sandboxId);
    await rejects(Sandbox.create({ apiUrl: url, apiKey, name }), "conflict");
  } finally {
    await sandbox.terminate();
  }
});

test("create with variables sets them for every command, whose own take precedence", async ({
  url,
  apiKey,
}) => {
  const env = { MODE: "prod", TEXT: " x\ny" };
  const sandbox = await Sandbox.create({ apiUrl: url, apiKey, env });
  try {
    const args = ["-c", 'echo "$MODE$TEXT"'];
    equal((await sandbox.run("sh", { args })).stdout, "prod x\ny");
    equal((await sandbox.run("sh", { args, env: { MODE: "dev" } })).stdout, "dev x\ny");
    const attached = await Sandbox.connect(sandbox.sandboxId, { apiUrl: url, apiKey });
    equal((await attached.run("sh", { args })).stdout, "prod x\ny");
  } finally {
    await sandbox.terminate();
  }
});

test("create with variables on a server that ignores them ends the sandbox and rejects", async () => {
  let told!: (url: string) => void;
  const ended = new Promise<string>((resolve) => (told = resolve));
  const made = { sandbox_id: "made", status: "running", sandbox_url: "http://peer.invalid/s/made" };
  const create = (env: Record<string, string>) =>
    Sandbox.create({
      apiUrl: "http://peer.invalid",
      apiKey: "key",
      env,
      fetch: (url, init) => {
        if (init?.method === "DELETE") told(url);
        return Promise.resolve(Response.json(made));
      },
    });
  const error = await rejects(create({ MODE: "secret" }), "not_supported_by_server");
  ok(error.message.includes("`env`") && !error.message.includes("secret"), error.message);
  equal(await ended, "http://peer.invalid/v1/namespaces/default/sandboxes/made");
  equal((await create({})).sandboxId, "made");
});

test("an image that the server does not have is refused", async ({ url, apiKey }) => {
  await rejects(Sandbox.create({ apiUrl: url, apiKey, image: "no-such-image" }), "unsupported");
});

test("connect by id attaches to a sandbox", async ({ url, apiKey, sandbox }) => {
  const again = await Sandbox.connect(sandbox.sandboxId, { apiUrl: url, apiKey });
  const { pid } = await sandbox.startProcess("true");
  equal((await again.getProcess(pid)).pid, pid);
});

test("connect takes the id among the options", async ({ url, apiKey, sandbox }) => {
  const again = await Sandbox.connect({ sandboxId: sandbox.sandboxId, apiUrl: url, apiKey });
  equal(again.sandboxId, sandbox.sandboxId);
});

test("connect with a proxy URL makes no lifecycle call", async ({ apiKey, sandbox }) => {
  const { sandboxUrl } = await sandbox.info();
  ok(sandboxUrl !== undefined, "the server says where the sandbox is");
  const { fetch, sent } = recorder();
  const again = await Sandbox.connect({
    sandboxId: sandbox.sandboxId,
    proxyUrl: sandboxUrl,
    apiKey,
    fetch,
  });
  equal(sent.length, 0);
  equal((await again.run("echo", { args: ["direct"] })).stdout, "direct");
  equal(sent.length, 1);
});

test("connect to a sandbox that is not there rejects", async ({ url, apiKey }) => {
  const error = await rejects(
    Sandbox.connect("no-such-sandbox", { apiUrl: url, apiKey }),
    "sandbox_not_found",
  );
  equal(error.status, 404);
  ok(error instanceof ApiError, "it is an ApiError");
});

test("list has the sandboxes", async ({ url, apiKey, sandbox }) => {
  const all = await Sandbox.list({ apiUrl: url, apiKey });
  equal(all.filter((one) => one.sandboxId === sandbox.sandboxId).length, 1);
  const running = await Sandbox.list({ apiUrl: url, apiKey, status: "running", limit: 1 });
  ok(
    running.some((one) => one.sandboxId === sandbox.sandboxId),
    "it is among the running ones",
  );
});

test("terminate ends a sandbox and its processes, and may be called again", async ({ url, apiKey }) => {
  const sandbox = await Sandbox.create({ apiUrl: url, apiKey });
  const running = sandbox.run("sleep", { args: ["1000"] });
  running.catch(() => undefined);
  await sandbox.health();
  await sandbox.terminate();
  await sandbox.terminate();
  ok(!(await isRunning(url, apiKey, sandbox.sandboxId)), "it does not run any more");
  await running.then(
    (result) => {
      equal(result.signal, 9, "the command was killed");
    },
    () => undefined,
  );
});

test("terminate by id ends a sandbox", async ({ url, apiKey }) => {
  const sandbox = await Sandbox.create({ apiUrl: url, apiKey });
  await Sandbox.terminate(sandbox.sandboxId, { apiUrl: url, apiKey });
  ok(!(await isRunning(url, apiKey, sandbox.sandboxId)), "it does not run any more");
});

test("a sandbox whose creation was aborted is ended once it is known", async () => {
  let answer!: (response: Response) => void;
  let sent!: () => void;
  const asked = new Promise<void>((resolve) => (sent = resolve));
  let told!: (method: string) => void;
  const ended = new Promise<string>((resolve) => (told = resolve));
  const abort = new AbortController();
  const creating = Sandbox.create({
    apiUrl: "http://peer.invalid",
    apiKey: "key",
    signal: abort.signal,
    fetch: (url, init) => {
      if (init?.method === "POST") {
        sent();
        return new Promise((resolve) => (answer = resolve));
      }
      told(`${init?.method} ${url}`);
      return Promise.resolve(new Response());
    },
  });
  const failed = rejects(creating, "aborted");
  await asked;
  abort.abort();
  await failed;
  answer(Response.json({ sandbox_id: "made", status: "pending" }));
  equal(await ended, "DELETE http://peer.invalid/v1/namespaces/default/sandboxes/made");
});

test("disposing ends a sandbox that was created, not one that was attached to", async ({ url, apiKey }) => {
  const sandbox = await Sandbox.create({ apiUrl: url, apiKey });
  const attached = await Sandbox.connect(sandbox.sandboxId, { apiUrl: url, apiKey });
  await dispose(attached);
  ok(await isRunning(url, apiKey, sandbox.sandboxId), "it runs on");
  await dispose(sandbox);
  ok(!(await isRunning(url, apiKey, sandbox.sandboxId)), "it has ended");
});

test("a wrong key is refused", async ({ url }) => {
  const error = await rejects(Sandbox.create({ apiUrl: url, apiKey: "not-the-key" }), "authentication");
  equal(error.status, 401);
  ok(
    !JSON.stringify(error).includes("not-the-key") && !error.message.includes("not-the-key"),
    "no key is told",
  );
});

test("the key may be a function, asked again after a 401", async ({ url, apiKey }) => {
  let asked = 0;
  const keys = ["old", apiKey];
  const all = await Sandbox.list({ apiUrl: url, apiKey: () => Promise.resolve(keys[asked++] ?? "none") });
  ok(all.length > 0, "the list came");
  equal(asked, 2);
});

async function isRunning(apiUrl: string, apiKey: string, id: string): Promise<boolean> {
  return (await Sandbox.list({ apiUrl, apiKey })).some(
    (one) => one.sandboxId === id && one.status === "running",
  );
}
