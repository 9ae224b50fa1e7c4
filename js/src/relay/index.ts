/**
 * A proxy between a page and its sandboxes that keeps the API key on the server. It takes a `Request` and returns a
 * `Response`, so it runs in every runtime with these classes.
 *
 * @module shoreline/relay
 */

import { invalid, optionsOf } from "../arguments.js";
import type { BunServer, BunSocket, NodeRequest, NodeSocket } from "./runtimes.js";
import { type RelayScope, SANDBOX_ID, targetOf } from "./routes.js";
import { bunHandlers, joined } from "./socket.js";
import { areScopes, secretsOf, sign, type TokenSecret, verify } from "./token.js";

export type {} from "../platform.js";
export type { BunServer, BunSocket, NodeRequest, NodeSocket, RelayScope, TokenSecret };

/** Options of `createRelay`. */
export interface RelayOptions {
  /** The API key of the sandboxes, or a function that returns it. It is sent to `sandboxUrl` only. */
  apiKey: string | (() => string | Promise<string>);
  /**
   * Returns what the sender of this request may do in this sandbox. Everything else is denied. Not called for
   * requests with a token of {@link Relay.token}.
   */
  authorize: (request: Request, sandboxId: string) => Grant | Promise<Grant>;
  /** Returns the address of a sandbox's API. Default: the public cloud, `https://<id>.sandbox.tensorlake.ai`. */
  sandboxUrl?: ((sandboxId: string) => string) | undefined;
  /** The organization that requests to sandboxes name, together with `projectId`. Keys of a project need neither. */
  organizationId?: string | undefined;
  /** The project that requests to sandboxes name, together with `organizationId`. */
  projectId?: string | undefined;
  /** The path below which the relay is served. Default: `/sandboxes`. */
  basePath?: string | undefined;
  /** Origins whose pages can call the relay, besides its own, for example `https://app.example`. Default: none. */
  origins?: readonly string[] | undefined;
  /**
   * Secret that signs tokens: at least 32 random characters, the same in every instance. In a list, the first one signs and
   * all are accepted. To replace a secret, put the new one first and remove the old one after its last token has expired.
   * Default: none, the relay issues and accepts no tokens.
   */
  tokenSecret?: string | readonly TokenSecret[] | undefined;
  /**
   * Whether to take the relay's own origin from `X-Forwarded-Proto` and `X-Forwarded-Host`. Set it only behind a proxy that
   * sets both, for example one that terminates TLS. Default: false.
   */
  trustForwarded?: boolean | undefined;
  /**
   * Called with the error behind a 502. The page does not receive it, since it can contain addresses. Errors of this
   * function are ignored.
   */
  onError?: ((error: unknown, request: Request) => void) | undefined;
  /** Default: the runtime's. */
  fetch?: ((input: string, init?: RequestInit) => Promise<Response>) | undefined;
}

/** The allowed scopes. Anything but a list denies access. */
export type Grant = readonly RelayScope[] | null | undefined | false;

/** A relay: a function that answers the requests of pages. */
export interface Relay {
  /** Answers a request. In `Bun.serve` the relay can be passed as `fetch`; Bun passes `server`, which WebSockets need. */
  (request: Request, server?: BunServer): Promise<Response>;
  /**
   * Proxies WebSockets in Node: a listener for `upgrade` of an `http.Server`, with or without a framework. It needs the
   * package `ws`. It answers requests for paths below `basePath` and ignores others.
   */
  readonly upgrade: (request: NodeRequest, socket: NodeSocket, head: Uint8Array) => void;
  /** Proxies WebSockets in Bun: pass it to `Bun.serve` as `websocket`. */
  readonly websocket: {
    /** Handles an accepted socket. */
    open: (socket: BunSocket) => void;
    /** Handles a message of the page. */
    message: (socket: BunSocket, message: string | Uint8Array) => void;
    /** Handles the close of the page's socket. */
    close: (socket: BunSocket, code: number, reason: string) => void;
  };
  /**
   * Issues a token for clients that cannot send headers, such as `EventSource`. It is sent in the path,
   * `/sandboxes/<id>/token/<token>`, or in the query as `relay_token`.
   *
   * @param options - The sandbox, the allowed scopes, and the lifetime in seconds. Default: 60.
   */
  token(options: { sandboxId: string; allow: readonly RelayScope[]; seconds?: number }): Promise<string>;
}

/** Request headers that are forwarded to the sandbox. An allow list, so that unknown headers are not forwarded. */
const REQUEST_HEADERS = ["accept", "content-type", "last-event-id", "traceparent", "x-pty-token"];
/** Response headers that are forwarded to the page. */
const RESPONSE_HEADERS = ["cache-control", "content-type", "retry-after"];

/** Route of the WebSocket with channels. Each channel is a request of its own. */
const CHANNELS = "/api/v1/channels";

