// WebSockets through the relay in Node: terminals, and output with `transport: "websocket"`.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { after, before, type TestContext } from "node:test";
import { Sandbox, ShorelineError } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { createRelay, type RelayScope } from "shoreline/relay";
import { WebSocket, WebSocketServer } from "ws";
import { test } from "../helpers/processes.js";

let server: LocalServer;
let sandbox: Sandbox;
let origin: string;
let allow: RelayScope[];
const told: unknown[] = [];
/** The page's connections. */
const sockets = new Set<Socket>();
const app = createServer((_, response) => response.writeHead(404).end());

before(async () => {
  server = await startLocal();
  sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  const relay = createRelay({
    apiKey: server.apiKey,
    sandboxUrl: (id) => `${server.url}/s/${id}`,
    authorize: ({ headers }) => (headers.get("authorization") === "Bearer page" ? allow : null),
    onError: (error) => told.push(error),
  });
  app.on("upgrade", relay.upgrade);
  app.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await once(app.listen(0, "127.0.0.1"), "listening");
  origin = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
  mine = (apiKey) =>
    Sandbox.connect({
      sandboxId: sandbox.sandboxId,
      proxyUrl: `${origin}/sandboxes/${sandbox.sandboxId}`,
      apiKey,
      fetch: (input, init) => relay(new Request(input, init)),
    });
});
let mine: (apiKey: string) => Promise<Sandbox>;
after(async () => {
  for (const socket of sockets) socket.destroy();
  app.close();
  await server.close();
});

test("a terminal, to its exit code", async () => {
  allow = ["terminals"];
  let screen = "";
  const pty = await (
    await mine("page")
  ).createPty({
    command: "sh",
    args: ["-c", "read line; echo got $line; exit 7"],
    onData: (data) => {
      screen += new TextDecoder().decode(data);
    },
  });
  await pty.sendInput("typed\n");
  assert.equal(await pty.wait(), 7);
  assert.match(screen, /got typed/);
  await assert.rejects((await mine("other")).connectPty(pty.sessionId, pty.token), ShorelineError);
});

test("ten outputs over one socket, and every line of a flood", async () => {
  allow = ["processes", "output"];
  const page = await mine("page");
  const count = 20_000;
  const follow = async () => {
    const { pid } = await page.startProcess("seq", { args: [String(count)] });
    let lines = 0;
    for await (const { line } of page.followOutput(pid, { transport: "websocket" }))
      assert.equal(line, String(++lines));
    return lines;
  };
  assert.deepEqual(await Promise.all(Array.from({ length: 10 }, follow)), Array<number>(10).fill(count));
});

/** A relay to a sandbox's server that this test plays, and a page that is connected through it. */
async function played(
  t: TestContext,
  serve: (theirs: WebSocket) => void,
): Promise<{ page: WebSocket; theirs: WebSocket }> {
  const upstream = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(upstream, "listening");
  const front = createServer();
  const { port } = upstream.address() as AddressInfo;
  const through = createRelay({
    apiKey: "key",
    sandboxUrl: () => `http://127.0.0.1:${port}`,
    authorize: () => ["terminals"],
  });
  front.on("upgrade", through.upgrade);
  await once(front.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    front.close();
    front.closeAllConnections();
    for (const client of upstream.clients) client.terminate();
    upstream.close();
  });
  const connected = once(upstream, "connection") as Promise<[WebSocket]>;
  upstream.once("connection", serve);
  const at = (front.address() as AddressInfo).port;
  const page = new WebSocket(`ws://127.0.0.1:${at}/sandboxes/box/api/v1/pty/x/ws`);
  const [theirs] = await connected;
  return { page, theirs };
}

test("what the sandbox sends at once arrives, and its end with code and reason", async (t) => {
  const { page } = await played(t, (theirs) => {
    theirs.send("early");
    theirs.close(4321, "over");
  });
  const texts: string[] = [];
  page.on("message", (data) => texts.push((data as Buffer).toString()));
  const [code, reason] = (await once(page, "close")) as [number, Buffer];
  assert.deepEqual([texts, code, String(reason)], [["early"], 4321, "over"]);
});

test("when the page goes, so does the sandbox's socket", async (t) => {
  const { page, theirs } = await played(t, () => undefined);
  const closed = once(theirs, "close");
  await once(page, "open");
  page.terminate();
  await closed;
});

/** The head and the body of the answer to a request for a socket. */
async function asked(path: string, headers: Record<string, string> = {}): Promise<string> {
  const socket = connect(Number(new URL(origin).port), "127.0.0.1");
  const lines = Object.entries({
    Host: "app.example",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    Authorization: "Bearer page",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
  let text = "";
  for await (const data of socket.setEncoding("utf8") as AsyncIterable<string>) text += data;
  return text;
}

test("what is refused is told in JSON, and the program goes on", async () => {
  allow = ["output"];
  const path = `/sandboxes/${sandbox.sandboxId}/api/v1`;
  const refused = async (answer: Promise<string>, status: number, code: string) => {
    const text = await answer;
    assert.ok(text.startsWith(`HTTP/1.1 ${status} `) && text.includes(`"code":"${code}"`), text);
    assert.ok(!text.includes(server.apiKey) && !text.includes(server.url), text);
  };
  await refused(asked(`${path}/pty/x/ws`), 403, "FORBIDDEN");
  await refused(asked(`${path}/none`), 404, "NOT_FOUND");
  await refused(asked(`${path}/channels`, { Origin: "https://evil.example" }), 403, "ORIGIN_NOT_ALLOWED");
  await refused(asked(`${path}/channels`, { Authorization: "Bearer other" }), 403, "FORBIDDEN");
  assert.deepEqual(told, []);
  // A request that no URL can be made of must not end the program.
  for (const Host of ["a b", "", "[", "a:99999"])
    await refused(asked(`${path}/channels`, { Host }), 404, "NOT_FOUND");
  allow = ["terminals"];
  await refused(asked(`${path}/pty/none/ws`), 502, "UPSTREAM_FAILED");
  assert.equal(told.length, 1);
});
