// Local sandboxes for programs that name no server. Loaded on first use.
import process from "node:process";
import { env } from "../env.js";
import { UsageError } from "../errors.js";
import { findShared, sharedLocal, type SharedServer } from "../local/shared.js";

const NOTE =
  "shoreline: no API key is set: using local sandboxes on this machine. Set TENSORLAKE_API_KEY to use a server, or SHORELINE_LOCAL=off\n";
let isSaid = false;

/**
 * The local server that this user's programs share, if it isolates its sandboxes. With `start` it is started unless it
 * runs. In production, and where `SHORELINE_LOCAL` is `off`, there is none.
 */
export async function localServer(start: boolean): Promise<SharedServer | undefined> {
  if (env("NODE_ENV") === "production" || env("SHORELINE_LOCAL") === "off") return undefined;
  const server = await (start ? sharedLocal({ isolation: "required" }) : findShared()).catch(unusable);
  if (server && server.isolation !== "none" && !isSaid) {
    isSaid = true;
    process.stderr.write(NOTE);
  }
  return server?.isolation === "none" ? undefined : server;
}

function unusable(cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `no API key is set, and there are no local sandboxes: set TENSORLAKE_API_KEY, pass \`apiKey\`, or see \`shoreline doctor\`. ${why}`;
  throw new UsageError({ code: "missing_api_key", message, cause });
}
