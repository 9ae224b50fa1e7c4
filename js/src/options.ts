import type { ConnectionOptions } from "./generated/types.js";
import type { EventSourceConstructor } from "./event-source.js";
import type { SocketConstructor } from "./host.js";

/** How to reach the API. */
export interface ClientOptions extends ConnectionOptions {
  /** The API key, or a function that gives one; it is asked again once after a 401. */
  apiKey?: string | (() => string | Promise<string>) | undefined;
  /** Instead of the runtime's EventSource, for `transport: "eventsource"`. */
  EventSource?: EventSourceConstructor | undefined;
  /** Instead of the runtime's WebSocket, for terminals and `transport: "websocket"`; that of the package `ws` sends headers too. */
  WebSocket?: SocketConstructor | undefined;
  /** Instead of the runtime's `fetch`. */
  fetch?: ((input: string, init?: RequestInit) => Promise<Response>) | undefined;
}

/** What any call takes. */
export interface CallOptions {
  /** Aborts the call and the request underneath. */
  signal?: AbortSignal | undefined;
}
