/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A sandbox server on this machine, for Node, Bun and Deno: real processes, the same API.
 *
 * @module shoreline/local
 */

import { type ChildProcess, spawn } from "node:child_process";
import { invalid, optionsOf } from "../arguments.js";
import { ShorelineError } from "../errors.js";
import type { ErrorCode } from "../generated/errors.js";
import { platformPackage, serverBinary, VARIABLE } from "./binary.js";

/** How a local server is started. */
export interface LocalServerOptions {
  /**
   * The server's program. Default: what `SHORELINE_LOCAL_BINARY` names, else that of the package for this
   * machine, `@shoreline/local-linux-x64`, which npm installs along.
   */
  binary?: string | undefined;
  /** Web origins whose pages may call the server, for example `http://localhost:5173`. Default: none. */
  allowOrigins?: string[] | undefined;
  /** Seconds until the server must be ready. Default: 30. */
  startupTimeout?: number | undefined;
}

/**
 * The local server could not be started. Codes: `missing_capability` (there is no program for this
 * machine), `unavailable` (it ended), `start_timeout` (it was not ready in time).
 */
export class LocalServerError extends ShorelineError {
  override readonly name = "LocalServerError";
  /** The end of what the server wrote to standard error. */
  readonly stderr: string;

  /** @internal */
  constructor(code: ErrorCode, message: string, stderr = "", cause?: unknown) {
    const said = stderr.trim();
    super({ code, message: said ? `${message}; it said:\n${said}` : message, cause });
    this.stderr = stderr;
  }
}

/** A local server that runs. It ends with {@link close}, and in any case with this process. */
class LocalServer implements AsyncDisposable {
  // Not plain properties, so that printing the server does not print its key.
  readonly #url: string;
  readonly #apiKey: string;
  readonly #child: ChildProcess;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(child: ChildProcess, { url, apiKey }: Ready) {
    this.#child = child;
    this.#url = url;
    this.#apiKey = apiKey;
  }

  /** What `apiUrl` is for the calls to it. */
  get url(): string {
    return this.#url;
  }

  /** The key that the server asks for. */
  get apiKey(): string {
    return this.#apiKey;
  }

  /** Ends the server and every process that it started. Further calls change nothing. */
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

interface Ready {
  url: string;
  apiKey: string;
}

/** What is kept of standard error, in characters. */
const TAIL = 4096;
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
 * @throws {LocalServerError} It did not start; its `stderr` says more.
 */
export async function startLocal(options?: LocalServerOptions): Promise<LocalServer> {
  const given: LocalServerOptions = optionsOf(options);
  const binary = given.binary ?? serverBinary();
  if (binary === undefined) throw noProgram();
  const seconds = given.startupTimeout ?? 30;
  check(binary, given.allowOrigins ?? [], seconds);
  const origins = (given.allowOrigins ?? []).flatMap((origin) => ["--allow-origin", origin]);
  const child = launch(binary, ["--port", "0", "--json", "--until-stdin-closes", ...origins]);
  try {
    const ready = await untilReady(child, binary, seconds * 1000);
    release(child);
    return new LocalServer(child, ready);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

function check(binary: unknown, origins: unknown, seconds: unknown): void {
  if (typeof binary !== "string" || binary === "" || binary.includes("\0")) {
    throw invalid("`binary` must be the path of a program");
  }
  const plain = (origin: unknown) => typeof origin === "string" && /^https?:\/\/[^\s/]+$/.test(origin);
  if (!Array.isArray(origins) || !origins.every(plain)) {
    throw invalid('`allowOrigins` must be an array of web origins, for example ["http://localhost:5173"]');
  }
  if (typeof seconds !== "number" || !(seconds > 0 && seconds < 2 ** 31 / 1000)) {
    throw invalid("`startupTimeout` must be a number of seconds above 0");
  }
}

function launch(binary: string, args: string[]): ChildProcess {
  try {
    return spawn(binary, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  } catch (cause) {
    // Node throws some failures and emits others.
    throw cannotStart(cause as NodeJS.ErrnoException, binary);
  }
}

/** Waits for the one line that says where the server is. */
function untilReady(child: ChildProcess, binary: string, ms: number): Promise<Ready> {
  return new Promise((resolve, reject) => {
    let said = "";
    let line = "";
    const fail = (error: LocalServerError) => {
      clearTimeout(timer);
      reject(error);
    };
    const timer = setTimeout(() => {
      fail(
        new LocalServerError("start_timeout", `the local server was not ready after ${ms / 1000} s`, said),
      );
    }, ms);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-TAIL);
    });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      if (line.includes("\n")) return;
      line += text;
      if (!line.includes("\n")) return;
      const ready = readyLine(line);
      if (!ready) {
        fail(new LocalServerError("unavailable", `${binary} does not speak as a local server does`, said));
        return;
      }
      clearTimeout(timer);
      resolve(ready);
    });
    // A write to a server that has gone is no news: `close` tells of its end.
    child.stdin?.on("error", () => undefined);
    child.on("error", (cause: NodeJS.ErrnoException) => {
      fail(cannotStart(cause, binary));
    });
    child.on("close", (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      fail(new LocalServerError("unavailable", `the local server ended before it was ready (${how})`, said));
    });
  });
}

function readyLine(line: string): Ready | undefined {
  try {
    const { url, apiKey } = JSON.parse(line) as Partial<Ready>;
    return typeof url === "string" && typeof apiKey === "string" ? { url, apiKey } : undefined;
  } catch {
    return undefined;
  }
}

function noProgram(): LocalServerError {
  const message = `there is no local server for this machine: ${platformPackage()} is not installed. Where there is such a package, install without \`--omit=optional\`; else name a program by \`binary\` or ${VARIABLE}`;
  return new LocalServerError("missing_capability", message);
}

function cannotStart(cause: NodeJS.ErrnoException, binary: string): LocalServerError {
  const platform = `${process.platform}-${process.arch}`;
  const why =
    cause.code === "ENOENT"
      ? `there is no ${binary}`
      : `${binary} does not run on ${platform} (${cause.message})`;
  const message = `the local server cannot be started: ${why}: name another program by \`binary\` or ${VARIABLE}`;
  return new LocalServerError("missing_capability", message, "", cause);
}

/** Lets this process end while the server runs: its end closes the server's input. */
function release(child: ChildProcess): void {
  child.unref();
  for (const pipe of [child.stdin, child.stdout, child.stderr])
    (pipe as { unref?(): void } | null)?.unref?.();
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
