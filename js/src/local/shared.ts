// The local server that a user's programs share: found by a file, started where there is none, gone when idle.
import { randomUUID } from "node:crypto";
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { LocalServerError } from "./error.js";
import { launched } from "./launch.js";

/** A local server that outlives this program. */
export interface SharedServer {
  /** What `apiUrl` is for the calls to it. */
  url: string;
  /** The key that the server asks for. */
  apiKey: string;
  /** What keeps its sandboxes apart: `bubblewrap` or `none`. */
  isolation: string;
  /** Its process. */
  pid: number;
}

/** How a shared server is started where there is none. */
export interface SharedOptions {
  /** Seconds without a sandbox and without a request after which it stops. Default: 600. */
  stopWhenIdle?: number | undefined;
}

/** How long a server may take to say that it is there, ms. */
const PROBE = 2000;
/** Two programs that start one at once need two rounds; more are for stranger things. */
const ROUNDS = 5;

/** Where what is known of the shared server stands; the key is in it, so that only its owner may read it. */
export function stateFile(): string {
  const { XDG_STATE_HOME } = process.env;
  // The specification ignores relative ones.
  const state = XDG_STATE_HOME?.startsWith("/") ? XDG_STATE_HOME : join(homedir(), ".local", "state");
  return join(state, "shoreline", "local.json");
}

/** The shared server, if one runs. */
export async function findShared(): Promise<SharedServer | undefined> {
  const known = read(stateFile());
  return known && (await works(known)) ? known : undefined;
}

/**
 * The local server that this user's programs share; one is started if none runs. It goes on when this program
 * ends, and stops when it is idle.
 *
 * @throws {LocalServerError} It did not start, or the file that tells of it belongs to somebody else.
 */
export async function sharedLocal({ stopWhenIdle = 600 }: SharedOptions = {}): Promise<SharedServer> {
  const path = stateFile();
  for (let round = 0; round < ROUNDS; round++) {
    const known = read(path);
    if (known && (await works(known))) return known;
    const { child, ready } = await started(path, stopWhenIdle);
    const server = { ...ready, pid: child.pid ?? 0 };
    if (publish(path, server, known)) return server;
    // Somebody else's was first.
    child.kill();
  }
  throw new LocalServerError("unavailable", `no local server could be agreed on: remove ${path}`);
}

async function started(path: string, seconds: number): ReturnType<typeof launched> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const log = openSync(join(dirname(path), "local.log"), "w", 0o600);
  try {
    return await launched(["--stop-when-idle", String(seconds)], { log });
  } finally {
    closeSync(log);
  }
}

/** What the file says; nothing, where there is none or it makes no sense. */
function read(path: string): SharedServer | undefined {
  let text: string;
  try {
    const { mode, uid } = lstatSync(path);
    const plain = (mode & 0o170077) === 0o100000;
    if (!plain || uid !== process.getuid?.()) {
      throw new LocalServerError(
        "unavailable",
        `${path} is not this user's alone, so it is not trusted: remove it`,
      );
    }
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { url, apiKey, isolation = "", pid } = JSON.parse(text) as Partial<SharedServer>;
    const local = typeof url === "string" && /^http:\/\/127\.0\.0\.1:\d+$/.test(url);
    return local && typeof apiKey === "string" && typeof pid === "number"
      ? { url, apiKey, isolation, pid }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the server is there and knows the key: after a restart its port may be another program's. */
async function works({ url, apiKey }: SharedServer): Promise<boolean> {
  const headers = { Authorization: `Bearer ${apiKey}` };
  try {
    const answer = await fetch(`${url}/sandboxes?limit=1`, { headers, signal: AbortSignal.timeout(PROBE) });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

/** Puts the file in place, unless somebody else has put one there since `stale` was read. */
function publish(path: string, server: SharedServer, stale: SharedServer | undefined): boolean {
  const mine = `${path}.${randomUUID()}`;
  writeFileSync(mine, JSON.stringify(server), { mode: 0o600, flag: "wx" });
  try {
    const there = read(path);
    // One that makes no sense is as stale.
    if (there === undefined || there.apiKey === stale?.apiKey) rmSync(path, { force: true });
    linkSync(mine, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}
