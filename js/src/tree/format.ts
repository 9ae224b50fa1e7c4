// Headers of tar, in the form that GNU's tar writes by default: BusyBox reads long names in no other one.
import { ProtocolError } from "../errors.js";

export const BLOCK = 512;
/** The fields of a name and of a link's target have this length. */
const NAME = 100;

/** The types of entries that a tree can have, and their flags in a header. */
const FLAGS = { file: "0", link: "1", symlink: "2", directory: "5" } as const satisfies Record<
  EntryType,
  string
>;

/** The type of an entry: a regular file, a directory, a symbolic link, or a hard link to an earlier file. */
export type EntryType = "file" | "link" | "symlink" | "directory";

/** What a header says of an entry. */
export interface Header {
  path: string;
  type: EntryType;
  mode: number;
  /** Seconds since the epoch. */
  mtime: number;
  size: number;
  target: string;
}

/** A header as it is in an archive. */
export interface RawHeader {
  flag: string;
  name: Uint8Array;
  target: Uint8Array;
  mode: number;
  mtime: number;
  size: number;
}

const encoder = new TextEncoder();

/** The blocks for an entry, without those of its content. */
export function headerBlocks({ path, type, mode, mtime, size, target }: Header): Uint8Array[] {
  const name = encoder.encode(type === "directory" ? `${path}/` : path);
  const link = encoder.encode(target);
  return [
    ...(name.length > NAME ? longBlocks("L", name) : []),
    ...(link.length > NAME ? longBlocks("K", link) : []),
    block(FLAGS[type], name, link, mode, mtime, size),
  ];
}

/** A name or target that its field is too short for comes before the header. */
function longBlocks(flag: string, text: Uint8Array): Uint8Array[] {
  const body = new Uint8Array(padded(text.length + 1));
  body.set(text);
  return [block(flag, encoder.encode("././@LongLink"), new Uint8Array(), 0, 0, text.length + 1), body];
}

function block(
  flag: string,
  name: Uint8Array,
  link: Uint8Array,
  mode: number,
  mtime: number,
  size: number,
): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const text = (ascii: string, at: number) => {
    for (let i = 0; i < ascii.length; i++) header[at + i] = ascii.charCodeAt(i);
  };
  const number = (value: number, at: number, length: number) => {
    const octal = value.toString(8);
    if (octal.length < length) text(octal.padStart(length - 1, "0"), at);
    else {
      // Base 256, with the highest bit set.
      for (let i = at + length - 1; i > at; i--, value = Math.floor(value / 256)) header[i] = value % 256;
      header[at] = 0x80;
    }
  };
  header.set(name.subarray(0, NAME), 0);
  number(mode, 100, 8);
  number(0, 108, 8);
  number(0, 116, 8);
  number(size, 124, 12);
  number(mtime, 136, 12);
  text(flag, 156);
  header.set(link.subarray(0, NAME), 157);
  text("ustar  ", 257);
  number(checksum(header), 148, 7);
  header[155] = 0x20;
  return header;
}

/** The sum of a header's bytes, with spaces for the sum itself. */
function checksum(header: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i] as number;
  return sum;
}

/** The length of content with the zeros that follow it. */
export function padded(length: number): number {
  return Math.ceil(length / BLOCK) * BLOCK;
}

/** Reads a header; undefined for the zeros at an archive's end. */
export function parseHeader(header: Uint8Array): RawHeader | undefined {
  if (header.every((byte) => byte === 0)) return undefined;
  if (numberIn(header, 148, 8) !== checksum(header)) throw refusal("its archive is damaged");
  const posix = header[257] === 0x75 && header[262] === 0;
  const prefix = posix ? textIn(header, 345, 155) : new Uint8Array();
  const name = textIn(header, 0, NAME);
  return {
    flag: header[156] === 0 ? "0" : String.fromCharCode(header[156] as number),
    name: prefix.length > 0 ? Uint8Array.of(...prefix, 0x2f, ...name) : name,
    target: textIn(header, 157, NAME),
    mode: numberIn(header, 100, 8),
    mtime: numberIn(header, 136, 12),
    size: numberIn(header, 124, 12),
  };
}

function textIn(header: Uint8Array, at: number, length: number): Uint8Array {
  return untilZero(header.subarray(at, at + length));
}

/** Bytes up to the first zero. */
export function untilZero(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end === -1 ? bytes : bytes.subarray(0, end);
}

function numberIn(header: Uint8Array, at: number, length: number): number {
  const field = header.subarray(at, at + length);
  const [first = 0] = field;
  if (first & 0x80) {
    // Times before 1970 have the next bit set too, and become 1970.
    if (first & 0x40) return 0;
    let value = first & 0x3f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw refusal("its archive has a number that is too large");
    return value;
  }
  const text = String.fromCharCode(...untilZero(field)).trim();
  if (!/^[0-7]*$/.test(text)) throw refusal("its archive is damaged");
  return text === "" ? 0 : parseInt(text, 8);
}

/** Records of a POSIX header that say more of the next entry, by name. */
export function parseRecords(bytes: Uint8Array): Map<string, Uint8Array> {
  const records = new Map<string, Uint8Array>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(String.fromCharCode(...bytes.subarray(at, Math.max(at, Math.min(space, at + 10)))));
    const equals = bytes.indexOf(0x3d, space);
    const end = at + length;
    if (!Number.isInteger(length) || space < 0 || equals < 0 || equals >= end || end > bytes.length)
      throw refusal("its archive is damaged");
    records.set(
      String.fromCharCode(...bytes.subarray(space + 1, equals)),
      bytes.subarray(equals + 1, end - 1),
    );
    at = end;
  }
  return records;
}

/** The error for a tree from a sandbox that is not taken. */
export function refusal(why: string): ProtocolError {
  return new ProtocolError({ code: "tree_refused", message: `the tree was refused: ${why}` });
}
