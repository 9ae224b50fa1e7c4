// Connections into a sandbox, which need a WebSocket that sends headers.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { after, before } from "node:test";
import { ConnectionError, Sandbox, ShorelineError, type Tunnel, type TunnelOptions } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { refusingPort } from "../../helpers/loopback.js";
import { test } from "../../helpers/processes.js";

let server: LocalServer;
let sandbox: Sandbox;
before(async () => {
  server = await startLocal({ network: "host" });
  sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
});
after(() => server.close());

/** Has something listen, which local sandboxes reach as if it were in them, and connects. */
async function connected(
  serve: (socket: Socket) => void,
  use: (tunnel: Tunnel, port: number) => Promise<void>,
  options?: TunnelOptions,
): Promise<void> {
  const listening: Server = createServer({ allowHalfOpen: true }, serve).listen(0, "127.0.0.1");
  await once(listening, "listening");
  const { port } = listening.address() as { port: number };
  try {
    await using tunnel = await sandbox.openTunnel(port, options);
    await use(tunnel, port);
  } finally {
    listening.close();
  }
}

const hashOf = async (bytes: AsyncIterable<Uint8Array>) => {
  const hash = createHash("sha256");
  for await (const chunk of bytes) hash.update(chunk);
  return hash.digest("hex");
};

async function fails(promise: Promise<unknown>, code: string): Promise<ShorelineError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ShorelineError, String(error));
  assert.equal(error.code, code);
  return error;
}

test("what is sent arrives, in order and in full, in both directions at once", async () => {
  const bytes = randomBytes(8 * 1024 * 1024);
  const expected = createHash("sha256").update(bytes).digest("hex");
  let arrived = 0;
  await connected(
    (socket) => {
      // It ends when it has sent back everything.
      socket.on("data", (chunk: Buffer) => {
        arrived += chunk.length;
        socket.write(chunk);
        if (arrived === bytes.length) socket.end();
      });
    },
    async (tunnel) => {
      const read = hashOf(tunnel.readable as AsyncIterable<Uint8Array>);
      const writer = tunnel.writable.getWriter();
      for (let at = 0; at < bytes.length; at += 100_000) await writer.write(bytes.subarray(at, at + 100_000));
      assert.equal(await read, expected);
      await tunnel.closed;
    },
  );
});

test("each side ends by itself, and the other one's bytes still arrive, all of them", async () => {
  const bytes = randomBytes(3 * 1024 * 1024);
  const expected = createHash("sha256").update(bytes).digest("hex");
  // The port answers only when it has the end of the question.
  await connected(
    (socket) => {
      const parts: Buffer[] = [];
      socket
        .on("data", (chunk: Buffer) => parts.push(chunk))
        .on("end", () => socket.end(Buffer.concat(parts)));
    },
    async (tunnel) => {
      const writer = tunnel.writable.getWriter();
      await writer.write(bytes);
      await writer.close();
      assert.equal(await hashOf(tunnel.readable as AsyncIterable<Uint8Array>), expected);
      await tunnel.closed;
    },
  );
  // The port ends first, and reads on.
  let hash: Promise<string> | undefined;
  await connected(
    (socket) => {
      socket.end("bye");
      hash = hashOf(socket);
    },
    async (tunnel) => {
      assert.equal(await new Response(tunnel.readable).text(), "bye");
      const writer = tunnel.writable.getWriter();
      await writer.write(bytes);
      await writer.close();
      assert.equal(await hash, expected);
      await tunnel.closed;
    },
    { allowHalfOpen: true },
  );
});

test("a reader that does not read holds up the port, not memory", async () => {
  let sent = 0;
  let full: () => void;
  const blocked = new Promise<void>((resolve) => (full = resolve));
  await connected(
    (socket) => {
      const chunk = Buffer.alloc(1024 * 1024);
      const more = () => {
        // Its buffers are full once a write has waited for this long.
        const timer = setTimeout(() => {
          full();
        }, 1_000);
        socket.write(chunk, (error) => {
          clearTimeout(timer);
          if (error) return;
          sent += chunk.length;
          more();
        });
      };
      socket.on("error", () => undefined);
      more();
    },
    async (tunnel) => {
      await blocked;
      assert.ok(sent < 48 * 1024 * 1024, `${sent} bytes were taken that nobody read`);
      const reader = tunnel.readable.getReader();
      const enough = sent;
      for (let read = 0; read <= enough;) read += (await reader.read()).value?.length ?? NaN;
    },
  );
});

test("leaving either stream ends the connection", async () => {
  for (const leave of [
    (tunnel: Tunnel) => tunnel.readable.cancel(),
    (tunnel: Tunnel) => tunnel.writable.close(),
    (tunnel: Tunnel) => tunnel.writable.abort(),
  ]) {
    let ended: Promise<unknown> | undefined;
    await connected(
      (socket) => {
        ended = once(socket, "close");
        socket.resume().on("end", () => socket.end());
      },
      async (tunnel) => {
        const writer = tunnel.writable.getWriter();
        await writer.write("a");
        writer.releaseLock();
        await leave(tunnel);
        await tunnel.closed;
        await ended;
      },
    );
  }
});

test("a port where nobody listens, one that is none, and a sandbox that is gone", async () => {
  const { port, release } = await refusingPort();
  const error = await fails(sandbox.openTunnel(port), "connect_failed");
  assert.ok(error instanceof ConnectionError && error.retryable && error.message.includes(String(port)));
  for (const wrong of [0, 65_536, 1.5, "80"])
    await fails(sandbox.openTunnel(wrong as number), "invalid_argument");
  const abort = new AbortController();
  abort.abort("enough");
  await fails(sandbox.openTunnel(port, { signal: abort.signal }), "aborted");
  const gone = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  await gone.terminate();
  await fails(gone.openTunnel(port), "unavailable");
  release();
});

test("a WebSocket that sends no headers cannot carry the key", async () => {
  const Bare = function () {} as unknown as typeof WebSocket;
  const before = globalThis.WebSocket;
  globalThis.WebSocket = Bare;
  try {
    const other = await Sandbox.connect(sandbox.sandboxId, {
      apiUrl: server.url,
      apiKey: server.apiKey,
      WebSocket: Bare,
    });
    const error = await fails(other.openTunnel(80), "missing_capability");
    assert.match(error.message, /`WebSocket` option/);
  } finally {
    globalThis.WebSocket = before;
  }
});
