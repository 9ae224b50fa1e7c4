// A TCP connection into a sandbox: one WebSocket for each.
import { bytesOf, checkPort, type Data, optionsOf } from "./arguments.js";
import { call } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { AbortError, ApiError, ConnectionError, UsageError } from "./errors.js";
import type { DaemonInfo } from "./generated/types.js";
import { sockets } from "./client.js";
import type { CallOptions, ClientOptions } from "./options.js";
import { opened, pause } from "./socket.js";

/** What is under way in either direction before its sender has to wait, in bytes. */
const UNDER_WAY = 1024 * 1024;
/** What is kept for a slow reader where its sender cannot be made to wait, in bytes. */
const KEPT = 64 * 1024 * 1024;
/** Servers take messages of at least this size, in bytes. */
const MESSAGE = 16 * 1024;

/** A socket whose reading can be stopped, as that of `ws`. */
type Pausing = WebSocket & { pause?(): void; resume?(): void };

/** How a tunnel is opened. */
export interface TunnelOptions extends CallOptions {
  /**
   * Whether `writable` stays open when the port ends its side of the connection, as in the Sockets API. Default:
   * `false`: the tunnel closes then.
   */
  allowHalfOpen?: boolean | undefined;
}

/** What a tunnel needs to know about half-closed connections. */
interface HalfClose {
  /** The text message with which either side ends its input. */
  end: string;
  allowHalfOpen: boolean;
  /** Asks whether the server knows the message. */
  isSupported: () => Promise<boolean>;
}

/**
 * A TCP connection to a port in a sandbox. Its shape is that of the Sockets API for servers that run JavaScript
 * (WinterTC).
 *
 * Closing `writable` sends the end of the input to the port, whose answer can still be read. On servers that do not
 * offer this (`tunnelHalfClose` of `daemonInfo`), closing `writable` closes the tunnel.
 */
export class Tunnel implements AsyncDisposable {
  /** The bytes that the port sends, until it ends its side. Cancelling it closes the tunnel. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * The bytes for the port. Closing it ends the input of the port; aborting it closes the tunnel. Fails once the tunnel
   * has closed.
   */
  readonly writable: WritableStream<Data>;
  /** Resolves when the tunnel has closed. Rejects with a `ConnectionError` (`connection_lost`) if it broke. */
  readonly closed: Promise<void>;
  readonly #socket: Pausing;
  readonly #half: HalfClose;
  #left = false;
  /** The port has ended its side. */
  #portEnded = false;
  /** Closes the tunnel with an error for who reads it. */
  #fail!: (error: unknown) => void;

