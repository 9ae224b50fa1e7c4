// port and tunnel, on local sandboxes.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { before } from "node:test";
import { test } from "../helpers/processes.js";
import { ended, shoreline, start } from "./program.js";

before(async () => {
  await shoreline("create", "box");
});

/** A tunnel to a port of the sandbox, its end, and the port here that it listens on. */
async function listening(port: string) {
  const child = start(["tunnel", "box", port, "-l", "0"]);
  const done = ended(child);
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
  let place: RegExpExecArray | null = null;
  while ((place = /Listening on 127\.0\.0\.1:(\d+) and/.exec(said)) === null)
    await once(child.stderr ?? process, "data");
  return { child, done, local: Number(place[1]) };
}

test("tunnel: each connection here is one to the port", async () => {
  const script =
    "import socket;s=socket.socket();s.bind(('127.0.0.1',0));s.listen();print(s.getsockname()[1],flush=True)\nwhile 1:\n c,_=s.accept();c.sendall(c.recv(9)[::-1]);c.close()";
  const { stdout: pid } = await shoreline("exec", "--detach", "box", "python3", "-c", script);
  let port = "";
  while (port === "") port = (await shoreline("logs", "box", pid.trim())).stdout.trim();
  const { child: tunnel, done, local } = await listening(port);
  for (const word of ["one", "two"]) {
    const socket = connect(local, "127.0.0.1");
    socket.end(word);
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.equal(String(answer), word.split("").reverse().join(""));
  }
  tunnel.kill("SIGINT");
  assert.equal((await done).code, 0);
  await shoreline("kill", "box", pid.trim());
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port: number } = taken.address() as { port: number };
  assert.match(
    (await shoreline("tunnel", "box", port, "-l", String(number))).stderr,
    /is taken on this machine/,
  );
  taken.close();
});

test("port: exposed ports", async () => {
  assert.equal(
    (await shoreline("port", "expose", "box", "8080", "3000")).stdout,
    "Exposed 3000, 8080 on sandbox box\nUnauthenticated access enabled\n",
  );
  const again = await shoreline("port", "expose", "box", "3000");
  assert.equal(again.stdout, "Sandbox box already exposes 3000, 8080\n");
  assert.equal(
    (await shoreline("port", "rm", "box", "3000")).stdout,
    "Sandbox box now exposes 8080\nUnauthenticated access enabled\n",
  );
  assert.equal((await shoreline("port", "rm", "box", "3000")).stdout, "Sandbox box still exposes 8080\n");
  assert.match(
    (await shoreline("port", "ls", "box")).stdout,
    /^Sandbox: box\nUnauthenticated access: enabled\nManagement URL: .*\nPort\n8080\n$/,
  );
  assert.match(
    (await shoreline("port", "rm", "box")).stdout,
    /^Removed all user-exposed ports from sandbox box\nUnauthenticated access disabled\n$/,
  );
  assert.equal((await shoreline("port", "rm", "box")).stdout, "Sandbox box has no user-exposed ports.\n");
});

/** A server in the sandbox that handles each connection `c`: its pid and its port. */
async function serving(handle: string): Promise<[string, string]> {
  const script = [
    "import socket,threading",
    "def all_of(c):",
    " data=b''",
    " while part:=c.recv(65536): data+=part",
    " return data",
    "def handle(c):",
    ` with c: ${handle}`,
    "s=socket.create_server(('127.0.0.1',0));print(s.getsockname()[1],flush=True)",
    "while 1: threading.Thread(target=handle,args=(s.accept()[0],),daemon=True).start()",
  ].join("\n");
  const { stdout: pid } = await shoreline("exec", "--detach", "box", "python3", "-c", script);
  return [pid.trim(), await printed(pid.trim(), 0)];
}

/** A line of a process's output, once it is there. */
async function printed(pid: string, index: number): Promise<string> {
  for (;;) {
    const line = (await shoreline("logs", "box", pid)).stdout.split("\n")[index];
    if (line) return line;
  }
}

/** What comes to the end of the other side. The socket is left open. */
async function all(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += String(chunk)));
  await once(socket, "end");
  return text;
}

test("tunnel: the end of a connection's input reaches the port, and the answer still comes", async () => {
  const [pid, port] = await serving("c.sendall(b'%d bytes'%len(all_of(c)))");
  const { child, done, local } = await listening(port);
  for (const size of [0, 1, 1_000_000]) {
    const socket = connect({ port: local, host: "127.0.0.1", allowHalfOpen: true });
    socket.end(Buffer.alloc(size));
    assert.equal(await all(socket), `${size} bytes`);
  }
  child.kill("SIGINT");
  assert.equal((await done).code, 0);
  await shoreline("kill", "box", pid);
});

test("tunnel: a port that ends its side first gets what the connection still sends", async () => {
  const [pid, port] = await serving(
    "c.sendall(b'bye');c.shutdown(socket.SHUT_WR);print(len(all_of(c)),flush=True)",
  );
  const { child, done, local } = await listening(port);
  const socket = connect({ port: local, host: "127.0.0.1", allowHalfOpen: true });
  assert.equal(await all(socket), "bye");
  socket.end(Buffer.alloc(1_000_000));
  assert.equal(await printed(pid, 1), "1000000");
  // A client that goes away instead ends the connection.
  const gone = connect({ port: local, host: "127.0.0.1", allowHalfOpen: true });
  await once(gone, "data");
  gone.resetAndDestroy();
  assert.equal(await printed(pid, 2), "0");
  child.kill("SIGINT");
  const { code, stderr } = await done;
  assert.deepEqual([code, stderr.includes("failed")], [0, false]);
  await shoreline("kill", "box", pid);
});
