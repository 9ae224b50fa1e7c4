// What a runtime's entry knows of it that cannot be asked for.
import { UsageError } from "./errors.js";

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
