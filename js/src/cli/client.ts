// Which server the program talks to.
import { type ClientOptions, Sandbox } from "shoreline";
import { findShared, sharedLocal, type SharedServer } from "shoreline/local";
import { EXIT, Failure } from "./exit.js";
import { quickFetch } from "./fetch.js";
import { note } from "./print.js";

/** What stands before the command. */
export interface GlobalOptions {
  apiUrl?: string;
  apiKey?: string;
  namespace?: string;
  organization?: string;
  project?: string;
  debug?: boolean;
  quiet?: boolean;
}

/** Options for every call: the given ones, else those of the environment, else the shared local server, which is started. */
export async function clientOptions(given: GlobalOptions): Promise<ClientOptions> {
  return isRemote(given) ? remote(given) : local(given, await sharedLocal());
}

/** The same for commands that only look: undefined where no server is named and no local server runs. */
export async function existingOptions(given: GlobalOptions): Promise<ClientOptions | undefined> {
  if (isRemote(given)) return remote(given);
  const server = await findShared();
  return server && local(given, server);
}

/** The same for commands about a sandbox, which a server that has just been started would not have. */
export async function optionsFor(given: GlobalOptions, idOrName: string): Promise<ClientOptions> {
  const options = await existingOptions(given);
  if (options) return options;
  const text = `no sandbox ${JSON.stringify(idOrName)}: no local server runs, and no API key is set`;
  throw new Failure(EXIT.notFound, text);
}

function remote({ apiUrl, apiKey, namespace, organization, project }: GlobalOptions): ClientOptions {
  return {
    apiUrl,
    apiKey,
    namespace,
    organizationId: organization,
    projectId: project,
    fetch: quickFetch,
  };
}

function local(given: GlobalOptions, server: SharedServer): ClientOptions {
  const open = server.isolation === "none" ? "; commands run as you, without isolation" : "";
  // A script would print the same line with every call.
  if (process.stderr.isTTY || open !== "")
    note(`No API key is set: using local sandboxes on this machine${open}.`);
  return { ...remote(given), apiUrl: server.url, apiKey: server.apiKey };
}

/** Whether a server is named, by options or by the environment. */
export function isRemote({ apiUrl, apiKey }: GlobalOptions): boolean {
  const { TENSORLAKE_API_KEY, TENSORLAKE_API_URL, TENSORLAKE_SANDBOX_API_URL } = process.env;
  return [apiUrl, apiKey, TENSORLAKE_API_KEY, TENSORLAKE_API_URL, TENSORLAKE_SANDBOX_API_URL].some(Boolean);
}

/** A sandbox by id or name. */
export async function sandboxOf(given: GlobalOptions, idOrName: string): Promise<Sandbox> {
  return Sandbox.connect(idOrName, await optionsFor(given, idOrName));
}
