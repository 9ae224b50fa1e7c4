// The local server that a user's programs share: found by a file, started where there is none, gone when idle.
import { randomUUID } from "node:crypto";
import { closeSync, constants, ftruncateSync, linkSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { optionsOf } from "../arguments.js";
import { LocalServerError } from "./error.js";
import { launched } from "./launch.js";
import type { IsolationLevel } from "./ready.js";
import { makeOwnDirectory, openOwnFile, readOwnFile, writeOwnFile } from "./own-file.js";
import { isRunning, processId, type ProcessId } from "./pid.js";
import { prove } from "./proof.js";

/** A local server that outlives this program. */
export interface SharedServer {
  /** The value of `apiUrl` for calls to this server. */
  url: string;
  /** The value of `apiKey` for calls to this server. */
  apiKey: string;
  /** The isolation level in force. */
  isolation: IsolationLevel;
  /** Its process id. */
  pid: number;
}

/** Options of a shared server that has to be started. */
export interface SharedOptions {
  /** Seconds without a sandbox and without a request after which it stops. Default: 600. */
  stopWhenIdle?: number | undefined;
  /** `"required"`: rejects if sandboxes are not isolated, those of a server that runs included. Default: `"auto"`. */
  isolation?: "auto" | "required" | undefined;
}

/** The content of the state file. */
type Known = SharedServer & ProcessId;

/** Timeout for a server that runs and does not answer, ms. */
const TIMEOUT = 10_000;
/** Timeout for a server that seems not to run, ms: its pid may be of another namespace. */
const PROBE = 2000;
/** Delay between two requests to a server, ms. */
const PAUSE = 100;
/** Attempts to find or start a server. Two programs that start one at the same time need two. */
const ROUNDS = 5;

/** Path of the state file of the shared server. It contains the key, so only its owner may read it. */
export function stateFile(): string {
  const { XDG_STATE_HOME } = process.env;
  // The specification ignores relative ones.
  const state = XDG_STATE_HOME?.startsWith("/") ? XDG_STATE_HOME : join(homedir(), ".local", "state");
  return join(state, "shoreline", "local.json");
}

/**
 * The shared server, if one runs. Before its key is sent anywhere, the server has proved that it knows the key.
 *
 * @throws {LocalServerError} `unavailable`: the server runs and does not answer within 10 s, or the state file
 * belongs to somebody else.
 */
export async function findShared(): Promise<SharedServer | undefined> {
  const known = read(stateFile());
  return known && (await works(known)) ? shown(known) : undefined;
}

/**
 * The local server that this user's programs share; one is started if none runs. It goes on when this program
 * ends, and stops when it is idle.
 *
 * @throws {LocalServerError} The server did not start, did not answer within 10 s, or its state file belongs to
 * another user.
 */
export async function sharedLocal(options?: SharedOptions): Promise<SharedServer> {
  const given: SharedOptions = optionsOf(options, "stopWhenIdle isolation");
  const { stopWhenIdle = 600, isolation = "auto" } = given;
  const path = stateFile();
  for (let round = 0; round < ROUNDS; round++) {
    const known = read(path);
    if (known && (await works(known))) {
      if (isolation === "required" && known.isolation === "none") throw unisolated(known);
      return shown(known);
    }
    const args = ["--stop-when-idle", String(stopWhenIdle), "--isolation", isolation];
    const { child, ready } = await started(path, args);
    const server = { ...ready, ...processId(child.pid ?? 0) };
    let published = false;
    try {
      published = publish(path, server, known);
    } finally {
      // Somebody else's was first, or nobody would find it.
      if (!published) child.kill();
    }
    if (published) return shown(server);
  }
  throw new LocalServerError("unavailable", `no local server could be agreed on: remove ${path}`);
}

async function started(path: string, args: string[]): ReturnType<typeof launched> {
  makeOwnDirectory(dirname(path));
  const { O_APPEND, O_CREAT, O_WRONLY } = constants;
  const log = openOwnFile(join(dirname(path), "local.log"), O_WRONLY | O_CREAT | O_APPEND);
  try {
    ftruncateSync(log);
    return await launched(args, { log });
  } finally {
    closeSync(log);
  }
}

/** What the file says; nothing, where there is none or it makes no sense. */
function read(path: string): Known | undefined {
  const text = readOwnFile(path);
  if (text === undefined) return undefined;
  try {
    const { url, apiKey, isolation = "none", pid, started } = JSON.parse(text) as Partial<Known>;
    const local = typeof url === "string" && /^http:\/\/127\.0\.0\.1:\d+$/.test(url);
    return local && typeof apiKey === "string" && typeof pid === "number"
      ? { url, apiKey, isolation, pid, started }
      : undefined;
  } catch {
    return undefined;
  }
}

function shown({ url, apiKey, isolation, pid }: Known): SharedServer {
  return { url, apiKey, isolation, pid };
}

/**
 * Whether the server is there. Nothing but a refused connection or the end of its process says that it is gone: one
 * that stalls has sandboxes.
 */
async function works(known: Known): Promise<boolean> {
  const end = performance.now() + TIMEOUT;
  for (;;) {
    const left = end - performance.now();
    const answer = await prove(known, isRunning(known) ? Math.max(left, PAUSE) : PROBE);
    if (answer !== "unproved") return answer === "proved";
    if (!isRunning(known)) return false;
    if (left <= PAUSE) throw stalled(known);
    await sleep(PAUSE);
  }
}

function unisolated({ pid }: Known): LocalServerError {
  const message = `the local server (process ${pid}) runs without isolation: end it by \`shoreline local stop\`, and install bubblewrap`;
  return new LocalServerError("unavailable", message);
}

function stalled({ pid }: Known): LocalServerError {
  const message = `the local server (process ${pid}) runs and does not answer: try again, or end it and its sandboxes by \`kill -9 ${pid}\``;
  return new LocalServerError("unavailable", message);
}

/** Puts the file in place, unless somebody else has put one there since `stale` was read. */
function publish(path: string, server: Known, stale: Known | undefined): boolean {
  try {
    writeOwnFile(path, JSON.stringify(server), (mine) => {
      remove(path, stale);
      // Unlike a rename, it fails if there is a file.
      linkSync(mine, path);
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Removes the file, unless somebody else has put another one there since `stale` was read. */
function remove(path: string, stale: Known | undefined): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  try {
    // What is looked at is what was taken away, so that nobody can change it in between.
    const there = read(aside);
    // One that makes no sense is as stale.
    if (there !== undefined && there.apiKey !== stale?.apiKey) linkSync(aside, path);
  } finally {
    rmSync(aside, { force: true });
  }
}
