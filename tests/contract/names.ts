// Calls that the official SDKs have beside those of the first hour: by name, pending, changes, snapshots, traces.
import { Sandbox, SandboxClient, type ShorelineError } from "shoreline";
import { dispose, equal, ok, recorder, rejects, sandboxOf, test } from "./harness.js";

const SANDBOXES = "http://peer.invalid/v1/namespaces/default/sandboxes";
const reach = { apiUrl: "http://peer.invalid", apiKey: "key" };
const unique = (what: string) => `${what}-${Date.now()}-${Math.floor(Math.random() * 1e6)}`;
const notFound = () => Response.json({ error: "Sandbox not found" }, { status: 404 });
const record = (status: string, more: object = {}) =>
  Response.json({ id: "made", name: "box", status, sandbox_url: "http://peer.invalid/s/made", ...more });

/** A lifecycle API that gives these answers, one after the other; the last again and again. Notes what is sent. */
function lifecycle(...answers: (() => Response)[]) {
  const said: string[] = [];
  const { fetch } = recorder((input, init) => {
    const place = (input as string).replace("http://peer.invalid/v1/namespaces/default", "");
    const body = typeof init?.body === "string" ? ` ${init.body}` : "";
    said.push(`${init?.method ?? "GET"} ${place}${body}`);
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    return Promise.resolve(answer?.() ?? notFound());
  });
  return { said, options: { ...reach, fetch } };
}

test("getOrCreate: callers at the same time get one sandbox, and later ones too", async ({ url, apiKey }) => {
  const name = unique("shared");
  const get = () => Sandbox.getOrCreate(name, { apiUrl: url, apiKey, timeoutSecs: 600 });
  const all = await Promise.all([get(), get(), get()]);
  const [first] = all;
  try {
    equal(new Set(all.map(({ sandboxId }) => sandboxId)).size, 1, "sandboxes");
    equal(all.map(({ bindOutcome }) => bindOutcome).sort(), ["attached", "attached", "created"]);
    equal(
      all.map((sandbox) => sandbox.name),
      [name, name, name],
    );
    await dispose(first);
    const again = await get();
    equal([again.sandboxId, again.bindOutcome], [first.sandboxId, "attached"]);
    equal((await again.run("echo", { args: ["here"] })).stdout, "here");
    await again.suspend();
    const left = await Sandbox.getOrCreate(name, { apiUrl: url, apiKey, resume: false });
    equal([left.bindOutcome, await left.status()], ["attached", "suspended"]);
    const resumed = await get();
    equal([resumed.bindOutcome, await resumed.status()], ["resumed", "running"]);
    await resumed.terminate();
    const other = await get();
    equal(other.bindOutcome, "created");
    ok(other.sandboxId !== first.sandboxId, "an ended sandbox has given its name away");
    await other.terminate();
  } finally {
    await Sandbox.terminate(name, { apiUrl: url, apiKey });
  }
});

test("getOrCreate: who loses the race waits for the winner's sandbox", async () => {
  const taken = () => Response.json({ error: "the name is taken", code: "NAME_TAKEN" }, { status: 409 });
  const running = () => record("running");
  const { said, options } = lifecycle(notFound, taken, notFound, taken, () => record("pending"), running);
  const sandbox = await Sandbox.getOrCreate("box", { ...options, cpus: 2 });
  equal([sandbox.sandboxId, sandbox.bindOutcome], ["made", "attached"]);
  equal(said, [
    "GET /sandboxes/box",
    'POST /sandboxes {"name":"box","resources":{"cpus":2}}',
    "GET /sandboxes/box",
    'POST /sandboxes {"name":"box","resources":{"cpus":2}}',
    "GET /sandboxes/box",
    "GET /sandboxes/box",
    "GET /sandboxes/made",
  ]);
});

test("getOrCreate ends: in time, by an abort, by other errors", async () => {
  const suspending = lifecycle(() => record("suspending"));
  const late = await rejects(
    Sandbox.getOrCreate("box", { ...suspending.options, startupTimeout: 0.2 }),
    "start_timeout",
  );
  ok(late.message.includes("`box`") && late.message.includes("suspending"), late.message);
  const taken = () => Response.json({ error: "taken" }, { status: 409 });
  const race = lifecycle(notFound, taken, notFound, taken, notFound, taken, notFound, taken);
  const lost = await rejects(
    Sandbox.getOrCreate("box", { ...race.options, startupTimeout: 0.2 }),
    "start_timeout",
  );
  equal((lost.cause as ShorelineError).code, "conflict");
  const abort = new AbortController();
  const waiting = lifecycle(() => {
    queueMicrotask(() => {
      abort.abort();
    });
    return record("pending");
  });
  await rejects(Sandbox.getOrCreate("box", { ...waiting.options, signal: abort.signal }), "aborted");
  const denied = lifecycle(() => Response.json({ error: "no" }, { status: 403 }));
  await rejects(Sandbox.getOrCreate("box", denied.options), "permission");
  const nothing = lifecycle(notFound);
  for (const name of ["", "Box", "-a", "a b", "a\nb", 5 as never])
    await rejects(Sandbox.getOrCreate(name, nothing.options), "invalid_argument");
  await rejects(Sandbox.getOrCreate("box", { ...nothing.options, startupTimeout: -1 }), "invalid_argument");
  equal(nothing.said, []);
});

