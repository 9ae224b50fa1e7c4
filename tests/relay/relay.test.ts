// The relay between a page and a real local server: what is granted works as without it, the rest is refused.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { SignJWT } from "jose";
import { Sandbox } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { createRelay, type Relay, type RelayOptions, type RelayScope } from "shoreline/relay";
import * as route from "../../examples/relay/route.js";
import worker from "../../examples/relay/worker.js";
import { prompt } from "../helpers/prompt.js";

const APP = "https://app.example";
const SECRET = "a secret of at least 32 characters";
const ALL: RelayScope[] = ["processes", "output", "files:read", "files:write", "terminals"];

let server: LocalServer;
let sandbox: Sandbox;
let base: string;
let relay: Relay;

before(async () => {
  server = await startLocal();
  sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  base = `${APP}/sandboxes/${sandbox.sandboxId}`;
  relay = made({ allow: ALL });
});

after(async () => {
  await sandbox.terminate();
  await server.close();
});

interface Made extends Partial<RelayOptions> {
  allow: RelayScope[];
  upstream?: typeof fetch;
}

function made({ allow, upstream = fetch, ...options }: Made): Relay {
  return createRelay({
    apiKey: server.apiKey,
    sandboxUrl: (id) => `${server.url}/s/${id}`,
    authorize: (request, id) =>
      request.headers.get("authorization") === "Bearer page" && id === sandbox.sandboxId ? allow : null,
    origins: ["https://other.example"],
    tokenSecret: SECRET,
    fetch: upstream,
    ...options,
  });
}

/** A request of the page, which is signed in. */
const get = (path: string, headers: Record<string, string> = {}, method = "GET", through = relay) =>
  through(new Request(path, { method, headers: { authorization: "Bearer page", ...headers } }));

async function refused(response: Response, status: number, code: string): Promise<void> {
  const text = await response.text();
  assert.deepEqual([response.status, (JSON.parse(text) as { code: string }).code], [status, code], text);
  assert.ok(!text.includes(server.apiKey) && !text.includes(server.url) && !text.includes(SECRET), text);
}

const page = (through: (request: Request) => Promise<Response>): Promise<Sandbox> =>
  Sandbox.connect({
    sandboxId: sandbox.sandboxId,
    proxyUrl: base,
    apiKey: "page",
    fetch: (input, init) => through(new Request(input, init)),
  });

test("a page runs, writes and reads files", async () => {
  const mine = await page(relay);
  const { stdout, exitCode } = await mine.run("echo", { args: ["hello"] });
  assert.deepEqual([stdout, exitCode], ["hello", 0]);
  const bytes = new Uint8Array(3_000_000).map((_, i) => i * 7);
  await mine.writeFile("/tmp/relay.bin", bytes);
  assert.deepEqual(await mine.readFile("/tmp/relay.bin"), bytes);
  await mine.deleteFile("/tmp/relay.bin");
});

test("a page follows output over a broken connection by Last-Event-ID", async () => {
  const ids: (string | null)[] = [];
  const mine = await page(async (request) => {
    const response = await relay(request);
    if (!request.url.endsWith("/follow") || !response.body) return response;
    ids.push(request.headers.get("last-event-id"));
    if (ids.length > 1) return response;
    const reader = response.body.getReader();
    let read = 0;
    const cut = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { value } = await reader.read();
        if (!value || read > 500) {
          controller.error(new Error("cut"));
          await reader.cancel();
          return;
        }
        read += value.length;
        controller.enqueue(value);
      },
    });
    return new Response(cut, response);
  });
  const { pid } = await mine.startProcess("sh", {
    args: ["-c", "for i in $(seq 60); do echo $i; sleep 0.02; done"],
  });
  const lines: string[] = [];
  for await (const { text } of mine.followOutput(pid)) lines.push(text.trim());
  assert.deepEqual(
    lines,
    Array.from({ length: 60 }, (_, i) => String(i + 1)),
  );
  assert.ok(ids.length > 1 && Number(ids[1]) > 0, String(ids));
});

