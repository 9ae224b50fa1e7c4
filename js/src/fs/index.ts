// The calls of `sandbox.fs`: their arguments, and who does the work.
import type * as Glue from "../core/shoreline.js";
import type { GlobOptions, GrepOptions, Match } from "../file-search.js";
import type { FileWatcher, WatchOptions } from "../file-watch.js";
import type {
  AppendFileOptions,
  CpOptions,
  Dirent as DirentShape,
  FileMode,
  FileSystem,
  MkdirOptions,
  ReaddirOptions,
  ReadFileOptions,
  RmOptions,
  Shim,
  Stats as StatsShape,
  Utf8,
  WriteFileOptions,
} from "../file-system.js";
import type { FileContent } from "../files.js";
import type { CallOptions } from "../options.js";
import type { Sandbox } from "../sandbox.js";
import { Commands } from "./commands.js";
import { explained, Failure } from "./error.js";
import { isLacking, Routes } from "./routes.js";
import { type Results, Searcher } from "./search.js";
import { shim, useShim } from "./shim.js";
import { type Backend, Dirent, Stats } from "./types.js";
import { Watcher } from "./watch.js";

/** Names that `mkdtemp` tries. */
const TRIES = 10;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** The calls. Where this code is loaded, they are made ready to be iterated before it is there. */
type Loaded = Omit<FileSystem, "glob" | "grep" | "watch"> & {
  glob(pattern: string | readonly string[], options?: GlobOptions): Results<string | DirentShape>;
  grep(pattern: string, options?: GrepOptions): Results<Match>;
  watch(path: string, options?: WatchOptions): Promise<FileWatcher>;
};

/** Opens the files of a sandbox. */
export function open(given: Shim, core: Glue.Sandbox, sandbox: Sandbox): Loaded {
  useShim(given);
  return new Files(core, sandbox);
}

class Files implements Loaded {
  readonly #core: Glue.Sandbox;
  readonly #sandbox: Sandbox;
  readonly #routes: Routes;
  readonly #commands: Commands;
  readonly #searcher: Searcher;
  /** The server was seen not to have the routes. */
  #lacksRoutes = false;

  constructor(core: Glue.Sandbox, sandbox: Sandbox) {
    this.#core = core;
    this.#sandbox = sandbox;
    this.#routes = new Routes(core);
    this.#commands = new Commands(sandbox);
    this.#searcher = new Searcher(core, sandbox);
  }

