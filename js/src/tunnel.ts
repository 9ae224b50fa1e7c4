// A TCP connection into a sandbox: one WebSocket for each.
import { bytesOf, checkPort, type Data, optionsOf } from "./arguments.js";
import { call } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { AbortError, ConnectionError, UsageError } from "./errors.js";
import { type SocketConstructor, socketConstructor } from "./host.js";
import type { CallOptions } from "./options.js";
import { opened, pause } from "./socket.js";

/** What is under way in either direction before its sender has to wait, in bytes. */
const UNDER_WAY = 1024 * 1024;
/** What is kept for a slow reader where its sender cannot be made to wait, in bytes. */
const KEPT = 64 * 1024 * 1024;
/** Servers take messages of at least this size, in bytes. */
const MESSAGE = 16 * 1024;

/** A socket whose reading can be stopped, as that of `ws`. */
type Pausing = WebSocket & { pause?(): void; resume?(): void };

/**
 * A TCP connection to a port in a sandbox. Its shape is that of the Sockets API for servers that run JavaScript
 * (WinterTC). The connection as a whole ends when either side ends: there are no half-closed ones.
 */
export class Tunnel implements AsyncDisposable {
  /** What the port sends, until it ends the connection. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What is sent to the port. Closing it ends the connection. */
  readonly writable: WritableStream<Data>;
  /** Settles when the connection has ended; rejects with what broke it. */
  readonly closed: Promise<void>;
  readonly #socket: Pausing;
  #left = false;

  private constructor(socket: Pausing) {
    this.#socket = socket;
    let end!: () => void;
    let fail!: (error: unknown) => void;
    this.closed = new Promise((resolve, reject) => {
      end = resolve;
      fail = reject;
    });
    // Who reads or waits is told; who does not need not be.
    this.closed.catch(() => undefined);
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const broken = (message: string) => {
            const error = new ConnectionError({ code: "connection_lost", message });
            controller.error(error);
            fail(error);
          };
          socket.addEventListener("message", ({ data }: MessageEvent) => {
            if (this.#left || !(data instanceof ArrayBuffer)) return;
            controller.enqueue(new Uint8Array(data));
            const free = controller.desiredSize ?? 0;
            if (free <= 0) socket.pause?.();
            if (free < UNDER_WAY - KEPT) {
              socket.close();
              broken("the tunnel was not read as fast as the port sent");
            }
          });
          socket.addEventListener("close", ({ code, reason }) => {
            if (this.#left || code === 1000) {
              try {
                controller.close();
              } catch {
                // Its reader has left, or it has failed.
              }
              end();
            } else broken(`the tunnel broke off (${code}${reason && `: ${reason}`})`);
          });
        },
        pull: () => {
          socket.resume?.();
        },
        cancel: () => this.close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: UNDER_WAY }),
    );
    this.writable = new WritableStream<Data>({
      write: (data) => this.#write(bytesOf(data)),
      close: () => this.close(),
      abort: () => this.close(),
    });
  }

  /** @internal */
  static of(socket: Pausing): Tunnel {
    return new Tunnel(socket);
  }

  /** Ends the connection, once what was written is on its way. */
  async close(): Promise<void> {
    this.#left = true;
    this.#socket.close(1000);
    // The answer comes behind what nobody has read.
    this.#socket.resume?.();
    await this.closed.catch(() => undefined);
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MESSAGE) {
      // No event tells that a socket has room again.
      for (let ms = 1; this.#socket.bufferedAmount > UNDER_WAY; ms = Math.min(ms * 2, 50)) await pause(ms);
      if (this.#left || this.#socket.readyState !== 1) {
        throw new ConnectionError({ code: "connection_lost", message: "the tunnel has ended" });
      }
      this.#socket.send(bytes.slice(at, at + MESSAGE));
    }
  }
}

/** @internal A connection to a port of a sandbox. */
export async function openTunnel(
  sandbox: Glue.Sandbox,
  given: SocketConstructor | undefined,
  port: number,
  options?: CallOptions,
): Promise<Tunnel> {
  const { signal }: CallOptions = optionsOf(options);
  checkPort(port);
  const Socket = await socketConstructor(given);
  const [url, headers] = await call<[string, Record<string, string>]>(() =>
    sandbox.tunnelSocket(String(port), signal),
  );
  if ("Authorization" in headers && Socket === (globalThis as { WebSocket?: unknown }).WebSocket) {
    throw new UsageError({
      code: "missing_capability",
      message:
        "a tunnel is opened with the API key, and this runtime's WebSocket sends no headers: pass one that does as the `WebSocket` option",
    });
  }
  const socket = new Socket(url, [], { headers });
  socket.binaryType = "arraybuffer";
  const tunnel = Tunnel.of(socket);
  if (await opened(socket, signal)) return tunnel;
  if (signal?.aborted)
    throw new AbortError({ code: "aborted", message: "the call was aborted", cause: signal.reason });
  // Why it was refused a socket does not tell: the sandbox is asked.
  await call(() => sandbox.health(signal));
  throw new ConnectionError({
    code: "connect_failed",
    message: `nothing listens on port ${port} of the sandbox, or something in between blocks WebSockets`,
    retryable: true,
  });
}
