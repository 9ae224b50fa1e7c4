import module from "../core/shoreline_bg.wasm";
import * as glue from "../core/shoreline.js";

/** Cloudflare's workers compile no bytes: the file is imported, as a module that they have compiled. */
export async function load(): Promise<typeof glue> {
  glue.initSync({ module });
  return glue;
}
