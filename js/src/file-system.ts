// `sandbox.fs`: its types, and what loads its code on first use.
import { invalid, optionsOf } from "./arguments.js";
import { call } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import {
  ApiError,
  CommandError,
  ConnectionError,
  FileSystemError,
  ProtocolError,
  ShorelineError,
  UsageError,
} from "./errors.js";
import { type FileContent, read, write } from "./files.js";
import type { GlobOptions, GrepOptions, Match, Search, SearchSummary } from "./file-search.js";
import type { FileChange, FileWatcher, WatchOptions } from "./file-watch.js";
import type * as implementation from "./fs/index.js";
import type { Results as ResultsOf } from "./fs/search.js";
import type { CallOptions } from "./options.js";
import { FollowIterator } from "./output.js";
import type { Sandbox } from "./sandbox.js";

/** The one encoding of text. */
export type Utf8 = "utf8" | "utf-8";

/** Permission bits: a number, or its octal digits as text, for example `0o644` or `"644"`. */
export type FileMode = number | string;

/** Options of `readFile`. */
export interface ReadFileOptions extends CallOptions {
  /** `"utf8"` for text. Default: bytes. */
  encoding?: Utf8 | null | undefined;
}

/** Options of `appendFile`. */
export interface AppendFileOptions extends CallOptions {
  /** The encoding of text. Default: `"utf8"`. */
  encoding?: Utf8 | null | undefined;
  /** The permissions of a file that is made. The umask takes bits away. Default: 0o666. */
  mode?: FileMode | undefined;
}

/** Options of `writeFile`. */
export interface WriteFileOptions extends AppendFileOptions {
  /**
   * `"w"` replaces what the file has. `"wx"` rejects with `EEXIST` if the path exists. `"a"` adds to what the file has.
   * Default: `"w"`.
   */
  flag?: "w" | "wx" | "a" | undefined;
}

/** Options of `readdir`. */
export interface ReaddirOptions extends CallOptions {
  /** Returns entries with their types instead of names. Default: false. */
  withFileTypes?: boolean | undefined;
  /** Lists the directories below too. Links are not followed. Default: false. */
  recursive?: boolean | undefined;
}

/** Options of `mkdir`. */
export interface MkdirOptions extends CallOptions {
  /** Makes the directories above too. A directory that exists is no error then. Default: false. */
  recursive?: boolean | undefined;
  /** The permissions. The umask takes bits away. Default: 0o777. */
  mode?: FileMode | undefined;
}

/** Options of `rm`. */
export interface RmOptions extends CallOptions {
  /** Removes a directory with everything in it. Default: false. */
  recursive?: boolean | undefined;
  /** A path that does not exist is no error. Default: false. */
  force?: boolean | undefined;
}

/** Options of `cp`. */
export interface CpOptions extends CallOptions {
  /** Copies a directory with everything in it. Default: false. */
  recursive?: boolean | undefined;
  /** Replaces files that exist. Otherwise they stay, which is no error. Default: true. */
  force?: boolean | undefined;
  /** Copies the targets of symbolic links instead of the links. Default: false. */
  dereference?: boolean | undefined;
  /** Keeps access and modification times. Default: false. */
  preserveTimestamps?: boolean | undefined;
}

/** The types of a file. */
export interface FileTypes {
  /** Whether it is a regular file. */
  isFile(): boolean;
  /** Whether it is a directory. */
  isDirectory(): boolean;
  /** Whether it is a symbolic link. */
  isSymbolicLink(): boolean;
  /** Whether it is a FIFO. */
  isFIFO(): boolean;
  /** Whether it is a socket. */
  isSocket(): boolean;
  /** Whether it is a character device. */
  isCharacterDevice(): boolean;
  /** Whether it is a block device. */
  isBlockDevice(): boolean;
}

