/**
 * Whole trees of files, into a sandbox and out of it, in every runtime. In Node, Bun and Deno, `sandbox.upload` and
 * `sandbox.download` copy from and to the disk.
 *
 * @module shoreline/tree
 */

import { checkHandler, invalid, optionsOf } from "../arguments.js";
import type { CallOptions } from "../options.js";
import type { Sandbox } from "../sandbox.js";
import { PERMISSIONS, type ReadTreeEntry, type TreeEntry } from "./entries.js";
import { Excludes } from "./excludes.js";
import { refusal } from "./format.js";
import { chunked, pack } from "./pack.js";
import { CHUNK, receive, type Receiver, remotePath, send } from "./remote.js";
import { unpack } from "./unpack.js";

export type { ReadTreeEntry, TreeEntry } from "./entries.js";
export type { EntryType } from "./format.js";

/** Options of `readTree`. */
export interface ReadTreeOptions extends CallOptions {
  /** Reads the targets of symbolic links instead of the links. Default: false. */
  followLinks?: boolean | undefined;
  /**
   * Patterns of files and directories to leave out. A pattern without `/` matches names anywhere in the tree; a pattern
   * with `/` matches paths from the root. `*` matches any characters but `/`.
   */
  exclude?: readonly string[] | undefined;
  /** The most bytes that the tree may have, headers of 512 bytes for each entry included. Default: no limit. */
  maxBytes?: number | undefined;
  /**
   * Called with the path of each FIFO, device, socket and name that is not UTF-8, which is then left out. Default: these
   * are an error.
   */
  onSkip?: ((path: string) => void) | undefined;
}

/**
 * Writes a tree of files, directories and links to a sandbox, as one stream. The sandbox needs a shell and `tar`.
 *
 * A new directory gets its name when the tree is complete. If `path` is a directory already, the entries are added to it,
 * and replace those with the same names; if that fails halfway, the error says that a part was written. The owner is the
 * sandbox's user.
 *
 * @param path - The directory in the sandbox that becomes the root of the tree. Directories above it are made. If the
 * first entry is a file or link with the path `.`, it is the path of that.
 * @param entries - The entries, each after its directory. They are taken as they are sent.
 * @throws `ShorelineError` `invalid_argument` for an entry that cannot be written; `command_failed` if `tar` is
 * missing in the sandbox (exit code 127) or fails, for example on a full disk; `aborted` and others.
 *
 * @example
 * ```ts
 * import { writeTree } from "shoreline/tree";
 *
 * await writeTree(sandbox, "/workspace/app", [
 *   { path: "src", type: "directory" },
 *   { path: "src/main.py", type: "file", content: "print('hello')\n" },
 *   { path: "run", type: "file", mode: 0o755, content: "#!/bin/sh\nexec python3 src/main.py\n" },
 * ]);
 * ```
 */
export async function writeTree(
  sandbox: Sandbox,
  path: string,
  entries: Iterable<TreeEntry> | AsyncIterable<TreeEntry>,
  options?: CallOptions,
): Promise<void> {
  const { signal }: CallOptions = optionsOf(options, "signal");
  const target = remotePath(path).replace(/(?<=[^/.])(\/\.)+$/, "");
  const given = iteratorOf(entries);
  try {
    const first = await given.next();
    const isOne = !first.done && first.value.path === "." && first.value.type !== "directory";
    const archive = ({ isNew, isGnu }: Receiver) =>
      chunked(pack(rooted(first, given, isOne, isNew), isGnu), CHUNK);
    const mode = first.done || first.value.path !== "." ? undefined : first.value.mode;
    await send(sandbox, target, isOne ? "one" : "tree", (mode ?? 0o755) & PERMISSIONS, archive, signal);
  } finally {
    await given.return?.();
  }
}

/** Entries for the sandbox: of a new directory it needs the modes, and that of one that is there stays. */
async function* rooted(
  first: IteratorResult<TreeEntry>,
  others: AsyncIterator<TreeEntry> | Iterator<TreeEntry>,
  isOne: boolean,
  isNew: boolean,
): AsyncGenerator<TreeEntry> {
  if (isOne) {
    yield { ...(first.value as TreeEntry), path: "one" };
    if (!(await others.next()).done)
      throw invalid("a tree whose root is a file or link has no other entries");
    return;
  }
  if (isNew && (first.done || first.value.path !== ".")) yield { path: ".", type: "directory" };
  for (let next = first; !next.done; next = await others.next())
    if (isNew || next.value.path !== ".") yield next.value;
}

