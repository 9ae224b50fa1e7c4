// Files that nobody but this user can read or change. No link is followed: it could lead to any other file.
import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { LocalServerError } from "./error.js";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** Bytes that are read of a file at most. */
const MOST = 65_536;

/** Makes a directory with mode 0700, with its parents, unless it is there; sets the mode of one that is. */
export function makeOwnDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const directory = open(path, O_RDONLY | O_DIRECTORY);
  try {
    const { mode, uid } = fstatSync(directory);
    if (uid !== process.getuid?.()) throw foreign(path);
    if ((mode & 0o077) !== 0) fchmodSync(directory, 0o700);
  } finally {
    closeSync(directory);
  }
}

/** Opens a file by these flags, with mode 0600 if it is made. One that others can read or change is refused. */
export function openOwnFile(path: string, flags: number): number {
  // Of a FIFO an open would wait for the other side.
  const file = open(path, flags | O_NONBLOCK);
  const stat = fstatSync(file);
  if (stat.isFile() && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0) return file;
  closeSync(file);
  throw foreign(path);
}

/** The text of a file; `undefined` if there is none. */
export function readOwnFile(path: string): string | undefined {
  let file: number;
  try {
    file = openOwnFile(path, O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    if (fstatSync(file).size > MOST) throw foreign(path);
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

/** Writes a file beside its place and has `place` put it there, by default in place of what is there. */
export function writeOwnFile(
  path: string,
  text: string,
  place: (from: string, to: string) => void = renameSync,
): void {
  const whole = `${path}.${randomUUID()}`;
  try {
    writeFileSync(whole, text, { mode: 0o600, flag: "wx" });
    place(whole, path);
  } finally {
    rmSync(whole, { force: true });
  }
}

function open(path: string, flags: number): number {
  try {
    return openSync(path, flags | O_NOFOLLOW, 0o600);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ELOOP", "ENOTDIR", "ENXIO"].includes(code)) throw foreign(path);
    throw error;
  }
}

function foreign(path: string): LocalServerError {
  const message = `${path} is a link, or is not this user's alone, so it is not trusted: remove it`;
  return new LocalServerError("unavailable", message);
}
