// What takes files and sockets of this machine: listeners, requests through tunnels, uploads.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { Sandbox, ShorelineError } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { test } from "../helpers/processes.js";

const directory = mkdtempSync(join(tmpdir(), "shoreline-test-"));
let server: LocalServer;
let sandbox: Sandbox;
before(async () => {
  server = await startLocal();
  sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
});
after(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

const code = (expected: string) => (error: unknown) => ShorelineError.is(error) && error.code === expected;

/** A server in the sandbox that answers each connection by `handle`, and its port. */
async function serving(handle: string): Promise<number> {
  const script = [
    "import socket, threading",
    "def handle(c):",
    ` with c: ${handle}`,
    "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)",
    "while 1: threading.Thread(target=handle, args=(s.accept()[0],), daemon=True).start()",
  ].join("\n");
  const started = await sandbox.startProcess("python3", { args: ["-c", script] });
  return Number((await started.waitForLine(/^\d+\n/)).line);
}

/** Answers a request with these bytes, once its head has come. */
const answering = (bytes: string) => serving(`c.recv(65536); c.sendall(${JSON.stringify(bytes)}.encode())`);

test("a listener is on this machine's loopback only, and ends with its signal", async () => {
  const port = await serving("c.sendall(c.recv(9)[::-1])");
  const leaving = new AbortController();
  const tunnel = await sandbox.createTunnel(port, { localPort: 0, signal: leaving.signal });
  const socket = connect(tunnel.localPort, "127.0.0.1");
  socket.end("one");
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.equal(String(answer), "eno");
  const others = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  for (const { address } of others.filter(({ internal, family }) => !internal && family === "IPv4"))
    await assert.rejects(once(connect(tunnel.localPort, address), "connect"), { code: "ECONNREFUSED" });
  const idle = connect(tunnel.localPort, "127.0.0.1");
  await once(idle, "connect");
  leaving.abort();
  await once(idle, "close");
  await tunnel.close();
  await assert.rejects(once(connect(tunnel.localPort, "127.0.0.1"), "connect"), { code: "ECONNREFUSED" });
  await assert.rejects(sandbox.createTunnel(port, { localPort: 0, signal: leaving.signal }), code("aborted"));
});

test("a connection that cannot be passed on is told, and the listener goes on", async () => {
  let told!: (what: [unknown, string]) => void;
  const failure = new Promise<[unknown, string]>((resolve) => (told = resolve));
  const onError = (error: unknown, from: string) => {
    told([error, from]);
  };
  await using tunnel = await sandbox.createTunnel(1, { localPort: 0, onError });
  const socket = connect(tunnel.localPort, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  const { localPort } = socket;
  const [error, from] = await failure;
  assert.ok(code("connect_failed")(error), String(error));
  assert.equal(from, `127.0.0.1:${localPort}`);
  await once(connect(tunnel.localPort, "127.0.0.1"), "connect");
  for (const localPort of [-1, 65_536, 1.5, "80"])
    await assert.rejects(
      sandbox.createTunnel(1, { localPort: localPort as number }),
      code("invalid_argument"),
    );
});

test("a request's body and an answer's body are streams; leaving one ends the connection", async () => {
  const port = await serving(
    "\n  while c.recv(65536): c.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 1000000\\r\\n\\r\\n' + b'x' * 10)",
  );
  const answer = await sandbox.fetch(port, "/");
  const reader = answer.body?.getReader();
  assert.ok((await reader?.read())?.value?.length);
  await reader?.cancel();
  const abort = new AbortController();
  const other = await sandbox.fetch(port, "/", { signal: abort.signal });
  const text = other.text();
  abort.abort();
  await assert.rejects(text);
  const failing = new ReadableStream({
    pull() {
      throw new Error("the source failed");
    },
  });
  await assert.rejects(sandbox.fetch(await answering(""), "/", { method: "POST", body: failing }), (error) =>
    code("connection_lost")(error),
  );
});

test("answers that are no HTTP, break off or lead in circles are errors", async () => {
  const bad = await answering("220 smtp.example ready\r\n");
  await assert.rejects(sandbox.fetch(bad, "/"), code("connection_lost"));
  await assert.rejects(sandbox.fetch(await serving("pass"), "/"), code("connection_lost"));
  const cut = await sandbox.fetch(await answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"), "/");
  await assert.rejects(cut.text());
  const odd = await answering("HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n");
  await assert.rejects(sandbox.fetch(odd, "/"), code("invalid_response"));
  const circle = await answering("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n");
  await assert.rejects(sandbox.fetch(circle, "/"), code("invalid_response"));
  await assert.rejects(sandbox.fetch(circle, "/", { redirect: "error" }), code("invalid_response"));
  const away = await answering(
    "HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example/\r\ncontent-length: 0\r\n\r\n",
  );
  assert.equal((await sandbox.fetch(away, "/")).status, 302);
});

test("an exposed port of a local server is reached through a tunnel here", async () => {
  const port = await answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  await sandbox.update({ exposedPorts: [port] });
  assert.equal(
    sandbox.urlForPort(port),
    `http://${port}-${sandbox.sandboxId}.localhost:${new URL(server.url).port}`,
  );
  assert.equal(await (await sandbox.fetch(port)).text(), "ok");
});

test("a local file is uploaded", async () => {
  const path = join(directory, "-a file\n");
  for (const size of [0, 1, 5_000_000]) {
    const bytes = Buffer.alloc(size, "0123456789");
    writeFileSync(path, bytes);
    await sandbox.uploadFile(path, "/workspace/copied/file");
    assert.deepEqual(Buffer.from(await sandbox.readFile("/workspace/copied/file")), bytes);
  }
  const missing = join(directory, "missing");
  await assert.rejects(sandbox.uploadFile(missing, "/workspace/x"), code("invalid_argument"));
  await assert.rejects(sandbox.uploadFile(directory, "/workspace/x"));
});
