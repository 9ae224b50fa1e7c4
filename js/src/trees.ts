// The part of a sandbox that is about its files, but for the calls of the official SDK.
import { type FileSystem, fileSystem } from "./file-system.js";
import type { CallOptions } from "./options.js";
import { machine } from "./host.js";
import type { Sandbox } from "./sandbox.js";
import { Snapshots } from "./snapshots.js";

/** The progress of a copy. */
export interface TreeProgress {
  /** Files that were copied. */
  files: number;
  /** Bytes of their content. */
  bytes: number;
  /** The part of the tree that was copied, from 0 to 1, where the size of the tree is known. */
  share: number | undefined;
}

/** Options of `upload`. */
export interface UploadOptions extends CallOptions {
  /** Copies the targets of symbolic links instead of the links. Default: false. */
  followLinks?: boolean | undefined;
  /**
   * Patterns of files and directories to leave out. A pattern without `/` matches names anywhere in the tree; a pattern
   * with `/` matches paths from the root. `*` matches any characters but `/`.
   */
  exclude?: readonly string[] | undefined;
  /** Leaves out FIFOs, devices, sockets and names that the other side cannot store. Default: they are an error. */
  skipSpecial?: boolean | undefined;
  /**
   * Called as the tree is copied. If it returns a promise, the copy waits for it. An error that it throws, or the
   * promise's rejection, is the call's.
   */
  onProgress?: ((progress: TreeProgress) => unknown) | undefined;
}

/** Options of `download`. */
export interface DownloadOptions extends UploadOptions {
  /** The most bytes that the tree may have, headers of 512 bytes for each entry included. Default: no limit. */
  maxBytes?: number | undefined;
}

/** The result of a copy. */
export interface TreeResult {
  /** Regular files, hard links included. */
  files: number;
  /** Directories, the root included. */
  directories: number;
  /** Symbolic links. */
  links: number;
  /** Bytes of the files' content. */
  bytes: number;
  /** The paths that `skipSpecial` left out. */
  skipped: string[];
}

/** The part of a sandbox that is about its files, but for the calls of the official SDK. */
export abstract class Trees extends Snapshots {
  #fs: FileSystem | undefined;

  /**
   * The files of the sandbox, with the calls of Node's `fs/promises`. Their code is loaded on first use, by `import()`.
   * Where that is not allowed, as in service workers, `import "shoreline/fs"` loads it with the program.
   *
   * @example
   * ```ts
   * const { fs } = sandbox;
   * await fs.mkdir("/workspace/app", { recursive: true });
   * await fs.writeFile("/workspace/app/run", "#!/bin/sh\n", { mode: 0o755, flag: "wx" });
   * const { size, mtime } = await fs.stat("/workspace/app/run");
   * ```
   */
  get fs(): FileSystem {
    return (this.#fs ??= fileSystem(this.core, this as unknown as Sandbox));
  }

  /**
   * Copies a file or a directory with all that is in it to the sandbox, as one stream: permission bits, symbolic and hard
   * links, empty directories and modification times (to the second) are kept; owners, set-user-ID, set-group-ID and sticky
   * bits are not. In Node, Bun and Deno; elsewhere see `writeTree` of `shoreline/tree`. The sandbox needs a shell and `tar`.
   *
   * A new file or directory gets its name when the copy is complete. If `path` is a directory already, the entries are
   * added to it, and replace those with the same names; if that fails halfway, the error says that a part was written.
   *
   * @param localPath - The file, directory or link on this machine. A link is copied as such, unless the path ends in `/`.
   * @param path - The path of the copy in the sandbox. Directories above it are made.
   * @throws {@link ShorelineError} `invalid_argument` if something cannot be read or copied, before anything is written;
   * `command_failed` if `tar` is missing in the sandbox (exit code 127) or fails, for example on a full disk; `aborted`,
   * after the copy in the sandbox was ended and removed; `missing_capability` in other runtimes; and others.
   *
   * @example
   * ```ts
   * const { files } = await sandbox.upload("./app", "/workspace/app", { exclude: ["node_modules", ".git"] });
   * ```
   */
  async upload(localPath: string, path: string, options?: UploadOptions): Promise<TreeResult> {
    const { upload } = await machine("read local files");
    return upload(this as unknown as Sandbox, localPath, path, options);
  }

  /**
   * Copies a file or a directory with all that is in it from the sandbox, as `upload` copies it there. The sandbox needs a
   * shell, `tar` and `dd`, and about 50 MB in `TMPDIR`, otherwise in `/tmp`.
   *
   * Nothing is written outside of `localPath`, whatever the sandbox sends. Targets of symbolic links can be anywhere. A new
   * file or directory gets its name when the copy is complete; a directory that exists is changed once the whole tree has
   * arrived.
   *
   * @param path - The file, directory or link in the sandbox. A link is copied as such, unless the path ends in `/`.
   * @param localPath - The path of the copy on this machine. The directory above it must exist.
   * @throws {@link ShorelineError} `not_found` if nothing is there; `tree_refused` for an entry that cannot be stored here;
   * `invalid_argument` if it cannot be written here; `command_failed` if `tar` is missing in the sandbox (exit code 127) or
   * fails, for example on a file that it may not read; `aborted`; `missing_capability` in other runtimes; and others.
   *
   * @example
   * ```ts
   * await sandbox.download("/workspace/app/dist", "./dist", { maxBytes: 1e9 });
   * ```
   */
  async download(path: string, localPath: string, options?: DownloadOptions): Promise<TreeResult> {
    const { download } = await machine("write local files");
    return download(this as unknown as Sandbox, path, localPath, options);
  }
}