/** An answer of the relay itself, in the format of servers' errors. It contains nothing secret. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Makes a relay:
 *
 * ```ts
 * const relay = createRelay({
 *   apiKey: env.TENSORLAKE_API_KEY,
 *   authorize: async (request, sandboxId) => ((await ownerOf(request)) === sandboxId ? ["output"] : null),
 * });
 * export default { fetch: relay };
 * ```
 */
export function createRelay(options: RelayOptions): Relay {
  optionsOf(
    options,
    "apiKey authorize sandboxUrl organizationId projectId basePath origins tokenSecret trustForwarded onError fetch",
  );
  check(options);
  const { authorize, origins = [], tokenSecret, basePath = "/sandboxes", trustForwarded = false } = options;
  const secrets = tokenSecret === undefined ? undefined : secretsOf(tokenSecret);
  const sandboxUrl = options.sandboxUrl ?? ((id: string) => `https://${id}.sandbox.tensorlake.ai`);

  async function relay(request: Request, server?: BunServer): Promise<Response> {
    const origin = request.headers.get("origin");
    let response: Response;
    try {
      response = request.method === "OPTIONS" ? preflight(request) : await forward(request, server);
    } catch (error) {
      response = refusal(error, request);
    }
    // A socket's answer is the runtime's, and no page reads its headers.
    if ((response as Response | undefined) === undefined || response.status === 101) return response;
    if (origin !== null && isKnown(origin, request)) {
      response.headers.set("access-control-allow-origin", origin);
      response.headers.set("access-control-allow-credentials", "true");
    }
    response.headers.append("vary", "origin");
    return response;
  }

  async function forward(request: Request, server: BunServer | undefined): Promise<Response> {
    const { address, headers, hint } = await admit(request);
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return ask(request, address, headers);
    const response = joined(request, address, headers, options.fetch ?? fetch, server);
    if (response) return response;
    const message = `here the relay does not carry WebSockets: in Node, listen to \`upgrade\` by \`relay.upgrade\`; else ${hint}`;
    throw new Refusal(501, "WEBSOCKET_UNSUPPORTED", message);
  }

  function upgrade(request: NodeRequest, socket: NodeSocket, head: Uint8Array): void {
    if (request.url?.startsWith(`${basePath}/`) !== true) return;
    // Without a listener, a page that resets its connection would end the program.
    socket.on("error", () => undefined);
    void (async () => {
      const { joinedInNode, refuse, requestOf } = await import("./node.js");
      const asked = requestOf(request);
      try {
        const { address, headers } = await admit(asked);
        await joinedInNode(request, socket, head, address, headers);
      } catch (error) {
        await refuse(socket, refusal(error, asked));
      }
    })();
  }

  /** Where a request goes, if it may. */
  async function admit(request: Request): Promise<{ address: string; headers: Headers; hint: string }> {
    const url = new URL(request.url);
    checkOrigin(request);
    const target = targetOf(request.method, url.pathname, basePath);
    if (!target) throw new Refusal(404, "NOT_FOUND", "the relay has no such route");
    const token = target.token ?? url.searchParams.get("relay_token");
    const { sandboxId, scope } = target;
    const allowed = token === null ? await authorize(request, sandboxId) : await granted(token, sandboxId);
    if (!areScopes(allowed) || !allowed.includes(scope)) {
      throw new Refusal(403, "FORBIDDEN", `\`${scope}\` is not granted in this sandbox`);
    }
    url.searchParams.delete("relay_token");
    const isChannels = target.path === CHANNELS;
    // Of what passes on a socket with channels the relay sees nothing: the server keeps the page to its grant.
    if (isChannels) url.searchParams.set("allow", allowed.join());
    const address = `${sandboxUrl(sandboxId).replace(/\/$/, "")}${target.path}${url.search}`;
    const hint = isChannels ? "use `fetch`" : "connect to the sandbox itself, with the terminal's own token";
    return { address, headers: await headersFor(request, sandboxId), hint };
  }

  function isKnown(origin: string, request: Request): boolean {
    return origin === ownOrigin(request, trustForwarded) || origins.includes(origin);
  }

  /** A browser sends a page's cookies along: a page of somebody else must not act with them. */
  function checkOrigin(request: Request): void {
    const origin = request.headers.get("origin");
    if (origin !== null && !isKnown(origin, request))
      throw new Refusal(403, "ORIGIN_NOT_ALLOWED", "pages of this origin may not use this relay");
  }

  function preflight(request: Request): Response {
    checkOrigin(request);
    return new Response(null, { status: 204, headers: PREFLIGHT });
  }

  /** What a page is told instead of the sandbox's answer. */
  function refusal(error: unknown, request: Request): Response {
    const isTold = error instanceof Refusal;
    if (!isTold || error.status === 502) {
      try {
        options.onError?.(error, request);
      } catch {
        // The page is answered in any case.
      }
    }
    // Any other error may name an address or a key, so nothing of it is told.
    const { status, code, message } = isTold
      ? error
      : new Refusal(
          request.signal.aborted ? 499 : 502,
          "UPSTREAM_FAILED",
          "the relay could not answer for the sandbox",
        );
    return Response.json({ error: message, code }, { status });
  }

  async function granted(token: string, sandboxId: string): Promise<Grant> {
    const claims = secrets && (await verify(secrets, token));
    if (claims?.sandboxId === sandboxId) return claims.allow;
    throw new Refusal(401, "INVALID_TOKEN", "invalid or expired token");
  }

  async function headersFor(request: Request, sandboxId: string): Promise<Headers> {
    const { apiKey, organizationId, projectId } = options;
    const headers = copy(request.headers, REQUEST_HEADERS);
    const key: unknown = typeof apiKey === "string" ? apiKey : await apiKey();
    if (typeof key !== "string" || key === "") throw new Error("the relay's `apiKey` function gave no key");
    headers.set("authorization", `Bearer ${key}`);
    headers.set("x-tensorlake-sandbox-id", sandboxId);
    if (organizationId !== undefined && projectId !== undefined) {
      headers.set("x-forwarded-organization-id", organizationId);
      headers.set("x-forwarded-project-id", projectId);
    }
    return headers;
  }

  async function ask(request: Request, address: string, headers: Headers): Promise<Response> {
    const init = { method: request.method, headers, body: request.body, signal: request.signal };
    // Without `duplex` Node refuses a body that streams; a redirect would take the key elsewhere.
    const streaming = { ...init, duplex: "half", redirect: "manual" } as RequestInit;
    const upstream = await (options.fetch ?? fetch)(address, streaming);
    if (
      upstream.status === 401 ||
      upstream.status < 200 ||
      (upstream.status >= 300 && upstream.status < 400)
    ) {
      await upstream.body?.cancel();
      // A page that was told 401 would think that it is meant.
      const message = "the sandbox's server did not accept the relay's request";
      throw new Refusal(502, "UPSTREAM_REFUSED", message, { cause: upstream.status });
    }
    const back = copy(upstream.headers, RESPONSE_HEADERS);
    // A file of a sandbox is nobody's page: it must not run as one of the relay's origin.
    back.set("x-content-type-options", "nosniff");
    back.set("content-security-policy", "sandbox");
    // What was compressed arrives here unpacked, and has another length.
    const length = upstream.headers.get("content-length");
    if (length !== null && !upstream.headers.has("content-encoding")) back.set("content-length", length);
    return new Response(upstream.body, { status: upstream.status, headers: back });
  }

  return Object.assign(relay, {
    upgrade,
    websocket: bunHandlers,
    async token({ sandboxId, allow, seconds = 60 }: Parameters<Relay["token"]>[0]): Promise<string> {
      if (!secrets) throw invalid("tokens need the relay's `tokenSecret`");
      if (!SANDBOX_ID.test(sandboxId) || !areScopes(allow)) throw invalid("no such sandbox or scope");
      if (!(seconds > 0 && seconds <= 86_400)) throw invalid("`seconds` must be above 0 and at most a day");
      return sign(secrets, { sandboxId, allow }, seconds);
    },
  });
}

