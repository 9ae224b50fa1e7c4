// `pageToken`: what a page may have instead of the key.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before } from "node:test";
import { ShorelineError, UsageError } from "shoreline";
import { type LocalServer, LocalServerError, pageToken, startLocal } from "shoreline/local";
import { test } from "../helpers/processes.js";

const ORIGIN = "http://127.0.0.1:5173";
let server: LocalServer;
before(async () => {
  server = await startLocal();
});
after(() => server.close());

const made = (options: Partial<Parameters<typeof pageToken>[0]> = {}) =>
  pageToken({ apiUrl: server.url, apiKey: server.apiKey, origin: ORIGIN, ...options });
const failure = (options: Parameters<typeof made>[0]) =>
  made(options).then(
    () => assert.fail("it made one"),
    (error: unknown) => error,
  );

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
  ]) {
    const error = await failure(options);
    assert.ok(error instanceof UsageError, String(error));
    assert.equal(error.code, "invalid_argument");
  }
  const error = await failure({ apiKey: "wrong" });
  assert.ok(error instanceof LocalServerError && error instanceof ShorelineError);
  assert.equal(error.code, "unavailable");
  assert.match(error.message, /it answered 401$/);
});

test("servers that make none, and those that are none", async (t) => {
  let answer: { status: number; body: string } = { status: 404, body: "{}" };
  const other = createServer((_, response) => {
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  t.after(() => other.close());
  const apiUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  const saysSo = async (pattern: RegExp) => {
    const error = await failure({ apiUrl });
    assert.ok(error instanceof LocalServerError, String(error));
    assert.match(error.message, pattern);
  };
  await saysSo(/it is no local server/);
  for (const body of [
    "",
    "null",
    "{}",
    '{"token":1}',
    `{"token":"x","expires_in":1,"more":"${"x".repeat(70_000)}"}`,
  ]) {
    answer = { status: 201, body };
    await saysSo(/it answered (201|something else)$/);
  }
  other.close();
  other.closeAllConnections();
  await saysSo(/it could not be reached$/);
});