  private constructor(socket: Pausing, half: HalfClose) {
    this.#socket = socket;
    this.#half = half;
    let end!: () => void;
    let fail!: (error: unknown) => void;
    let refuse!: (error: unknown) => void;
    this.closed = new Promise((resolve, reject) => {
      end = resolve;
      fail = reject;
    });
    // Who reads or waits is told; who does not need not be.
    this.closed.catch(() => undefined);
    this.readable = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.#fail = (error) => {
            this.#left = true;
            socket.close();
            controller.error(error);
            refuse(error);
            fail(error);
          };
          const broken = (message: string) => {
            this.#fail(new ConnectionError({ code: "connection_lost", message }));
          };
          socket.addEventListener("message", ({ data }: MessageEvent) => {
            if (this.#left || this.#portEnded) return;
            if (data === half.end) {
              this.#portEnded = true;
              controller.close();
              // Nothing is pulled any more.
              socket.resume?.();
              if (!half.allowHalfOpen) {
                refuse(ended());
                void this.close();
              }
            }
            if (!(data instanceof ArrayBuffer)) return;
            controller.enqueue(new Uint8Array(data));
            const free = controller.desiredSize ?? 0;
            if (free <= 0) socket.pause?.();
            if (free < UNDER_WAY - KEPT) broken("the tunnel was not read as fast as the port sent");
          });
          socket.addEventListener("close", ({ code, reason }) => {
            if (this.#left || code === 1000) {
              refuse(ended());
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
      // Edge runtimes have no ByteLengthQueuingStrategy.
      { highWaterMark: UNDER_WAY, size: ({ byteLength }: Uint8Array) => byteLength },
    );
    this.writable = new WritableStream<Data>({
      start: (controller) => {
        refuse = (error) => {
          controller.error(error);
        };
      },
      write: (data) => this.#write(bytesOf(data)),
      close: () => this.#endInput(),
      abort: () => this.close(),
    });
  }

  /** @internal */
  static of(socket: Pausing, half: HalfClose): Tunnel {
    return new Tunnel(socket, half);
  }

  /** Closes the tunnel in both directions, once what was written is on its way. */
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

  async #endInput(): Promise<void> {
    let supported: boolean;
    try {
      supported = !this.#portEnded && (await this.#half.isSupported());
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    if (!supported) await this.close();
    // A tunnel that has closed meanwhile needs no end.
    else if (!this.#left && this.#socket.readyState === 1) this.#socket.send(this.#half.end);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MESSAGE) {
      const isOpen = () => !this.#left && this.#socket.readyState === 1;
      // No event tells that a socket has room again. One that has closed never has.
      for (let ms = 1; isOpen() && this.#socket.bufferedAmount > UNDER_WAY; ms = Math.min(ms * 2, 50))
        await pause(ms);
      if (!isOpen()) throw ended();
      this.#socket.send(bytes.slice(at, at + MESSAGE));
    }
  }
}

function ended(): ConnectionError {
  return new ConnectionError({ code: "connection_lost", message: "the tunnel has ended" });
}

/** The sandboxes whose server is known to end one side of a tunnel, or not to. */
const halfClosing = new WeakMap<Glue.Sandbox, boolean>();

async function halfCloses(sandbox: Glue.Sandbox): Promise<boolean> {
  let supported = halfClosing.get(sandbox);
  if (supported === undefined) {
    const asked = call<DaemonInfo>(() => sandbox.daemonInfo(undefined));
    supported = await asked.then(
      ({ tunnelHalfClose }) => tunnelHalfClose === true,
      (error: unknown) => {
        // A server that does not say what it offers.
        if (error instanceof ApiError && error.code === "not_found") return false;
        throw error;
      },
    );
    halfClosing.set(sandbox, supported);
  }
  return supported;
}

/** @internal A connection to a port of a sandbox. */
export async function openTunnel(
  sandbox: Glue.Sandbox,
  client: ClientOptions,
  port: number,
  options?: TunnelOptions,
): Promise<Tunnel> {
  const { signal, allowHalfOpen = false }: TunnelOptions = optionsOf(options, "signal allowHalfOpen");
  checkPort(port);
  const Socket = await sockets(client);
  const [url, headers, end] = await call<[string, Record<string, string>, string]>(() =>
    sandbox.tunnelSocket(String(port), signal),
  );
  const { WebSocket: own } = globalThis as { WebSocket?: { prototype: unknown } };
  // By its prototype, which a logged one shares.
  if ("Authorization" in headers && own?.prototype === (Socket as unknown as typeof own)?.prototype) {
    throw new UsageError({
      code: "missing_capability",
      message:
        "a tunnel is opened with the API key, and this runtime's WebSocket sends no headers: pass one that does as the `WebSocket` option",
    });
  }
  const socket = new Socket(url, [], { headers });
  socket.binaryType = "arraybuffer";
  const tunnel = Tunnel.of(socket, { end, allowHalfOpen, isSupported: () => halfCloses(sandbox) });
  if (await opened(socket, signal)) return tunnel;
  if (signal?.aborted)
    throw new AbortError({ code: "aborted", message: "the call was aborted", cause: signal.reason });
  // Why it was refused a socket does not tell. A server that has tunnels answers that it wants a WebSocket.
  await call(() => sandbox.tunnels(signal)).catch((error: unknown) => {
    if (!(error instanceof ApiError && error.code === "invalid_request")) throw error;
  });
  throw new ConnectionError({
    code: "connect_failed",
    message: `nothing listens on port ${port} of the sandbox, or something in between blocks WebSockets`,
    retryable: true,
  });
}