test("a sandbox that did not come up in the server's time is known, and is terminated", async () => {
  let told!: (request: string) => void;
  const ended = new Promise<string>((resolve) => (told = resolve));
  const error = await rejects(
    Sandbox.create({
      ...reach,
      fetch: (url, init) => {
        if (init?.method === "DELETE") told(url);
        return Promise.resolve(Response.json({ sandbox_id: "made", status: "timeout" }, { status: 504 }));
      },
    }),
    "unavailable",
  );
  ok(error.message.includes("made") && error.message.includes("timeout"), error.message);
  equal(await ended, `${SANDBOXES}/made`);
});

test("update changes what can be reached; null removes every rule", async ({ url, apiKey }) => {
  const { said, options } = lifecycle(() => record("running"));
  const sandbox = await Sandbox.connect("made", options);
  await sandbox.update({ network: { allowOut: ["pypi.org"] }, autoResume: false, cpus: 2, memoryMb: 512 });
  await sandbox.update({ network: null });
  equal(said.slice(1), [
    'PATCH /sandboxes/made {"network":{"allow_out":["pypi.org"]},"auto_resume":false,"resources":{"cpus":2,"memory_mb":512}}',
    'PATCH /sandboxes/made {"network":null}',
  ]);
  for (const network of [5, "x", [], { allowOut: "pypi.org" }, { allowInternetAccess: 1 }])
    await rejects(sandbox.update({ network: network as never }), "invalid_argument");
  await rejects(sandbox.update({ exposedPorts: [9501] }), "invalid_argument");
  equal(said.length, 3, "nothing else was sent");
  const local = await Sandbox.create({ apiUrl: url, apiKey });
  await rejects(local.update({ cpus: 2 }), "unsupported");
  await local.terminate();
});

test("snapshots are taken, listed, read and deleted on servers that have them", async () => {
  const snapshot = (status: string, id = "snap 1") =>
    Response.json({
      id,
      namespace: "default",
      sandbox_id: "made",
      status,
      created_at: 1765432100000,
      size_bytes: 5,
    });
  const { said, options } = lifecycle(
    () => record("running"),
    () => Response.json({ snapshot_id: "snap 1", status: "in_progress" }, { status: 202 }),
    () => snapshot("in_progress"),
    () => snapshot("local_ready"),
    () =>
      Response.json({
        snapshots: [
          { id: "a", sandbox_id: "made" },
          { id: "b", sandbox_id: "other" },
        ],
      }),
    () => record("running"),
    () => snapshot("completed"),
    () => new Response(),
  );
  const sandbox = await Sandbox.connect("box", options);
  const taken = await sandbox.checkpoint({ checkpointType: "memory" });
  equal(
    [taken.snapshotId, taken.sandboxId, taken.status, taken.sizeBytes],
    ["snap 1", "made", "local_ready", 5],
  );
  ok(taken.createdAt instanceof Date, "times are dates");
  equal(
    (await sandbox.listSnapshots()).map(({ snapshotId }) => snapshotId),
    ["a"],
  );
  equal((await Sandbox.getSnapshot("snap 1", options)).status, "completed");
  await Sandbox.deleteSnapshot("snap 1", options);
  equal(said.slice(1), [
    'POST /sandboxes/made/snapshot {"snapshot_type":"memory"}',
    "GET /snapshots/snap%201",
    "GET /snapshots/snap%201",
    "GET /snapshots",
    "GET /sandboxes/made",
    "GET /snapshots/snap%201",
    "DELETE /snapshots/snap%201",
  ]);
  for (const id of ["", ".", "..", 5 as never])
    await rejects(Sandbox.getSnapshot(id, options), "invalid_argument");
  equal(said.length, 8, "nothing else was sent");
});

