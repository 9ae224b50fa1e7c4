/**
 * Stands between a page and its sandboxes and keeps the API key: a Request in, a Response out, so that it runs
 * wherever those are.
 *
 * @module shoreline/relay
 */

import { invalid } from "../arguments.js";
import { joined } from "./socket.js";
import { type RelayScope, SANDBOX_ID, targetOf } from "./routes.js";
import { areScopes, sign, verify } from "./token.js";

export type {} from "../platform.js";
export type { RelayScope };

/** How a relay is made. */
export interface RelayOptions {
  /** The key for the sandboxes. It goes to `sandboxUrl` and nowhere else. */
  apiKey: string | (() => string | Promise<string>);
  /**
   * What whoever sent this request may do in this sandbox; nothing is allowed that it does not name. It is not
   * asked when the request has a token of {@link Relay.token}.
   */
  authorize: (request: Request, sandboxId: string) => Grant | Promise<Grant>;
  /** Where a sandbox's API is. Default: the public cloud, `https://<id>.sandbox.tensorlake.ai`. */
  sandboxUrl?: ((sandboxId: string) => string) | undefined;
  /** The path below which the relay is served. Default: `/sandboxes`. */
  basePath?: string | undefined;
  /** Origins of pages that may call it, beside its own, for example `https://app.example`. */
  origins?: readonly string[] | undefined;
  /** Signs tokens: at least 32 random characters, the same in every instance. Without it there are none. */
  tokenSecret?: string | undefined;
  /** Default: the runtime's. */
  fetch?: ((input: string, init?: RequestInit) => Promise<Response>) | undefined;
}

/** What is allowed; nothing, where there is no list. */
export type Grant = readonly RelayScope[] | null | undefined | false;

/** Answers the requests of pages. */
export interface Relay {
  (request: Request): Promise<Response>;
  /**
   * A token that allows this for so many seconds (default 60), for who cannot send headers. It stands in the path,
   * `/sandboxes/<id>/token/<token>`, or in the query as `relay_token`.
   */
  token(options: { sandboxId: string; allow: readonly RelayScope[]; seconds?: number }): Promise<string>;
}

/** What of a request goes on to the sandbox. A list, so that what nobody thought of stays here. */
const REQUEST_HEADERS = ["accept", "content-type", "last-event-id", "traceparent", "x-pty-token"];
/** What of an answer goes back. */
const RESPONSE_HEADERS = ["cache-control", "content-type", "retry-after"];

/** A socket with channels, each of which is a request of its own. */
const CHANNELS = "/api/v1/channels";

