import type {
  ConnectionOptions,
  CreateOptions as CoreCreateOptions,
  FollowOptions as CoreFollowOptions,
  ListOptions as CoreListOptions,
  StartOptions as CoreStartOptions,
  TurnOptions as CoreTurnOptions,
  UpdateOptions as CoreUpdateOptions,
} from "./generated/types.js";
import type { ShorelineError } from "./errors.js";
import type { EventSourceConstructor } from "./event-source.js";
import type { SocketConstructor } from "./host.js";

/** Address, key and transports of a client. */
export interface ClientOptions extends ConnectionOptions {
  /** The API key, or a function that returns one. After a 401 it is called once more. Default: `TENSORLAKE_API_KEY` of the environment. */
  apiKey?: string | (() => string | Promise<string>) | undefined;
  /** Class to use for `transport: "eventsource"`. Default: the runtime's. */
  EventSource?: EventSourceConstructor | undefined;
  /**
   * Class to use for terminals, tunnels and `transport: "websocket"`. That of the package `ws` also sends headers. Default:
   * the runtime's; on Node that of `ws`.
   */
  WebSocket?: SocketConstructor | undefined;
  /** Function to use for requests. Default: the runtime's `fetch`. */
  fetch?: ((input: string, init?: RequestInit) => Promise<Response>) | undefined;
  /**
   * Requests to log. `"debug"`: all. `"warn"`: those that failed or that the server answered with 429 or 5xx. Retries and
   * reconnects are requests. Default: `SHORELINE_LOG`, else `"off"`.
   */
  logLevel?: LogLevel | undefined;
  /** Called with each entry of the log. Its errors are ignored. Default: `console.error`. */
  logger?: ((entry: LogEntry) => void) | undefined;
  /** Makes spans of requests and commands. See `openTelemetry` of `shoreline/opentelemetry`. Default: none. */
  tracer?: ClientTracer | undefined;
}

/** Makes spans of a client's requests and commands. Its methods are internal and can change. */
export interface ClientTracer {
  /** A `fetch` that makes a span of each request. */
  fetch(fetch: NonNullable<ClientOptions["fetch"]>): NonNullable<ClientOptions["fetch"]>;
  /** A part of the core that makes a span of each command. */
  handle<T extends object>(core: T): T;
}

/** Requests that are logged. */
export type LogLevel = "off" | "warn" | "debug";

/**
 * One request and its answer's head, or the end of a WebSocket. It holds no key, no token, no query and nothing of a body
 * or a message. A terminal, a tunnel and the socket for a sandbox's output have one entry with the status 101 each time
 * they connect, and one with a `closeCode` when they close.
 */
export interface LogEntry {
  /** `warn` if the request failed or was answered with 429 or 5xx, or if a WebSocket broke. */
  level: "warn" | "debug";
  /** The request's method. */
  method: string;
  /** The path, without a query. */
  path: string;
  /** The answer's status; absent if the request failed. */
  status?: number;
  /** The name of the error that the request failed with, for example `AbortError` or `TypeError`. */
  failure?: string;
  /** The code with which a WebSocket closed, for example 1000; 1006 if it broke or could not be opened. */
  closeCode?: number;
  /** Milliseconds until the answer's head, or from a WebSocket's opening to its end. */
  durationMs: number;
  /** Id of the last event that was received, if the request resumes a stream. */
  lastEventId?: string;
  /** The id of the server's trace, where it sent one. */
  traceId?: string;
}

/** Options of every call. */
export interface CallOptions {
  /** Aborts the call and its request. The call rejects with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/** Options of `Sandbox.create`. */
export interface CreateOptions extends CoreCreateOptions, ClientOptions, CallOptions {}

/** Options of `Sandbox.list`. */
export interface ListOptions extends CoreListOptions, ClientOptions, CallOptions {}

/** Options of `sandbox.update`. */
export interface UpdateOptions extends CoreUpdateOptions, CallOptions {}

/** Options of `sandbox.startProcess`. */
export interface StartProcessOptions extends CoreStartOptions, CallOptions {}

/** A reconnect that is about to happen. */
export interface ReconnectInfo {
  /** Number of this attempt, from 1. A new event resets it. */
  attempt: number;
  /** Delay before the attempt, in ms. */
  delayMs: number;
  /** The error that broke the connection. */
  error: ShorelineError;
}

/** Options of following output. */
export interface FollowOptions extends CoreFollowOptions, CallOptions {
  /**
   * Called before each reconnect. If it returns a promise, the reconnect waits for it. If it throws or the promise
   * rejects, the iteration throws that error.
   */
  onReconnect?: ((info: ReconnectInfo) => unknown) | undefined;
}

/** A pid, or the name of a managed process. */
export type ProcessAddress = number | string;

/** Options of `suspend` and `resume`. */
export interface SuspendResumeOptions extends CoreTurnOptions, CallOptions {}

/** Options of `Sandbox.connect`. With `proxyUrl`, no lifecycle request is sent. */
export interface ConnectOptions extends ClientOptions, CallOptions {
  /** Its id or its name. */
  sandboxId: string;
}

/**
 * An answer with the id of the server's trace of the request, where the server sends one in a `traceresponse` or
 * `traceparent` header. A web page sees only headers that the server exposes.
 */
export type Traced<T> = T & {
  /** The trace id: 32 hexadecimal digits. */
  readonly traceId?: string | undefined;
};
