// The work done by a server's own routes.
import type * as Glue from "../core/shoreline.js";
import type { FileContent } from "../files.js";
import { serverCodeOf } from "./error.js";
import { shim } from "./shim.js";
import type { Backend, Copying, RawEntry, RawStats, Writing } from "./types.js";

type Signal = AbortSignal | undefined;

/** Whether a server said that it does not have the routes. */
export function isLacking(error: unknown): boolean {
  if (!shim.ShorelineError.is(error) || serverCodeOf(error) !== undefined) return false;
  return error.code === "unsupported" || error.code === "not_found";
}

export class Routes implements Backend {
  readonly #core: Glue.Sandbox;
  /** The server was seen to have them. */
  #isSure = false;

  constructor(core: Glue.Sandbox) {
    this.#core = core;
  }

  stat(path: string, follow: boolean, signal: Signal): Promise<RawStats> {
    return this.#look({ op: follow ? "stat" : "lstat", path }, signal);
  }

  async readdir(path: string, recursive: boolean, signal: Signal): Promise<RawEntry[]> {
    const query = { op: "readdir", path, recursive: String(recursive) };
    return (await this.#look<{ entries: RawEntry[] }>(query, signal)).entries;
  }

  async readlink(path: string, signal: Signal): Promise<string> {
    return (await this.#look<{ path: string }>({ op: "readlink", path }, signal)).path;
  }

  async realpath(path: string, signal: Signal): Promise<string> {
    return (await this.#look<{ path: string }>({ op: "realpath", path }, signal)).path;
  }

  access(path: string, mode: number, signal: Signal): Promise<unknown> {
    return this.#look({ op: "access", path, mode: String(mode) }, signal);
  }

  mkdir(path: string, recursive: boolean, mode: number | undefined, signal: Signal): Promise<unknown> {
    return this.#operate({ op: "mkdir", path, recursive, mode }, signal);
  }

  rename(path: string, to: string, signal: Signal): Promise<unknown> {
    return this.#operate({ op: "rename", path, to }, signal);
  }

  copyFile(path: string, to: string, exclusive: boolean, signal: Signal): Promise<unknown> {
    return this.#operate({ op: "copyfile", path, to, exclusive }, signal);
  }

  cp(path: string, to: string, how: Copying, signal: Signal): Promise<unknown> {
    return this.#operate({ op: "cp", path, to, ...how }, signal);
  }

  rm(path: string, recursive: boolean, force: boolean, signal: Signal): Promise<unknown> {
    return this.#operate({ op: "rm", path, recursive, force }, signal);
  }

  chmod(path: string, mode: number, signal: Signal): Promise<unknown> {
    return this.#operate({ op: "chmod", path, mode }, signal);
  }

  symlink(target: string, path: string, signal: Signal): Promise<unknown> {
    return this.#operate({ op: "symlink", target, path }, signal);
  }

  utimes(path: string, atimeMs: number, mtimeMs: number, signal: Signal): Promise<unknown> {
    return this.#operate({ op: "utimes", path, atime_ms: atimeMs, mtime_ms: mtimeMs }, signal);
  }

  async write(path: string, data: FileContent, { flag, mode }: Writing, signal: Signal): Promise<void> {
    // Another server would ignore the flag, and replace the file.
    if (!this.#isSure) await this.access("/", 0, signal);
    const how = mode === undefined ? "" : `&mode=${mode.toString(8)}`;
    await shim.write(this.#core, path, data, signal && { signal }, `&flag=${flag}${how}`);
  }

  #look<T>(query: Record<string, string>, signal: Signal): Promise<T> {
    return this.#operate(`?${new URLSearchParams(query).toString()}`, signal);
  }

  async #operate<T>(operation: unknown, signal: Signal): Promise<T> {
    try {
      const result = await shim.call<T>(() => this.#core.operate(operation, false, signal));
      this.#isSure = true;
      return result;
    } catch (error) {
      this.#isSure ||= serverCodeOf(error) !== undefined;
      throw error;
    }
  }
}