/** What is said instead of the sandbox's answer: as servers say it, and without anything secret. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
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
  check(options);
  const { authorize, origins = [], tokenSecret, basePath = "/sandboxes" } = options;
  const sandboxUrl = options.sandboxUrl ?? ((id: string) => `https://${id}.sandbox.tensorlake.ai`);

  async function relay(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const origin = request.headers.get("origin");
    const known = origin === null || origin === url.origin || origins.includes(origin);
    let response: Response;
    try {
      // A browser sends a page's cookies along: a page of somebody else must not act with them.
      if (!known) throw new Refusal(403, "ORIGIN_NOT_ALLOWED", "pages of this origin may not use this relay");
      response = request.method === "OPTIONS" ? preflight() : await forward(request, url);
    } catch (error) {
      response = answer(error, request.signal.aborted);
    }
    // A socket's answer is the runtime's, and no page reads its headers.
    if (response.status === 101) return response;
    if (origin !== null && known) {
      response.headers.set("access-control-allow-origin", origin);
      response.headers.set("access-control-allow-credentials", "true");
    }
    response.headers.append("vary", "origin");
    return response;
  }

  async function forward(request: Request, url: URL): Promise<Response> {
    const target = targetOf(request.method, url.pathname, basePath);
    if (!target) throw new Refusal(404, "NOT_FOUND", "the relay has no such route");
    const token = target.token ?? url.searchParams.get("relay_token");
    const { sandboxId, scope } = target;
    const allowed = token === null ? await authorize(request, sandboxId) : await granted(token, sandboxId);
    if (!areScopes(allowed) || !allowed.includes(scope)) {
      throw new Refusal(403, "FORBIDDEN", `\`${scope}\` is not granted in this sandbox`);
    }
    url.searchParams.delete("relay_token");
    // Of what passes on a socket with channels the relay sees nothing: the server keeps the page to its grant.
    if (target.path === CHANNELS) url.searchParams.set("allow", allowed.join());
    const address = `${sandboxUrl(sandboxId).replace(/\/$/, "")}${target.path}${url.search}`;
    const headers = await headersFor(request, sandboxId);
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return ask(request, address, headers);
    const response = joined(request, address, headers, options.fetch ?? fetch);
    if (response) return response;
    const how =
      target.path === CHANNELS
        ? "use `fetch`"
        : "connect to the sandbox itself, with the terminal's own token";
    throw new Refusal(501, "WEBSOCKET_UNSUPPORTED", `here the relay does not carry WebSockets: ${how}`);
  }

  async function granted(token: string, sandboxId: string): Promise<Grant> {
    const claims = tokenSecret === undefined ? undefined : await verify(tokenSecret, token, Date.now());
    if (claims?.sandboxId === sandboxId) return claims.allow;
    throw new Refusal(401, "INVALID_TOKEN", "the token is not valid here, or no longer");
  }

  async function headersFor(request: Request, sandboxId: string): Promise<Headers> {
    const { apiKey } = options;
    const headers = copy(request.headers, REQUEST_HEADERS);
    headers.set("authorization", `Bearer ${typeof apiKey === "string" ? apiKey : await apiKey()}`);
    headers.set("x-tensorlake-sandbox-id", sandboxId);
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
      throw new Refusal(502, "UPSTREAM_REFUSED", "the sandbox's server did not accept the relay's request");
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
    async token({ sandboxId, allow, seconds = 60 }: Parameters<Relay["token"]>[0]): Promise<string> {
      if (tokenSecret === undefined) throw invalid("tokens need the relay's `tokenSecret`");
      if (!SANDBOX_ID.test(sandboxId) || !areScopes(allow)) throw invalid("no such sandbox or scope");
      if (!(seconds > 0 && seconds <= 86_400)) throw invalid("`seconds` must be above 0 and at most a day");
      return sign(tokenSecret, { sandboxId, allow }, Date.now() + seconds * 1000);
    },
  });
}

function check({ apiKey, authorize, basePath, tokenSecret }: RelayOptions): void {
  if (apiKey === "" || !["string", "function"].includes(typeof apiKey)) {
    throw invalid("`apiKey` must be a key or a function that gives one");
  }
  if (typeof authorize !== "function") throw invalid("`authorize` must be a function");
  if (basePath !== undefined && !/^(\/[\w.~-]+)*$/.test(basePath)) {
    throw invalid("`basePath` must be a path such as /sandboxes");
  }
  if (tokenSecret !== undefined && tokenSecret.length < 32) {
    throw invalid("`tokenSecret` must have at least 32 characters");
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

function preflight(): Response {
  const headers = {
    "access-control-allow-methods": "GET, POST, PUT, DELETE",
    "access-control-allow-headers":
      "Authorization, Content-Type, Last-Event-ID, Traceparent, X-PTY-Token, X-Tensorlake-Sandbox-Id",
    "access-control-max-age": "7200",
  };
  return new Response(null, { status: 204, headers });
}

function answer(error: unknown, gone: boolean): Response {
  // Any other error may name an address or a key, so nothing of it is told.
  const refusal =
    error instanceof Refusal
      ? error
      : new Refusal(gone ? 499 : 502, "UPSTREAM_FAILED", "the relay could not answer for the sandbox");
  return Response.json({ error: refusal.message, code: refusal.code }, { status: refusal.status });
}
