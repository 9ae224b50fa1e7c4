// The part of a sandbox that copies trees from and to the disk of this machine.
import type { CallOptions } from "./options.js";
import { machine } from "./host.js";
import type { Sandbox } from "./sandbox.js";
import { Snapshots } from "./snapshots.js";

/** How far a tree is. */
export interface TreeProgress {
  /** Files that were copied. */
  files: number;
  /** Bytes of their content. */
  bytes: number;
  /** The part of the tree that was copied, from 0 to 1, where the size of the tree is known. */
  share: number | undefined;
}

/** How a tree is uploaded. */
export interface UploadOptions extends CallOptions {
  /** Whether what symbolic links point to is copied instead of the links. Default: false. */
  followLinks?: boolean | undefined;
  /**
   * Patterns for what is left out. Without `/`, a pattern is for the names of files and directories anywhere in the tree;
   * with one, it is for paths from the root. `*` stands for any characters but `/`.
   */
  exclude?: readonly string[] | undefined;
  /** Whether FIFOs, devices, sockets and names that the other side cannot hold are left out. Default: they are an error. */
  skipSpecial?: boolean | undefined;
  /**
   * Called as the tree is copied. If it returns a promise, the copy waits for it. An error that it throws, or the
   * promise's rejection, is the call's.
   */
  onProgress?: ((progress: TreeProgress) => unknown) | undefined;
}

/** How a tree is downloaded. */
export interface DownloadOptions extends UploadOptions {
  /** The most bytes that the tree may have, headers of 512 bytes for each entry included. Default: no limit. */
  maxBytes?: number | undefined;
}

/** What was copied. */
export interface TreeResult {
  /** Regular files, hard links included. */
  files: number;
  /** Directories, the root included. */
  directories: number;
  /** Symbolic links. */
  links: number;
  /** Bytes of the files' content. */
  bytes: number;
  /** The paths of what was left out because of `skipSpecial`. */
  skipped: string[];
}

/** The part of a sandbox that copies trees from and to the disk of this machine. */
export abstract class Trees extends Snapshots {
  /**
   * Copies a file or a directory with all that is in it to the sandbox, as one stream: permission bits, symbolic and hard
   * links, empty directories and modification times (to the second) are kept; owners, set-user-ID, set-group-ID and sticky
   * bits are not. In Node, Bun and Deno; elsewhere see `writeTree` of `shoreline/tree`. The sandbox needs a shell and `tar`.
   *
   * What is new gets its name when it is complete. A directory that is there is added to, and what is in it under the same
   * names is replaced; an error says so if a part was written.
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
   * shell, `tar` and `dd`, and about 50 MB in `/tmp`.
   *
   * What comes from the sandbox is written below `localPath` only, whatever it is. What symbolic links in it point to can
   * be anywhere. What is new gets its name when it is complete, and a directory that is there is added to when the whole
   * tree has arrived.
   *
   * @param path - The file, directory or link in the sandbox. A link is copied as such, unless the path ends in `/`.
   * @param localPath - The path of the copy on this machine. The directory above it must exist.
   * @throws {@link ShorelineError} `not_found` if nothing is there; `tree_refused` for what cannot be kept here;
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
