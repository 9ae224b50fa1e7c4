// `shoreline console` for a server elsewhere: what passes through the command, and for whom.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, type TestContext } from "node:test";
import { Sandbox, ShorelineError } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { WebSocket } from "ws";
import { Way } from "../helpers/way.js";
import { test } from "../helpers/processes.js";
import { opened, post } from "./console-link.js";
import { shoreline } from "./program.js";

let server: LocalServer;

before(async () => {
  server = await startLocal();
});
after(async () => {
  await server.close();
});

const remote = (url = server.url, key = server.apiKey) => ({
  TENSORLAKE_API_URL: url,
  TENSORLAKE_API_KEY: key,
});

interface Granted {
  apiUrl: string;
  namespace: string;
  token: string;
}

/** What the page is given, and a client with it that does what a page's does. */
async function page(t: TestContext, url?: string) {
  const console = await opened(t, ["--relay"], remote(url));
  const { origin, secret } = console;
  const { pass } = JSON.parse((await post(`${origin}/pass`, secret)).text) as { pass: string };
  const given = (await post(`${origin}/token`, pass)).text;
  const granted = JSON.parse(given) as Granted;
  class PageSocket extends WebSocket {
    constructor(address: string) {
      super(address, granted.token, { headers: { Origin: origin } });
    }
  }
  const { apiUrl, namespace, token: apiKey } = granted;
  const client = { apiUrl, namespace, apiKey, WebSocket: PageSocket as never };
  return { ...console, given, granted, client };
}

test("console --relay: the page has a token, and all that it does passes through the command", async (t) => {
  const { origin, given, granted, client, stop } = await page(t);
  const { token } = granted;
  assert.deepEqual(JSON.parse(given), {
    apiUrl: `${origin}/server`,
    namespace: "default",
    token,
    expiresIn: 86_400,
    relayed: true,
  });
  assert.notEqual(token, server.apiKey);
  const policy = (await fetch(`${origin}/console/`)).headers.get("content-security-policy") ?? "";
  assert.match(policy, new RegExp(`; connect-src 'self' ${origin.replace("http", "ws")};`));

  const made = await Sandbox.create({ ...client, name: "elsewhere" });
  t.after(() => Sandbox.terminate("elsewhere", { apiUrl: server.url, apiKey: server.apiKey }));
  const { sandboxUrl } = await made.info();
  assert.equal(sandboxUrl, `${origin}/relay/${made.sandboxId}`);
  assert.deepEqual(
    (await Sandbox.list(client)).map(({ name }) => name),
    ["elsewhere"],
  );
  const { stdout } = await made.run("sh", { args: ["-c", "echo $((6 * 7))"] });
  assert.equal(stdout, "42");
  const bytes = new Uint8Array(3_000_000).fill(7);
  await made.writeFile("large", bytes);
  assert.deepEqual(await made.readFile("large"), bytes);
  const { pid } = await made.startProcess("seq", { args: ["20000"] });
  let lines = 0;
  for await (const { line } of made.followOutput(pid, { transport: "websocket" }))
    assert.equal(line, String(++lines));
  assert.equal(lines, 20_000);
  let screen = "";
  const pty = await made.createPty({
    command: "sh",
    onData: (data) => (screen += new TextDecoder().decode(data)),
  });
  await pty.sendInput("echo $((7 * 7)); exit 3\n");
  assert.equal(await pty.wait(), 3);
  assert.match(screen, /49/);
  await made.suspend();
  assert.equal(await made.status(), "suspended");
  await made.resume();
  assert.equal((await made.run("true")).exitCode, 0);

  // Ctrl-C ends what is open.
  const open = await made.createPty({ command: "cat" });
  const broken = open.wait().catch((error: unknown) => error);
  const { code, stderr } = await stop();
  assert.equal(code, 0);
  assert.match(stderr, /^Requests of the page go through this command, which keeps the API key\.\n/);
  assert.ok(ShorelineError.is(await broken));
  await assert.rejects(fetch(origin));
});

