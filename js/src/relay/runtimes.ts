// What the relay uses of Node's and Bun's own classes, for compilers that do not know these.

/** What is used of Node's `IncomingMessage`. */
export interface NodeRequest {
  /** The request target: a path with its query. */
  url?: string | undefined;
  /** The headers, with names in lower case. */
  headers: Record<string, string | string[] | undefined>;
  /** The connection. */
  socket: object;
}

/** What is used of Node's `Duplex`. */
export interface NodeSocket {
  /** Whether the connection has ended. */
  readonly destroyed: boolean;
  /** Adds a listener. */
  on(event: "error", listener: () => void): unknown;
  /** Sends a text and ends the connection. */
  end(text: string): unknown;
}

/** What is used of Bun's server, the second argument of `fetch` in `Bun.serve`. */
export interface BunServer {
  /** Accepts a WebSocket. */
  upgrade(request: Request, options: { data: unknown }): boolean;
}

/** What is used of a socket that Bun has accepted. */
export interface BunSocket {
  /** What `upgrade` was given. */
  readonly data: unknown;
  /** The state, as of a WebSocket. */
  readonly readyState: number;
  /** Sends a message. */
  send(data: string | Uint8Array | ArrayBuffer): unknown;
  /** How many bytes wait to be sent. */
  getBufferedAmount(): number;
  /** Closes the socket. */
  close(code?: number, reason?: string): void;
}
