// The types of `sandbox.fs.watch`.
import type { CallOptions } from "./options.js";

/** Options of `watch`. */
export interface WatchOptions extends CallOptions {
  /** Reports changes below the directory too, in directories that are made later too. Links are not followed. Default: false. */
  recursive?: boolean | undefined;
}

/** A change of a file. */
export interface FileChange {
  /**
   * - `"created"`: the path is new, or was moved here. Each path in a directory that was moved here is reported, and may be
   *   reported twice.
   * - `"changed"`: the content, the permissions or the times changed. Changes within 10 ms are reported once.
   * - `"removed"`: the path was removed or moved away, and what was below it too.
   * - `"overflow"`: changes of the path, or below it, may not have been reported. Read again what is there. An empty path is
   *   everything. A directory that the sandbox's user cannot read is reported so once.
   */
  readonly type: "created" | "changed" | "removed" | "overflow";
  /**
   * The path from the directory that is watched; the name of a file that is watched. Bytes that are not UTF-8 are U+FFFD.
   */
  readonly path: string;
  /** Whether the path is a directory. */
  readonly isDirectory: boolean;
}

/** The changes of a watch. */
export interface FileWatcher extends AsyncIterableIterator<FileChange, undefined, void> {
  /** The next change. */
  next(): Promise<IteratorResult<FileChange, undefined>>;
  /** Ends the watch. A call of `next` that waits is done then. */
  return(): Promise<IteratorResult<FileChange, undefined>>;
  /** Itself: changes are given once. */
  [Symbol.asyncIterator](): this;
  /** The same as `return`. */
  [Symbol.asyncDispose](): Promise<void>;
}
