// Functions of the caller, and stand-ins for the runtime's own, that throw: none of it reaches the core.
import { equal, rejects, sandboxOf, test } from "./harness.js";
import { answer, events, EXITED, STARTED } from "./peer.js";

test("a body that is locked is an error that names the fetch", async () => {
  const { sandbox } = await sandboxOf(() => {
    const response = answer("{}", "application/json");
    response.body?.getReader();
    return Promise.resolve(response);
  });
  await rejects(sandbox.health(), "missing_capability");
});

test("a stand-in for a response whose methods throw breaks its own call only", async () => {
  const broken = (): never => {
    throw new TypeError("broken");
  };
  const headers = new Headers({ "Content-Type": "application/json" });
  for (const reader of [
    { read: broken, cancel: broken },
    { read: () => Promise.reject(new Error("lost")) },
  ]) {
    const body = { getReader: () => reader };
    const response = { ok: true, status: 200, headers, body } as unknown as Response;
    const { sandbox } = await sandboxOf(() => Promise.resolve(response), { maxRetries: 0 });
    await rejects(sandbox.health(), "connection_lost");
  }
  const unreadable = {
    status: 200,
    headers,
    get body(): never {
      return broken();
    },
  };
  const { sandbox } = await sandboxOf(() => Promise.resolve(unreadable as unknown as Response));
  await rejects(sandbox.health(), "missing_capability");
});

test("variables that cannot be read are a wrong argument", async () => {
  const { sandbox, sent } = await sandboxOf(() => Promise.resolve(events([STARTED, EXITED])));
  const env = new Proxy<Record<string, string>>(
    {},
    {
      ownKeys() {
        throw new TypeError("not these");
      },
    },
  );
  await rejects(sandbox.run("ls", { env }), "invalid_argument");
  equal(sent.length, 0);
  equal((await sandbox.run("ls")).exitCode, 0);
});
