// A tree on this machine's disk to a sandbox.
import { checkHandler, invalid, optionsOf } from "../arguments.js";
import type { Sandbox } from "../sandbox.js";
import { Excludes } from "../tree/excludes.js";
import { writeTree } from "../tree/index.js";
import { stopIfAborted } from "../tree/remote.js";
import type { TreeResult, UploadOptions } from "../trees.js";
import { type Found, loaded, type Walk, walk } from "./walk.js";

/** What `upload` and `download` take. */
export const OPTIONS = "followLinks exclude skipSpecial onProgress signal";

export async function upload(
  sandbox: Sandbox,
  from: string,
  to: string,
  options?: UploadOptions,
): Promise<TreeResult> {
  const given: UploadOptions = optionsOf(options, OPTIONS);
  const { followLinks = false, skipSpecial = false, onProgress, signal } = given;
  checkHandler("onProgress", onProgress);
  checkLocal(from);
  const skipped: string[] = [];
  const how: Walk = {
    followLinks,
    excludes: new Excludes(given.exclude),
    onSkip: (path, why) => {
      if (!skipSpecial || path === ".")
        throw invalid(
          `${path === "." ? from : `${from}: ${path}`} ${why}, which cannot be copied: set skipSpecial to leave it out`,
        );
      skipped.push(path);
    },
  };
  // What cannot be copied is refused before anything is written; and the size is known.
  const found: Found[] = [];
  let all = 0;
  for await (const entry of walk(from, how)) {
    stopIfAborted(signal);
    all += entry.size;
    found.push(entry);
  }
  const result = counter(skipped);
  const entries = async function* () {
    for await (const entry of loaded(found)) {
      yield onProgress && entry.type === "file" ? { ...entry, content: watched(entry) } : entry;
      count(result, entry);
    }
  };
  const watched = async function* (entry: Found) {
    let bytes = result.bytes;
    for await (const piece of piecesOf(entry.content)) {
      yield piece;
      bytes += piece.length;
      await onProgress?.({ files: result.files, bytes, share: Math.min(1, bytes / all) });
    }
  };
  await writeTree(sandbox, to, entries(), signal && { signal });
  await onProgress?.({ files: result.files, bytes: result.bytes, share: 1 });
  return result;
}

/** Refuses what is not a path here. */
export function checkLocal(path: unknown): void {
  if (typeof path !== "string" || path === "" || path.includes("\0"))
    throw invalid("a local path must be a non-empty string without NUL");
}

/** A result to count in. */
export function counter(skipped: string[]): TreeResult {
  return { files: 0, directories: 0, links: 0, bytes: 0, skipped };
}

/** Counts an entry that was copied. */
export function count(result: TreeResult, { type, size }: Pick<Found, "type" | "size">): void {
  if (type === "directory") result.directories++;
  else if (type === "symlink") result.links++;
  else result.files++;
  result.bytes += size;
}

async function* piecesOf(content: Found["content"]): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) {
    if (content.length > 0) yield content;
  } else yield* content as AsyncIterable<Uint8Array>;
}
