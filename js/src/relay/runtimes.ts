// What the relay uses of Node's and Bun's own classes, for compilers that do not know these.

/** What is used of Node's `IncomingMessage`. */
export interface NodeRequest {
  url?: string | undefined;
  headers: Record<string, string | string[] | undefined>;
  socket: object;
}

/** What is used of Node's `Duplex`. */
export interface NodeSocket {
  readonly destroyed: boolean;
  on(event: "error", listener: () => void): unknown;
  end(text: string): unknown;
}

/** What Bun has of it: the second argument of `fetch` in `Bun.serve`. */
export interface BunServer {
  upgrade(request: Request, options: { data: unknown }): boolean;
}

/** A socket that Bun has accepted. */
export interface BunSocket {
  /** What `upgrade` was given. */
  readonly data: unknown;
  readonly readyState: number;
  send(data: string | Uint8Array | ArrayBuffer): unknown;
  getBufferedAmount(): number;
  close(code?: number, reason?: string): void;
}
