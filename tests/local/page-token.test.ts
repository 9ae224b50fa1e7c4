// `pageToken`: what a page may have instead of the key.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before } from "node:test";
import { inspect } from "node:util";
import { ShorelineError } from "shoreline";
import { type LocalServer, pageToken, startLocal } from "shoreline/local";
import { test } from "../helpers/processes.js";

const ORIGIN = "http://127.0.0.1:5173";
let server: LocalServer;
before(async () => {
  server = await startLocal();
});
after(() => server.close());

const made = (options: Partial<Parameters<typeof pageToken>[0]> = {}) =>
  pageToken({ apiUrl: server.url, apiKey: server.apiKey, origin: ORIGIN, ...options });
async function fails(options: Parameters<typeof made>[0], code: string): Promise<ShorelineError> {
  const error: unknown = await made(options).catch((thrown: unknown) => thrown);
  assert.ok(ShorelineError.is(error), String(error));
  assert.equal(error.code, code);
  return error;
}

test("a token lets pages of its origin in, as long as it says", async () => {
  const { token, expiresIn } = await made();
  assert.equal(expiresIn, 300);
  assert.equal((await made({ expiresIn: 7 })).expiresIn, 7);
  const ask = async (origin: string) => {
    const headers = { Authorization: `Bearer ${token}`, Origin: origin };
    return (await fetch(`${server.url}/sandboxes`, { headers })).status;
  };
  assert.equal(await ask(ORIGIN), 200);
  assert.equal(await ask("http://127.0.0.1:5174"), 403);
});

test("what is wrong is said, and by whom", async () => {
  for (const options of [
    { origin: "null" },
    { expiresIn: 0 },
    { expiresIn: 3601 },
    { apiUrl: "127.0.0.1" },
    { apiKey: "" },
  ])
    await fails(options, "invalid_argument");
  await fails({ apiKey: "wrong" }, "authentication");
});

test("a key is in no error, whatever is wrong with it", async () => {
  const { port } = new URL(server.url);
  for (const options of [
    { apiKey: "sl_secret\n" },
    { apiKey: "sl_secret\r\nX-Other: 1" },
    { apiKey: "sl_secret\0" },
    { apiKey: "sl_secret\u2028" },
    { apiUrl: `http://user:sl_secret@127.0.0.1:${port}` },
    { apiUrl: `http://sl_secret@127.0.0.1:${port}` },
    { apiUrl: "http://sl_secret@[" },
  ]) {
    const error = await fails(options, "invalid_argument");
    assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes("sl_secret"), inspect(options));
  }
});

test("servers that make none, and those that are none", async (t) => {
  let answer: { status: number; body: string } = { status: 404, body: "{}" };
  const other = createServer((_, response) => {
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  t.after(() => other.close());
  const apiUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  await fails({ apiUrl }, "unsupported");
  const long = `{"token":"x","expires_in":1,"more":"${"x".repeat(70_000)}"}`;
  for (const body of ["", "null", "[]", "{}", '{"token":1}', long]) {
    answer = { status: 201, body };
    await fails({ apiUrl }, "invalid_response");
  }
  answer = { status: 500, body: '{"error":"it is broken"}' };
  assert.match((await fails({ apiUrl }, "server")).message, /\(500\): it is broken$/);
  other.close();
  other.closeAllConnections();
  await fails({ apiUrl }, "connect_failed");
});
