// Entries to the bytes of an archive.
import { bytesOf, invalid } from "../arguments.js";
import { isWellFormed, pathWithin, PERMISSIONS, type TreeEntry } from "./entries.js";
import { BLOCK, type Header, headerBlocks, padded } from "./format.js";

/** The content of an entry that was checked. */
type Content = Uint8Array | AsyncIterable<Uint8Array>;

/** What its owner may do with a directory while it is filled. */
const OPEN = 0o700;

/**
 * The bytes of an archive, in pieces of any size. Only GNU's tar waits with the modes and times of directories until they
 * are filled; for others, directories come a second time at the end.
 */
export async function* pack(
  entries: AsyncIterable<TreeEntry>,
  isGnu: boolean,
): AsyncGenerator<Uint8Array, void> {
  const again: Header[] = [];
  for await (const entry of entries) {
    const [header, content] = checked(entry);
    if (header.type === "directory" && !isGnu) {
      again.push(header);
      yield* headerBlocks({ ...header, mode: header.mode | OPEN });
      continue;
    }
    yield* headerBlocks(header);
    if (content instanceof Uint8Array) yield content;
    else yield* exactly(content, header);
    yield new Uint8Array(padded(header.size) - header.size);
  }
  for (const header of again.reverse()) yield* headerBlocks(header);
  yield new Uint8Array(2 * BLOCK);
}

/** Pieces as chunks of about `size` bytes, so that each can be sent by itself. */
export async function* chunked(
  pieces: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  let chunk = new Uint8Array(size);
  let length = 0;
  for await (let piece of pieces) {
    while (piece.length > 0) {
      const part = piece.subarray(0, size - length);
      chunk.set(part, length);
      length += part.length;
      piece = piece.subarray(part.length);
      if (length < size) continue;
      yield chunk;
      // The last one may still be on its way.
      chunk = new Uint8Array(size);
      length = 0;
    }
  }
  if (length > 0) yield chunk.subarray(0, length);
}

async function* exactly(
  content: AsyncIterable<Uint8Array>,
  { path, size }: Header,
): AsyncGenerator<Uint8Array> {
  let left = size;
  for await (const piece of content) {
    if (!ArrayBuffer.isView(piece)) throw invalid(`the content of ${path} must give Uint8Arrays`);
    left -= piece.length;
    if (left < 0) throw invalid(`the content of ${path} is longer than its size, ${size} bytes`);
    yield piece;
  }
  if (left > 0) throw invalid(`the content of ${path} is ${left} bytes shorter than its size, ${size} bytes`);
}

/** The header and content of an entry, unless something is wrong with it. */
function checked(entry: TreeEntry): [Header, Content] {
  const { path: given, type, mode, mtime = new Date(), target, content } = entry as Partial<TreeEntry>;
  if (typeof given !== "string") throw invalid("every entry of a tree needs a path");
  const wrong = (why: string) => invalid(`the entry ${given} of the tree ${why}`);
  const path = pathWithin(given);
  if (path === undefined) throw wrong("needs a path below the root, without `..`");
  if (!isWellFormed(path)) throw wrong("has a name that is not valid Unicode");
  if (type !== "file" && type !== "directory" && type !== "symlink" && type !== "link")
    throw wrong("needs a type: file, directory, symlink or link");
  if (mode !== undefined && !(Number.isInteger(mode) && mode >= 0 && mode <= 0o7777))
    throw wrong("has a mode that is not a number from 0 to 0o777");
  const seconds = Math.floor(Number(mtime) / 1000);
  if (!Number.isSafeInteger(seconds)) throw wrong("has an `mtime` that is not a valid Date");
  let link = "";
  if (type === "symlink" || type === "link") {
    if (typeof target !== "string" || target === "" || target.includes("\0") || !isWellFormed(target))
      throw wrong("needs a target");
    const within = type === "link" ? pathWithin(target) : target;
    if (within === undefined) throw wrong("links to a file outside of the tree");
    link = within;
  }
  const body = type === "file" ? bodyOf(content) : new Uint8Array();
  const size = type === "file" ? sizeOf(content, body, entry.size) : 0;
  if (!(Number.isSafeInteger(size) && size >= 0)) throw wrong("needs the size of its content in bytes");
  const permissions = (mode ?? (type === "directory" ? 0o755 : 0o644)) & PERMISSIONS;
  return [{ path, type, mode: permissions, mtime: Math.max(0, seconds), size, target: link }, body];
}

function bodyOf(content: TreeEntry["content"]): Content {
  if (content === undefined) return new Uint8Array();
  if (typeof content !== "object") return bytesOf(content);
  if ("stream" in content && "size" in content) return pieces(content.stream());
  if ("getReader" in content) return pieces(content);
  return Symbol.asyncIterator in content ? content : bytesOf(content);
}

function sizeOf(content: TreeEntry["content"], body: Content, size: number | undefined): number {
  if (size !== undefined && !(body instanceof Uint8Array)) return size;
  if (body instanceof Uint8Array) return body.length;
  return (content as { size?: number }).size ?? NaN;
}

/** Not every runtime can iterate over a stream. */
async function* pieces(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
