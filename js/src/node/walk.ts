// A tree on this machine's disk, as entries.
import type { Stats } from "node:fs";
import { close, constants, open, read } from "node:fs";
import { access, lstat, readdir, readlink, realpath, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { invalid } from "../arguments.js";
import type { Excludes } from "../tree/excludes.js";
import type { TreeEntry } from "../tree/entries.js";
import { explained } from "./explained.js";

/** How a tree is walked. */
export interface Walk {
  followLinks: boolean;
  excludes: Excludes;
  /** Told of what cannot be copied and why, which is left out unless this throws. */
  onSkip: (path: string, why: string) => void;
}

/** An entry, and the file that it is. */
export interface Found extends TreeEntry {
  file: string;
  size: number;
}

/** How many names of a directory are looked at together. */
const TOGETHER = 64;
/** Files up to this size are read whole, and so many of them ahead. */
const SMALL = 64 * 1024;
const AHEAD = 32;
/** What is read at once of others. */
const PIECE = 256 * 1024;

const SPECIAL: [keyof Stats, string][] = [
  ["isFIFO", "is a FIFO"],
  ["isSocket", "is a socket"],
  ["isCharacterDevice", "is a character device"],
  ["isBlockDevice", "is a block device"],
];

/** The entries of a file, link or directory, the root first. */
export async function* walk(root: string, options: Walk): AsyncGenerator<Found, void> {
  /** The paths of files that have several names. */
  const linked = new Map<string, string>();
  const look = options.followLinks ? stat : lstat;
  const about = await look(root).catch((error: unknown) => {
    throw explained(error, "read", root);
  });
  yield* found(root, ".", about, []);

  async function* found(
    file: string,
    path: string,
    stats: Stats,
    above: string[],
  ): AsyncGenerator<Found, void> {
    const base = { path, file, mode: stats.mode & 0o777, mtime: stats.mtime, size: 0 };
    const special = SPECIAL.find(([is]) => (stats[is] as () => boolean).call(stats));
    if (special) options.onSkip(path, special[1]);
    else if (stats.isSymbolicLink()) {
      const target = await readlink(file);
      if (await isText(target, () => readlink(file, { encoding: "buffer" })))
        yield { ...base, type: "symlink", target };
      else options.onSkip(path, "is a link to a name that is not UTF-8");
    } else if (stats.isDirectory()) {
      yield { ...base, type: "directory" };
      // A link that is followed may lead to a directory that it is in.
      const here = options.followLinks ? await realpath(file) : file;
      if (above.includes(here)) throw invalid(`${file} is a link to a directory that it is in`);
      yield* below(file, path, [...above, here]);
    } else {
      const id = `${stats.dev}:${stats.ino}`;
      const first = stats.nlink > 1 ? linked.get(id) : undefined;
      if (stats.nlink > 1 && first === undefined) linked.set(id, path);
      if (first === undefined) yield { ...base, type: "file", size: stats.size };
      else yield { ...base, type: "link", target: first };
    }
  }

  async function* below(folder: string, path: string, above: string[]): AsyncGenerator<Found, void> {
    const all = await readdir(folder).catch((error: unknown) => {
      throw explained(error, "read", folder);
    });
    const prefix = path === "." ? "" : `${path}/`;
    const damaged = all.some((name) => name.includes("\ufffd")) ? await notText(folder) : new Set();
    for (const name of damaged) {
      if (!options.excludes.has(`${prefix}${String(name)}`))
        options.onSkip(`${prefix}${String(name)}`, "has a name that is not UTF-8");
    }
    const names = all.filter((name) => !damaged.has(name) && !options.excludes.has(prefix + name)).sort();
    for (let at = 0; at < names.length; at += TOGETHER) {
      const some = names.slice(at, at + TOGETHER).map(async (name) => {
        const file = `${folder.replace(/\/$/, "")}/${name}`;
        try {
          const stats = await look(file);
          if (stats.isFile()) await access(file, constants.R_OK);
          return [file, prefix + name, stats] as const;
        } catch (error) {
          throw explained(error, "read", file);
        }
      });
      for (const [file, inner, stats] of await Promise.all(some)) yield* found(file, inner, stats, above);
    }
  }
}

/** Whether what Node gave as text was text. */
async function isText(text: string, read: () => Promise<Buffer>): Promise<boolean> {
  return !text.includes("\ufffd") || (await read()).equals(Buffer.from(text));
}

/** The names in a directory that are not UTF-8, as Node shows them. */
async function notText(folder: string): Promise<Set<string>> {
  const names = await readdir(folder, { encoding: "buffer" });
  return new Set(names.filter((name) => !name.equals(Buffer.from(name.toString()))).map(String));
}

/** The entries with their content. That of small files is read ahead. */
export async function* loaded(entries: Iterable<Found>): AsyncGenerator<Found, void> {
  const waiting: Promise<Found>[] = [];
  try {
    for (const entry of entries) {
      const next = load(entry);
      next.catch(() => undefined);
      waiting.push(next);
      if (waiting.length === AHEAD) yield await (waiting.shift() as Promise<Found>);
    }
    for (const next of waiting) yield await next;
  } finally {
    await Promise.allSettled(waiting);
  }
}

async function load(entry: Found): Promise<Found> {
  if (entry.type !== "file") return entry;
  if (entry.size > SMALL) return { ...entry, content: contentOf(entry) };
  const pieces: Uint8Array[] = [];
  for await (const piece of contentOf(entry)) pieces.push(piece);
  return { ...entry, content: pieces.length === 1 ? pieces[0] : Buffer.concat(pieces) };
}

// A `FileHandle` takes several times as long to open and close.
const opened = promisify(open);
const readInto = promisify(read);
const closed = promisify(close);

/** The content of a file, as many bytes as it had when it was found. */
async function* contentOf({ file, size }: Found): AsyncGenerator<Uint8Array> {
  let descriptor: number | undefined;
  try {
    // What has become something else meanwhile is not waited for.
    const flags = constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0);
    descriptor = await opened(file, flags);
    for (let left = size; left > 0;) {
      const buffer = Buffer.allocUnsafe(Math.min(left, PIECE));
      const { bytesRead } = await readInto(descriptor, buffer, 0, buffer.length, null);
      if (bytesRead === 0) throw invalid(`${file} became shorter while it was read`);
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw explained(error, "read", file);
  } finally {
    if (descriptor !== undefined) await closed(descriptor);
  }
}
