// A file that is opened: as text, as an image, or as neither.
import type { Sandbox } from "shoreline";

/** The most bytes of a text that are shown, and can be edited. */
export const SHOWN = 1024 * 1024;
/** The most bytes of an image that is shown. */
const IMAGE = 20 * 1024 * 1024;

/** Images that browsers show, by the end of the name. */
const IMAGES: Record<string, string> = {
  avif: "image/avif",
  bmp: "image/bmp",
  gif: "image/gif",
  ico: "image/x-icon",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  png: "image/png",
  svg: "image/svg+xml",
  webp: "image/webp",
};

/** Identifies one version of a file. */
export interface Version {
  mtimeMs: number;
  size: number;
}

export interface Opened {
  path: string;
  /** Missing if the file is not text. */
  text: string | undefined;
  /** The address of an image. */
  image: string | undefined;
  /** Whether all of the text is there. */
  whole: boolean;
  version: Version;
}

export const isSame = (a: Version, b: Version): boolean => a.mtimeMs === b.mtimeMs && a.size === b.size;

export async function open(sandbox: Sandbox, path: string): Promise<Opened> {
  // Before the content: a change in between is found when the file is saved.
  const version = await sandbox.fs.stat(path);
  const type = IMAGES[/[^.]*$/.exec(path)?.[0].toLowerCase() ?? ""];
  if (type !== undefined && version.size <= IMAGE && version.size > 0) {
    const image = URL.createObjectURL(new Blob([await sandbox.readFile(path)], { type }));
    return { path, text: undefined, image, whole: true, version };
  }
  return { path, ...(await beginning(sandbox, path)), image: undefined, version };
}

async function beginning(sandbox: Sandbox, path: string): Promise<Pick<Opened, "text" | "whole">> {
  const reader = (await sandbox.readFileStream(path)).getReader();
  // A byte order mark is a part of the file.
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text: string | undefined = "";
  let bytes = 0;
  try {
    while (text !== undefined && bytes <= SHOWN) {
      const { done, value } = await reader.read();
      text = decoded(decoder, text, value);
      if (done) return { text, whole: true };
      bytes += value.length;
    }
    return { text, whole: text === undefined };
  } finally {
    await reader.cancel();
  }
}

/** The text with these bytes, or at the end; undefined if it is not text. */
function decoded(decoder: TextDecoder, before: string, bytes?: Uint8Array): string | undefined {
  try {
    return bytes?.includes(0) ? undefined : before + decoder.decode(bytes, { stream: bytes !== undefined });
  } catch {
    return undefined;
  }
}