test("what is not a route is refused before anybody is asked", async () => {
  let asked = 0;
  const counting = made({
    allow: ALL,
    upstream: async () => {
      asked += 1;
      return new Response();
    },
  });
  for (const path of [
    `${APP}/sandboxes`,
    `${APP}/other/${sandbox.sandboxId}/api/v1/processes`,
    `${base}/../../platform/v1/keys/introspect`,
    `${base}/api/v1/processes/..%2f..%2fsandboxes`,
    `${base}/api/v1/processes/%252e%252e`,
    `${base}/api/v1/processes/..%5c`,
    `${base}/api/v1/processes/%2e%2e/%2e%2e/v1/namespaces/default/sandboxes`,
    `${base}/api/v1/processes/a%00`,
    `${base}/api/v1/processes/%zz`,
    `${base}/api/v1//processes`,
    `${base}/api/v1/processes/`,
    `${base}/api/v1/tunnels/tcp`,
    `${base}/api/v1/info`,
    `${APP}/sandboxes/evil.example%2f/api/v1/processes`,
    `${APP}/sandboxes/evil.example/api/v1/processes`,
    `${APP}/sandboxes/a@evil/api/v1/processes`,
    `${APP}/sandboxes//evil/api/v1/processes`,
    `${APP}/sandboxes/${sandbox.sandboxId}`,
  ]) {
    await refused(await get(path, {}, "GET", counting), 404, "NOT_FOUND");
  }
  await refused(await get(`${base}/api/v1/processes`, {}, "PATCH", counting), 404, "NOT_FOUND");
  assert.equal(asked, 0);
});

test("a socket with channels is held to the grant, whatever the page asks for", async () => {
  const asked: string[] = [];
  const upstream: typeof fetch = async (input) => {
    asked.push(new URL(input as string).search);
    return new Response("{}", { status: 426 });
  };
  const path = `${base}/api/v1/channels`;
  const seeing = made({ allow: ["output"], upstream });
  assert.equal((await get(`${path}?allow=processes&allow=output`, {}, "GET", seeing)).status, 426);
  assert.equal((await get(path, {}, "GET", made({ allow: ALL, upstream }))).status, 426);
  assert.deepEqual(asked, ["?allow=output", `?allow=${encodeURIComponent(ALL.join())}`]);
  await refused(await get(path, {}, "GET", made({ allow: ["processes"], upstream })), 403, "FORBIDDEN");
  // Nothing that answers a request in Node can carry it.
  await refused(await get(path, { upgrade: "websocket" }), 501, "WEBSOCKET_UNSUPPORTED");
});

test("what is not granted is refused: another sandbox, another scope, nobody", async () => {
  await refused(await get(`${APP}/sandboxes/other/api/v1/processes`), 403, "FORBIDDEN");
  await refused(await relay(new Request(`${base}/api/v1/processes`)), 403, "FORBIDDEN");
  const seeing = made({ allow: ["output"] });
  assert.equal((await get(`${base}/api/v1/processes`, {}, "GET", seeing)).status, 200);
  await refused(await get(`${base}/api/v1/processes`, {}, "POST", seeing), 403, "FORBIDDEN");
  await refused(await get(`${base}/api/v1/files?path=/etc/passwd`, {}, "GET", seeing), 403, "FORBIDDEN");
});

test("tokens hold for their sandbox, scope and time, in a path and in a query", async (t) => {
  const { sandboxId } = sandbox;
  const token = await relay.token({ sandboxId, allow: ["output"], seconds: 60 });
  const by = (path: string, through = relay) => through(new Request(path));
  assert.equal((await by(`${base}/token/${token}/api/v1/processes`)).status, 200);
  assert.equal((await by(`${base}/api/v1/processes?relay_token=${token}`)).status, 200);
  await refused(await by(`${base}/token/${token}/api/v1/files?path=/x`), 403, "FORBIDDEN");
  await refused(await by(`${APP}/sandboxes/other/token/${token}/api/v1/processes`), 401, "INVALID_TOKEN");

  const [head = "", payload = "", signature = ""] = token.split(".");
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  const key = new TextEncoder().encode(SECRET);
  const signed = (given: object) =>
    new SignJWT({ ...claims, ...given }).setProtectedHeader({ alg: "HS256", kid: "" }).sign(key);
  for (const forged of [
    `${head}.${encoded({ ...claims, allow: ALL })}.${signature}`,
    `${encoded({ alg: "none", kid: "" })}.${payload}.`,
    `${head}.${payload}.`,
    payload,
    "",
    "x.y.z",
    `${token}.z`,
    // Signed with the secret, but for something else, for ever, or by a program that knows other scopes.
    await signed({ aud: "an app" }),
    await signed({ exp: undefined }),
    await signed({ allow: ["everything"] }),
  ]) {
    await refused(await by(`${base}/api/v1/processes?relay_token=${forged}`), 401, "INVALID_TOKEN");
  }
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 62_000 });
  await refused(await by(`${base}/token/${token}/api/v1/processes`), 401, "INVALID_TOKEN");
});

