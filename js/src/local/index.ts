/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A sandbox server on this machine, for Node, Bun and Deno: real processes, the same API.
 *
 * @module shoreline/local
 */

import type { ChildProcess } from "node:child_process";
import process from "node:process";
import { invalid, optionsOf } from "../arguments.js";
import { launched } from "./launch.js";
import type { IsolationLevel, Ready } from "./ready.js";

export { LocalServerError } from "./error.js";
export { pageToken, type PageToken, type PageTokenOptions } from "./page-token.js";
export type { IsolationLevel } from "./ready.js";
export { findShared, type SharedOptions, type SharedServer, sharedLocal, stateFile } from "./shared.js";

/** Options of `startLocal`. */
export interface LocalServerOptions {
  /**
   * Path of the server's executable. Default: `SHORELINE_LOCAL_BINARY`, else the one of the optional dependency for this
   * machine, `@shoreline/local-linux-x64`.
   */
  binary?: string | undefined;
  /** Web origins whose pages may call the server, for example `http://localhost:5173`. Default: none. */
  allowOrigins?: string[] | undefined;
  /**
   * Files and directories of this machine that every sandbox sees, as `HOST:INSIDE`, `HOST:INSIDE:ro` (the same) or
   * `HOST:INSIDE:rw`: for example `"./data:/data"`. `INSIDE` is an absolute path without a colon. They need
   * bubblewrap: without it the server does not start. Default: none.
   */
  mounts?: string[] | undefined;
  /**
   * The network of the sandboxes. `own`: each sandbox has its own, or the server does not start. `host`: sandboxes share this
   * machine's network, loopback ports included. Default: `own` if that works on this machine, else `host`.
   */
  network?: "own" | "host" | undefined;
  /** Seconds until the server must be ready. Default: 30. */
  startupTimeout?: number | undefined;
  /**
   * The isolation level of sandboxes. `"auto"` takes the best that works here and warns on standard error if that is
   * `none`. `"required"` takes the best too, but rejects instead of running without isolation. A level takes that
   * one or rejects. Default: `"auto"`. {@link LocalServer.isolation} says which level is in force.
   */
  isolation?: "auto" | "required" | IsolationLevel | undefined;
}

const NETWORKS: readonly string[] = ["own", "host"];
const ISOLATIONS: readonly string[] = ["auto", "required", "bubblewrap", "landlock", "none"];

/** A running local server. It ends with {@link close}, at the latest with this process. */
class LocalServer implements AsyncDisposable {
  // Not plain properties, so that printing the server does not print its key.
  readonly #url: string;
  readonly #apiKey: string;
  readonly #isolation: IsolationLevel;
  readonly #child: ChildProcess;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(child: ChildProcess, { url, apiKey, isolation }: Ready) {
    this.#child = child;
    this.#url = url;
    this.#apiKey = apiKey;
    this.#isolation = isolation;
  }

  /** The value of `apiUrl` for calls to this server. */
  get url(): string {
    return this.#url;
  }

  /** The value of `apiKey` for calls to this server. */
  get apiKey(): string {
    return this.#apiKey;
  }

  /** The isolation level of its sandboxes. */
  get isolation(): IsolationLevel {
    return this.#isolation;
  }

  /** Ends the server and every process that it started. Further calls have no effect. */
  close(): Promise<void> {
    this.#closed ??= stop(this.#child);
    return this.#closed;
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

export type { LocalServer };

/** The warning if no isolation was not requested explicitly. */
const UNISOLATED =
  "shoreline: sandboxes are not isolated, commands run with your rights: install bubblewrap, or see `shoreline doctor`\n";

/** How long the server may take to end its processes, ms. */
const STOP_GRACE = 10_000;

/**
 * Starts a local server:
 *
 * ```ts
 * await using server = await startLocal();
 * await using sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
 * ```
 *
 * It does not keep this process running, and ends with it however that ends. It is not in this process's
 * group, so Ctrl-C in a terminal reaches this process alone, which decides.
 *
 * @throws {LocalServerError} The server did not start, for example because of `isolation`; its `stderr` says why.
 */
export async function startLocal(options?: LocalServerOptions): Promise<LocalServer> {
  const given: LocalServerOptions = optionsOf(
    options,
    "binary allowOrigins mounts network startupTimeout isolation",
  );
  const { binary, startupTimeout = 30 } = given;
  const { allowOrigins = [], mounts = [], network, isolation = "auto" } = given;
  check(binary, allowOrigins, mounts, startupTimeout);
  if (!ISOLATIONS.includes(isolation)) throw invalid(`\`isolation\` must be one of ${ISOLATIONS.join(", ")}`);
  if (network !== undefined && !NETWORKS.includes(network))
    throw invalid('`network` must be "own" or "host"');
  const args = [
    "--isolation",
    isolation,
    ...allowOrigins.flatMap((origin) => ["--allow-origin", origin]),
    // In one argument, since a path can begin with a hyphen.
    ...mounts.map((mount) => `--mount=${mount}`),
    ...(network ? ["--network", network] : []),
  ];
  const { child, ready } = await launched(args, { binary, startupTimeout });
  if (isolation === "auto" && ready.isolation === "none") process.stderr.write(UNISOLATED);
  return new LocalServer(child, ready);
}

function check(binary: unknown, origins: unknown, mounts: unknown, seconds: unknown): void {
  if (binary !== undefined && (typeof binary !== "string" || binary === "" || binary.includes("\0"))) {
    throw invalid("`binary` must be the path of a program");
  }
  const plain = (origin: unknown) => typeof origin === "string" && /^https?:\/\/[^\s/]+$/.test(origin);
  if (!Array.isArray(origins) || !origins.every(plain)) {
    throw invalid('`allowOrigins` must be an array of web origins, for example ["http://localhost:5173"]');
  }
  const mount = (text: unknown) => typeof text === "string" && text.includes(":") && !text.includes("\0");
  if (!Array.isArray(mounts) || !mounts.every(mount)) {
    throw invalid('`mounts` must be an array of HOST:INSIDE, for example ["./data:/data"]');
  }
  if (typeof seconds !== "number" || !(seconds > 0 && seconds < 2 ** 31 / 1000)) {
    throw invalid("`startupTimeout` must be a number of seconds above 0");
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.stdin?.end();
  const kill = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE);
  await ended;
  clearTimeout(kill);
}