test("a checkpoint that fails or takes too long says which it is", async () => {
  const begun = () => Response.json({ snapshot_id: "snap", status: "in_progress" }, { status: 202 });
  const of = async (...answers: (() => Response)[]) =>
    Sandbox.connect("box", lifecycle(() => record("running"), begun, ...answers).options);
  const failed = await of(() => Response.json({ id: "snap", status: "failed", error: "disk is full" }));
  const error = await rejects(failed.checkpoint(), "server");
  ok(error.message.includes("snap") && error.message.includes("disk is full"), error.message);
  const slow = await of(() => Response.json({ id: "snap", status: "local_ready" }));
  const late = await rejects(slow.checkpoint({ waitUntil: "completed", timeout: 0.15 }), "wait_timeout");
  ok(late.message.includes("snap"), late.message);
  equal((await (await of(notFound)).checkpoint({ wait: false })).status, "in_progress");
  await rejects((await of(notFound)).checkpoint({ checkpointType: "disk" as never }), "invalid_argument");
});

test("copies of a sandbox come with those that failed", async () => {
  const copies = {
    source_sandbox_id: "made",
    sandboxes: [
      { sandbox_id: "one", status: "running" },
      { sandbox_id: "two", status: "failed", reason: "no_capacity" },
    ],
  };
  const { said, options } = lifecycle(
    () => record("running"),
    () => Response.json(copies, { status: 422 }),
  );
  const sandbox = await Sandbox.connect("box", options);
  const { sourceSandboxId, sandboxes } = await sandbox.copy({ times: 2 });
  equal([sourceSandboxId, sandboxes.map(({ status }) => status)], ["made", ["running", "failed"]]);
  equal(said.at(-1), "POST /sandboxes/made/copy?times=2");
  const refusing = lifecycle(
    () => record("running"),
    () => Response.json({ error: "times is wrong" }, { status: 422 }),
  );
  const error = await rejects((await Sandbox.connect("box", refusing.options)).copy(), "invalid_request");
  equal(error.message, "times is wrong");
});

test("a local server says that it has no snapshots and copies", async ({ url, apiKey, sandbox }) => {
  const reached = { apiUrl: url, apiKey };
  for (const call of [
    () => sandbox.checkpoint(),
    () => sandbox.listSnapshots(),
    () => sandbox.copy(),
    () => Sandbox.listSnapshots(reached),
    () => Sandbox.getSnapshot("snap", reached),
    () => Sandbox.deleteSnapshot("snap", reached),
    () => Sandbox.create({ ...reached, snapshotId: "snap" }),
  ]) {
    const error = await rejects(call(), "unsupported");
    equal([error.status, error.serverCode], [501, "UNSUPPORTED"], String(call));
  }
});

test("the server's trace is told by errors and results", async () => {
  const id = "0af7651916cd43dd8448eb211c80319c";
  const trace = (name: string, value: string) => ({ headers: { [name]: value } });
  const given = trace("traceresponse", `00-${id}-b7ad6b7169203331-01`);
  const events = 'data: {"pid":42,"started_at":1}\n\ndata: {"exit_code":0}\n\n';
  const { sandbox } = await sandboxOf((input, init) => {
    if ((input as string).endsWith("/run"))
      return Promise.resolve(
        new Response(events, { headers: { ...given.headers, "Content-Type": "text/event-stream" } }),
      );
    if (init?.method === "POST")
      return Promise.resolve(Response.json({ error: "no" }, { status: 403, ...given }));
    return Promise.resolve(Response.json({ healthy: true }, given));
  });
  equal(await sandbox.health(), { healthy: true, traceId: id });
  equal((await sandbox.run("true")).traceId, id);
  equal((await rejects(sandbox.startProcess("true"), "permission")).traceId, id);
  for (const header of [
    "",
    "00",
    id,
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    `00-${id.slice(1)}-b7ad6b7169203331-01`,
  ]) {
    const other = await sandboxOf(() =>
      Promise.resolve(Response.json({ healthy: true }, trace("traceparent", header))),
    );
    equal(await other.sandbox.health(), { healthy: true }, header);
  }
});

test("a client object has the calls with its options", async ({ url, apiKey }) => {
  const client = new SandboxClient({ apiUrl: url, apiKey });
  const sandbox = await client.createAndConnect({ timeoutSecs: 600 });
  try {
    equal((await client.get(sandbox.sandboxId)).status, "running");
    ok(
      (await client.list()).some(({ sandboxId }) => sandboxId === sandbox.sandboxId),
      "it is in the list",
    );
    const name = unique("client");
    equal((await client.update(sandbox.sandboxId, { name })).name, name);
    const again = await client.connect(name);
    equal(again.sandboxId, sandbox.sandboxId);
    await client.suspend(name);
    equal((await client.get(name)).status, "suspended");
    await client.resume(name);
    const made = await client.create();
    await client.delete(made.sandboxId);
    equal((await client.get(made.sandboxId)).status, "terminated");
    await rejects(client.listSnapshots(), "unsupported");
    await rejects(client.get("no-such-sandbox"), "sandbox_not_found");
    await rejects(new SandboxClient({ apiUrl: "x" }).list(), "invalid_url");
  } finally {
    client.close();
    await sandbox.terminate();
  }
});