/** The status of a file. */
export interface Stats extends FileTypes {
  /** The number of the file system. */
  readonly dev: number;
  /** The number of the file in its file system. */
  readonly ino: number;
  /** The type and the permission bits. */
  readonly mode: number;
  /** The number of hard links. */
  readonly nlink: number;
  /** The owner's number in the sandbox. */
  readonly uid: number;
  /** The group's number in the sandbox. */
  readonly gid: number;
  /** Bytes of the file. */
  readonly size: number;
  /** The time of the last access, milliseconds since 1970. */
  readonly atimeMs: number;
  /** The time of the last change of the content, milliseconds since 1970. */
  readonly mtimeMs: number;
  /** The time of the last change of the content or the status, milliseconds since 1970. */
  readonly ctimeMs: number;
  /** The time of the last access. */
  readonly atime: Date;
  /** The time of the last change of the content. */
  readonly mtime: Date;
  /** The time of the last change of the content or the status. */
  readonly ctime: Date;
}

/** An entry of a directory. */
export interface Dirent extends FileTypes {
  /** The name. */
  readonly name: string;
  /** The path of the directory that it is in, beginning with the path that `readdir` was given. */
  readonly parentPath: string;
}

/**
 * The files of a sandbox, with the calls, options and error codes of Node's `fs/promises`.
 *
 * A relative path begins in the sandbox's working directory. A call that fails in the file system rejects with a
 * {@link FileSystemError}, whose `code` is `ENOENT`, `EEXIST` and so on; other failures, such as a broken connection,
 * have the codes of every call. A call that only reads is repeated after a broken connection. A call that changes
 * something is sent once: with `connection_lost` it may have been carried out.
 *
 * On the local server each call is one request, answered by the sandbox's agent with the rights of the sandbox's user. On
 * servers without these routes the calls run `stat`, `mv`, `find` and other commands of the sandbox, GNU's or BusyBox's.
 */
