import { invalid, optionsOf } from "./arguments.js";
import { call, callSync, core, optionNames } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { env } from "./env.js";
import { ApiError } from "./errors.js";
import type { SandboxInfo } from "./generated/types.js";
import { host, type SocketConstructor, socketConstructor } from "./host.js";
import type { CallOptions, ClientOptions, UpdateOptions } from "./options.js";
import { logged, loggedSocket } from "./log.js";

/**
 * A client in the core, with what is absent taken from the environment. Where neither says where requests go,
 * they go to the server on this machine, which is started unless it runs if a sandbox is to be made. Beside how to reach the
 * API, the options may have what is in `own` and in the tables.
 */
export async function client(
  options: ClientOptions,
  own = "signal",
  ...tables: number[]
): Promise<Glue.Client> {
  const { Client } = await core();
  const names = [OPTIONS.connection, ...tables].map((table) => optionNames(table));
  optionsOf(options, `apiKey fetch WebSocket EventSource logLevel logger tracer ${own}`, ...names);
  const filled: Record<string, unknown> = { ...options };
  for (const [option, variable] of variables) filled[option] ??= env(variable);
  if (host.local && DESTINATION.every((option) => filled[option] === undefined)) {
    const local = await host.local(tables.includes(OPTIONS.create));
    if (local) Object.assign(filled, { apiUrl: local.url, apiKey: local.apiKey });
  }
  const { tracer } = options;
  if (tracer && typeof tracer.handle !== "function")
    throw invalid("`tracer` must be what `openTelemetry()` of shoreline/opentelemetry returns");
  filled.fetch = logged(sender(options), options);
  const made = callSync(() => new Client(filled));
  return tracer?.handle(made) ?? made;
}

/** The `fetch` of a client's requests; undefined for the runtime's own. */
export function sender({ fetch, tracer }: ClientOptions): ClientOptions["fetch"] {
  const given = fetch ?? host.fetch;
  return tracer ? tracer.fetch(given ?? globalThis.fetch) : given;
}

/** The class of a client's WebSockets. */
export async function sockets(options: ClientOptions): Promise<SocketConstructor> {
  return loggedSocket(await socketConstructor(options.WebSocket), options);
}

/** The tables of options, as the core numbers them. */
export const OPTIONS = {
  connection: 0,
  create: 1,
  list: 2,
  update: 3,
  snapshot: 4,
  copy: 5,
  turn: 6,
  start: 7,
  run: 8,
  follow: 9,
  pty: 10,
} as const;

/** The lifecycle calls that are one request, as the core numbers them. */
export const GET = 0;
export const TERMINATE = 1;
export const UPDATE = 2;
export const SNAPSHOT = 3;
export const COPY = 4;
export const LIST_SNAPSHOTS = 5;
export const GET_SNAPSHOT = 6;
export const DELETE_SNAPSHOT = 7;

/** Makes a lifecycle call that is one request about the sandbox or snapshot `id`. */
export async function single<T>(
  which: number,
  id: unknown,
  options: (ClientOptions & CallOptions) | undefined,
): Promise<T> {
  const checked = idOrName(id);
  const reach: ClientOptions & CallOptions = optionsOf(options);
  const from = await client(reach);
  return call(() => from.single(which, checked, undefined, reach.signal));
}

/** Rejects an update whose time limit the server ignored. */
export function checkUpdated(info: SandboxInfo, { timeoutSecs }: UpdateOptions): void {
  if (timeoutSecs === undefined || timeoutSecs === (info.timeoutSecs ?? 0)) return;
  throw new ApiError({
    code: "not_supported_by_server",
    message: "this server does not change the time limit: set `timeoutSecs` when the sandbox is created",
  });
}

/** An id or a name, which the core then looks at. */
export function idOrName(sandbox: unknown): string {
  if (typeof sandbox === "string") return sandbox;
  throw invalid("the sandbox must be given as a string: its id or its name");
}

/** The options that say where requests go. */
const DESTINATION: readonly (keyof ClientOptions)[] = [
  "apiKey",
  "apiUrl",
  "sandboxApiUrl",
  "proxyUrl",
  "fetch",
];

const variables: readonly (readonly [keyof ClientOptions, string])[] = [
  ["apiKey", "TENSORLAKE_API_KEY"],
  ["apiUrl", "TENSORLAKE_API_URL"],
  ["sandboxApiUrl", "TENSORLAKE_SANDBOX_API_URL"],
  ["proxyUrl", "TENSORLAKE_SANDBOX_PROXY_URL"],
  ["organizationId", "TENSORLAKE_ORGANIZATION_ID"],
  ["projectId", "TENSORLAKE_PROJECT_ID"],
  ["namespace", "INDEXIFY_NAMESPACE"],
];
