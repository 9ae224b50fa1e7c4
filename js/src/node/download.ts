// A tree of a sandbox to this machine's disk. What comes is not trusted: everything is made new, in a directory that
// nobody else can write to, and only there.
import type { Stats } from "node:fs";
import {
  chmod,
  link,
  lstat,
  lutimes,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readlink,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
  utimes,
} from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { checkHandler, invalid, optionsOf } from "../arguments.js";
import type { Sandbox } from "../sandbox.js";
import { type ReadTreeEntry } from "../tree/entries.js";
import { refusal } from "../tree/format.js";
import { read } from "../tree/index.js";
import { stopIfAborted } from "../tree/remote.js";
import type { DownloadOptions, TreeResult } from "../trees.js";
import { explained } from "./explained.js";
import { checkLocal, count, counter, OPTIONS } from "./upload.js";

export async function download(
  sandbox: Sandbox,
  from: string,
  to: string,
  options?: DownloadOptions,
): Promise<TreeResult> {
  const given: DownloadOptions = optionsOf(options, `${OPTIONS} maxBytes`);
  const { followLinks, exclude, skipSpecial = false, onProgress, maxBytes, signal } = given;
  checkHandler("onProgress", onProgress);
  checkLocal(to);
  const result = counter([]);
  const onSkip = skipSpecial ? (path: string) => result.skipped.push(path) : undefined;
  let share: number | undefined;
  const entries = read(
    sandbox,
    from,
    { followLinks, exclude, maxBytes, onSkip, signal },
    onProgress && ((part) => (share = part)),
  );
  const place = new Place(resolve(to));
  try {
    for await (const entry of entries) {
      let bytes = result.bytes;
      await place.add(entry, async (piece) => {
        bytes += piece;
        await onProgress?.({ files: result.files, bytes, share });
      });
      count(result, entry);
    }
    stopIfAborted(signal);
    await place.finish();
  } catch (error) {
    throw explained(error, "write", to);
  } finally {
    await place.clear();
  }
  await onProgress?.({ files: result.files, bytes: result.bytes, share: 1 });
  return result;
}