function check({ apiKey, authorize, basePath }: RelayOptions): void {
  if (apiKey === "" || !["string", "function"].includes(typeof apiKey)) {
    throw invalid("`apiKey` must be a key or a function that gives one");
  }
  if (typeof authorize !== "function") throw invalid("`authorize` must be a function");
  if (basePath !== undefined && !/^(\/[\w.~-]+)*$/.test(basePath)) {
    throw invalid("`basePath` must be a path such as /sandboxes");
  }
}

function copy(from: Headers, names: string[]): Headers {
  const to = new Headers();
  for (const name of names) {
    const value = from.get(name);
    if (value !== null) to.set(name, value);
  }
  return to;
}

/** The origin that a page of the relay's own host has. */
function ownOrigin({ url, headers }: Request, trustForwarded: boolean): string {
  const { protocol, host, origin } = new URL(url);
  if (!trustForwarded) return origin;
  // Of several proxies the first one is the page's.
  const [said = host] = headers.get("x-forwarded-host")?.split(",") ?? [];
  const [scheme = protocol.slice(0, -1)] = headers.get("x-forwarded-proto")?.split(",") ?? [];
  return `${scheme.trim()}://${said.trim()}`;
}

const PREFLIGHT = {
  "access-control-allow-methods": "GET, POST, PUT, DELETE",
  "access-control-allow-headers":
    "Authorization, Content-Type, Last-Event-ID, Traceparent, X-PTY-Token, X-Tensorlake-Sandbox-Id",
  "access-control-max-age": "7200",
};
