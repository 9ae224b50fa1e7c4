// What the entry of a runtime provides, since the shim cannot detect it.
import { UsageError } from "./errors.js";
import type { CreateTunnelOptions, TcpTunnel } from "./ports.js";
import type { Sandbox } from "./sandbox.js";
import type { DownloadOptions, TreeResult, UploadOptions } from "./trees.js";
import type { Tunnel, TunnelOptions } from "./tunnel.js";

/** A class of WebSockets. */
export interface SocketConstructor {
  /** Connects. Those that are not the runtime's own, as that of `ws`, send the headers. */
  // eslint-disable-next-line @typescript-eslint/prefer-function-type -- the reference shows this comment
  new (url: string, protocols?: string[], options?: { headers: Record<string, string> }): WebSocket;
}

export interface Host {
  /** Whether `fetch` sends a stream as it comes. Browsers do it over HTTP/2 only, and fail otherwise. */
  streamsUploads: boolean;
  /** Whether all that runs here shares a few connections to each host. */
  isBrowser?: boolean;
  /** A `fetch` whose errors say more than those of the global one. */
  fetch?: (input: string, init?: RequestInit) => Promise<Response>;
  /** A WebSocket that is better than the global one. */
  socket?: () => Promise<SocketConstructor | undefined>;
  /** Lets any number of calls listen to a signal, where the runtime warns of more than a few. */
  listenedTo?: (signal: AbortSignal) => void;
  /** A server on this machine for callers that name none: one that runs, or with `start` one that is started. */
  local?: (start: boolean) => Promise<{ url: string; apiKey: string } | undefined>;
  /** What it can do with files and TCP sockets. */
  machine?: () => Promise<Machine>;
}

/** What only a runtime with files and TCP sockets can do. */
export interface Machine {
  /** Listens on 127.0.0.1, and passes each connection on by `open`. */
  listen: (open: OpenTunnel, port: number, options: CreateTunnelOptions | undefined) => Promise<TcpTunnel>;
  /** Makes an HTTP request by a connection of `open`. */
  request: (open: OpenTunnel, port: number, path: string, init: RequestInit) => Promise<Response>;
  /** A local file. */
  file: (path: string) => Promise<Blob>;
  /** Copies a tree to a sandbox, and from one. */
  upload: (sandbox: Sandbox, from: string, to: string, options?: UploadOptions) => Promise<TreeResult>;
  download: (sandbox: Sandbox, from: string, to: string, options?: DownloadOptions) => Promise<TreeResult>;
}

/** Connects to a port of a sandbox. */
export type OpenTunnel = (options: TunnelOptions) => Promise<Tunnel>;

/** The parts for what only Node, Bun and Deno can do; `what` is that, for the error elsewhere. */
export async function machine(what: string): Promise<Machine> {
  if (host.machine) return host.machine();
  throw new UsageError({
    code: "missing_capability",
    message: `this runtime cannot ${what}: do it in Node, Bun or Deno, with the package's main entry`,
  });
}

export let host: Host = { streamsUploads: false };

/** Each runtime's entry says what is not as in browsers. */
export function useHost(other: Host): void {
  host = other;
}

/** The caller's WebSocket, or the best that there is. */
export async function socketConstructor(given: SocketConstructor | undefined): Promise<SocketConstructor> {
  const { WebSocket } = globalThis as { WebSocket?: SocketConstructor };
  const found = given ?? (await host.socket?.()) ?? WebSocket;
  if (typeof found === "function") return found;
  throw new UsageError({
    code: "missing_capability",
    message: "this runtime has no WebSocket: install the package `ws`, or pass one as the `WebSocket` option",
  });
}
