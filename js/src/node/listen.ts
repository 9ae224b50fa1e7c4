// A port of this machine whose connections go to a port of a sandbox.
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { checkHandler, checkPort, invalid, optionsOf } from "../arguments.js";
import { AbortError, ShorelineError, UsageError } from "../errors.js";
import type { OpenTunnel } from "../host.js";
import type { CreateTunnelOptions, TcpTunnel, TunnelAddress } from "../ports.js";

/** Other machines must not reach the sandbox through this one. */
const HOST = "127.0.0.1";

/** Listens on a port of this machine. */
export async function listen(
  open: OpenTunnel,
  remotePort: number,
  options: CreateTunnelOptions | undefined,
): Promise<TcpTunnel> {
  const {
    localPort = remotePort,
    onError,
    signal,
  }: CreateTunnelOptions = optionsOf(options, "localPort onError signal");
  checkPort(remotePort);
  if (localPort !== 0) checkPort(localPort);
  checkHandler("onError", onError);
  const sockets = new Set<Socket>();
  const leaving = new AbortController();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const from = `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? "?"}`;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    carry(open, socket, leaving.signal).catch((error: unknown) => {
      socket.destroy();
      if (!leaving.signal.aborted) onError?.(error, from);
    });
  });
  if (signal?.aborted) throw aborted(signal);
  server.listen(localPort, HOST);
  try {
    await once(server, "listening");
  } catch (cause) {
    const isTaken = (cause as NodeJS.ErrnoException).code === "EADDRINUSE";
    throw new UsageError({
      code: "invalid_argument",
      message: isTaken
        ? `port ${localPort} is taken on this machine: choose another as \`localPort\`, or 0 for a free one`
        : `nothing can listen on port ${localPort} of this machine: choose another as \`localPort\``,
      cause,
    });
  }
  const tunnel = new Listener(server, remotePort, async () => {
    leaving.abort();
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const end = () => void tunnel.close();
  signal?.addEventListener("abort", end);
  server.on("close", () => signal?.removeEventListener("abort", end));
  if (signal?.aborted) end();
  return tunnel;
}

class Listener implements TcpTunnel {
  readonly remotePort: number;
  readonly localHost = HOST;
  readonly localPort: number;
  readonly #end: () => Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(server: Server, remotePort: number, end: () => Promise<void>) {
    const address = server.address();
    if (address === null || typeof address === "string")
      throw invalid("the server does not listen on a port");
    this.remotePort = remotePort;
    this.localPort = address.port;
    this.#end = end;
  }

  address(): TunnelAddress {
    return { host: this.localHost, port: this.localPort };
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function carry(open: OpenTunnel, socket: Socket, signal: AbortSignal): Promise<void> {
  // What a client sends meanwhile waits: nothing reads yet. In Deno a socket that is paused is never read.
  await using there = await open({ allowHalfOpen: true, signal });
  // Either side may leave when it wants to.
  const sent = send(socket, there.writable).catch(() => undefined);
  try {
    await pipeline(Readable.fromWeb(there.readable as never), socket);
  } catch (error) {
    if (ShorelineError.is(error)) throw error;
    return;
  }
  // The port has ended its side, and the client may still send.
  await Promise.race([sent, there.closed]);
  socket.destroy();
}

/** Passes on what a client sends, and its end. The socket is left open for the answer. */
async function send(socket: Socket, writable: WritableStream<Uint8Array>): Promise<void> {
  const writer = writable.getWriter();
  for await (const bytes of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)
    await writer.write(bytes);
  await writer.close();
}

function aborted(signal: AbortSignal): AbortError {
  return new AbortError({ code: "aborted", message: "the call was aborted", cause: signal.reason });
}
