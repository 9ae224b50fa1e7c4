// What Node, Bun and Deno can do with files and TCP sockets. Loaded on first use.
import { openAsBlob } from "node:fs";
import { UsageError } from "../errors.js";

export { listen } from "./listen.js";
export { download } from "./download.js";
export { request } from "./request.js";
export { upload } from "./upload.js";

/** A local file, read as it is sent. */
export async function file(path: string): Promise<Blob> {
  try {
    return await openAsBlob(path);
  } catch (cause) {
    const message = "the local file cannot be read: check its path and permissions";
    throw new UsageError({ code: "invalid_argument", message, cause });
  }
}
