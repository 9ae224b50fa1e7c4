import { invalid } from "./arguments.js";
import { callSync, core } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { env } from "./env.js";
import { host } from "./host.js";
import type { ClientOptions } from "./options.js";

/** A client in the core, with what is absent taken from the environment. */
export async function client(options: ClientOptions): Promise<Glue.Client> {
  const { Client } = await core();
  const filled: Record<string, unknown> = { ...options };
  for (const [option, variable] of variables) filled[option] ??= env(variable);
  filled.fetch ??= host.fetch;
  return callSync(() => new Client(filled));
}

/** An id or a name, which the core then looks at. */
export function idOrName(sandbox: unknown): string {
  if (typeof sandbox === "string") return sandbox;
  throw invalid("a sandbox is given by its id or its name, which is a string");
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
