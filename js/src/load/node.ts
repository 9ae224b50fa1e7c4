import { readFileSync } from "node:fs";
import type { Core, Died } from "../core.js";
import instance from "../core/shoreline.js";

/** Node, Deno: from the file beside the glue. */
export async function load(died: Died): Promise<Core> {
  const core = instance(died);
  const bytes = readFileSync(new URL("../core/shoreline_bg.wasm", import.meta.url));
  core.initSync({ module: new WebAssembly.Module(bytes) });
  return core;
}
