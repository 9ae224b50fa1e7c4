import type * as Glue from "./core/shoreline.js";
import type { Core } from "./core.js";
import { callSync } from "./core.js";
import { env } from "./env.js";
import type { ConnectionOptions } from "./generated/types.js";

/** How to reach the API. */
export interface ClientOptions extends ConnectionOptions {
  /** The API key, or a function that gives one; it is asked again once after a 401. */
  apiKey?: string | (() => string | Promise<string>) | undefined;
  /** Instead of the runtime's `fetch`. */
  fetch?: ((input: string, init?: RequestInit) => Promise<Response>) | undefined;
}

/** What any call takes. */
export interface CallOptions {
  /** Aborts the call and the request underneath. */
  signal?: AbortSignal | undefined;
}

/** A client in the core, with what is absent taken from the environment. */
export function client(core: Core, options: ClientOptions): Glue.Client {
  const filled: Record<string, unknown> = { ...options };
  for (const [option, variable] of variables) {
    if (filled[option] === undefined) filled[option] = env(variable);
  }
  return callSync(() => new core.Client(filled));
}

const variables: readonly (readonly [keyof ClientOptions, string])[] = [
  ["apiKey", "TENSORLAKE_API_KEY"],
  ["apiUrl", "TENSORLAKE_API_URL"],
  ["sandboxApiUrl", "TENSORLAKE_SANDBOX_API_URL"],
  ["proxyUrl", "TENSORLAKE_SANDBOX_PROXY_URL"],
  ["organizationId", "TENSORLAKE_ORGANIZATION_ID"],
  ["projectId", "TENSORLAKE_PROJECT_ID"],
  ["namespace", "INDEXIFY_NAMESPACE"],
];
