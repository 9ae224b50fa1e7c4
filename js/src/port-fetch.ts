// An HTTP request to a port of a sandbox.
import { checkPort, invalid } from "./arguments.js";
import { GET, sender } from "./client.js";
import { call, callSync } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { AbortError, ConnectionError, ShorelineError, UsageError } from "./errors.js";
import type { SandboxInfo } from "./generated/types.js";
import { host, machine, type OpenTunnel } from "./host.js";
import { logged } from "./log.js";
import type { ClientOptions } from "./options.js";

/** By the port's address where it is exposed, else by a tunnel. */
export async function fetchPort(
  sandbox: Glue.Sandbox,
  options: ClientOptions,
  open: OpenTunnel,
  port: number,
  path: string,
  init: RequestInit,
): Promise<Response> {
  checkPort(port);
  if (typeof path !== "string" || !path.startsWith("/")) throw invalid("a path begins with `/`");
  // Bun would send it.
  if ((init.body ?? undefined) !== undefined && /^(get|head)$/i.test(init.method ?? "GET"))
    throw invalid("a GET or HEAD request has no body: pass a `method`");
  const signal = init.signal ?? undefined;
  // What `fetch` wants to be told of a body that is a stream.
  const given = init.body instanceof ReadableStream ? { ...init, duplex: "half" } : init;
  const info = await call<SandboxInfo>(() => sandbox.single(GET, undefined, undefined, signal));
  try {
    const direct = await addressed(sandbox, info, port, init);
    if (direct) {
      const ask = logged(sender(options), options) ?? ((url, how) => fetch(url, how));
      return await ask(direct.url + path, { ...given, headers: direct.headers });
    }
    const { request } = await machine(`open tunnels, and port ${port} of the sandbox is not exposed`);
    return await request(open, port, path, given);
  } catch (cause) {
    if (ShorelineError.is(cause)) throw cause;
    if (signal?.aborted)
      throw new AbortError({ code: "aborted", message: "the call was aborted", cause: signal.reason });
    const message = `the request to port ${port} of the sandbox broke before its answer`;
    throw new ConnectionError({ code: "connection_lost", message, cause });
  }
}

/** The address of an exposed port and the headers for it; nothing where only a tunnel will do. */
async function addressed(
  sandbox: Glue.Sandbox,
  { exposedPorts, allowUnauthenticatedAccess }: SandboxInfo,
  port: number,
  init: RequestInit,
): Promise<{ url: string; headers: Headers } | undefined> {
  if (!exposedPorts?.includes(port)) return undefined;
  const url = callSync(() => sandbox.portUrl(port));
  // Browsers resolve every name below localhost; other runtimes ask the system, which often does not.
  if (host.machine && new URL(url).hostname.endsWith(".localhost")) return undefined;
  const headers = new Headers(init.headers);
  if (allowUnauthenticatedAccess) return { url, headers };
  const [, { Authorization: key }] = await call<[string, Record<string, string>]>(() =>
    sandbox.tunnelSocket(String(port), init.signal ?? undefined),
  );
  if (key === undefined) return { url, headers };
  if (!headers.has("Authorization")) {
    headers.set("Authorization", key);
    return { url, headers };
  }
  if (host.machine) return undefined;
  throw new UsageError({
    code: "missing_capability",
    message: `port ${port} needs the API key as \`Authorization\`, so that the request cannot have its own: set \`allowUnauthenticatedAccess\`, or make the request in Node, Bun or Deno, through a tunnel`,
  });
}