export interface FileSystem {
  /**
   * Reads a file.
   *
   * @returns With `"utf8"` the text, in which bytes that are not UTF-8 are U+FFFD; otherwise the bytes.
   * @throws {@link FileSystemError} `ENOENT`, `EISDIR`, `EACCES`, `ENXIO` for a FIFO, socket or device, and others.
   */
  readFile(path: string, options: Utf8 | (ReadFileOptions & { encoding: Utf8 })): Promise<string>;
  /** Reads a file as bytes. */
  readFile(
    path: string,
    options?: (ReadFileOptions & { encoding?: null }) | null,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Writes a file. The mode and the owner of a file that exists stay; links are followed, and a dangling one makes its
   * target. Unlike in Node a FIFO, socket or device is refused (`ENXIO`).
   *
   * On the local server the content is written beside the file and renamed, so that others see the old or the new file,
   * whole. A file with several hard links, or whose owner or directory the sandbox's user cannot change, is written in
   * place, as files are on other servers.
   *
   * @throws {@link FileSystemError} `ENOENT` if the directory is missing, `EEXIST` with `flag: "wx"`, `EISDIR`, `EACCES`,
   * `ENOSPC` and others.
   */
  writeFile(path: string, data: FileContent, options?: Utf8 | WriteFileOptions | null): Promise<void>;
  /** Adds to a file, or makes it. If the call fails, a part may have been added. */
  appendFile(path: string, data: FileContent, options?: Utf8 | AppendFileOptions | null): Promise<void>;
  /** Returns the status of what a path names, through links. */
  stat(path: string, options?: CallOptions): Promise<Stats>;
  /** Returns the status of what a path names, of a link itself. */
  lstat(path: string, options?: CallOptions): Promise<Stats>;
  /**
   * Lists a directory, in no order.
   *
   * @returns Names; with `recursive` paths from the directory.
   * @throws {@link FileSystemError} `ENOENT`, `ENOTDIR`, `EACCES`; `EILSEQ` if a name is not UTF-8. `payload_too_large`
   * for more than 200,000 entries.
   */
  readdir(path: string, options: ReaddirOptions & { withFileTypes: true }): Promise<Dirent[]>;
  /** Lists a directory as names; with `recursive` as paths from the directory. */
  readdir(
    path: string,
    options?: (ReaddirOptions & { withFileTypes?: false | undefined }) | null,
  ): Promise<string[]>;
  /** Makes a directory. */
  mkdir(path: string, options?: FileMode | MkdirOptions | null): Promise<void>;
  /**
   * Makes a directory with mode 0700 and a new name.
   *
   * @param prefix - The beginning of the path, to which six characters are added.
   * @returns The path.
   */
  mkdtemp(prefix: string, options?: CallOptions): Promise<string>;
  /** Renames a file or directory. A file that has the new name is replaced. */
  rename(oldPath: string, newPath: string, options?: CallOptions): Promise<void>;
  /**
   * Copies a file and its permissions.
   *
   * @param mode - 1 (`COPYFILE_EXCL`) rejects with `EEXIST` if `dest` exists. Default: 0, `dest` is replaced.
   */
  copyFile(src: string, dest: string, mode?: number, options?: CallOptions): Promise<void>;
  /** Copies a file, a link or, with `recursive`, a directory. Directories above `dest` are made. */
  cp(src: string, dest: string, options?: CpOptions): Promise<void>;
  /** Removes a file, a link or, with `recursive`, a directory. */
  rm(path: string, options?: RmOptions): Promise<void>;
  /** Changes permissions, through links. */
  chmod(path: string, mode: FileMode, options?: CallOptions): Promise<void>;
  /** Makes a symbolic link at `path`. */
  symlink(target: string, path: string, options?: CallOptions): Promise<void>;
  /** Returns what a symbolic link points to. */
  readlink(path: string, options?: CallOptions): Promise<string>;
  /** Returns the absolute path without links, `.` and `..`. */
  realpath(path: string, options?: CallOptions): Promise<string>;
  /**
   * Rejects unless the sandbox's user may access a path.
   *
   * @param mode - As Node's `fs.constants`: 0 the path exists (`F_OK`), or the sum of 4 read, 2 write, 1 execute.
   */
  access(path: string, mode?: number, options?: CallOptions): Promise<void>;
  /** Returns whether a path exists, through links. It is false too if a directory above it cannot be searched. */
  exists(path: string, options?: CallOptions): Promise<boolean>;
  /**
   * Sets access and modification times, through links. Servers without the routes keep whole seconds.
   *
   * @param atime - A `Date`, or seconds since 1970.
   * @param mtime - A `Date`, or seconds since 1970.
   */
  utimes(path: string, atime: Date | number, mtime: Date | number, options?: CallOptions): Promise<void>;
  /**
   * Watches a file or a directory. Iterated, it is the changes as they happen; awaited, a watcher that reports every change
   * from then on. Changes resume after a broken connection. If changes could not be kept, an event of type `"overflow"` says
   * so. Unlike in Node, `type` says what happened, and `recursive` reports what is in new directories too. A file that is made
   * and removed in a new directory before that is watched is not reported.
   *
   * A local server watches 16,384 directories at most, and 16 paths of a sandbox at the same time. A watch ends when its
   * iteration is left, or 60 s after its connection was lost for good.
   *
   * @throws {@link FileSystemError} `ENOENT` if the path does not exist, or does not exist any more; `EACCES`; `ENOSPC` for
   * too many directories. `missing_capability` on servers that do not report changes; `rate_limited` for too many watches.
   *
   * @example
   * ```ts
   * for await (const { type, path } of sandbox.fs.watch("src", { recursive: true })) {
   *   console.log(type, path);
   * }
   * ```
   */
  watch(path: string, options?: WatchOptions): Promise<FileWatcher> & AsyncIterable<FileChange>;
  /**
   * Finds files, directories and links by patterns of their paths. The results are in no order. Links are not followed.
   *
   * `*` and `?` stand for characters of a name, `[a-z]` and `[!a-z]` for one of some characters, `{a,b}` for one of some
   * texts, and `**` between slashes for any number of directories. A backslash takes away a character's meaning. Wildcards
   * match no dot at the beginning of a name, unless the pattern has one there or `hidden` is set.
   *
   * @param pattern - A pattern, or several. They are relative to `cwd` and have no `..`; 4096 bytes at most, `exclude`
   * included.
   * @returns Paths from `cwd`; with `withFileTypes` entries.
   * @throws {@link FileSystemError} from the iteration: `ENOENT`, `ENOTDIR`, `EACCES` of `cwd`. `payload_too_large` for more
   * than 1,000,000 results without a `limit`. `invalid_argument` for a pattern that is not valid.
   * @example
   * ```ts
   * for await (const path of sandbox.fs.glob("src/**\/*.{ts,tsx}", { exclude: "**\/dist" })) console.log(path);
   * ```
   */
  glob(pattern: string | readonly string[], options: GlobOptions & { withFileTypes: true }): Search<Dirent>;
  /** Finds paths by patterns. */
  glob(
    pattern: string | readonly string[],
    options?: GlobOptions & { withFileTypes?: false | undefined },
  ): Search<string>;
  /**
   * Finds lines of files by a regular expression, as ripgrep does: regular files only, and each up to its first NUL byte. A
   * line is one result, however often it matches. Files are in no order.
   *
   * The syntax is that of [Rust's `regex`](https://docs.rs/regex/latest/regex/#syntax): there are no backreferences and no
   * lookaround, and searching takes linear time. On servers without the routes, sandboxes with ripgrep take the same. In other
   * sandboxes `grep -E` searches: a pattern that has not the same meaning there is refused (`unsupported`), and `\d`, `\w`,
   * `\s` and `\b` take ASCII only. BusyBox also takes `.` and `[^a]` for one byte, and ignores the case of ASCII only.
   *
   * @param pattern - One line, 4096 bytes at most, other patterns included.
   * @throws {@link FileSystemError} from the iteration, as for `glob`. `invalid_request` for a pattern that is not valid.
   */
  grep(pattern: string, options?: GrepOptions): Search<Match>;
}

const METHODS =
  "readFile writeFile appendFile stat lstat readdir mkdir mkdtemp rename copyFile cp rm chmod symlink readlink realpath access exists utimes";

/** @internal The functions and classes that the code on first use gets; js/src/fs/shim.ts says why. */
const shim = {
  ...{ call, FollowIterator, invalid, optionsOf, read, write },
  ...{ ApiError, CommandError, ConnectionError, FileSystemError, ProtocolError, ShorelineError, UsageError },
};
/** @internal */
export type Shim = typeof shim;

type Results = ResultsOf<unknown>;

let loaded: typeof implementation | undefined;

/** @internal Takes the code from a program that has loaded it. */
export function useFileSystem(given: typeof implementation): void {
  loaded = given;
}

/** @internal The calls, whose code is loaded by the first one. */
export function fileSystem(core: Glue.Sandbox, sandbox: Sandbox): FileSystem {
  type Calls = Record<string, (...args: unknown[]) => unknown>;
  let opened: Calls | undefined;
  const load = async () => {
    try {
      loaded ??= await import("./fs/index.js");
    } catch (cause) {
      throw new UsageError({
        code: "missing_capability",
        message: '`import "shoreline/fs"` first: this runtime loads no code on first use',
        cause,
      });
    }
    return (opened ??= loaded.open(shim, core, sandbox) as unknown as Calls);
  };
  const methods = METHODS.split(" ").map((name) => [
    name,
    async (...args: unknown[]) => (await load())[name]?.(...args),
  ]);
  const searches = ["glob", "grep"].map((name) => [
    name,
    (...args: unknown[]) => search(async () => (await load())[name]?.(...args) as Results),
  ]);
  const watch = (...args: unknown[]) => {
    const watcher = load().then((calls) => calls.watch?.(...args) as Promise<FileWatcher>);
    return Object.assign(watcher, {
      async *[Symbol.asyncIterator]() {
        yield* await watcher;
      },
    });
  };
  return { ...Object.fromEntries([...methods, ...searches]), watch } as FileSystem;
}

/** A search whose code is loaded when the first result is asked for. */
function search(begin: () => Promise<Results>): Search<unknown> {
  let results: Promise<Results> | undefined;
  let left = false;
  let summary: SearchSummary | undefined;
  return {
    get summary() {
      return summary;
    },
    async next() {
      if (left) return { done: true, value: undefined };
      const next = await (await (results ??= begin())).next();
      if (next.done) summary ??= next.value;
      return next;
    },
    async return() {
      left = true;
      await (await results)?.return();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