test("a secret is replaced while tokens of the old one still hold", async () => {
  const allow: RelayScope[] = ["output"];
  const [old, next] = ["a", "b"].map((id) => ({ id, secret: id.repeat(32) }));
  assert.ok(old && next);
  const tokens: string[] = [];
  const relays = [[old], [next, old], [next]].map((tokenSecret) => made({ allow, tokenSecret }));
  const { sandboxId } = sandbox;
  for (const each of relays) tokens.push(await each.token({ sandboxId, allow }));
  const accepted = await Promise.all(
    relays.map((each) =>
      Promise.all(
        tokens.map(async (token) => (await each(new Request(`${base}/token/${token}/api/v1/processes`))).ok),
      ),
    ),
  );
  assert.deepEqual(accepted, [
    [true, false, false],
    [true, true, true],
    [false, true, true],
  ]);
  for (const tokenSecret of ["short", [], [old, old], [{ id: "a", secret: "short" }]])
    assert.throws(() => made({ allow, tokenSecret }), /tokenSecret/);
});

test("what made the relay fail is told to `onError` alone, and without a key nothing is sent", async () => {
  const told: unknown[] = [];
  let sent = 0;
  const through = createRelay({
    apiKey: () => undefined as unknown as string,
    sandboxUrl: () => server.url,
    authorize: () => ALL,
    onError: (error, { url }) => {
      told.push((error as Error).message, new URL(url).pathname.startsWith("/sandboxes/"));
      throw new Error("a hook that fails");
    },
    fetch: () => Promise.reject(new Error(`${++sent}`)),
  });
  await refused(await get(`${base}/api/v1/processes`, {}, "GET", through), 502, "UPSTREAM_FAILED");
  assert.deepEqual([told, sent], [["the relay's `apiKey` function gave no key", true], 0]);
  await refused(await get(`${base}/api/v1/none`, {}, "GET", through), 404, "NOT_FOUND");
  assert.equal(told.length, 2);
});

test("behind a proxy, the page's origin is what the proxy says, if that is trusted", async () => {
  const inside = `http://10.0.0.1:3000/sandboxes/${sandbox.sandboxId}/api/v1/processes`;
  const headers = { "x-forwarded-proto": "https, http", "x-forwarded-host": "app.example", origin: APP };
  await refused(await get(inside, headers), 403, "ORIGIN_NOT_ALLOWED");
  const trusting = made({ allow: ALL, trustForwarded: true });
  assert.equal((await get(inside, headers, "GET", trusting)).status, 200);
  const other = { ...headers, origin: "http://10.0.0.1:3000" };
  await refused(await get(inside, other, "GET", trusting), 403, "ORIGIN_NOT_ALLOWED");
});

test("requests name the organization and the project where both are set", async () => {
  const sent: (string | null)[] = [];
  for (const projectId of ["project", undefined]) {
    const through = createRelay({
      apiKey: "key",
      organizationId: "organization",
      projectId,
      authorize: () => ["output"],
      fetch: (_, init) => {
        const headers = new Headers(init?.headers);
        sent.push(headers.get("x-forwarded-organization-id"), headers.get("x-forwarded-project-id"));
        return Promise.resolve(new Response("{}"));
      },
    });
    assert.equal((await get(`${base}/api/v1/processes`, {}, "GET", through)).status, 200);
  }
  assert.deepEqual(sent, ["organization", "project", null, null]);
});

