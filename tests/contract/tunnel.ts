// Tunnels. The server is played by a class of WebSockets, but for one case: most runtimes' own send no key.
import { Sandbox, ShorelineError, type SocketConstructor, type Tunnel, type TunnelOptions } from "shoreline";
import { equal, ok, recorder, rejects, test } from "./harness.js";

/** One end of a tunnel's WebSocket. The case is the server. */
class Peer extends EventTarget {
  readyState = 0;
  bufferedAmount = 0;
  binaryType = "blob";
  /** What was sent, bytes as text; a close as its code. */
  readonly sent: (string | number | undefined)[] = [];
  readonly url: string;

  constructor(url: string) {
    super();
    this.url = url;
    queueMicrotask(() => {
      this.readyState = 1;
      this.dispatchEvent(new Event("open"));
    });
  }

  send(data: string | Uint8Array): void {
    this.sent.push(typeof data === "string" ? `text ${data}` : new TextDecoder().decode(data));
  }

  close(code?: number): void {
    if (this.readyState >= 2) return;
    this.readyState = 2;
    this.sent.push(code);
    queueMicrotask(() => {
      this.closes(1000);
    });
  }

  /** The server sends a message. */
  says(data: string): void {
    const message = data === "end" ? data : new TextEncoder().encode(data).buffer;
    this.dispatchEvent(Object.assign(new Event("message"), { data: message }));
  }

  /** The server closes the socket. */
  closes(code: number): void {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason: "" }));
  }
}

/** A tunnel to a server that answers `info`, and the server's end of it. */
async function tunnelTo(info: object | number, options?: TunnelOptions): Promise<[Tunnel, Peer, unknown[]]> {
  const { fetch, sent } = recorder(() =>
    Promise.resolve(
      typeof info === "number"
        ? new Response("{}", { status: info })
        : Response.json({ version: "1", uptime_secs: 1, running_processes: 0, total_processes: 0, ...info }),
    ),
  );
  let peer!: Peer;
  // A class for each tunnel: cases run side by side.
  const Socket = class extends Peer {
    constructor(url: string) {
      super(url);
      // eslint-disable-next-line @typescript-eslint/no-this-alias
      peer = this;
    }
  };
  const sandbox = await Sandbox.connect({
    sandboxId: "peer-under-control",
    proxyUrl: "http://peer.invalid",
    apiKey: "key",
    fetch,
    maxRetries: 0,
    WebSocket: Socket as unknown as SocketConstructor,
  });
  const tunnel = await sandbox.openTunnel(80, options);
  return [tunnel, peer, sent];
}

const HALF = { tunnel_half_close: true };

test("closing a tunnel's writable ends the port's input, and the answer is read", async () => {
  const [tunnel, peer, sent] = await tunnelTo(HALF);
  equal(peer.url, "ws://peer.invalid/api/v1/tunnels/tcp?port=80&half_close=true");
  const writer = tunnel.writable.getWriter();
  await writer.write("question");
  await writer.close();
  equal(peer.sent, ["question", "text end"]);
  equal(sent.length, 1, "the server was asked once");
  await tunnel.close();
  equal(peer.sent, ["question", "text end", 1000]);
});

test("an answer after the end of the input is whole, and the tunnel closes after it", async () => {
  const [tunnel, peer] = await tunnelTo(HALF);
  await tunnel.writable.close();
  peer.says("ans");
  peer.says("wer");
  peer.says("end");
  equal(await new Response(tunnel.readable).text(), "answer");
  await tunnel.closed;
  equal(peer.sent, ["text end", 1000]);
});

test("a port that ends its side closes the tunnel, or only its side where the caller wants that", async () => {
  const [tunnel, peer, sent] = await tunnelTo(HALF);
  peer.says("bye");
  peer.says("end");
  equal(await new Response(tunnel.readable).text(), "bye");
  await tunnel.closed;
  equal([peer.sent, sent.length], [[1000], 0]);
  await rejects(tunnel.writable.getWriter().write("late"), "connection_lost");

  const [open, other] = await tunnelTo(HALF, { allowHalfOpen: true });
  other.says("bye");
  other.says("end");
  equal(await new Response(open.readable).text(), "bye");
  const writer = open.writable.getWriter();
  await writer.write("still here");
  await writer.close();
  await open.closed;
  equal(other.sent, ["still here", 1000]);
});

test("a server without half-closed tunnels: the end of the input closes the tunnel", async () => {
  for (const info of [{}, { tunnel_half_close: false }, { tunnel_half_close: "yes" }, 404]) {
    const [tunnel, peer] = await tunnelTo(info);
    await tunnel.writable.close();
    await tunnel.closed;
    equal(peer.sent, [1000], JSON.stringify(info));
    equal(await new Response(tunnel.readable).text(), "");
  }
});

test("a server that cannot say what it offers breaks the tunnel, and does not cut the answer silently", async () => {
  const [tunnel, peer] = await tunnelTo(503);
  await rejects(tunnel.writable.close(), "unavailable");
  await rejects(tunnel.readable.getReader().read(), "unavailable");
  await rejects(tunnel.closed, "unavailable");
  equal(peer.sent, [undefined]);
});

test("a tunnel that breaks after the end of the input is an error", async () => {
  const [tunnel, peer] = await tunnelTo(HALF);
  await tunnel.writable.close();
  peer.says("ans");
  peer.closes(1006);
  await rejects(tunnel.readable.getReader().read(), "connection_lost");
  await rejects(tunnel.closed, "connection_lost");
});

test("a tunnel's writable fails as soon as the tunnel has ended, without a write", async () => {
  for (const end of ["end", 1000, 1006]) {
    const [tunnel, peer] = await tunnelTo(HALF);
    const writer = tunnel.writable.getWriter();
    // What waits for room in the socket waits no longer.
    peer.bufferedAmount = Infinity;
    const writing = writer.write("x");
    if (typeof end === "string") peer.says(end);
    else peer.closes(end);
    await rejects(writer.closed, "connection_lost");
    await rejects(writing, "connection_lost");
  }
  const [half, port] = await tunnelTo(HALF, { allowHalfOpen: true });
  port.says("end");
  await half.writable.getWriter().write("still here");
  const [left] = await tunnelTo(HALF);
  await left.close();
  await rejects(left.writable.getWriter().closed, "connection_lost");
});

const PROGRAM = `import socket
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
c, _ = s.accept()
data = b""
while part := c.recv(65536): data += part
c.sendall(b"%d bytes" % len(data))
c.shutdown(socket.SHUT_WR)`;

test("a port in a sandbox gets the end of the input, and its answer arrives", async ({ sandbox }) => {
  const server = await sandbox.startProcess("python3", { args: ["-c", PROGRAM] });
  const port = await firstLine(server.output());
  let tunnel: Tunnel;
  try {
    tunnel = await sandbox.openTunnel(Number(port));
  } catch (error) {
    // Runtimes without a WebSocket that sends headers.
    ok(ShorelineError.is(error) && error.code === "missing_capability", String(error));
    await server.kill();
    return;
  }
  const writer = tunnel.writable.getWriter();
  for (let i = 0; i < 10; i++) await writer.write(new Uint8Array(100_000));
  await writer.close();
  equal(await new Response(tunnel.readable).text(), "1000000 bytes");
  await tunnel.closed;
  equal((await server.wait()).exitCode, 0);
});

async function firstLine(output: AsyncIterable<{ line: string }>): Promise<string> {
  for await (const { line } of output) return line;
  throw new Error("there is no output");
}
