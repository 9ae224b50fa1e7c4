// Terminals and tunnels by Node's own WebSocket, and by a bare socket where a client behaves badly.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { apiKey, curl, makeSandbox, port, send, test } from "./server.mjs";

const { api } = await makeSandbox();
const [DATA, RESIZE, READY, EXIT] = [0, 1, 2, 3];
const frame = (opcode, content = "") => Buffer.concat([Buffer.of(opcode), Buffer.from(content)]);
const size = (cols, rows) => Buffer.of(RESIZE, cols >> 8, cols & 255, rows >> 8, rows & 255);

/** A terminal with a program on it, and what a WebSocket to it is opened with. */
async function terminal(...command) {
  const body = { command: command[0], args: command.slice(1), env: { PS1: "" } };
  const { status, body: text } = await send("POST", `${api}/pty`, body);
  assert.equal(status, 201, text);
  const { session_id: session, token } = JSON.parse(text);
  return { address: `${api.replace("http", "ws")}/pty/${session}/ws`, token, state: `${api}/pty/${session}` };
}

/** A client that is attached, the last that it has seen, and its end. */
class Client {
  text = "";
  exit = undefined;
  #socket;
  #waiting = [];

  constructor(socket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#take(Buffer.from(data)));
    this.closed = once(socket, "close").then(([{ code, reason }]) => [code, reason]);
  }

  static async attach({ address, token }, options) {
    const socket = new WebSocket(options ? address : `${address}?token=${token}`, options);
    const client = new Client(socket);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error("the socket was refused")));
    });
    return client;
  }

  static async ready(terminal) {
    const client = await Client.attach(terminal);
    client.send(frame(READY));
    return client;
  }

  #take(message) {
    if (message[0] === DATA) this.text = (this.text + message.toString("latin1", 1)).slice(-1000);
    if (message[0] === EXIT) this.exit = message.readInt32BE(1);
    this.#waiting = this.#waiting.filter(({ wanted, resolve }) => !wanted.test(this.text) || resolve());
  }

  send(message) {
    this.#socket.send(message);
  }

  type(text) {
    this.send(frame(DATA, text));
  }

  close() {
    this.#socket.close();
  }

  /** Has a shell write much in parts, after each of which it waits: a client that reads can fall behind, too. */
  async flood(parts, command) {
    const part = `${command}; echo part $i; read _; i=$((i+1))`;
    this.type(`i=0; while [ $i -lt ${parts} ]; do ${part}; done; echo over $((1+1))\n`);
    for (let i = 0; i < parts; i++) {
      await this.until(new RegExp(`part ${i}\\r\\n`));
      this.type("\n");
    }
    await this.until(/over 2\r\n/);
  }

  /** Waits for text. Rejects with the text so far if the socket closes, or after 60 s. */
  async until(wanted) {
    if (wanted.test(this.text)) return;
    const seen = new Promise((resolve) => this.#waiting.push({ wanted, resolve }));
    const fail = (why) => {
      throw new Error(`${why} before ${wanted}; the last of the output: ${JSON.stringify(this.text)}`);
    };
    const late = new AbortController();
    try {
      await Promise.race([
        seen,
        this.closed.then((how) => fail(`closed with ${how}`)),
        sleep(60_000, undefined, { signal: late.signal }).then(() => fail("60 s passed")),
      ]);
    } finally {
      late.abort();
    }
  }
}

test("the documented way: token in the query, ready, input, exit", async () => {
  const client = await Client.ready(await terminal("sh"));
  client.send(size(132, 43));
  client.type("stty size; echo $((40+2))\n");
  await client.until(/43 132\r\n42\r\n/);
  client.type("exit 5\n");
  assert.deepEqual(await client.closed, [1000, "exit:5"]);
  assert.equal(client.exit, 5);
});

test("a token in the header is as good, and a wrong one is not", async () => {
  const its = await terminal("sh");
  const client = await Client.attach(its, { headers: { "X-PTY-Token": its.token } });
  client.send(frame(READY));
  client.type("exit 0\n");
  assert.deepEqual(await client.closed, [1000, "exit:0"]);
  const other = await terminal("cat");
  for (const token of ["", "0".repeat(64), its.token]) {
    await assert.rejects(Client.attach({ ...other, token }));
    await assert.rejects(Client.attach(other, { headers: { "X-PTY-Token": token } }));
  }
  // The key of the server is no token of a terminal.
  await assert.rejects(Client.attach(other, { headers: { Authorization: `Bearer ${apiKey}` } }));
  // Another origin is refused even with the token.
  const headers = { "X-PTY-Token": other.token, Origin: "https://evil.example" };
  await assert.rejects(Client.attach(other, { headers }));
});

