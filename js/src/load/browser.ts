import type { Core, Died } from "../core.js";
import instance from "../core/shoreline.js";

/** Browsers, and whatever fetches its own files: streamed and compiled as it arrives. */
export async function load(died: Died): Promise<Core> {
  const core = instance(died);
  await core.init({ module_or_path: fetch(new URL("../core/shoreline_bg.wasm", import.meta.url)) });
  return core;
}
