import module from "../core/shoreline_bg.wasm";
import type { Core, Died } from "../core.js";
import instance from "../core/shoreline.js";

/** Cloudflare's workers compile no bytes: the file is imported, as a module that they have compiled. */
export async function load(died: Died): Promise<Core> {
  const core = instance(died);
  core.initSync({ module });
  return core;
}
