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
  /**
   * Which requests are logged: `"debug"` all, `"warn"` those that failed or that the server answered with 429 or 5xx.
   * Retries and reconnects are requests. Default: what `SHORELINE_LOG` says, else `"off"`.
   */
  logLevel?: LogLevel | undefined;
  /** Takes the log's entries instead of `console.error`. What it throws is ignored. */
  logger?: ((entry: LogEntry) => void) | undefined;
  /** Makes spans of requests and commands: what `openTelemetry` of `shoreline/opentelemetry` returns. */
  tracer?: ClientTracer | undefined;
}

/** Makes spans of a client's requests and commands. Its methods are the package's own, and may change. */
export interface ClientTracer {
  /** A `fetch` that makes a span of each request. */
  fetch(fetch: NonNullable<ClientOptions["fetch"]>): NonNullable<ClientOptions["fetch"]>;
  /** A part of the core that makes a span of each command. */
  handle<T extends object>(core: T): T;
}

/** How much is logged. */
export type LogLevel = "off" | "warn" | "debug";

/**
 * One request and its answer's head, or the end of a WebSocket. It holds no key, no token, no query and nothing of a body
 * or a message. A terminal, a tunnel and the socket for a sandbox's output have one entry with the status 101 each time
 * they connect, and one with a `closeCode` when they close.
 */
export interface LogEntry {
  /** `warn` where the request failed, was answered with 429 or 5xx, or a WebSocket broke. */
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

/** What any call takes. */
export interface CallOptions {
  /** Aborts the call and the request underneath. */
  signal?: AbortSignal | undefined;
}

/** A new sandbox and how to reach the API. */
export interface CreateOptions extends CoreCreateOptions, ClientOptions, CallOptions {}

/** Which sandboxes to list, and how to reach the API. */
export interface ListOptions extends CoreListOptions, ClientOptions, CallOptions {}

/** What to change of a sandbox. */
export interface UpdateOptions extends CoreUpdateOptions, CallOptions {}

/** A process to start. */
export interface StartProcessOptions extends CoreStartOptions, CallOptions {}

/** What is known of a connection that broke. */
export interface ReconnectInfo {
  /** How many tries in a row this makes, from 1. */
  attempt: number;
  /** How long is waited first, ms. */
  delayMs: number;
  /** What broke it. */
  error: ShorelineError;
}

/** How output is followed. */
export interface FollowOptions extends CoreFollowOptions, CallOptions {
  /**
   * Called before each reconnect. If it returns a promise, the reconnect waits for it. If it throws or the promise
   * rejects, the iteration throws that error.
   */
  onReconnect?: ((info: ReconnectInfo) => unknown) | undefined;
}

/** A pid, or the name of a managed process. */
export type ProcessAddress = number | string;

/** How a sandbox is suspended or resumed. */
export interface SuspendResumeOptions extends CoreTurnOptions, CallOptions {}

/** A sandbox to attach to. With `proxyUrl`, no lifecycle call is made. */
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
