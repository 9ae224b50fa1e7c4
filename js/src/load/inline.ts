import base64 from "../core/inline.js";
import type { Core, Died } from "../core.js";
import instance from "../core/shoreline.js";

/** Where the file beside the glue gets lost: the module is text in the program itself. */
export async function load(died: Died): Promise<Core> {
  const core = instance(died);
  // Not at once: browsers compile nothing large on the page's thread.
  await core.init({ module_or_path: Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)) });
  return core;
}