test("only what is on the lists passes, both ways, and a sandbox's answer cannot lead elsewhere", async () => {
  let sent = new Headers();
  let redirect: string | undefined;
  const answers = [
    new Response("x", { headers: { "set-cookie": "a=b", "x-powered-by": "y", "content-type": "text/html" } }),
    new Response(null, { status: 302, headers: { location: "https://evil.example" } }),
    new Response(server.apiKey, { status: 401 }),
  ];
  const through = made({
    allow: ALL,
    upstream: async (_, init) => {
      sent = new Headers(init?.headers);
      redirect = init?.redirect;
      return answers.shift() ?? Promise.reject(new Error(`failed with ${server.apiKey}`));
    },
  });
  const path = `${base}/api/v1/processes`;
  const first = await get(
    path,
    { cookie: "c=d", "x-tensorlake-route-hint": "z", "last-event-id": "7" },
    "GET",
    through,
  );
  assert.deepEqual(Object.fromEntries(sent), {
    authorization: `Bearer ${server.apiKey}`,
    "last-event-id": "7",
    "x-tensorlake-sandbox-id": sandbox.sandboxId,
  });
  // A fetch that followed would take the key along to some hosts.
  assert.equal(redirect, "manual");
  assert.deepEqual(
    [...first.headers.keys()],
    ["content-security-policy", "content-type", "vary", "x-content-type-options"],
  );
  await refused(await get(path, {}, "GET", through), 502, "UPSTREAM_REFUSED");
  await refused(await get(path, {}, "GET", through), 502, "UPSTREAM_REFUSED");
  await refused(await get(path, {}, "GET", through), 502, "UPSTREAM_FAILED");
});

test("pages of the given origins may call, others may not; WebSockets are told how", async () => {
  const path = `${base}/api/v1/processes`;
  const allowed = await get(path, { origin: "https://other.example" });
  assert.equal(allowed.headers.get("access-control-allow-origin"), "https://other.example");
  await refused(await get(path, { origin: "https://evil.example" }), 403, "ORIGIN_NOT_ALLOWED");
  assert.equal((await get(path, { origin: "https://other.example" }, "OPTIONS")).status, 204);
  const socket = await get(`${base}/api/v1/pty/a/ws`, { upgrade: "websocket" });
  await refused(socket, 501, "WEBSOCKET_UNSUPPORTED");
});

test("the sandbox's server sees within 100 ms that the client has gone", { timeout: 60_000 }, async (t) => {
  let closed: (at: number) => void = () => {};
  const upstream = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(": here\n\n");
    response.on("close", () => {
      closed(performance.now());
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    upstream.close();
    upstream.closeAllConnections();
  });
  const { port } = upstream.address() as AddressInfo;
  const through = createRelay({
    apiKey: "key",
    sandboxUrl: () => `http://127.0.0.1:${port}`,
    authorize: () => ALL,
  });
  for (const how of ["abort", "cancel"]) {
    await prompt(async () => {
      const seen = new Promise<number>((resolve) => (closed = resolve));
      const leaving = new AbortController();
      const path = `${base}/api/v1/processes/1/output/follow`;
      const response = await through(new Request(path, { signal: leaving.signal }));
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      await reader.read(); // which a relay that buffers would not give
      const began = performance.now();
      if (how === "abort") leaving.abort();
      else await reader.cancel();
      return (await seen) - began;
    });
  }
});

test("the example for a Worker and the one for Next work", async () => {
  const SANDBOX_URL = `${server.url}/s/${sandbox.sandboxId}`;
  const given = { TENSORLAKE_API_KEY: server.apiKey, SANDBOX: sandbox.sandboxId, SANDBOX_URL };
  const mine = await page((request) =>
    worker.fetch(request, { ...given, PAGE_KEY: "page", TOKEN_SECRET: SECRET }),
  );
  assert.equal((await mine.run("echo", { args: ["worker"] })).stdout, "worker");
  Object.assign(process.env, given);
  const path = `${base}/api/v1/files/list?path=/`;
  assert.equal((await route.GET(new Request(path, { headers: { cookie: "session=mine" } }))).status, 200);
  await refused(await route.GET(new Request(path)), 403, "FORBIDDEN");
});
