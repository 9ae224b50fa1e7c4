// Random trees on the disk, and what is in a tree.
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Random } from "../faults/random.js";

const NAMES = [
  "plain",
  "with space",
  " both ends ",
  "new\nline",
  "tab\tand\r",
  "-rf",
  "--checkpoint-action=exec=sh",
  ".hidden",
  "..two",
  "...",
  "*",
  "[a-z]?",
  "back\\slash",
  "quote'\"",
  "$(touch x)",
  "é",
  "日本語",
  "😀",
  "e\u0301 decomposed",
  "\ufffd",
  "~",
  "#",
  "a:b",
  "x".repeat(200),
  "y".repeat(255),
  `${"ü".repeat(99)}a`,
  "\ufeffmark",
];
// Those of what its owner can read.
const FILE_MODES = [0o644, 0o755, 0o600, 0o444, 0o400, 0o777, 0o640];
const FOLDER_MODES = [0o755, 0o700, 0o555, 0o777, 0o500];

/** Makes a tree of about so many entries, files of up to `largest` bytes. */
export function makeTree(root: string, random: Random, count: number, largest: number): void {
  const folders = [root];
  const files: string[] = [];
  const times: [string, Date][] = [];
  const modes: [string, number][] = [];
  mkdirSync(root);
  const time = () => new Date(random.int(0, 2_000_000_000) * 1000);
  // A path of more than 100, and of more than 255 bytes.
  let deep = root;
  for (let depth = 0; depth < 12; depth++) {
    deep = join(deep, `level-${depth}-${"d".repeat(20)}`);
    mkdirSync(deep);
    folders.push(deep);
  }
  for (let i = 0; i < count; i++) {
    const parent = random.pick(folders);
    const path = join(parent, random.pick(NAMES));
    if (lstatSync(path, { throwIfNoEntry: false })) continue;
    switch (random.weighted({ file: 6, folder: 3, symlink: 2, link: 1 })) {
      case "folder":
        mkdirSync(path);
        folders.push(path);
        continue;
      case "symlink":
        symlinkSync(random.pick(["plain", "..", "/etc/passwd", "gone/é", "z".repeat(150), "a b\nc"]), path);
        break;
      case "link":
        if (files.length === 0) continue;
        linkSync(random.pick(files), path);
        continue;
      default: {
        const size = random.pick([0, 1, 511, 512, 513, 10_240, random.int(0, 100_000)]);
        writeFileSync(path, randomBytes(i === 7 ? largest : size));
        files.push(path);
        modes.push([path, random.pick(FILE_MODES)]);
      }
    }
    times.push([path, time()]);
  }
  for (const [path, mode] of modes) chmodSync(path, mode);
  for (const [path, when] of times) lutimesSync(path, when, when);
  for (const path of folders.reverse()) {
    const when = time();
    lutimesSync(path, when, when);
    chmodSync(path, random.pick(FOLDER_MODES));
  }
}

/** What is in a tree, with everything that a copy keeps, by path. */
export function manifest(root: string): Record<string, unknown> {
  const entries: Record<string, unknown> = {};
  const names = new Map<number, string>();
  const visit = (path: string, at: string) => {
    const stats = lstatSync(path);
    const mtime = Math.floor(stats.mtimeMs / 1000);
    const mode = (stats.mode & 0o7777).toString(8);
    if (stats.isDirectory()) {
      entries[at] = { directory: mode, mtime };
      for (const name of readdirSync(path).sort()) visit(join(path, name), `${at}/${name}`);
    } else if (stats.isSymbolicLink()) entries[at] = { target: readlinkSync(path), mtime };
    else {
      const sha = createHash("sha256").update(readFileSync(path)).digest("hex");
      const first = names.get(stats.ino) ?? at;
      names.set(stats.ino, first);
      entries[at] = { file: mode, mtime, size: stats.size, sha, ...(stats.nlink > 1 && { first }) };
    }
  };
  visit(root, ".");
  return entries;
}

/** The same of a tree in a sandbox, without the content: the output of GNU's `find` in this form. */
export const FIND = ["-printf", String.raw`%P\0%y\0%m\0%Ts\0%s\0%l\0%n\0`];

/** What `FIND` prints of a tree, of which a manifest is given. */
export function found(output: Uint8Array): Record<string, unknown> {
  const fields = new TextDecoder().decode(output).split("\0");
  const entries: Record<string, unknown> = {};
  for (let at = 0; at + 7 <= fields.length; at += 7) {
    const [path = "", type, mode, mtime, size, target] = fields.slice(at, at + 7);
    const when = { mtime: Number(mtime) };
    entries[path === "" ? "." : `./${path}`] =
      type === "d"
        ? { directory: mode, ...when }
        : type === "l"
          ? { target, ...when }
          : { file: mode, ...when, size: Number(size) };
  }
  return entries;
}
