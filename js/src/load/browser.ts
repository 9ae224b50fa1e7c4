import * as glue from "../core/shoreline.js";

/** Browsers, and whatever fetches its own files: streamed and compiled as it arrives. */
export async function load(): Promise<typeof glue> {
  await glue.default({ module_or_path: fetch(new URL("../core/shoreline_bg.wasm", import.meta.url)) });
  return glue;
}
