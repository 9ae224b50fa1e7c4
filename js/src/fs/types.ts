// The results of the calls, and the interface of the two implementations: routes and commands.
import type { Dirent as DirentShape, FileTypes, Stats as StatsShape } from "../file-system.js";
import type { FileContent } from "../files.js";

/** The types, as `S_IFMT` of a mode has them (inode(7)), with the names of a directory's entries. */
const KINDS = {
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  link: 0o120000,
  socket: 0o140000,
};

/** The type of an entry. */
export type Kind = keyof typeof KINDS | "unknown";

/** A status before it has methods. */
export type RawStats = Omit<StatsShape, keyof FileTypes | "atime" | "mtime" | "ctime">;

/** An entry before it has methods; with its path from the directory that was listed. */
export interface RawEntry {
  name: string;
  kind: Kind;
}

class Types implements FileTypes {
  readonly #type: number;

  constructor(type: number) {
    this.#type = type;
  }

  isFile(): boolean {
    return this.#type === KINDS.file;
  }

  isDirectory(): boolean {
    return this.#type === KINDS.directory;
  }

  isSymbolicLink(): boolean {
    return this.#type === KINDS.link;
  }

  isFIFO(): boolean {
    return this.#type === KINDS.fifo;
  }

  isSocket(): boolean {
    return this.#type === KINDS.socket;
  }

  isCharacterDevice(): boolean {
    return this.#type === KINDS.character;
  }

  isBlockDevice(): boolean {
    return this.#type === KINDS.block;
  }
}

export class Stats extends Types implements StatsShape {
  declare readonly dev: number;
  declare readonly ino: number;
  declare readonly mode: number;
  declare readonly nlink: number;
  declare readonly uid: number;
  declare readonly gid: number;
  declare readonly size: number;
  declare readonly atimeMs: number;
  declare readonly mtimeMs: number;
  declare readonly ctimeMs: number;
  readonly atime: Date;
  readonly mtime: Date;
  readonly ctime: Date;

  constructor({ dev, ino, mode, nlink, uid, gid, size, atimeMs, mtimeMs, ctimeMs }: RawStats) {
    super(mode & 0o170000);
    Object.assign(this, { dev, ino, mode, nlink, uid, gid, size, atimeMs, mtimeMs, ctimeMs });
    this.atime = new Date(atimeMs);
    this.mtime = new Date(mtimeMs);
    this.ctime = new Date(ctimeMs);
  }
}

export class Dirent extends Types implements DirentShape {
  constructor(
    readonly name: string,
    readonly parentPath: string,
    kind: Kind,
  ) {
    super(kind === "unknown" ? 0 : KINDS[kind]);
  }
}

/** The options of a write. */
export interface Writing {
  flag: "w" | "wx" | "a";
  mode: number | undefined;
}

/** How a tree is copied. */
export interface Copying {
  recursive: boolean;
  force: boolean;
  dereference: boolean;
  times: boolean;
}

/** What does the work: the routes of a server, or commands. It throws a `Failure` or what a server answered. */
export interface Backend {
  stat(path: string, follow: boolean, signal: AbortSignal | undefined): Promise<RawStats>;
  readdir(path: string, recursive: boolean, signal: AbortSignal | undefined): Promise<RawEntry[]>;
  readlink(path: string, signal: AbortSignal | undefined): Promise<string>;
  realpath(path: string, signal: AbortSignal | undefined): Promise<string>;
  access(path: string, mode: number, signal: AbortSignal | undefined): Promise<unknown>;
  mkdir(
    path: string,
    recursive: boolean,
    mode: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<unknown>;
  rename(path: string, to: string, signal: AbortSignal | undefined): Promise<unknown>;
  copyFile(path: string, to: string, exclusive: boolean, signal: AbortSignal | undefined): Promise<unknown>;
  cp(path: string, to: string, how: Copying, signal: AbortSignal | undefined): Promise<unknown>;
  rm(path: string, recursive: boolean, force: boolean, signal: AbortSignal | undefined): Promise<unknown>;
  chmod(path: string, mode: number, signal: AbortSignal | undefined): Promise<unknown>;
  symlink(target: string, path: string, signal: AbortSignal | undefined): Promise<unknown>;
  utimes(path: string, atimeMs: number, mtimeMs: number, signal: AbortSignal | undefined): Promise<unknown>;
  write(path: string, data: FileContent, how: Writing, signal: AbortSignal | undefined): Promise<unknown>;
}
