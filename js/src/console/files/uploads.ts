// Uploads: files and directories that were dropped or chosen.
import type { Sandbox } from "shoreline";
import { type TreeEntry, writeTree } from "shoreline/tree";
import { size } from "../parts.js";
import { join } from "./paths.js";

/** A file or a directory for a directory of the sandbox. */
export interface Upload {
  directory: string;
  name: string;
  /** Sends it, and says how far it is. */
  send(sandbox: Sandbox, report: (text: string) => void): Promise<unknown>;
}

/** Files, of which those of a chosen directory name their path from it. */
export function ofFiles(directory: string, files: readonly File[]): Upload[] {
  const trees = new Map<string, File[]>();
  const uploads: Upload[] = [];
  for (const file of files) {
    const root = file.webkitRelativePath.split("/")[0];
    if (!root) uploads.push(ofFile(directory, file));
    else trees.set(root, [...(trees.get(root) ?? []), file]);
  }
  for (const [name, inside] of trees) uploads.push(ofTree(directory, name, entriesOf(inside)));
  return uploads;
}

/** The uploads of a drop event. It must be called while the event is handled. */
export function ofDrop(directory: string, transfer: DataTransfer | null): Upload[] {
  const uploads: Upload[] = [];
  for (const item of transfer?.items ?? []) {
    const entry = item.webkitGetAsEntry();
    const file = item.getAsFile();
    if (entry?.isDirectory)
      uploads.push(ofTree(directory, entry.name, walk(entry as FileSystemDirectoryEntry, "")));
    else if (file) uploads.push(ofFile(directory, file));
  }
  return uploads;
}

function ofFile(directory: string, file: File): Upload {
  return {
    directory,
    name: file.name,
    send: (sandbox, report) =>
      sandbox.writeFile(join(directory, file.name), file, {
        onProgress: ({ transferred }) => {
          report(`Uploading ${file.name}: ${size(transferred)} of ${size(file.size)}`);
        },
      }),
  };
}

function ofTree(
  directory: string,
  name: string,
  entries: Iterable<TreeEntry> | AsyncIterable<TreeEntry>,
): Upload {
  const counted = async function* (report: (text: string) => void) {
    let count = 0;
    for await (const entry of entries) {
      if (entry.type === "file") report(`Uploading ${name}: ${++count} files`);
      yield entry;
    }
  };
  return {
    directory,
    name,
    send: (sandbox, report) => writeTree(sandbox, join(directory, name), counted(report)),
  };
}

/** The entries of a chosen directory: a browser gives its files only. */
function* entriesOf(files: readonly File[]): Generator<TreeEntry> {
  const made = new Set<string>();
  for (const file of files) {
    const names = file.webkitRelativePath.split("/").slice(1);
    for (let depth = 1; depth < names.length; depth++) {
      const path = names.slice(0, depth).join("/");
      if (!made.has(path)) yield { path, type: "directory" };
      made.add(path);
    }
    yield entryOf(names.join("/"), file);
  }
}

/** The entries of a dropped directory, read as they are sent. */
async function* walk(directory: FileSystemDirectoryEntry, above: string): AsyncGenerator<TreeEntry> {
  const reader = directory.createReader();
  // A reader gives some entries at a time, and none at the end.
  for (let some = await read(reader); some.length > 0; some = await read(reader))
    for (const entry of some) {
      const path = `${above}${entry.name}`;
      if (entry.isDirectory) {
        yield { path, type: "directory" };
        yield* walk(entry as FileSystemDirectoryEntry, `${path}/`);
      } else yield entryOf(path, await fileOf(entry as FileSystemFileEntry));
    }
}

const read = (reader: FileSystemDirectoryReader) =>
  new Promise<FileSystemEntry[]>((resolve, reject) => {
    reader.readEntries(resolve, reject);
  });

const fileOf = (entry: FileSystemFileEntry) =>
  new Promise<File>((resolve, reject) => {
    entry.file(resolve, reject);
  });

const entryOf = (path: string, file: File): TreeEntry => ({
  path,
  type: "file",
  content: file,
  mtime: new Date(file.lastModified),
});