test("console --relay: nobody without the token, and no other page", async (t) => {
  const { origin, granted } = await page(t);
  const { host, port } = new URL(origin);
  const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  t.after(() => sandbox.terminate());
  const list = "/server/v1/namespaces/default/sandboxes";
  const processes = `/relay/${sandbox.sandboxId}/api/v1/processes`;
  const ask = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const given = { Authorization: `Bearer ${granted.token}`, ...headers };
    const asked = request({ host: "127.0.0.1", port, method, path, headers: given }).end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    let text = "";
    for await (const chunk of answer.setEncoding("utf8") as AsyncIterable<string>) text += chunk;
    assert.ok(!text.includes(server.apiKey) && !text.includes(server.url), text);
    return { status: answer.statusCode, text };
  };
  for (const path of [list, processes]) {
    assert.equal((await ask("GET", path)).status, 200, path);
    for (const wrong of ["", "Bearer ", "Bearer x", `Bearer ${server.apiKey}`]) {
      const { status, text } = await ask("GET", path, { Authorization: wrong });
      assert.equal(status, 403);
      assert.match(text, /open the link that `shoreline console` printed/);
    }
    assert.equal((await ask("GET", path, { Host: `evil.example:${port}` })).status, 403);
    assert.equal((await ask("GET", path, { Origin: `http://localhost:${port}` })).status, 403);
  }
  for (const [method, path] of [
    ["GET", "/server/v1/namespaces/default/snapshots"],
    ["POST", "/server/platform/v1/keys/introspect"],
    ["POST", `${list}/${sandbox.sandboxId}/snapshot`],
    ["GET", `${list}/..%2f..%2fx`],
    ["GET", "/server/../console/page.html"],
    ["GET", `/relay/${sandbox.sandboxId}/api/v1/tunnels/tcp`],
  ] as const)
    assert.equal((await ask(method, path)).status, 404, path);
  assert.equal((await ask("TRACE", list)).status, 405);
  assert.equal((await ask("GET", "/relay/no-such/api/v1/processes")).status, 404);

  // A socket without the token or of another page is closed without an answer.
  const path = `/relay/${sandbox.sandboxId}/api/v1/channels`;
  const socket = async (protocol: string, headers: Record<string, string>, at = path) => {
    const opening = new WebSocket(`ws://${host}${at}`, protocol, { headers });
    const result = await Promise.race([
      once(opening, "open").then(() => true),
      once(opening, "error").then(() => false),
    ]).catch(() => false);
    opening.on("error", () => undefined).terminate();
    return result;
  };
  assert.equal(await socket(granted.token, { Origin: origin }), true);
  assert.equal(await socket("other", { Origin: origin }), false);
  assert.equal(await socket(granted.token, { Origin: "https://evil.example" }), false);
  assert.equal(await socket(granted.token, { Host: `evil.example:${port}` }), false);
  assert.equal(await socket(granted.token, { Origin: origin }, "/console/"), false);
  assert.equal((await ask("GET", list)).status, 200);
});

/** A server that is not ours: it issues no tokens for pages. */
async function other(
  t: TestContext,
  answer: (url: string) => number,
): Promise<{ server: Server; url: string }> {
  const made = createServer((asked, response) => {
    const status = answer(asked.url ?? "");
    response.writeHead(status, { "Content-Type": "application/json" }).end('{"sandboxes":[]}');
  });
  await once(made.listen(0, "127.0.0.1"), "listening");
  t.after(() => made.close());
  return { server: made, url: `http://127.0.0.1:${(made.address() as AddressInfo).port}` };
}

test("console: a server without tokens for pages is relayed without an option", async (t) => {
  let status = 200;
  const { url } = await other(t, (path) => (path.includes("/sandboxes") ? status : 404));
  const { origin, secret } = await opened(t, [], remote(url, "a-secret"));
  const { pass } = JSON.parse((await post(`${origin}/pass`, secret)).text) as { pass: string };
  const granted = JSON.parse((await post(`${origin}/token`, pass)).text) as Granted;
  const client = { ...granted, apiKey: granted.token };
  const { apiUrl, namespace, apiKey } = client;
  assert.deepEqual(await Sandbox.list({ apiUrl, namespace, apiKey }), []);
  status = 401;
  await assert.rejects(
    Sandbox.list({ apiUrl, namespace, apiKey }),
    /does not accept the API key: start `shoreline console` again/,
  );
});

test("console: a key that the server refuses, and a server that is away", async (t) => {
  const { url } = await other(t, () => 401);
  const refused = await shoreline("--api-url", url, "--api-key", "a-secret", "console", "--relay");
  assert.equal(refused.code, 121);
  assert.ok(!refused.stderr.includes("a-secret"), refused.stderr);
  const way = await Way.to(server.url);
  t.after(() => way.close());
  const { client } = await page(t, way.url);
  assert.ok(Array.isArray(await Sandbox.list(client)));
  way.cut();
  await assert.rejects(Sandbox.list({ ...client, maxRetries: 0 }), /the server cannot be reached/);
  way.mend();
  assert.ok(Array.isArray(await Sandbox.list(client)));
  way.cut();
  const args = ["--api-url", way.url, "--api-key", "x", "console", "--relay", "--no-open"];
  assert.equal((await shoreline(...args)).code, 123);
});