/** Names that Windows takes for something else. */
const ON_WINDOWS = /[\\:*?"<>|\u0000-\u001f]|[ .](\/|$)|(^|\/)(con|prn|aux|nul|com\d|lpt\d)(\.|\/|$)/i;

/** Where a tree is put: beside its place or in the directory that is there, until all of it has come. */
class Place {
  readonly #target: string;
  #stage: string | undefined;
  /** What the root of the tree is in the stage. */
  #root = "";
  #kind: "new" | "merge" | "one" = "new";
  /** The directories that were made, by their path in the tree, with what they get at the end. */
  readonly #directories = new Map<string, Pick<ReadTreeEntry, "mode" | "mtime">>();

  constructor(target: string) {
    this.#target = target;
  }

  async add(entry: ReadTreeEntry, written: (bytes: number) => Promise<void>): Promise<void> {
    if (this.#stage === undefined) await this.#begin(entry.path === "." && entry.type !== "directory");
    const { path, type, mode, mtime, target = "" } = entry;
    if (process.platform === "win32" && ON_WINDOWS.test(path))
      throw refusal(`${path} is a name that Windows does not have`);
    if (type === "directory") {
      await this.#directory(path);
      this.#directories.set(path, { mode, mtime });
      return;
    }
    const file = this.#within(path);
    if (path !== ".") await this.#parents(path);
    else if (this.#kind !== "one") throw refusal("it has a file in the place of its root");
    try {
      if (type === "symlink") {
        await symlink(target, file);
        await lutimes(file, mtime, mtime);
      } else if (type === "link") await this.#link(target, file, path);
      else {
        const handle = await open(file, "wx", 0o600);
        try {
          for await (const piece of entry.content) {
            await handle.writeFile(piece);
            await written(piece.length);
          }
          await handle.chmod(mode);
          await handle.utimes(mtime, mtime);
        } finally {
          await handle.close();
        }
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") throw refusal(`${path} is there twice`);
      throw explained(error, "write", join(this.#target, path));
    }
  }

  /** Gives everything its mode and its place. */
  async finish(): Promise<void> {
    if (this.#stage === undefined) throw refusal("it is empty");
    if (this.#kind === "one") {
      await rename(this.#root, this.#target);
      return;
    }
    if (this.#kind === "merge") {
      await check(this.#root, this.#target);
      const there = new Set<string>(["."]);
      await merge(this.#root, this.#target, "", there);
      for (const path of there) this.#directories.delete(path);
      await this.#settle(this.#target);
      this.#directories.clear();
      return;
    }
    await this.#settle(this.#root);
    await rename(this.#root, this.#target);
    this.#stage = undefined;
  }

  /** Removes what is not in its place. */
  async clear(): Promise<void> {
    if (this.#stage === undefined) return;
    for (const path of this.#directories.keys())
      await chmod(this.#within(path), 0o700).catch(() => undefined);
    await rm(this.#stage, { recursive: true, force: true });
  }

  async #begin(isOne: boolean): Promise<void> {
    const there = await stat(this.#target).catch(() => undefined);
    if (isOne && there?.isDirectory())
      throw invalid(`${this.#target} is a directory: give the path of the copy`);
    if (!isOne && !there?.isDirectory() && (await lstat(this.#target).catch(() => undefined)))
      throw invalid(`${this.#target} is not a directory`);
    const isMerge = !isOne && there !== undefined;
    this.#kind = isOne ? "one" : isMerge ? "merge" : "new";
    const beside = isMerge ? this.#target : dirname(this.#target);
    this.#stage = await mkdtemp(join(beside, ".shoreline-")).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT")
        throw invalid(`there is no directory ${beside}: make it first`);
      throw explained(error, "write", beside);
    });
    this.#root = isOne ? join(this.#stage, "one") : this.#stage;
    // The root that a tree does not have is as other directories are.
    if (!isOne) this.#directories.set(".", { mode: 0o755, mtime: new Date() });
  }

  #within(path: string): string {
    return path === "." ? this.#root : join(this.#root, path);
  }

  /** Makes a directory; one that was made before is as good. */
  async #directory(path: string): Promise<void> {
    if (this.#directories.has(path)) return;
    if (path === ".") throw refusal("it has a directory in the place of its root");
    await this.#parents(path);
    await mkdir(this.#within(path), 0o700).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") throw refusal(`${path} is there twice`);
      throw explained(error, "write", join(this.#target, path));
    });
    this.#directories.set(path, { mode: 0o755, mtime: new Date() });
  }

  /** Whatever is written is in a directory that was made here, and never behind a link. */
  async #parents(path: string): Promise<void> {
    const slash = path.lastIndexOf("/");
    await this.#directory(slash === -1 ? "." : path.slice(0, slash));
  }

  async #link(target: string, file: string, path: string): Promise<void> {
    const slash = target.lastIndexOf("/");
    const first = this.#within(target);
    const there: Stats | undefined = this.#directories.has(slash === -1 ? "." : target.slice(0, slash))
      ? await lstat(first).catch(() => undefined)
      : undefined;
    // Some systems follow a symbolic link here.
    if (there?.isSymbolicLink()) await symlink(await readlink(first), file);
    else if (there?.isFile()) await link(first, file);
    else throw refusal(`${path} is a link to ${target}, which is not a file before it in the tree`);
  }

  /** Modes and times of directories, the inner ones first, since what is made in one changes its time. */
  async #settle(root: string): Promise<void> {
    for (const [path, { mode, mtime }] of [...this.#directories].reverse()) {
      await utimes(join(root, path), mtime, mtime);
      await chmod(join(root, path), mode);
    }
  }
}

/** Fails if a directory would have to take the place of something else, or something else that of one. */
async function check(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const place = join(to, entry.name);
    const there = await lstat(place).catch(() => undefined);
    if (!there) continue;
    if (entry.isDirectory() !== there.isDirectory())
      throw invalid(
        `${place} is ${there.isDirectory() ? "a directory" : "not a directory"} here, and the other way round in the sandbox`,
      );
    if (entry.isDirectory()) await check(join(from, entry.name), place);
  }
}

/** Moves what is in one directory to another; `there` gets the directories that the other has. */
async function merge(from: string, to: string, prefix: string, there: Set<string>): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, place, path] = [join(from, entry.name), join(to, entry.name), prefix + entry.name];
    if (entry.isDirectory() && (await lstat(place).catch(() => undefined))?.isDirectory()) {
      there.add(path);
      await merge(source, place, `${path}/`, there);
      await rmdir(source);
    } else await rename(source, place);
  }
}
