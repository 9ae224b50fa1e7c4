// The way from the console's page to a server elsewhere. It passes through this command, which keeps the API key.
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { type ClientOptions, Sandbox, ShorelineError } from "shoreline";
import { createRelay, type Relay, type RelayScope } from "shoreline/relay";
import { type Granted, same, secret } from "./console-page.js";

const LIFECYCLE = "/server";
const SANDBOXES = "/relay";
const SCOPES: RelayScope[] = ["processes", "output", "files:read", "files:write", "terminals"];
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/** The lifecycle requests that the console makes. The key allows more, which no page gets. */
const ALLOWED = [
  /^(GET|POST) \/sandboxes$/,
  /^(GET|PATCH|DELETE) \/sandboxes\/[A-Za-z0-9][\w-]{0,127}$/,
  /^POST \/sandboxes\/[A-Za-z0-9][\w-]{0,127}\/(suspend|resume)$/,
];
/** The port whose address is that of the sandbox's API. */
const MANAGEMENT_PORT = 9501;
/** Limits of a lifecycle request and of its answer, in bytes. */
const REQUEST_BYTES = 1024 * 1024;
const ANSWER_BYTES = 64 * 1024 * 1024;
/** Seconds until a page asks for its token again. The token is the same as long as the command runs. */
const TOKEN_LIVES = 86_400;

export class ConsoleRelay {
  /** What the page reaches the server with. */
  readonly granted: Granted;
  readonly #options: ClientOptions;
  readonly #origin: string;
  /** The lifecycle address, to which `/sandboxes` is appended. */
  readonly #url: string;
  /** The headers of a lifecycle request: the key, and the project. */
  readonly #headers: Headers;
  readonly #relay: Relay;
  readonly #addresses = new Map<string, string>();

