// The protocol over Streamable HTTP: a session for each client, behind a key.
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { EXIT, Failure, misused } from "../exit.js";
import { Session, type Settings } from "./session.js";
import type { SandboxSource } from "./source.js";

const PATH = "/mcp";
/** Sessions at once: each can have a sandbox. */
const SESSIONS = 32;
/** How long a session may be without a request, ms. Clients that vanish end none. */
const IDLE_MS = 30 * 60_000;
const MESSAGE_BYTES = 8 * 1024 * 1024;
const CONNECTIONS = 512;
/** A key that can be guessed is no key. */
const KEY_LENGTH = 16;
/** Names of this machine's loopback interface. */
const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

export interface HttpOptions {
  host: string;
  port: number;
  allowHost: string[];
  key: string | undefined;
}

export interface HttpServer extends AsyncDisposable {
  url: string;
  /** The key, if it was made here. */
  key: string | undefined;
}

/** A session that was opened over HTTP. */
interface Open {
  session: Session;
  transport: StreamableHTTPServerTransport;
  /** Requests that are being answered, streams of events among them. */
  active: number;
  timer: NodeJS.Timeout | undefined;
}

/** Listens for clients. */
export async function serveHttp(
  source: SandboxSource,
  settings: Settings,
  options: HttpOptions,
): Promise<HttpServer> {
  const { host, port } = options;
  if (options.key !== undefined && options.key.length < KEY_LENGTH)
    throw misused(
      `SHORELINE_MCP_KEY must have at least ${KEY_LENGTH} characters: make one with openssl rand -hex 24`,
    );
  const made = options.key === undefined ? randomBytes(24).toString("base64url") : undefined;
  const sessions = new Sessions(source, settings);
  const hosts = [...LOOPBACK, host.includes(":") ? `[${host}]` : host, ...options.allowHost].map((name) =>
    name.toLowerCase(),
  );
  const gate = new Gate(hosts, options.key ?? made ?? "");
  const server = createServer((request, response) => {
    const refusal = gate.refusal(request);
    if (refusal) refuse(response, ...refusal);
    else void sessions.answer(request, response);
  });
  server.maxConnections = CONNECTIONS;
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE")
      throw new Failure(EXIT.failure, `port ${port} is in use: name another with --port`);
    throw misused(`cannot listen on ${host}: ${code ?? String(error)}`);
  }
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${taken}${PATH}`,
    key: made,
    async [Symbol.asyncDispose]() {
      server.close();
      await sessions.close();
      server.closeAllConnections();
    },
  };
}

/** Who may come in. */
class Gate {
  readonly #hosts: string[];
  readonly #key: Buffer;

  constructor(hosts: string[], key: string) {
    this.#hosts = hosts;
    this.#key = hashed(key);
  }

  /** Why a request is refused. */
  refusal({ headers, url = "" }: IncomingMessage): [number, string, Record<string, string>?] | undefined {
    // A page whose name leads here (DNS rebinding) has its own name as Host, and itself as Origin.
    if (!this.#knows(`http://${headers.host ?? ""}`))
      return [403, "The Host header names another server: see --allow-host."];
    if (headers.origin !== undefined && !this.#knows(headers.origin))
      return [403, "Pages of this origin may not use this server: see --allow-host."];
    if (url.split("?")[0] !== PATH) return [404, `The address is ${PATH}.`];
    const given = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
    if (given !== undefined && timingSafeEqual(hashed(given), this.#key)) return undefined;
    return [
      401,
      "The key is missing or wrong: send Authorization: Bearer KEY.",
      { "WWW-Authenticate": "Bearer" },
    ];
  }

  #knows(origin: string): boolean {
    try {
      return this.#hosts.includes(new URL(origin).hostname.toLowerCase());
    } catch {
      return false;
    }
  }
}

/** Of one length, whatever is hashed. */
const hashed = (text: string) => createHash("sha256").update(text).digest();

/** The sessions, by the ids that their clients send. */
class Sessions {
  readonly #source: SandboxSource;
  readonly #settings: Settings;
  readonly #open = new Map<string, Open>();
  /** Those that are being opened, too. */
  #count = 0;
  readonly #closing = new Set<Promise<void>>();

  constructor(source: SandboxSource, settings: Settings) {
    this.#source = source;
    this.#settings = settings;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const id = request.headers["mcp-session-id"];
      const known = typeof id === "string" ? this.#open.get(id) : undefined;
      if (known) await this.#pass(known, request, response);
      else if (id !== undefined) refuse(response, 404, "The session has ended: initialize again.");
      else if (request.method !== "POST")
        refuse(response, 400, "Mcp-Session-Id is missing: initialize first.");
      else await this.#begin(request, response);
    } catch {
      if (response.headersSent) response.destroy();
      else refuse(response, 500, "The request failed.");
    }
  }

  async close(): Promise<void> {
    for (const id of this.#open.keys()) this.#end(id);
    await Promise.all(this.#closing);
  }

  async #begin(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#count >= SESSIONS) {
      refuse(response, 503, `There are ${SESSIONS} sessions: end one with DELETE, or try again later.`);
      return;
    }
    this.#count++;
    const session = new Session(this.#source, this.#settings);
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      maxRequestBodySize: MESSAGE_BYTES,
      onsessioninitialized: (id) => {
        this.#open.set(id, open);
      },
      onsessionclosed: (id) => {
        this.#end(id);
      },
    });
    const open: Open = { session, transport, active: 0, timer: undefined };

    await session.server.connect(transport);
    await this.#pass(open, request, response);
    // It was no request to initialize.
    if (transport.sessionId === undefined) {
      this.#count--;
      await session.close();
    }
  }

  async #pass(open: Open, request: IncomingMessage, response: ServerResponse): Promise<void> {
    open.active++;
    clearTimeout(open.timer);
    response.once("close", () => {
      open.active--;
      const { sessionId } = open.transport;
      if (open.active > 0 || sessionId === undefined) return;
      open.timer = setTimeout(() => {
        this.#end(sessionId);
      }, IDLE_MS).unref();
    });
    await open.transport.handleRequest(request, response);
  }

  #end(id: string): void {
    const open = this.#open.get(id);
    if (!open) return;
    this.#open.delete(id);
    clearTimeout(open.timer);
    const closing = open.session.close().finally(() => {
      this.#count--;
      this.#closing.delete(closing);
    });
    this.#closing.add(closing);
  }
}

/** An error of the protocol without a request. */
function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Record<string, string> = {},
): void {
  const body = JSON.stringify({
    jsonrpc: "2.0",
    error: { code: status === 404 ? -32_001 : -32_000, message },
    id: null,
  });
  // Of a request that was not read, the connection cannot be used again.
  response
    .writeHead(status, { "Content-Type": "application/json", Connection: "close", ...headers })
    .end(body);
}