  readFile(path: string, options: Utf8 | (ReadFileOptions & { encoding: Utf8 })): Promise<string>;
  readFile(
    path: string,
    options?: (ReadFileOptions & { encoding?: null }) | null,
  ): Promise<Uint8Array<ArrayBuffer>>;
  async readFile(
    path: string,
    options?: Utf8 | ReadFileOptions | null,
  ): Promise<string | Uint8Array<ArrayBuffer>> {
    const { encoding, signal } = withEncoding<ReadFileOptions>(options, "encoding signal");
    const bytes = await this.#do("open", [path], async (backend) => {
      // The routes that read and write files take no `..`.
      const place = hasDots(path) ? await backend.realpath(path, signal) : path;
      try {
        return await shim.read(this.#core, place, signal && { signal });
      } catch (error) {
        throw await this.#why(error, backend, place, signal);
      }
    });
    return encoding ? new TextDecoder().decode(bytes) : bytes;
  }

  /** Why a file could not be read: servers report it with their own codes. */
  async #why(
    error: unknown,
    backend: Backend,
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (!shim.ShorelineError.is(error) || ![400, 403, 404, 409].includes(error.status ?? 0)) return error;
    const there = new Stats(await backend.stat(path, true, signal));
    return new Failure(there.isDirectory() ? "EISDIR" : there.isFile() ? "EACCES" : "ENXIO", error);
  }

  async writeFile(path: string, data: FileContent, options?: Utf8 | WriteFileOptions | null): Promise<void> {
    const given = withEncoding<WriteFileOptions>(options, "encoding mode flag signal");
    const { flag = "w", signal } = given;
    if (!["w", "wx", "a"].includes(flag)) throw shim.invalid('`flag` must be "w", "wx" or "a"');
    const mode = given.mode === undefined ? undefined : modeOf(given.mode);
    await this.#do("open", [path], async (backend) => {
      const [, above = "", name = ""] = /^(.*?)([^/]*)\/*$/s.exec(path) ?? [];
      const place = hasDots(path) ? `${await backend.realpath(above || ".", signal)}/${name}` : path;
      await backend.write(place, data, { flag, mode }, signal);
    });
  }

  async appendFile(
    path: string,
    data: FileContent,
    options?: Utf8 | AppendFileOptions | null,
  ): Promise<void> {
    const given = withEncoding<AppendFileOptions>(options, "encoding mode signal");
    await this.writeFile(path, data, { ...given, flag: "a" });
  }

  async stat(path: string, options?: CallOptions): Promise<StatsShape> {
    const { signal } = only(options);
    return new Stats(await this.#do("stat", [path], (it) => it.stat(path, true, signal)));
  }

  async lstat(path: string, options?: CallOptions): Promise<StatsShape> {
    const { signal } = only(options);
    return new Stats(await this.#do("lstat", [path], (it) => it.stat(path, false, signal)));
  }

  readdir(path: string, options: ReaddirOptions & { withFileTypes: true }): Promise<DirentShape[]>;
  readdir(
    path: string,
    options?: (ReaddirOptions & { withFileTypes?: false | undefined }) | null,
  ): Promise<string[]>;
  async readdir(path: string, options?: ReaddirOptions | null): Promise<string[] | DirentShape[]> {
    const given: ReaddirOptions = shim.optionsOf(options, "withFileTypes recursive signal");
    const { withFileTypes, recursive = false, signal } = given;
    const entries = await this.#do("scandir", [path], (it) => it.readdir(path, recursive, signal));
    if (!withFileTypes) return entries.map(({ name }) => name);
    return entries.map(({ name, kind }) => {
      const at = name.lastIndexOf("/");
      const above = at < 0 ? path : `${path.replace(/(?<=.)\/+$/, "")}/${name.slice(0, at)}`;
      return new Dirent(name.slice(at + 1), above, kind);
    });
  }

  async mkdir(path: string, options?: FileMode | MkdirOptions | null): Promise<void> {
    const isMode = typeof options === "number" || typeof options === "string";
    const given: MkdirOptions = isMode ? { mode: options } : shim.optionsOf(options, "recursive mode signal");
    const { recursive = false, signal } = given;
    const mode = given.mode === undefined ? undefined : modeOf(given.mode);
    await this.#do("mkdir", [path], (it) => it.mkdir(path, recursive, mode, signal));
  }

  async mkdtemp(prefix: string, options?: CallOptions): Promise<string> {
    const { signal } = only(options);
    for (let left = TRIES; ; left--) {
      const random = crypto.getRandomValues(new Uint8Array(6));
      const path = prefix + Array.from(random, (byte) => LETTERS[byte % LETTERS.length]).join("");
      try {
        await this.#do("mkdtemp", [path], (it) => it.mkdir(path, false, 0o700, signal));
        return path;
      } catch (error) {
        if (left === 0 || !shim.FileSystemError.is(error) || error.code !== "EEXIST") throw error;
      }
    }
  }

  async rename(oldPath: string, newPath: string, options?: CallOptions): Promise<void> {
    const { signal } = only(options);
    await this.#do("rename", [oldPath, newPath], (it) => it.rename(oldPath, newPath, signal));
  }

  async copyFile(src: string, dest: string, mode = 0, options?: CallOptions): Promise<void> {
    const { signal } = only(options);
    if (mode !== 0 && mode !== 1) throw shim.invalid("`mode` must be 0, or 1 (COPYFILE_EXCL)");
    await this.#do("copyfile", [src, dest], (it) => it.copyFile(src, dest, mode === 1, signal));
  }

  async cp(src: string, dest: string, options?: CpOptions): Promise<void> {
    const given: CpOptions = shim.optionsOf(options, "recursive force dereference preserveTimestamps signal");
    const {
      recursive = false,
      force = true,
      dereference = false,
      preserveTimestamps = false,
      signal,
    } = given;
    const how = { recursive, force, dereference, times: preserveTimestamps };
    await this.#do("cp", [src, dest], (it) => it.cp(src, dest, how, signal));
  }

  async rm(path: string, options?: RmOptions): Promise<void> {
    const {
      recursive = false,
      force = false,
      signal,
    }: RmOptions = shim.optionsOf(options, "recursive force signal");
    await this.#do("rm", [path], (it) => it.rm(path, recursive, force, signal));
  }

  async chmod(path: string, mode: FileMode, options?: CallOptions): Promise<void> {
    const { signal } = only(options);
    const bits = modeOf(mode);
    await this.#do("chmod", [path], (it) => it.chmod(path, bits, signal));
  }

  async symlink(target: string, path: string, options?: CallOptions): Promise<void> {
    const { signal } = only(options);
    await this.#do("symlink", [target, path], (it) => it.symlink(target, path, signal));
  }

  async readlink(path: string, options?: CallOptions): Promise<string> {
    const { signal } = only(options);
    return this.#do("readlink", [path], (it) => it.readlink(path, signal));
  }

  async realpath(path: string, options?: CallOptions): Promise<string> {
    const { signal } = only(options);
    return this.#do("realpath", [path], (it) => it.realpath(path, signal));
  }

  async access(path: string, mode = 0, options?: CallOptions): Promise<void> {
    const { signal } = only(options);
    if (!Number.isInteger(mode) || mode < 0 || mode > 7)
      throw shim.invalid("`mode` must be 0, or the sum of 4 (read), 2 (write) and 1 (execute)");
    await this.#do("access", [path], (it) => it.access(path, mode, signal));
  }

  async exists(path: string, options?: CallOptions): Promise<boolean> {
    try {
      await this.access(path, 0, options);
      return true;
    } catch (error) {
      if (shim.FileSystemError.is(error)) return false;
      throw error;
    }
  }

  async utimes(
    path: string,
    atime: Date | number,
    mtime: Date | number,
    options?: CallOptions,
  ): Promise<void> {
    const { signal } = only(options);
    const [atimeMs, mtimeMs] = [timeOf(atime), timeOf(mtime)];
    await this.#do("utime", [path], (it) => it.utimes(path, atimeMs, mtimeMs, signal));
  }

  async watch(path: string, options?: WatchOptions): Promise<FileWatcher> {
    const given: WatchOptions = shim.optionsOf(options, "recursive signal");
    checkPath(path);
    return Watcher.start(this.#core, this.#sandbox, path, given);
  }

  glob(pattern: string | readonly string[], options?: GlobOptions): Results<string | DirentShape> {
    return this.#searcher.glob(pattern, options);
  }

  grep(pattern: string, options?: GrepOptions): Results<Match> {
    return this.#searcher.grep(pattern, options);
  }

  /** Works with the server's routes or, if it has none, with commands. */
  async #do<T>(
    syscall: string,
    paths: readonly [string, string?],
    work: (backend: Backend) => Promise<T>,
  ): Promise<T> {
    for (const path of paths) checkPath(path);
    try {
      if (!this.#lacksRoutes)
        try {
          return await work(this.#routes);
        } catch (error) {
          if (!isLacking(error)) throw error;
          this.#lacksRoutes = true;
        }
      return await work(this.#commands);
    } catch (error) {
      throw explained(error, syscall, ...paths);
    }
  }
}

function checkPath(path: unknown): void {
  if (typeof path !== "string" || path === "" || path.includes("\0") || /\p{Cs}/u.test(path))
    throw shim.invalid("a path must be a string that is not empty, has no NUL and is valid Unicode");
}

function hasDots(path: string): boolean {
  return path.split("/").includes("..");
}

function only(options: CallOptions | undefined): CallOptions {
  return shim.optionsOf(options, "signal");
}

/** Options, which can be the encoding alone. */
function withEncoding<T extends { encoding?: Utf8 | null | undefined }>(
  options: Utf8 | T | null | undefined,
  names: string,
): Partial<T> {
  const given = (
    typeof options === "string" ? { encoding: options } : shim.optionsOf(options, names)
  ) as Partial<T>;
  if (![undefined, null, "utf8", "utf-8"].includes(given.encoding))
    throw shim.invalid(
      '`encoding` must be "utf8": read bytes and decode them, or encode them before writing',
    );
  return given;
}

function modeOf(mode: FileMode): number {
  const bits =
    typeof mode === "string" && /^(0o)?[0-7]+$/.test(mode) ? parseInt(mode.replace("0o", ""), 8) : mode;
  // As in Node, the mode of `stat` can be given, which has the type of the file too.
  if (typeof bits === "number" && Number.isInteger(bits) && bits >= 0 && bits < 2 ** 32) return bits & 0o7777;
  throw shim.invalid("a mode must be a number from 0 to 2 ** 32 - 1, or its octal digits as text");
}

function timeOf(time: Date | number): number {
  const ms = typeof time === "number" ? time * 1000 : time instanceof Date ? time.getTime() : NaN;
  if (!Number.isFinite(ms)) throw shim.invalid("a time must be a valid Date, or seconds since 1970");
  return ms;
}