  private constructor(options: ClientOptions, origin: string, url: string, headers: Headers) {
    this.#options = options;
    this.#origin = origin;
    this.#url = url;
    this.#headers = headers;
    const namespace = /\/v1\/namespaces\/([^/]+)$/.exec(url)?.[1];
    const token = secret();
    this.granted = {
      ...(namespace === undefined
        ? { sandboxApiUrl: `${origin}${LIFECYCLE}` }
        : { apiUrl: `${origin}${LIFECYCLE}`, namespace: decodeURIComponent(namespace) }),
      token,
      expiresIn: TOKEN_LIVES,
      relayed: true,
    };
    this.#relay = createRelay({
      // A server on this machine may need no key.
      apiKey: headers.get("authorization")?.replace(/^Bearer /, "") ?? "none",
      organizationId: headers.get("x-forwarded-organization-id") ?? undefined,
      projectId: headers.get("x-forwarded-project-id") ?? undefined,
      basePath: SANDBOXES,
      authorize: (request) => this.#isFromPage(request.headers) && SCOPES,
      sandboxUrl: (id) => this.#addresses.get(id) ?? "",
    });
  }

  /**
   * Connects to the server of these options, by a list of its sandboxes. That request shows that the key is valid, where
   * lifecycle requests go, and which headers they need: the client has the rules.
   */
  static async to(options: ClientOptions, origin: string): Promise<ConsoleRelay> {
    const send = options.fetch ?? fetch;
    let first: { url: string; headers: Headers } | undefined;
    await Sandbox.list({
      ...options,
      fetch: (url, init) => {
        first ??= { url, headers: new Headers(init?.headers) };
        return send(url, init);
      },
    });
    const { url = "", headers = new Headers() } = first ?? {};
    for (const name of ["accept", "content-type", "traceparent"]) headers.delete(name);
    return new ConsoleRelay(options, origin, url.replace(/\/sandboxes(\?.*)?$/, ""), headers);
  }

  /** Answers a request whose `Host` and `Origin` were checked. Returns false if it is not for the server. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { url = "", method = "GET" } = request;
    if (!url.startsWith(`${LIFECYCLE}/`) && !url.startsWith(`${SANDBOXES}/`)) return false;
    const left = new AbortController();
    response.on("close", () => {
      left.abort();
    });
    let answer: Response;
    try {
      if (!METHODS.includes(method))
        throw new Refusal(405, "METHOD_NOT_ALLOWED", `${method} is not supported`);
      const asked = new Request(`${this.#origin}${url}`, {
        method,
        headers: headersOf(request),
        ...(method !== "GET" && { body: Readable.toWeb(request) as BodyInit, duplex: "half" }),
        signal: left.signal,
      });
      answer = await this.#respond(asked);
    } catch (error) {
      answer = refusal(error);
    }
    answer.headers.forEach((value, name) => response.setHeader(name, value));
    response.writeHead(answer.status);
    // The page has the head before the first output.
    response.flushHeaders();
    if (answer.body) await pipeline(readable(answer.body), response).catch(() => response.destroy());
    else response.end();
    return true;
  }

  /** Joins a WebSocket of the page with the sandbox's. `Host` and `Origin` were checked. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", () => undefined);
    try {
      const { pathname } = new URL(request.url ?? "", this.#origin);
      if (!pathname.startsWith(`${SANDBOXES}/`) || !this.#isFromPage(headersOf(request)))
        throw new Error(STRANGER);
      await this.#locate(pathname);
      this.#relay.upgrade(request, socket, head);
    } catch {
      socket.destroy();
    }
  }

  /** Whether a request has the token. A browser's WebSocket can have it as its subprotocol only. */
  #isFromPage(headers: Headers): boolean {
    const bearer = headers.get("authorization")?.replace(/^Bearer /, "");
    return same(bearer ?? headers.get("sec-websocket-protocol") ?? "", this.granted.token);
  }

  async #respond(request: Request): Promise<Response> {
    if (!this.#isFromPage(request.headers)) throw new Refusal(403, "FORBIDDEN", STRANGER);
    const { pathname, search } = new URL(request.url);
    if (pathname.startsWith(`${SANDBOXES}/`)) {
      await this.#locate(pathname);
      return this.#relay(request);
    }
    const path = pathname.slice(LIFECYCLE.length).replace(/^\/v1\/namespaces\/[^/]+/, "");
    if (!ALLOWED.some((allowed) => allowed.test(`${request.method} ${path}`)))
      throw new Refusal(404, "NOT_FOUND", "the console has no such route");
    return this.#forward(request, path, search);
  }

  /** Sends a lifecycle request to the server. In its answer, sandboxes have addresses of the relay. */
  async #forward({ method, headers: given, body, signal }: Request, path: string, search: string) {
    const sent = body ? await textOf(body, REQUEST_BYTES) : "";
    const headers = new Headers(this.#headers);
    for (const name of ["content-type", "traceparent"]) {
      const value = given.get(name);
      if (value !== null) headers.set(name, value);
    }
    // The sandbox can have another address afterwards.
    if (method !== "GET") this.#addresses.delete(path.split("/")[2] ?? "");
    const init = { method, headers, signal, redirect: "manual", ...(sent !== "" && { body: sent }) } as const;
    const answer = await fetch(`${this.#url}${path}${search}`, init).catch((cause: unknown) => {
      throw new Refusal(502, "UPSTREAM_FAILED", `the server cannot be reached: ${reasonOf(cause)}`);
    });
    const { status } = answer;
    // The page would take 401 for the end of its own token.
    if (status === 401) throw new Refusal(403, "KEY_REFUSED", KEY_REFUSED);
    if (status >= 300 && status < 400)
      throw new Refusal(502, "UPSTREAM_REFUSED", `the server answered ${status}: check its address`);
    const text = answer.body ? await textOf(answer.body, ANSWER_BYTES) : "";
    const back = new Headers({ "content-type": answer.headers.get("content-type") ?? "text/plain" });
    const retryAfter = answer.headers.get("retry-after");
    if (retryAfter !== null) back.set("retry-after", retryAfter);
    return new Response(text === "" ? null : this.#relayed(text), { status, headers: back });
  }

  #relayed(text: string): string {
    let answer: unknown;
    try {
      answer = JSON.parse(text);
    } catch {
      return text;
    }
    const { sandboxes = [answer] } = (answer ?? {}) as { sandboxes?: unknown };
    for (const sandbox of Array.isArray(sandboxes) ? (sandboxes as unknown[]) : []) {
      const record = (sandbox ?? {}) as Record<string, unknown>;
      const id = record.sandbox_id ?? record.id;
      if (typeof id === "string") record.sandbox_url = `${this.#origin}${SANDBOXES}/${id}`;
    }
    return JSON.stringify(answer);
  }

  /** Finds out where a sandbox is. The client has the rules. */
  async #locate(pathname: string): Promise<void> {
    const id = pathname.split("/")[2] ?? "";
    if (this.#addresses.has(id)) return;
    const sandbox = await Sandbox.connect(id, this.#options);
    this.#addresses.set(id, sandbox.urlForPort(MANAGEMENT_PORT));
  }
}

const STRANGER = "this page is not the console's: open the link that `shoreline console` printed";
const KEY_REFUSED =
  "the server does not accept the API key: start `shoreline console` again with a key that is valid";

/** An answer of this command instead of the server's. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

function refusal(error: unknown): Response {
  if (error instanceof Refusal)
    return Response.json({ error: error.message, code: error.code }, { status: error.status });
  if (!ShorelineError.is(error))
    return Response.json({ error: "the request failed", code: "UPSTREAM_FAILED" }, { status: 502 });
  const { message, status = 502 } = error;
  if (status === 401) return refusal(new Refusal(403, "KEY_REFUSED", KEY_REFUSED));
  return Response.json({ error: message, code: error.serverCode ?? "UPSTREAM_FAILED" }, { status });
}

/** Why a request failed, as the runtime says it. */
function reasonOf(error: unknown): string {
  const { cause, name } = error as { cause?: { code?: string; message?: string }; name?: string };
  return cause?.code ?? cause?.message ?? name ?? "no reason was given";
}

function headersOf({ headers }: IncomingMessage): Headers {
  const given = Object.entries(headers).filter(
    ([name, value]) => value !== undefined && !name.startsWith(":"),
  );
  return new Headers(given.map(([name, value]) => [name, String(value)] as [string, string]));
}

const readable = (body: unknown) => Readable.fromWeb(body as ReadableStream);

async function textOf(body: unknown, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of readable(body)) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > limit)
      throw new Refusal(413, "TOO_LARGE", `the body of the message has more than ${limit} bytes`);
  }
  return Buffer.concat(chunks).toString("utf8");
}
