// `shoreline console`: who gets the page, and who a token. What the page does is in tests/console.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { Sandbox } from "shoreline";
import { test } from "../helpers/processes.js";
import { opened, post } from "./console-link.js";
import { LOCAL, shoreline } from "./program.js";

test("console: the link's secret is good once, and gives a tab tokens that are no key", async (t) => {
  const { origin, secret, stop } = await opened(t);
  assert.equal((await post(`${origin}/pass`, "x".repeat(32))).status, 403);
  assert.equal((await post(`${origin}/token`, secret)).status, 403);
  const { pass } = JSON.parse((await post(`${origin}/pass`, secret)).text) as { pass: string };
  const again = await post(`${origin}/pass`, secret);
  assert.deepEqual(again, {
    status: 403,
    text: "The link was used already. Start `shoreline console` again.",
  });
  assert.equal((await post(`${origin}/pass`, "")).status, 403);
  const given = JSON.parse((await post(`${origin}/token`, pass)).text) as Record<string, string>;
  const { apiUrl = "", token = "" } = given;
  assert.deepEqual(given, { apiUrl, token, expiresIn: 300 });
  // As the page asks: browsers say where it is from.
  const asPage = { fetch: (url: string, init?: RequestInit) => fetch(url, withOrigin(init, origin)) };
  assert.ok(Array.isArray(await Sandbox.list({ apiUrl, apiKey: token, ...asPage })));
  await assert.rejects(Sandbox.list({ apiUrl, apiKey: token }), { code: "authentication" });

  // A page that is still open does not start the server again.
  await shoreline("local", "stop");
  const late = await post(`${origin}/token`, pass);
  assert.deepEqual(late, { status: 503, text: "the local server has stopped: start the console again" });
  const { code, stderr } = await stop();
  assert.equal(code, 0);
  assert.match(
    stderr,
    new RegExp(`(${LOCAL.source})?Open it in one tab\\. Press Ctrl-C to close the console\\.\\n$`),
  );
});

function withOrigin(init: RequestInit | undefined, origin: string): RequestInit {
  const headers = new Headers(init?.headers);
  headers.set("Origin", origin);
  return { ...init, headers };
}

test("console: nobody else gets the page or a token", async (t) => {
  const { origin, secret } = await opened(t);
  const { port } = new URL(origin);
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const asked = request({ host: "127.0.0.1", port, path, headers }).end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    answer.resume();
    return answer;
  };
  const page = await get("/console/");
  assert.equal(page.statusCode, 200);
  const policy = String(page.headers["content-security-policy"]);
  assert.match(policy, /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'sha256-[^ ;]+'; /);
  assert.match(policy, /frame-ancestors 'none'$/);
  // A name that somebody points here.
  for (const host of [`evil.example:${port}`, `localhost:${port}`, "127.0.0.1"])
    assert.equal((await get("/console/", { Host: host })).statusCode, 403, host);
  assert.equal((await get("/console/", { Origin: "https://evil.example" })).statusCode, 403);
  const foreign = await post(`${origin}/pass`, secret, { Origin: "https://evil.example" });
  assert.equal(foreign.status, 403);
  for (const path of [
    "/",
    "/console",
    "/cli/main.js",
    "/console/../cli/main.js",
    "/console/..%2fcli/main.js",
    "//etc/passwd",
  ])
    assert.equal((await get(path)).statusCode, 404, path);
  // Nothing of that has used the secret up; a body without end is not read.
  const huge = post(`${origin}/pass`, "x".repeat(1_000_000));
  assert.ok([undefined, 403].includes(await huge.then(({ status }) => status).catch(() => undefined)));
  assert.equal((await post(`${origin}/pass`, secret, { Origin: origin })).status, 200);
});

test("console: a wrong key, and a port that is taken", async (t) => {
  const other = createServer();
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const apiUrl = (await shoreline("local", "start")).stdout.trim();
  const wrong = await shoreline("--api-url", apiUrl, "--api-key", "wrong", "console");
  assert.deepEqual([wrong.code, wrong.stderr], [121, "Error: the server does not know this key\n"]);
  const taken = await shoreline("console", "--no-open", "--port", String(port));
  assert.equal(taken.code, 125);
  assert.match(
    taken.stderr,
    new RegExp(`Error: port ${port} is in use: leave out --port, or name another\n$`),
  );
  assert.equal((await shoreline("console", "--port", "0")).code, 2);
});
