// A terminal whose connection breaks, wherever it does: everything once, or what is missing is told.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { ConnectionError, type Pty, Sandbox } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { rejects } from "./behind-proxy.js";
import { Random } from "./random.js";

let server: LocalServer;
let direct: Sandbox;
let breaker: Breaker;

before(async () => {
  server = await startLocal();
  direct = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  breaker = await Breaker.before(server.url);
});
after(async () => {
  breaker.close();
  await server.close();
});

/** Hands on what it is given, and breaks a connection after so many bytes of answer. */
class Breaker {
  /** Bytes that connections to come let pass, one after the other; those after them are not broken. */
  limits: number[] = [];
  broken = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number) {
    this.#server = createServer((client) => {
      const upstream = connect(port, "127.0.0.1");
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on("error", () => socket.destroy()).on("close", () => this.#sockets.delete(socket));
      }
      client.pipe(upstream);
      upstream.on("end", () => client.end());
      client.on("close", () => upstream.destroy());
      let upgraded = false;
      let left = Infinity;
      upstream.on("data", (data: Buffer) => {
        // Other sockets are not touched.
        if (!upgraded && data.toString("latin1").startsWith("HTTP/1.1 101")) {
          upgraded = true;
          left = this.limits.shift() ?? Infinity;
        }
        client.write(data.subarray(0, left));
        left -= data.length;
        if (left > 0) return;
        this.broken++;
        client.destroySoon();
        upstream.destroy();
      });
    });
  }

  static async before(url: string): Promise<Breaker> {
    const breaker = new Breaker(Number(new URL(url).port));
    breaker.#server.listen(0, "127.0.0.1");
    await once(breaker.#server, "listening");
    return breaker;
  }

  async sandbox(): Promise<Sandbox> {
    const address = this.#server.address();
    assert.ok(typeof address === "object" && address !== null);
    const proxyUrl = `http://127.0.0.1:${address.port}/s/${direct.sandboxId}`;
    return Sandbox.connect({ sandboxId: direct.sandboxId, proxyUrl, apiKey: server.apiKey });
  }

  /** Breaks every connection now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

const LINES = 4000;
const EXPECTED = Array.from({ length: LINES }, (_, i) => `${i + 1}\r\n`).join("");

async function textOf(pty: Pty): Promise<string> {
  let text = "";
  for await (const data of pty.readable) text += Buffer.from(data).toString("latin1");
  return text;
}

for (let seed = 0; seed < 20; seed++) {
  test(`output is whole through broken connections, seed ${seed}`, async () => {
    const random = new Random(seed);
    const sandbox = await breaker.sandbox();
    breaker.broken = 0;
    // Not before what is typed has arrived: nothing says how far input has come.
    breaker.limits = Array.from({ length: random.int(1, 4) }, () => random.int(200, 9000));
    const told: (number | undefined)[] = [];
    const pty = await sandbox.createPty({
      command: "sh",
      args: ["-c", `stty -echo; read go; seq ${LINES}; read end; exit 9`],
      reattach: { maxDelayMs: 50 },
      onReattach: ({ lostBytes }) => told.push(lostBytes),
    });
    const text = textOf(pty);
    await pty.sendInput("\n");
    await pty.sendInput("\n");
    assert.equal(await pty.wait(), 9);
    // What was typed before the echo was off is echoed first.
    assert.equal((await text).replace(/^(\r\n)+/, ""), EXPECTED);
    assert.ok(
      told.every((lost) => lost === 0),
      `missing: ${told.join()}`,
    );
    assert.ok(breaker.broken > 0, "something was broken");
    breaker.limits = [];
  });
}

for (let seed = 0; seed < 8; seed++) {
  test(`a flood that is read slowly is whole through broken connections, seed ${seed}`, async () => {
    const random = new Random(seed);
    const sandbox = await breaker.sandbox();
    breaker.broken = 0;
    breaker.limits = Array.from({ length: random.int(2, 6) }, () => random.int(1000, 800_000));
    const told: (number | undefined)[] = [];
    let text = "";
    const pty = await sandbox.createPty({
      command: "sh",
      args: ["-c", "stty -echo; read go; seq 400000; exit 9"],
      reattach: { maxDelayMs: 50 },
      onReattach: ({ lostBytes }) => told.push(lostBytes),
      onData: async (data) => {
        text += Buffer.from(data).toString("latin1");
        await new Promise((resolve) => setTimeout(resolve, (data.length / 65_536) * 20));
      },
    });
    await pty.sendInput("\n");
    assert.equal(await pty.wait(), 9);
    const expected = Array.from({ length: 400_000 }, (_, i) => `${i + 1}\r\n`).join("");
    assert.ok(text.replace(/^(\r\n)+/, "") === expected, `${text.length} characters of ${expected.length}`);
    assert.ok(
      told.every((lost) => lost === 0),
      `missing: ${told.join()}`,
    );
    assert.ok(breaker.broken > 1, "something was broken");
    breaker.limits = [];
  });
}

test("without reattach, a connection that breaks is an error", async () => {
  const sandbox = await breaker.sandbox();
  const pty = await sandbox.createPty({ command: "cat" });
  breaker.cut();
  const error = await rejects(pty.wait(), "session_closed");
  assert.ok(error instanceof ConnectionError);
  await rejects(pty.sendInput("x"), "session_closed");
  await direct.connectPty(pty.sessionId, pty.token).then((again) => again.kill());
});

test("output that the server no longer has is told, or ends the session", async () => {
  const sandbox = await breaker.sandbox();
  // More than is kept, while nobody is there.
  const flood = "echo here; read go; stty -opost; head -c 3000000 /dev/zero | tr '\\0' x; echo end; read go";
  const open = async (onReattach?: (info: { lostBytes: number | undefined }) => void) => {
    const pty = await sandbox.createPty({
      command: "sh",
      args: ["-c", flood],
      reattach: { maxDelayMs: 20 },
      onReattach,
    });
    const reader = pty.readable.getReader();
    await reader.read();
    pty.disconnect();
    const other = await direct.connectPty(pty.sessionId, pty.token);
    let seen = "";
    const all = new Promise<void>((resolve) => {
      other.onData((data) => {
        seen = (seen + Buffer.from(data).toString("latin1")).slice(-10);
        if (seen.includes("end")) resolve();
      });
    });
    await other.sendInput("\n");
    await all;
    other.disconnect();
    return { pty, reader };
  };
  const told: (number | undefined)[] = [];
  const { pty, reader } = await open(({ lostBytes }) => told.push(lostBytes));
  await pty.connect();
  let text = "";
  while (!text.includes("end")) {
    const { value } = await reader.read();
    text += Buffer.from(value ?? []).toString("latin1");
  }
  assert.equal(told.length, 1);
  assert.ok((told[0] ?? 0) > 1_500_000, `missing: ${String(told[0])}`);
  assert.ok(text.length + (told[0] ?? 0) >= 3_000_000, "what is not missing has come");
  await pty.kill();

  const silent = await open();
  await silent.pty.connect();
  await rejects(silent.pty.wait(), "output_gap");
  await silent.pty.kill();
});

test("a session that ended while nobody was there has its exit code", async () => {
  const sandbox = await breaker.sandbox();
  const pty = await sandbox.createPty({
    command: "sh",
    args: ["-c", "read go; exit 5"],
    reattach: true,
  });
  pty.disconnect();
  const other = await direct.connectPty(pty.sessionId, pty.token);
  await other.sendInput("\n");
  assert.equal(await other.wait(), 5);
  await pty.connect();
  assert.equal(await pty.wait(), 5);
});