test("who never says ready is sent nothing, and holds up nobody", async () => {
  const its = await terminal("sh");
  const silent = await Client.attach(its);
  const client = await Client.ready(its);
  // More than is kept for those who come later.
  await client.flood(6, "seq 60000");
  assert.equal(silent.text, "");
  silent.send(frame(READY));
  await silent.until(/over 2\r\n/);
  client.type("exit\n");
  assert.deepEqual([await silent.closed, silent.exit], [[1000, "exit:0"], 0]);
});

test("messages that mean nothing change nothing", async () => {
  const its = await terminal("sh");
  const client = await Client.ready(its);
  const nothing = ["text", "", frame(9, "unknown"), Buffer.of(RESIZE, 1), frame(READY), Buffer.alloc(0)];
  for (const message of nothing) client.send(message);
  client.send(size(0, 0));
  client.type("stty size\n");
  await client.until(/1 1\r\n/);
  // A message is as large as it is, up to the limit.
  client.send(frame(DATA, `: ${"x".repeat(3000)}\n`.repeat(100)));
  client.type("echo $((6*7))\n");
  // The terminal leaves out what it would echo, newlines too, when its output is full.
  await client.until(/42\r\n/);
  client.send(frame(DATA, Buffer.alloc(2 ** 20 + 1)));
  assert.deepEqual(await client.closed, [1009, "message too big"]);
  const later = await Client.ready(its);
  later.type("exit 0\n");
  assert.deepEqual(await later.closed, [1000, "exit:0"]);
});

/** A bare socket on a terminal: the handshake and READY, and no more. */
async function bare({ address, token }) {
  const socket = connect(Number(port), "127.0.0.1");
  const path = `${new URL(address).pathname}?token=${token}`;
  const head = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  const [answer] = await once(socket, "data");
  assert.match(answer.toString("latin1"), /^HTTP\/1\.1 101 /);
  // A final binary message of one byte, masked with zeros.
  socket.write(Buffer.of(0x82, 0x81, 0, 0, 0, 0, READY));
  return socket;
}

test("a client that vanishes leaves its terminal to others", async () => {
  const its = await terminal("sh");
  const first = await Client.ready(its);
  first.type("echo kept $((1+1))\n");
  await first.until(/kept 2/);
  const vanishing = await bare(its);
  vanishing.resetAndDestroy();
  first.close();
  await first.closed;
  const later = await Client.ready(its);
  await later.until(/kept 2/);
  later.type("exit 0\n");
  assert.deepEqual(await later.closed, [1000, "exit:0"]);
});

test("a client that reads nothing is told what it lost, and holds up nobody", async () => {
  const its = await terminal("sh");
  const asleep = await bare(its);
  asleep.pause();
  const client = await Client.ready(its);
  await client.flood(60, "head -c 500000 /dev/zero | tr '\\0' x; echo");
  assert.equal((await curl(`${api}/health`)).status, 200);
  let last = "";
  asleep.on("data", (bytes) => (last = (last + bytes.toString("latin1")).slice(-1000)));
  asleep.resume();
  await once(asleep, "end");
  assert.match(last, /output lagged by \d+ bytes$/);
  client.type("exit 0\n");
  await client.closed;
});

const ECHO = `import socket
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
total = 0
while data := connection.recv(65536):
  total += len(data)
  connection.sendall(data)
print('closed after', total, flush=True)`;

test("a tunnel carries bytes both ways and both ends", async () => {
  const body = { command: "python3", args: ["-c", ECHO] };
  const { pid } = JSON.parse((await send("POST", `${api}/processes`, body)).body);
  const stdout = async () => JSON.parse((await curl(`${api}/processes/${pid}/stdout`)).body).lines;
  let inside;
  do [inside] = await stdout();
  while (inside === undefined);
  const address = `${api.replace("http", "ws")}/tunnels/tcp?port=${inside}`;
  await assert.rejects(Client.attach({ address, token: "" }, {}));
  const socket = new WebSocket(address, { headers: { Authorization: `Bearer ${apiKey}` } });
  socket.binaryType = "arraybuffer";
  await once(socket, "open");
  const sent = randomBytes(1_000_000);
  const parts = [];
  const came = new Promise((resolve) => {
    socket.addEventListener("message", ({ data }) => {
      parts.push(Buffer.from(data));
      if (parts.reduce((sum, part) => sum + part.length, 0) >= sent.length) resolve();
    });
  });
  for (let at = 0; at < sent.length; at += 10_000) socket.send(sent.subarray(at, at + 10_000));
  await came;
  assert.ok(Buffer.concat(parts).equals(sent));
  socket.close();
  await curl(`${api}/processes/${pid}/output/follow`);
  assert.equal((await stdout())[1], `closed after ${sent.length}`);
});
