import base64 from "../core/inline.js";
import * as glue from "../core/shoreline.js";

/** Where the file beside the glue gets lost: the module is text in the program itself. */
export async function load(): Promise<typeof glue> {
  // Not at once: browsers compile nothing large on the page's thread.
  await glue.default({ module_or_path: Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)) });
  return glue;
}
