// What trees consist of, and which paths they can have.
import { type FileContent } from "../files.js";
import type { EntryType } from "./format.js";

/** A file, directory or link of a tree that is written. */
export interface TreeEntry {
  /** The path below the tree's root, with `/` between names; `.` is the root itself. */
  path: string;
  /** The kind of entry. `link` is a hard link to a file that comes earlier in the tree. */
  type: EntryType;
  /** The permission bits (0 to 0o777). Default: 0o755 for a directory, 0o644 for a file. */
  mode?: number | undefined;
  /** When it was last modified; it is kept to the second. Default: now. */
  mtime?: Date | undefined;
  /** The length of a file's content in bytes. Needed if `content` is a stream or another async iterable. */
  size?: number | undefined;
  /** The target of a symbolic link, as it is written in the link, or the path of a hard link's file in the tree. */
  target?: string | undefined;
  /** The content of a file. Default: empty. */
  content?: FileContent | undefined;
}

/** A file, directory or link of a tree that is read. */
export interface ReadTreeEntry extends TreeEntry {
  mode: number;
  mtime: Date;
  size: number;
  /** The content of a file, read as it is taken. It can be read until the next entry is asked for. */
  content: AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/** The permission bits. Set-user-ID, set-group-ID and sticky bits are not copied. */
export const PERMISSIONS = 0o777;

/** A path below a tree's root in its plain form; undefined for one that leads out of the tree. */
export function pathWithin(path: string): string | undefined {
  if (path === "" || path.startsWith("/") || path.includes("\0")) return undefined;
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  return names.includes("..") ? undefined : names.join("/") || ".";
}

/** Whether text can be written as UTF-8. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
