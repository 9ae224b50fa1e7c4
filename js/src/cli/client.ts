// Which server the program talks to.
import { type ClientOptions, Sandbox } from "shoreline";
import { sharedLocal } from "shoreline/local";
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

/** Options for every call: the given ones, else those of the environment, else the shared local server. */
export async function clientOptions(given: GlobalOptions): Promise<ClientOptions> {
  const { apiUrl, apiKey, namespace, organization: organizationId, project: projectId } = given;
  const options = { apiUrl, apiKey, namespace, organizationId, projectId };
  if (isRemote(given)) return options;
  const local = await sharedLocal();
  const open = local.isolation === "none" ? "; commands run as you, without isolation" : "";
  // A script would print the same line with every call.
  if (process.stderr.isTTY || open !== "")
    note(`No API key is set: using local sandboxes on this machine${open}.`);
  return { ...options, apiUrl: local.url, apiKey: local.apiKey };
}

/** Whether a server is named, by options or by the environment. */
export function isRemote({ apiUrl, apiKey }: GlobalOptions): boolean {
  const { TENSORLAKE_API_KEY, TENSORLAKE_API_URL, TENSORLAKE_SANDBOX_API_URL } = process.env;
  return [apiUrl, apiKey, TENSORLAKE_API_KEY, TENSORLAKE_API_URL, TENSORLAKE_SANDBOX_API_URL].some(Boolean);
}

/** A sandbox by id or name. */
export async function sandboxOf(given: GlobalOptions, idOrName: string): Promise<Sandbox> {
  return Sandbox.connect(idOrName, await clientOptions(given));
}