function iteratorOf(
  entries: Iterable<TreeEntry> | AsyncIterable<TreeEntry>,
): AsyncIterator<TreeEntry> | Iterator<TreeEntry> {
  const given = entries as Partial<Iterable<TreeEntry> & AsyncIterable<TreeEntry>> | null | undefined;
  const iterator = given?.[Symbol.asyncIterator]?.() ?? given?.[Symbol.iterator]?.();
  if (!iterator) throw invalid("`entries` must be an iterable or an async iterable of entries");
  return iterator;
}

/**
 * Reads a tree of files, directories and links from a sandbox, as one stream. The sandbox needs a shell, `tar` and `dd`,
 * and about 50 MB in `TMPDIR`, otherwise in `/tmp`. Leaving the loop ends the reading.
 *
 * An entry's path is below the root and never leads out of the tree. What a symbolic link points to can be anywhere: do
 * not write through links that a sandbox made.
 *
 * @param path - A directory, file or link in the sandbox. A link is read as such, unless the path ends in `/`.
 * @returns The entries, each after its directory: the root first, with the path `.`.
 * @throws `ShorelineError` `not_found` if nothing is there; `tree_refused` for what cannot be kept and for a tree
 * that is not valid; `command_failed` if `tar` is missing in the sandbox (exit code 127) or fails, for example on a file
 * that it may not read; `aborted` and others.
 *
 * @example
 * ```ts
 * import { readTree } from "shoreline/tree";
 *
 * for await (const { path, type, size } of readTree(sandbox, "/workspace/app")) console.log(type, path, size);
 * ```
 */
export function readTree(
  sandbox: Sandbox,
  path: string,
  options?: ReadTreeOptions,
): AsyncGenerator<ReadTreeEntry, void> {
  return read(sandbox, path, options);
}

/**
 * Reads a directory, file or link of a sandbox as a tar archive, as the sandbox's `tar` makes it. Sockets are left out. The
 * archive is not checked: its names may lead out of the directory that it is extracted to.
 *
 * @param path - A directory, file or link in the sandbox. A link is read as such, unless the path ends in `/`.
 * @returns The bytes of the archive, in pieces of any size. Leaving the loop ends the reading.
 * @throws `ShorelineError` `not_found` if nothing is there; `command_failed` if `tar` is missing in the sandbox
 * (exit code 127) or fails; `aborted` and others.
 *
 * @example
 * ```ts
 * import { readArchive } from "shoreline/tree";
 *
 * let bytes = 0;
 * for await (const part of readArchive(sandbox, "/workspace/app")) bytes += part.length;
 * ```
 */
export async function* readArchive(
  sandbox: Sandbox,
  path: string,
  options?: CallOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const { signal }: CallOptions = optionsOf(options, "signal");
  const archive = receive(sandbox, sourcePath(path), {
    followLinks: false,
    excludes: [],
    signal,
    onKind: noop,
    onSocket: noop,
  });
  for await (const part of archive) yield part as Uint8Array<ArrayBuffer>;
}

/** The path of what is read: with a final `/`, the target of a link. */
function sourcePath(path: string): string {
  const plain = remotePath(path);
  return /.\/$/.test(path) ? `${plain}/.` : plain;
}

function noop(): void {}

/** @internal `onShare` is told how much of the tree was read, from 0 to 1, where that is known. */
export async function* read(
  sandbox: Sandbox,
  path: string,
  options: ReadTreeOptions | undefined,
  onShare?: (share: number) => void,
): AsyncGenerator<ReadTreeEntry, void> {
  const given: ReadTreeOptions = optionsOf(options, "followLinks exclude maxBytes onSkip signal");
  const { followLinks = false, maxBytes, onSkip, signal } = given;
  checkHandler("onSkip", onSkip);
  if (maxBytes !== undefined && !(maxBytes > 0)) throw invalid("`maxBytes` must be a number above 0");
  const excludes = new Excludes(given.exclude);
  const skip = (name: string, why: string) => {
    if (excludes.covers(name)) return;
    if (!onSkip) throw refusal(`${name} ${why}`);
    onSkip(name);
  };
  let [isOne, total, received] = [false, 0, 0];
  const archive = receive(sandbox, sourcePath(path), {
    followLinks,
    excludes: excludes.args,
    signal,
    onTotal: onShare && ((bytes) => (total = bytes)),
    onKind: (kind) => (isOne = kind === "one"),
    onSocket: (name) => {
      skip(name.replace(/^\.\//, ""), "is a socket");
    },
  });
  const counted = async function* () {
    for await (const chunk of archive) {
      received += chunk.length;
      if (total > 0) onShare?.(Math.min(1, received / total));
      yield chunk;
    }
  };
  for await (const entry of unpack(counted(), { maxBytes, onSkip: skip })) {
    if (isOne) entry.path = ".";
    if (!excludes.covers(entry.path)) yield entry;
  }
}
